# @summary One hook of a stage, a gate or a notifier: a link to a bundled one, or a script of your own.
#
# All hooks of a stage run in byte order of their names. A hook that gets another place gets another name. The file with
# the old name stays and runs too: set it to absent, or let `foreman_dlm_updater::purge_hooks` remove it.
# `foreman-dlm-updater config check` warns of bundled hooks that are enabled twice.
#
# @example A bundled hook, with settings
#   foreman_dlm_updater::hook { 'pre_update/20-services-stop':
#     bundled  => true,
#     settings => { 'SERVICES' => ['app.service', 'worker.service'] },
#   }
#
# @example A script of your own
#   foreman_dlm_updater::hook { 'post_update/80-smoke-test':
#     source => 'puppet:///modules/profile/smoke-test',
#   }
#
# @example A gate: no update while an alert fires
#   foreman_dlm_updater::hook { 'gate/prometheus':
#     bundled  => true,
#     settings => { 'url' => 'http://prometheus.example.com:9090', 'ALERTS' => 'severity="critical"' },
#   }
#
# @example A notifier; it needs `foreman_dlm_updater::notify_d`
#   foreman_dlm_updater::hook { 'notify/mail':
#     bundled  => true,
#     settings => { 'to' => 'ops@example.com' },
#   }
#
# @param ensure
#   Whether the hook, and its settings file if `settings` is given, exist.
# @param order
#   The place in the stage. If neither this nor the title has a number, a bundled hook gets its own
#   (`pre_update/postgresql-stop` is `55-postgresql-stop`), and all others get 50. A link to a bundled hook that an
#   earlier version made with the number 50 is then removed.
# @param bundled
#   Link to the bundled hook of that name.
# @param source
#   Where to copy the script from, as for a file resource.
# @param content
#   The script.
# @param template
#   An EPP template that makes the script, such as `profile/drain.epp`.
# @param template_parameters
#   The template's parameters.
# @param settings
#   The contents of hooks.conf.d/NAME.conf. Hooks with the same name in two stages share that file: give the settings
#   with one of the two. Without settings Puppet does not manage the file.
define foreman_dlm_updater::hook (
  Enum['present', 'absent'] $ensure = 'present',
  Optional[Integer[0, 99]] $order = undef,
  Boolean $bundled = false,
  Optional[Variant[Stdlib::Filesource, Array[Stdlib::Filesource, 1]]] $source = undef,
  Optional[String[1]] $content = undef,
  Optional[String[1]] $template = undef,
  Hash[String, Any] $template_parameters = {},
  Optional[Foreman_dlm_updater::Hook_settings] $settings = undef,
) {
  unless defined(Class['foreman_dlm_updater']) {
    fail("Foreman_dlm_updater::Hook[${title}]: declare the class foreman_dlm_updater first")
  }
  assert_type(Foreman_dlm_updater::Hook_name, $title)

  $stage = $title.split('/')[0]
  unless $stage in ($foreman_dlm_updater::hook_stages + ['gate', 'notify']) {
    fail("Foreman_dlm_updater::Hook[${title}]: no stage ${stage} has hooks; those are \
${foreman_dlm_updater::hook_stages.join(', ')} and, for gates and notifiers, gate and notify")
  }
  $number = $title.match(/\/(\d+)-(.+)\z/)
  $name_only = $number ? {
    undef   => $title.split('/')[1],
    default => $number[2],
  }
  if $number and $order =~ NotUndef {
    fail("Foreman_dlm_updater::Hook[${title}]: the title has a number already; leave one of it and order out")
  }
  $own_number = foreman_dlm_updater::number("${stage}/${name_only}")
  $file = $number ? {
    undef   => sprintf('%02d-%s', pick($order, $own_number), $name_only),
    default => "${number[1]}-${name_only}",
  }
  $stage_dir = getvar("foreman_dlm_updater::${stage}_d")
  if $ensure == 'present' and $stage_dir =~ Undef and $stage != 'gate' {
    fail(
      "Foreman_dlm_updater::Hook[${title}]: set foreman_dlm_updater::${stage}_d, such as to \
/etc/foreman_dlm_updater/${stage}.d"
    )
  }
  $dir = pick($stage_dir, "/etc/foreman_dlm_updater/${stage}.d").regsubst('(.)/+\z', '\1')

  $given = [$source, $content, $template].filter |$one| { $one =~ NotUndef }
  $ways = $given.length + Integer($bundled)
  if $ensure == 'present' and $ways != 1 {
    fail("Foreman_dlm_updater::Hook[${title}]: give one of bundled, source, content and template, not ${ways}")
  }
  if $bundled {
    assert_type(Foreman_dlm_updater::Bundled_hook, "${stage}/${name_only}")
  }

  $gone = $ensure == 'absent' or $foreman_dlm_updater::ensure == 'absent'
  if $gone {
    $hook = { 'ensure' => 'absent' }
  } elsif $bundled {
    $hook = { 'ensure' => 'link', 'target' => "/usr/share/foreman-dlm-updater/hooks/${stage}.d/${name_only}" }
  } else {
    $text = $template ? {
      undef   => $content,
      default => epp($template, $template_parameters),
    }
    $hook = { 'ensure' => 'file', 'source' => $source, 'content' => $text, 'mode' => '0755' }
  }
  file { "${dir}/${file}":
    *      => $hook,
    owner  => 'root',
    group  => 'root',
    noop   => $foreman_dlm_updater::under_way,
    before => File['/etc/foreman_dlm_updater/config.ini'],
  }

  # If both links existed the hook would run twice.
  if $number =~ Undef and $order =~ Undef and $own_number != 50 {
    file { "${dir}/50-${name_only}":
      ensure => absent,
      noop   => $foreman_dlm_updater::under_way,
      before => File['/etc/foreman_dlm_updater/config.ini'],
    }
  }

  if $settings {
    file { "/etc/foreman_dlm_updater/hooks.conf.d/${name_only}.conf":
      ensure  => stdlib::ensure(!$gone, 'file'),
      owner   => 'root',
      group   => 'root',
      mode    => '0644',
      content => epp('foreman_dlm_updater/settings.conf.epp', { 'settings' => $settings }),
      noop    => $foreman_dlm_updater::under_way,
      before  => File["${dir}/${file}"],
    }
  }

  if $foreman_dlm_updater::ensure == 'present' {
    Class['foreman_dlm_updater::install'] -> Foreman_dlm_updater::Hook[$title]
  } else {
    Foreman_dlm_updater::Hook[$title] -> Class['foreman_dlm_updater::install']
  }
}
