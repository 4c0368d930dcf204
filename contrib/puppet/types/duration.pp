# @summary A time such as `90s`, `15m`, `1h30m`, or a number of seconds. The parameter says what 0 means.
type Foreman_dlm_updater::Duration = Variant[Integer[0], Pattern[/\A(\d+|(\d+(\.\d+)?(ms|s|m|h))+)\z/]]
