# @summary When nothing is updated: `2026-12-18 .. 2027-01-06`, one date, or the same as a hash.
#
# A date alone means the whole day. A time zone may follow: `2026-11-27 08:00 .. 2026-11-30 20:00 Europe/Berlin`. In a
# hash, `reason` replaces the freeze's title. The program looks closer before the file is replaced.
type Foreman_dlm_updater::Freeze = Variant[
  Pattern[/\A\d{4}-\d\d-\d\d(( \d\d:\d\d)? \.\. \d{4}-\d\d-\d\d( \d\d:\d\d)?)?( (UTC|[A-Z][\w+-]*(\/[\w+-]+)+))?\z/],
  Struct[{
    from             => Foreman_dlm_updater::Moment,
    to               => Foreman_dlm_updater::Moment,
    Optional[zone]   => Foreman_dlm_updater::Time_zone,
    Optional[reason] => Foreman_dlm_updater::Freeze_reason,
  }],
]
