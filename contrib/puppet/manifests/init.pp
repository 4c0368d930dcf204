# @summary Updates this host while it holds its cluster's lock: package, configuration, hooks and timer.
#
# While a run is under way (from stage pre_update to post_update, and unless it has failed), Puppet changes neither the
# package nor the configuration nor the hooks, and reports the changes as noop: a hook that stopped a service needs the
# hook that starts it again. The timer only starts runs, and Puppet manages it at any time.
#
# Each key of config.ini has a parameter. A key without a value is left out of the file, so that the program's default
# applies. Values are literal: a `%` is doubled in the file.
#
# @example A web server, which uses the Puppet agent's certificate
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
# @example Another one, with a lock of a FleetLock server
#   class { 'foreman_dlm_updater':
#     lock_server   => 'fleetlock',
#     fleetlock_url => 'https://lock.example.com',
#     lock_name     => 'web',
#     hooks         => {
#       'needs_update/apt'            => bundled,
#       'update/apt'                  => bundled,
#       'needs_reboot/kernel-changed' => bundled,
#     },
#   }
#
# @param lock_name
#   The lock in Foreman that the hosts of one cluster share. Create it in Foreman first: then a mistyped name is an
#   error. With `fleetlock`, the group: letters, digits, `.` and `-`.
# @param lock_server
#   What keeps the lock: `foreman` (the default) or `fleetlock`. With `fleetlock`, `lock_slots`, `max_failed` and
#   `blocked_by` are errors.
# @param foreman_url
#   Foreman with the DLM plugin; a path prefix is allowed. Required with `foreman`.
# @param fleetlock_url
#   The FleetLock server: `https://`, or `http://` to a loopback address; a path prefix is allowed. Required with
#   `fleetlock`.
# @param fleetlock_id
#   What this host is called at the FleetLock server. Default: the CN of `client_crt`; without a certificate, an id
#   derived from the machine's. Two hosts with one name are one host to the server: both get the lock.
# @param ensure
#   `absent` removes the package, the configuration, the hooks that Puppet manages and the timer's override. It fails
#   while a run is on record, because nothing could release the lock then.
# @param package_manage
#   Whether Puppet manages the package.
# @param package_ensure
#   `installed`, `latest`, or a version as the package manager writes it.
# @param repo_manage
#   Whether Puppet sets up the package repository.
# @param repo_url
#   The repository: for apt a flat one (the directory with `Packages`), else the directory with `repodata`.
# @param repo_key
#   The key that signs the repository: its text, or a source for a file (such as
#   `puppet:///modules/profile/updater.asc`).
# @param hooks
#   Hooks by name, `STAGE/NAME` or `STAGE/NN-NAME`. Values are `bundled`, `absent`, or the parameters of
#   `foreman_dlm_updater::hook`. Hiera merges the hashes from its levels.
# @param purge_hooks
#   Whether to remove hooks, and settings of hooks, that Puppet does not manage.
# @param freezes
#   Times in which no run begins, by their reasons. They are in the file `puppet` in `freeze_d`; a freeze that leaves
#   the hash leaves the file. Puppet does not touch other files there. Hiera merges the hashes from its levels.
# @param timer_enable
#   Whether the timer that starts the runs is enabled and running. Without it a run does not go on after a reboot.
# @param timer_schedule
#   When runs begin: one or more times, see systemd.time(7). Default: the package's schedule, every night at 4. Choose
#   no time before 04:00: such a time may not exist in the night in which the clocks go forward, and systemd would skip
#   that run. A new schedule applies from the change on; it starts no run for a time that has passed.
# @param timer_spread
#   Each host begins at its own time within this period after the schedule. Default: the package's, two hours.
# @param client_crt
#   The certificate by which the lock server, or the proxy in front of it, knows the host. Default: the Puppet agent's.
#   With `fleetlock`, `none` shows none; `client_key` is left out then.
# @param client_key
#   The certificate's key. Default: the Puppet agent's.
# @param ca
#   The CA that vouches for the lock server's certificate; `system` for the system's trust store. Default: the Puppet
#   agent's CA.
# @param needs_update_d
#   The directory of the hooks that find out whether there are updates; key `needs_update.d`.
# @param pre_update_d
#   The directory of the hooks that take the host out of service; key `pre_update.d`.
# @param update_d
#   The directory of the hooks that install the updates; key `update.d`.
# @param needs_reboot_d
#   The directory of the hooks that find out whether a reboot is needed; key `needs_reboot.d`.
# @param post_update_d
#   The directory of the hooks that bring the host back into service and check it; key `post_update.d`.
# @param notify_d
#   The directory of the notifiers, which hear of a run's events; key `notify.d`. Without it nobody is told. Hooks
#   `notify/NAME` go there.
# @param reboot_cmd
#   The command that reboots the host.
# @param state
#   The file with the record of the run in progress.
# @param history
#   The file with the results of earlier runs; `none` keeps nothing.
# @param metrics_textfile
#   A file `*.prom` in the directory of node_exporter's textfile collector (Prometheus). Without it there are no
#   metrics.
# @param lock
#   The file that prevents a second invocation on this host.
# @param log
#   A log file besides the journal, rotated daily.
# @param logretention
#   For how many days log files are kept; 0 keeps all.
# @param log_level
#   How much is logged; key `loglevel` (in Puppet that is the name of a metaparameter).
# @param log_format
#   The format of the log's lines.
# @param lock_retry_interval
#   How long to wait before asking again for a lock that another host holds.
# @param lock_retry_jitter
#   By how much each of these waits may vary. The package's config.ini has the same default.
# @param lock_timeout
#   How long to wait for the lock; 0 for ever.
# @param lock_settle
#   How long to wait, after taking the lock, before checking that no other host took it at the same time.
# @param lock_refresh
#   How often a held lock is refreshed; 0 never.
# @param release_timeout
#   How long to try to release the lock; 0 for ever.
# @param http_timeout
#   How long one request may take.
# @param http_retries
#   How often a failed request is tried again.
# @param hook_timeout
#   How long one hook may take; 0 for ever.
# @param cannot_tell_exit
#   The exit code by which a `needs_*` hook says that it could not find out. The package's config.ini has the same
#   default.
# @param cannot_tell_reboot
#   Whether a host reboots if a `needs_reboot` hook could not find out whether a reboot is needed.
# @param reboot_timeout
#   After this time a host that was told to reboot is told again. While a program inhibits shutdown, `reboot_cmd` is
#   retried for the same time.
# @param max_reboots
#   How many reboots one run may ask for.
# @param window
#   The maintenance windows in which a run may begin: one string, or a list. Without windows a run begins at any time.
#   The timer has to fire within a window: see `timer_schedule`.
# @param window_last_start
#   How long before a window closes the last run may begin; 0: until it closes.
# @param freeze_d
#   The directory of the freezes; key `freeze.d`. Default: `/etc/foreman_dlm_updater/freeze.d`.
# @param gate_d
#   The directory of the gates, which say whether the host may go out of service now; key `gate.d`. Hooks `gate/NAME` go
#   there. Default: `/etc/foreman_dlm_updater/gate.d`.
# @param gate_interval
#   After how long a gate that said no is asked again.
# @param lock_slots
#   How many hosts of the cluster may update at once.
# @param max_failed
#   How many hosts may fail before no other host begins; 0: no limit.
# @param blocked_by
#   Other locks: while another host holds one of them, no run begins here.
# @param boot_id_file
#   The file with the kernel's boot id; for demonstrations and tests.
class foreman_dlm_updater (
  Variant[Foreman_dlm_updater::Lock_name, Foreman_dlm_updater::Fleetlock_group] $lock_name,
  Optional[Enum['foreman', 'fleetlock']] $lock_server = undef,
  Optional[Stdlib::HTTPSUrl] $foreman_url = undef,
  Optional[Foreman_dlm_updater::Fleetlock_url] $fleetlock_url = undef,
  Optional[Pattern[/\A[^[:space:][:cntrl:]]{1,255}\z/]] $fleetlock_id = undef,
  Enum['present', 'absent'] $ensure = 'present',
  Boolean $package_manage = true,
  Variant[Enum['installed', 'present', 'latest'], Pattern[/\A\d[\w.+~:-]*\z/]] $package_ensure = 'installed',
  Boolean $repo_manage = false,
  Optional[Pattern[/\A(https?:\/\/|file:\/)[\w.~:@%+,=\[\]\/-]+\z/]] $repo_url = undef,
  Optional[Variant[Stdlib::Filesource, Pattern[/\A-----BEGIN PGP PUBLIC KEY BLOCK-----/]]] $repo_key = undef,
  Hash[Foreman_dlm_updater::Hook_name, Variant[Enum['bundled', 'absent'], Hash[String, Any]]] $hooks = {},
  Boolean $purge_hooks = false,
  Hash[Foreman_dlm_updater::Freeze_reason, Foreman_dlm_updater::Freeze] $freezes = {},
  Boolean $timer_enable = true,
  Optional[Variant[Foreman_dlm_updater::Line, Array[Foreman_dlm_updater::Line, 1]]] $timer_schedule = undef,
  Optional[Foreman_dlm_updater::Duration] $timer_spread = undef,
  Optional[Variant[Enum['none'], Stdlib::Unixpath]] $client_crt = undef,
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
  Optional[Variant[Foreman_dlm_updater::Window, Array[Foreman_dlm_updater::Window, 1]]] $window = undef,
  Optional[Foreman_dlm_updater::Duration] $window_last_start = undef,
  Optional[Stdlib::Unixpath] $freeze_d = undef,
  Optional[Stdlib::Unixpath] $gate_d = undef,
  Optional[Foreman_dlm_updater::Positive_duration] $gate_interval = undef,
  Optional[Integer[1, 99]] $lock_slots = undef,
  Optional[Integer[0, 99]] $max_failed = undef,
  Optional[Array[Foreman_dlm_updater::Other_lock, 1]] $blocked_by = undef,
  Optional[Stdlib::Unixpath] $boot_id_file = undef,
) {
  # Each has a parameter STAGE_d above.
  $hook_stages = ['needs_update', 'pre_update', 'update', 'needs_reboot', 'post_update']

  # The fact is a moment old. If a run begins meanwhile, it first has to wait for its lock.
  $under_way = $facts.dig('foreman_dlm_updater', 'under_way') ? {
    true    => true,
    default => undef, # not false, which would override a noop that somebody else has set
  }

  include foreman_dlm_updater::lock_server
  contain foreman_dlm_updater::install
  contain foreman_dlm_updater::config
  contain foreman_dlm_updater::service

  if $ensure == 'present' {
    Class['foreman_dlm_updater::install']
    -> Class['foreman_dlm_updater::config']
    -> Class['foreman_dlm_updater::service']
  } else {
    # If this fails, the run on record keeps everything that it needs: all the rest depends on this.
    exec { 'foreman_dlm_updater: no run in progress':
      command  => 'echo "A run of foreman-dlm-updater is in progress, or its record can not be read: \
see foreman-dlm-updater status. \
Let it end, or give it up: foreman-dlm-updater state set post_update, then foreman-dlm-updater run." >&2; exit 1',
      unless   => '! command -v foreman-dlm-updater || foreman-dlm-updater state show | grep -q "^no run in progress"',
      path     => ['/usr/sbin', '/usr/bin', '/sbin', '/bin'],
      provider => 'shell',
    }
    -> Class['foreman_dlm_updater::service']
    -> Class['foreman_dlm_updater::config']
    -> Class['foreman_dlm_updater::install']
  }
}
