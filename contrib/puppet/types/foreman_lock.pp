# @summary A lock's name that needs no quoting in a URL.
type Foreman_dlm_updater::Foreman_lock = Pattern[/\A[A-Za-z_][\w.-]*\z/]
