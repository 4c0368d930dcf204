# What the hooks for HAProxy share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/haproxy.sh"
# shellcheck shell=sh
: "${hook:?}" "${lib:?}" # the hook's name, this directory

# shellcheck source=cluster.sh
. "$lib/cluster.sh"

# ask SOCKET COMMAND: sets $answer to HAProxy's answer or socat's error.
ask() {
    case $1 in /*) address=UNIX-CONNECT:$1 ;; *) address=TCP:$1,connect-timeout=10 ;; esac
    answer=$(printf '%s\n' "$2" | within 30 socat -t30 - "$address" 2>&1)
}

# order SOCKET COMMAND: the same for a command that prints nothing when it succeeds.
order() { ask "$1" "$2" && [ -z "$answer" ]; }

# expect SOCKET COMMAND TEXT: the same for a command whose answer contains that text. While HAProxy reloads there is no
# answer.
expect() {
    ask "$1" "$2" || return 1
    case $answer in *"$3"*) ;; *) answer="its answer to '$2' is '$answer'" && return 1 ;; esac
}

look() { expect "$1" 'show servers state' srv_admin_state; } # SOCKET: asks for the state of its servers, for `servers`
count() { expect "$1" 'show stat -1 4 -1' '# pxname,'; } # SOCKET: asks for their sessions: CSV, one line per server

# servers: prints what `look` found, one line per server: BACKEND/SERVER, its operational state (0 down, 1 starting, 2
# up, 3 stopping) and its administrative state (a sum: 1 maintenance, 4 "disabled" in the configuration, 8 drain; the
# rest is inherited).
servers() { printf '%s\n' "$answer" | awk '$1 ~ /^[0-9]+$/ && NF > 7 { print $2 "/" $4, $6, $7 }'; }
