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

# look SOCKET: asks for the state of its servers, for `servers`: two tables in one answer. The second is CSV, with their
# sessions.
look() {
    expect "$1" 'show servers state;show stat -1 4 -1' srv_admin_state || return 1
    case $answer in *'# pxname,'*) ;; *) answer="its answer to 'show stat -1 4 -1' is missing" && return 1 ;; esac
}

# servers: prints what `look` found, one line per server: BACKEND/SERVER, its operational state (0 down, 1 starting, 2
# up, 3 stopping), its administrative state (a sum: 1 maintenance, 8 drain; 4 only says that it was "disabled" in the
# configuration, even after it was enabled; the rest is inherited), and whether new sessions go to it: yes, backup (only
# if they can go to no other), or no, with the reason. A server with weight 0 gets none, although its status is UP.
servers() {
    printf '%s\n' "$answer" | awk '
        $1 ~ /^[0-9]+$/ && NF > 7 { name[++n] = $2 "/" $4; op[n] = $6; admin[n] = $7; next }
        /^# pxname,/ { for (i = split(substr($0, 3), title, ","); i; i--) at[title[i]] = i; next }
        ("bck" in at) && split($0, field, ",") > at["bck"] {
            server = field[1] "/" field[2]
            status[server] = field[at["status"]]
            weight[server] = field[at["weight"]]
            backup[server] = field[at["bck"]]
        }
        END { for (i = 1; i <= n; i++) {
            s = name[i]
            if (op[i] !~ /^[12]$/ || admin[i] !~ /^[04]$/ || status[s] !~ /^(UP|UP [0-9\/]+|no check)$/)
                takes = "no " (status[s] ~ /^(UP.*|no check|)$/ ? "not up" : status[s])
            else if (weight[s] !~ /^[1-9][0-9]*$/) takes = "no weight " weight[s]
            else takes = backup[s] == "0" ? "yes" : "backup"
            print s, op[i], admin[i], takes
        } }'
}

# marked: copies lines that begin with BACKEND/SERVER, and puts "mine" or "other" before each, by the patterns in
# $servers. Use `set -f`.
marked() {
    while read -r server rest; do
        whose=other
        for pattern in $servers; do
            # shellcheck disable=SC2254 # $pattern is a pattern
            case $server in $pattern) whose=mine ;; esac
        done
        echo "$whose $server $rest"
    done
}

# may_lose SOCKET: true if that load balancer can do without this host's servers. Sets $all to `servers | marked`; or
# $why and $todo. Without `option allbackups` only one backup server gets sessions, and nobody can ask for that option.
may_lose() {
    todo="Fix it, or set sockets in $conf"
    look "$1" || { why="the load balancer at $1 could not be asked: $answer" && return 1; }
    all=$(servers | marked)
    todo="Set servers in $conf to this host's BACKEND/SERVER" why="the load balancer at $1 has no server $servers"
    printf '%s\n' "$all" | grep -q '^mine ' || return 1
    short=$(printf '%s\n' "$all" | awk -v min="${min_left:?}" -v backups="${backups:?}" '
        { backend = server = $2; sub("/.*", "", backend); sub(".*/", "", server); takes = $5 }
        $1 == "mine" && takes != "no" { serves[backend] }
        $1 != "other" { next }
        takes == "yes" { n[backend]++; next }
        takes == "backup" && backups == "yes" { spare[backend] = 1; next }
        { text = takes == "no" ? "" : " " takes; for (i = 6; i <= NF; i++) text = text " " $i }
        { why[backend] = why[backend] (why[backend] ? ", " : "") server ":" text }
        END { for (b in serves) if (n[b] + spare[b] < min) print b (why[b] ? " (" why[b] ")" : "") }' | tr '\n' ' ')
    todo="Bring them back"
    why="too few other servers take sessions on the load balancer at $1 (min_left=$min_left in $conf): ${short% }"
    [ -z "$short" ]
}

# check_settings: fails if a setting that `may_lose` needs is wrong.
check_settings() {
    numbers "$conf" min_left="$min_left"
    case $backups in yes | no) ;; *) fail "backups=$backups in $conf: use yes or no" ;; esac
    [ -n "$sockets" ] || fail "no load balancer: set sockets in $conf, and start the updater again"
}
