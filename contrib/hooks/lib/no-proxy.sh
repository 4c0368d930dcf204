# Keeps curl's requests to this host away from a proxy that the environment names. The proxy has another localhost, and
# would get the password. . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/no-proxy.sh"
# shellcheck shell=sh
case ${no_proxy:=${NO_PROXY:-}} in '*') ;; *) no_proxy=localhost,127.0.0.1,::1${no_proxy:+,$no_proxy} ;; esac
export no_proxy
