# What the hooks for HAProxy share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/haproxy.sh"
# shellcheck shell=sh
: "${hook:?}" # its name

# shellcheck source=settings.sh
. "$lib/settings.sh"

# ask SOCKET COMMAND: HAProxy's answer, or socat's error, in $answer.
ask() {
    case $1 in /*) address=UNIX-CONNECT:$1 ;; *) address=TCP:$1,connect-timeout=10 ;; esac
    answer=$(printf '%s\n' "$2" | timeout 30 socat -t30 - "$address" 2>&1)
}

# order SOCKET COMMAND: the same for a command that is silent if it did what it should.
order() { ask "$1" "$2" && [ -z "$answer" ]; }

# look SOCKET: the state of all its servers, for `servers`. False for any other answer (none, if it is being reloaded).
look() { ask "$1" 'show servers state' && case $answer in *srv_admin_state*) ;; *) return 1 ;; esac }

# count SOCKET: the same for their sessions, in columns that commas part.
count() { ask "$1" 'show stat -1 4 -1' && case $answer in '# pxname,'*) ;; *) return 1 ;; esac }

# servers: what `look` has found, a line each: BACKEND/SERVER, what it does (0 down, 1 starting, 2 up, 3 stopping), and what people have told it
# (a sum: 1 maintenance, 4 "disabled" in the configuration, 8 drain; others: inherited).
servers() { printf '%s\n' "$answer" | awk '$1 ~ /^[0-9]+$/ && NF > 7 { print $2 "/" $4, $6, $7 }'; }
