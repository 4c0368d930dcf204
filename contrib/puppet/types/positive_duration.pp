# @summary A time above 0, such as `90s`, `15m`, `1h30m`, or a number of seconds.
type Foreman_dlm_updater::Positive_duration = Variant[Integer[1], Pattern[/\A(?=.*[1-9])(\d+|(\d+(\.\d+)?(ms|s|m|h))+)\z/]]
