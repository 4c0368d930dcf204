# @summary A value in an ini file: one line of text, without white space at its ends.
type Foreman_dlm_updater::Line = Pattern[/\A[^[:space:][:cntrl:]]([^[:cntrl:]]*[^[:space:][:cntrl:]])?\z/]
