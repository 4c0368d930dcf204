# @summary The name of another cluster's lock, without a comma, which would end it in `blocked_by`.
type Foreman_dlm_updater::Other_lock = Pattern[
  /\A(?![+-]?\d)(?!\.{1,2}\z)(?!.*%\h\h)[^[:space:][:cntrl:]\/,]([^[:cntrl:]\/,]*[^[:space:][:cntrl:]\/,])?\z/,
]
