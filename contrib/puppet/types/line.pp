# @summary Text on one line, without white space at its ends: what fits behind a `=` in an ini file.
type Foreman_dlm_updater::Line = Pattern[/\A[^[:space:][:cntrl:]]([^[:cntrl:]]*[^[:space:][:cntrl:]])?\z/]
