# @summary Why no run begins: a line of text that begins with a letter. Its first word has no slash.
#
# Such a word at the beginning of a freeze's reason would be its time zone.
type Foreman_dlm_updater::Freeze_reason = Pattern[
  /\A(?!(?i:utc)\b)[[:alpha:]][^[:space:][:cntrl:]\/]*( [^[:cntrl:]]*[^[:space:][:cntrl:]])?\z/,
]
