# @summary A log level, in upper or lower case.
type Foreman_dlm_updater::Log_level = Pattern[/\A(?i:trace|debug|info|warn(ing)?|error|critical|fatal|notset)\z/]
