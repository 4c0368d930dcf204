# @summary A group of a FleetLock server, which is the lock's name there.
type Foreman_dlm_updater::Fleetlock_group = Pattern[/\A[a-zA-Z0-9.-]{1,255}\z/]
