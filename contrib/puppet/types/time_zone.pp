# @summary A time zone such as `Europe/Berlin` or `UTC`.
type Foreman_dlm_updater::Time_zone = Pattern[/\A(UTC|[A-Z][\w+-]*(\/[\w+-]+)+)\z/]
