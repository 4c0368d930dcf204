# @summary config.ini, the freezes, and the directories for hooks and their settings.
#
# @api private
class foreman_dlm_updater::config {
  assert_private()

  $etc = '/etc/foreman_dlm_updater'
  $present = $foreman_dlm_updater::ensure == 'present'
  $noop = $foreman_dlm_updater::under_way

  # Used before the fact exists. Debian's own Puppet packages keep certificates elsewhere.
  $ssldir = $facts['aio_agent_version'] ? {
    undef   => '/var/lib/puppet/ssl',
    default => '/etc/puppetlabs/puppet/ssl',
  }
  $agent = {
    'hostcert'    => "${ssldir}/certs/${trusted['certname']}.pem",
    'hostprivkey' => "${ssldir}/private_keys/${trusted['certname']}.pem",
    'localcacert' => "${ssldir}/certs/ca.pem",
  } + pick($facts['foreman_dlm_updater_ssl'], {})
  $ca = $foreman_dlm_updater::ca ? {
    'system' => undef,
    default  => pick($foreman_dlm_updater::ca, $agent['localcacert']),
  }
  $certificate = $foreman_dlm_updater::client_crt ? {
    'none'  => {},
    default => {
      'client_crt' => pick($foreman_dlm_updater::client_crt, $agent['hostcert']),
      'client_key' => pick($foreman_dlm_updater::client_key, $agent['hostprivkey']),
    },
  }

  $stage_dirs = Hash($foreman_dlm_updater::hook_stages.map |$stage| {
      ["${stage}.d", getvar("foreman_dlm_updater::${stage}_d")]
  })
  $settings = {
    'lock_server'         => $foreman_dlm_updater::lock_server,
    'lock_name'           => $foreman_dlm_updater::lock_name,
    'foreman_url'         => $foreman_dlm_updater::foreman_url,
    'fleetlock_url'       => $foreman_dlm_updater::fleetlock_url,
    'fleetlock_id'        => $foreman_dlm_updater::fleetlock_id,
  } + $certificate + {
    'ca'                  => $ca,
  } + $stage_dirs + {
    'gate.d'              => $foreman_dlm_updater::gate_d,
    'notify.d'            => $foreman_dlm_updater::notify_d,
    'reboot_cmd'          => $foreman_dlm_updater::reboot_cmd,
    'state'               => $foreman_dlm_updater::state,
    'history'             => $foreman_dlm_updater::history,
    'metrics_textfile'    => $foreman_dlm_updater::metrics_textfile,
    'lock'                => $foreman_dlm_updater::lock,
    'log'                 => $foreman_dlm_updater::log,
    'logretention'        => $foreman_dlm_updater::logretention,
    'loglevel'            => $foreman_dlm_updater::log_level,
    'log_format'          => $foreman_dlm_updater::log_format,
    'lock_retry_interval' => $foreman_dlm_updater::lock_retry_interval,
    'lock_retry_jitter'   => $foreman_dlm_updater::lock_retry_jitter,
    'lock_timeout'        => $foreman_dlm_updater::lock_timeout,
    'lock_settle'         => $foreman_dlm_updater::lock_settle,
    'lock_refresh'        => $foreman_dlm_updater::lock_refresh,
    'release_timeout'     => $foreman_dlm_updater::release_timeout,
    'http_timeout'        => $foreman_dlm_updater::http_timeout,
    'http_retries'        => $foreman_dlm_updater::http_retries,
    'hook_timeout'        => $foreman_dlm_updater::hook_timeout,
    'cannot_tell_exit'    => $foreman_dlm_updater::cannot_tell_exit,
    'cannot_tell_reboot'  => $foreman_dlm_updater::cannot_tell_reboot,
    'reboot_timeout'      => $foreman_dlm_updater::reboot_timeout,
    'max_reboots'         => $foreman_dlm_updater::max_reboots,
    'window'              => $foreman_dlm_updater::window.then |$window| { [$window].flatten.join('; ') },
    'window_last_start'   => $foreman_dlm_updater::window_last_start,
    'freeze.d'            => $foreman_dlm_updater::freeze_d,
    'gate_interval'       => $foreman_dlm_updater::gate_interval,
    'lock_slots'          => $foreman_dlm_updater::lock_slots,
    'max_failed'          => $foreman_dlm_updater::max_failed,
    'blocked_by'          => $foreman_dlm_updater::blocked_by.then |$locks| { $locks.join(', ') },
    'boot_id_file'        => $foreman_dlm_updater::boot_id_file,
  }

  $freeze_dir = pick($foreman_dlm_updater::freeze_d, "${etc}/freeze.d").regsubst('(.)/+\z', '\1')
  $freezes = $foreman_dlm_updater::freezes

  if $present {
    $gate_dir = pick($foreman_dlm_updater::gate_d, "${etc}/gate.d")
    $given_dirs = ($stage_dirs.values + [$gate_dir, $foreman_dlm_updater::notify_d]).filter |$dir| { $dir =~ NotUndef }
    $hook_dirs = ($given_dirs + "${etc}/hooks.conf.d").map |$dir| { $dir.regsubst('(.)/+\z', '\1') }
    file {
      default:
        ensure => directory,
        owner  => 'root',
        group  => 'root',
        mode   => '0755',
        noop   => $noop,
        ;
      [$etc, $freeze_dir]:
        ;
      unique($hook_dirs):
        purge   => $foreman_dlm_updater::purge_hooks,
        recurse => $foreman_dlm_updater::purge_hooks,
        force   => $foreman_dlm_updater::purge_hooks,
        ;
    }
  }

  # While Puppet checks the new file, it is in the same directory under another name (%), so the program sees it. Only
  # errors in that file count: what is wrong elsewhere must not keep Puppet from fixing its own. The config.ini that the
  # package brings names no lock yet, so nothing is found here then; the check of the first config.ini finds it.
  file { "${freeze_dir}/puppet":
    ensure       => stdlib::ensure($present and !$freezes.empty, 'file'),
    owner        => 'root',
    group        => 'root',
    mode         => '0644',
    content      => epp('foreman_dlm_updater/freezes.epp', { 'freezes' => $freezes }),
    validate_cmd => '! /usr/bin/foreman-dlm-updater window 2>&1 >/dev/null | grep -F %:',
    noop         => $noop,
    before       => File["${etc}/config.ini"],
  }

  $given = $settings.filter |$key, $value| { $value =~ NotUndef }
  # The check looks at everything that a run needs, so all of that is in place before this file. Puppet reports the
  # output of a failed command twice, for the file and for its change, so the command prints only standard error.
  file { "${etc}/config.ini":
    ensure       => stdlib::ensure($present, 'file'),
    owner        => 'root',
    group        => 'root',
    mode         => '0644',
    content      => epp('foreman_dlm_updater/config.ini.epp', { 'settings' => $given }),
    validate_cmd => '/usr/bin/foreman-dlm-updater -c % config check --offline >/dev/null',
    noop         => $noop,
  }

  $foreman_dlm_updater::hooks.each |$title, $how| {
    $parameters = $how ? {
      'bundled' => { 'bundled' => true },
      'absent'  => { 'ensure' => 'absent' },
      default   => $how,
    }
    foreman_dlm_updater::hook { $title:
      * => $parameters,
    }
  }
}
