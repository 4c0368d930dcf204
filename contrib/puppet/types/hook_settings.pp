# @summary Settings of a hook, as shell variables. A list becomes words separated by blanks, a boolean `yes` or `no`.
type Foreman_dlm_updater::Hook_settings = Hash[
  Pattern[/\A[A-Za-z_]\w*\z/],
  Variant[String, Numeric, Boolean, Array[Variant[String, Numeric]]],
]
