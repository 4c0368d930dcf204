# @summary Refuses parameters that do not fit the lock server, before anything on the host is changed.
#
# @api private
class foreman_dlm_updater::lock_server {
  assert_private()

  $server = pick($foreman_dlm_updater::lock_server, 'foreman')
  $lock_name = $foreman_dlm_updater::lock_name
  $no_certificate = $foreman_dlm_updater::client_crt == 'none'
  $no_look = 'has no place here: FleetLock has no way to look at a lock'
  $problems = $server ? {
    'fleetlock' => [
      [$foreman_dlm_updater::fleetlock_url =~ Undef, 'fleetlock_url is missing'],
      [$lock_name !~ Foreman_dlm_updater::Fleetlock_group,
      "lock_name '${lock_name}' is no group; only letters, digits, . and - would be right, 255 of them at most"],
      [$no_certificate and $foreman_dlm_updater::client_key =~ NotUndef, 'client_key has no place here: client_crt is none'],
      [$foreman_dlm_updater::lock_slots =~ NotUndef,
      'lock_slots has no place here: the server decides how many slots a group has'],
      [$foreman_dlm_updater::max_failed =~ Integer[1], "max_failed ${no_look}"],
      [$foreman_dlm_updater::blocked_by =~ NotUndef, "blocked_by ${no_look}"],
    ],
    default     => [
      [$foreman_dlm_updater::foreman_url =~ Undef,
      'foreman_url is missing (a site with FleetLock sets lock_server and fleetlock_url)'],
      [$lock_name !~ Foreman_dlm_updater::Lock_name,
      "lock_name '${lock_name}' is no name of a lock in Foreman; it must not begin with a digit, for instance"],
      [$no_certificate, "client_crt can't be none: Foreman knows the host by its certificate"],
    ],
  }
  $reasons = $problems.filter |$problem| { $problem[0] }.map |$problem| { $problem[1] }
  unless $reasons.empty {
    fail("foreman_dlm_updater: lock_server ${server}: ${reasons.join('; ')}")
  }
}
