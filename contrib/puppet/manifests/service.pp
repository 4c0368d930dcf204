# @summary The timer. The service that it starts is not a resource: Puppet never starts, stops or restarts a run.
#
# @api private
class foreman_dlm_updater::service {
  assert_private()

  $timer = 'foreman-dlm-updater.timer'
  $present = $foreman_dlm_updater::ensure == 'present'
  $schedule = [$foreman_dlm_updater::timer_schedule].flatten.filter |$when| { $when =~ NotUndef }
  $spread = $foreman_dlm_updater::timer_spread
  $overrides = $present and ($schedule.length > 0 or $spread =~ NotUndef)
  $dropin = "/etc/systemd/system/${timer}.d"

  file { $dropin:
    ensure => stdlib::ensure($overrides, 'directory'),
    force  => true,
    owner  => 'root',
    group  => 'root',
    mode   => '0755',
  }
  if $overrides {
    # systemd ignores a line that it does not understand, and would then never start a run.
    $validate = $schedule.empty ? {
      true    => undef,
      default => "/bin/sed -n 's/^OnCalendar=\\(..*\\)/\\1/p' % | /usr/bin/xargs -d '\\n' /usr/bin/systemd-analyze calendar",
    }
    file { "${dropin}/puppet.conf":
      ensure       => file,
      owner        => 'root',
      group        => 'root',
      mode         => '0644',
      content      => epp('foreman_dlm_updater/timer.conf.epp', { 'schedule' => $schedule, 'spread' => $spread }),
      validate_cmd => $validate,
      before       => Exec['foreman_dlm_updater: new schedule'],
    }
  }

  # If a time of the new schedule has passed since the last run, systemd would start a run at once. The new stamp
  # prevents that (Persistent= in systemd.timer(5)). Stopping the timer does not stop a run that it has started. Not
  # refreshonly: if the command fails, the next Puppet run tries it again. NeedDaemonReload does not count a new file,
  # so DropInPaths is checked too.
  $not = $overrides ? {
    true    => '',
    default => '! ',
  }
  exec { 'foreman_dlm_updater: new schedule':
    command  => "if systemctl is-active --quiet ${timer}; then
        systemctl stop ${timer} && touch /var/lib/systemd/timers/stamp-${timer} &&
          systemctl daemon-reload && systemctl start ${timer}
      else
        systemctl daemon-reload
      fi",
    unless   => "systemctl show --property=NeedDaemonReload ${timer} | grep -qx NeedDaemonReload=no &&
      ${not}systemctl show --property=DropInPaths ${timer} | grep -qF ${dropin}/puppet.conf",
    path     => ['/usr/bin', '/bin'],
    provider => 'shell',
    require  => File[$dropin],
  }

  service { $timer:
    ensure  => stdlib::ensure($present and $foreman_dlm_updater::timer_enable, 'service'),
    enable  => $present and $foreman_dlm_updater::timer_enable,
    require => Exec['foreman_dlm_updater: new schedule'],
  }
}
