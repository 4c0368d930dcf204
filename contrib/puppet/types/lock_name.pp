# @summary A lock's name as Foreman shows it. It must not begin with a digit, because Foreman takes that for a number.
type Foreman_dlm_updater::Lock_name = Pattern[
  /\A(?![+-]?\d)(?!\.{1,2}\z)(?!.*%\h\h)[^[:space:][:cntrl:]\/]([^[:cntrl:]\/]*[^[:space:][:cntrl:]\/])?\z/,
]
