# @summary Updates this host while it holds its cluster's lock in Foreman: package, configuration, hooks and timer.
#
# While a run of the updater is under way (from stage pre_update to post_update, and unless it has failed), package, configuration and
# hooks are left as they are, and what would change is reported as noop: a hook that stopped a service needs the one that starts
# it. The timer only starts runs, and is managed at any time.
#
# Each key of config.ini has a parameter; those without a value are left out of the file, so that the program's default holds. Values are
# literal: a `%` is doubled in the file.
#
# @example A web server; the certificate's paths are the agent's own
#   class { 'foreman_dlm_updater':
#     foreman_url => 'https://foreman.example.com',
#     lock_name   => 'web',
#     hooks       => {
#       'needs_update/apt'            => bundled,
#       'update/apt'                  => bundled,
#       'needs_reboot/kernel-changed' => bundled,
#     },
#   }
#
# @param foreman_url
#   Foreman, with the DLM plugin; a path prefix is fine.
# @param lock_name
#   The lock in Foreman that the hosts of one cluster share. Create it there beforehand, so that a mistyped name is noticed.
# @param ensure
#   `absent` removes the package, the configuration, the hooks that Puppet knows and the timer's override. It fails while a run is on
#   record, since nothing could give the lock back then.
# @param package_manage
#   Whether the package is Puppet's business.
# @param package_ensure
#   `installed`, `latest`, or a version as the package manager writes it.
# @param repo_manage
#   Whether Puppet sets up the package repository.
# @param repo_url
#   The repository: for apt a flat one (the directory that `Packages` is in), else the directory that `repodata` is in.
# @param repo_key
#   The key that signs the repository: its text, or a source for a file (such as `puppet:///modules/profile/updater.asc`).
# @param hooks
#   Hooks by their names, `STAGE/NAME` or `STAGE/NN-NAME`: `bundled`, `absent`, or the parameters of `foreman_dlm_updater::hook`. Hiera
#   merges the hashes of its levels.
# @param purge_hooks
#   Whether hooks, and settings of hooks, that Puppet doesn't know are removed.
# @param timer_enable
#   Whether the timer that starts the runs is enabled and running. Without it a run that needed a reboot does not go on after it.
# @param timer_schedule
#   When runs begin, as in systemd.time(7), one or several. Without it the package's own time: every night at 4. Choose
#   no time before 04:00: in the night in which the clocks go forward it may not exist, and systemd leaves that run out.
#   A schedule that is changed counts from then on: it starts no run for a time that has passed.
# @param timer_spread
#   Each host begins at a time of its own within so long after the schedule. Without it what the package says: two hours.
# @param client_crt
#   The certificate that Foreman knows the host by. Without it the Puppet agent's own.
# @param client_key
#   Its key. Without it the Puppet agent's own.
# @param ca
#   What vouches for Foreman's certificate, `system` for the system's trust store. Without it the Puppet agent's own CA.
# @param needs_update_d
#   The hooks that say whether there is something to update; key `needs_update.d`.
# @param pre_update_d
#   The hooks that make the host ready; key `pre_update.d`.
# @param update_d
#   The hooks that update; key `update.d`.
# @param needs_reboot_d
#   The hooks that say whether to reboot; key `needs_reboot.d`.
# @param post_update_d
#   The hooks that bring the host back to service; key `post_update.d`.
# @param notify_d
#   The notifiers, which are told of what happens to a run; key `notify.d`. Without it nobody is told. Hooks `notify/NAME` go there.
# @param reboot_cmd
#   What reboots the host.
# @param state
#   The record of the run in progress.
# @param history
#   What became of earlier runs, `none` to keep nothing.
# @param metrics_textfile
#   A file `*.prom` for the textfile collector of Prometheus' node_exporter, in the collector's directory. Without it there are no metrics.
# @param lock
#   The file that keeps a second invocation on this host away.
# @param log
#   A log file besides the journal, rotated daily.
# @param logretention
#   For how many days log files are kept; 0 keeps all.
# @param log_level
#   How much is logged; key `loglevel` (in Puppet that is the name of a metaparameter).
# @param log_format
#   How a line of the log looks.
# @param lock_retry_interval
#   How long to wait between two looks at a lock that another host holds.
# @param lock_retry_jitter
#   By how much each of these waits differs, at most. The default is that of the package's config.ini.
# @param lock_timeout
#   How long to wait for the lock; 0 for ever.
# @param lock_settle
#   The time between claiming the lock and believing it.
# @param lock_refresh
#   How often a held lock is refreshed; 0 never.
# @param release_timeout
#   How long to try to give the lock back; 0 for ever.
# @param http_timeout
#   How long one request may take.
# @param http_retries
#   How often a request is tried again.
# @param hook_timeout
#   How long one hook may take; 0 for ever.
# @param cannot_tell_exit
#   The exit code by which a `needs_*` hook says that it could not find out. The default is that of the package's config.ini.
# @param cannot_tell_reboot
#   Whether a host reboots if a `needs_reboot` hook could not find out whether a reboot is needed.
# @param reboot_timeout
#   After this time a host that was told to reboot is told again. For the same time `reboot_cmd` is tried again if a
#   program inhibits shutdown.
# @param max_reboots
#   How many reboots one run may ask for.
# @param boot_id_file
#   Where the kernel's boot id is read from; for demonstrations and tests.
class foreman_dlm_updater (
  Stdlib::HTTPSUrl $foreman_url,
  Foreman_dlm_updater::Lock_name $lock_name,
  Enum['present', 'absent'] $ensure = 'present',
  Boolean $package_manage = true,
  Variant[Enum['installed', 'present', 'latest'], Pattern[/\A\d[\w.+~:-]*\z/]] $package_ensure = 'installed',
  Boolean $repo_manage = false,
  Optional[Pattern[/\A(https?:\/\/|file:\/)[\w.~:@%+,=\[\]\/-]+\z/]] $repo_url = undef,
  Optional[Variant[Stdlib::Filesource, Pattern[/\A-----BEGIN PGP PUBLIC KEY BLOCK-----/]]] $repo_key = undef,
  Hash[Foreman_dlm_updater::Hook_name, Variant[Enum['bundled', 'absent'], Hash[String, Any]]] $hooks = {},
  Boolean $purge_hooks = false,
  Boolean $timer_enable = true,
  Optional[Variant[Foreman_dlm_updater::Line, Array[Foreman_dlm_updater::Line, 1]]] $timer_schedule = undef,
  Optional[Foreman_dlm_updater::Duration] $timer_spread = undef,
  Optional[Stdlib::Unixpath] $client_crt = undef,
  Optional[Stdlib::Unixpath] $client_key = undef,
  Optional[Variant[Enum['system'], Stdlib::Unixpath]] $ca = undef,
  Stdlib::Unixpath $needs_update_d = '/etc/foreman_dlm_updater/needs_update.d',
  Stdlib::Unixpath $pre_update_d = '/etc/foreman_dlm_updater/pre_update.d',
  Stdlib::Unixpath $update_d = '/etc/foreman_dlm_updater/update.d',
  Stdlib::Unixpath $needs_reboot_d = '/etc/foreman_dlm_updater/needs_reboot.d',
  Stdlib::Unixpath $post_update_d = '/etc/foreman_dlm_updater/post_update.d',
  Optional[Stdlib::Unixpath] $notify_d = undef,
  Optional[Foreman_dlm_updater::Line] $reboot_cmd = undef,
  Optional[Stdlib::Unixpath] $state = undef,
  Optional[Variant[Enum['none'], Stdlib::Unixpath]] $history = undef,
  Optional[Pattern[/\A(\/[^\n\/\0]+)+\.prom\z/]] $metrics_textfile = undef,
  Optional[Stdlib::Unixpath] $lock = undef,
  Optional[Stdlib::Unixpath] $log = undef,
  Optional[Integer[0, 36500]] $logretention = undef,
  Optional[Foreman_dlm_updater::Log_level] $log_level = undef,
  Optional[Enum['text', 'json']] $log_format = undef,
  Optional[Foreman_dlm_updater::Positive_duration] $lock_retry_interval = undef,
  Foreman_dlm_updater::Duration $lock_retry_jitter = '15s',
  Optional[Foreman_dlm_updater::Duration] $lock_timeout = undef,
  Optional[Foreman_dlm_updater::Positive_duration] $lock_settle = undef,
  Optional[Foreman_dlm_updater::Duration] $lock_refresh = undef,
  Optional[Foreman_dlm_updater::Duration] $release_timeout = undef,
  Optional[Foreman_dlm_updater::Positive_duration] $http_timeout = undef,
  Optional[Integer[0]] $http_retries = undef,
  Optional[Foreman_dlm_updater::Duration] $hook_timeout = undef,
  Integer[1, 125] $cannot_tell_exit = 75,
  Optional[Enum['yes', 'no']] $cannot_tell_reboot = undef,
  Optional[Foreman_dlm_updater::Positive_duration] $reboot_timeout = undef,
  Optional[Integer[1]] $max_reboots = undef,
  Optional[Stdlib::Unixpath] $boot_id_file = undef,
) {
  # The fact is of a moment ago; a run that begins meanwhile has yet to wait for its lock.
  $under_way = $facts.dig('foreman_dlm_updater', 'under_way') ? {
    true    => true,
    default => undef, # not false: that would end somebody's own noop
  }

  contain foreman_dlm_updater::install
  contain foreman_dlm_updater::config
  contain foreman_dlm_updater::service

  if $ensure == 'present' {
    Class['foreman_dlm_updater::install'] -> Class['foreman_dlm_updater::config'] -> Class['foreman_dlm_updater::service']
  } else {
    # What a run that is on record still needs stays, and so does all that comes after this.
    exec { 'foreman_dlm_updater: no run in progress':
      command  => 'echo "A run of foreman-dlm-updater is in progress, or its record can not be read: see foreman-dlm-updater status. \
Let it end, or give it up: foreman-dlm-updater state set post_update, then foreman-dlm-updater run." >&2; exit 1',
      unless   => '! command -v foreman-dlm-updater || foreman-dlm-updater state show | grep -q "^no run in progress"',
      path     => ['/usr/sbin', '/usr/bin', '/sbin', '/bin'],
      provider => 'shell',
    }
    -> Class['foreman_dlm_updater::service'] -> Class['foreman_dlm_updater::config'] -> Class['foreman_dlm_updater::install']
  }
}
