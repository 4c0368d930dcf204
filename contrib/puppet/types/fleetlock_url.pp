# @summary A FleetLock server: `https://`, or `http://` to a loopback address, such as a proxy on the host itself.
#
# The program looks closer before config.ini is replaced.
type Foreman_dlm_updater::Fleetlock_url = Variant[
  Stdlib::HTTPSUrl,
  Pattern[/\A(?i:http):\/\/(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?(\/\S*)?\z/],
]
