# @summary A date such as `2026-12-18`, perhaps with a time of the day: `2026-12-18 08:00`.
#
# In YAML a date that stands alone needs quotes.
type Foreman_dlm_updater::Moment = Pattern[/\A\d{4}-\d\d-\d\d( \d\d:\d\d)?\z/]
