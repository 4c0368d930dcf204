# @summary A lock's name as Foreman shows it. One that begins with a digit would be taken for another lock's number.
type Foreman_dlm_updater::Lock_name = Pattern[/\A(?![+-]?\d)(?!\.{1,2}\z)(?!.*%\h\h)[^[:space:][:cntrl:]\/]([^[:cntrl:]\/]*[^[:space:][:cntrl:]\/])?\z/]
