# What the hooks for Redis and Valkey share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/redis.sh"
# shellcheck shell=sh
: "${hook:?}" "${lib:?}" "${conf:?}" # the hook's name, this directory, the file with its settings
: "${redis:=127.0.0.1:6379}" "${sentinel:=127.0.0.1:26379}" "${master:=mymaster}" "${user=}" "${options=}"
: "${password_file=}" "${sentinel_password_file=}"

# shellcheck source=cluster.sh
. "$lib/cluster.sh"
for server in "redis=$redis" "sentinel=$sentinel"; do
    case ${server##*:} in '' | *[!0-9]*) fail "$server in $conf: use ADDRESS:PORT" ;; esac
    case $server in *=?*:*) ;; *) fail "$server in $conf: use ADDRESS:PORT" ;; esac
done
for client in redis-cli valkey-cli; do ! command -v "$client" >/dev/null || break; done

# client SERVER USER FILE ARG...: asks a server. Sets $answer to its answer or the client's error. redis-cli exits 0
# after an error, so whoever calls it looks at the answer. The password is the first line of FILE; it goes by the
# environment, which only root can see. (valkey-cli reads both names.)
client() {
    server=$1 name=$2 password=''
    if [ -n "$3" ]; then
        password=$(sed -n 1p "$3" 2>/dev/null) || :
        [ -n "$password" ] || { answer="there is no password in $3" && return 1; }
    fi
    shift 3
    # shellcheck disable=SC2086 # each option is a word
    answer=$(
        unset REDISCLI_AUTH VALKEYCLI_AUTH
        [ -z "$password" ] || export REDISCLI_AUTH="$password" VALKEYCLI_AUTH="$password"
        within 10 "$client" -h "${server%:*}" -p "${server##*:}" ${name:+--user "$name"} $options "$@" 2>&1
    ) && answer=$(printf '%s\n' "$answer" | tr -d '\r')
}

# info FIELD: prints a field of what look_here found.
info() { printf '%s\n' "$here" | sed -n "s/^$1://p"; }

# look_here: asks the server on this host. Sets $here to what it says of itself, and $role to master or replica. False
# if that is unknown, with $why.
look_here() {
    why="the server at $redis could not be asked" here='' role=''
    client "$redis" "$user" "$password_file" INFO || { why="$why: $answer" && return 1; }
    here=$answer
    case $(info role) in
    master | primary) role=master ;;
    slave | replica) role=replica ;;
    *) why="$why: $(printf '%s' "$answer" | head -n 1)" && return 1 ;;
    esac
    [ -n "$(info run_id)" ] || { why="the server at $redis does not say who it is (run_id)" && return 1; }
}

# ask_sentinel ARG...: sends a command to Sentinel. The answer's first line is $first.
ask_sentinel() {
    client "$sentinel" '' "${sentinel_password_file:-}" SENTINEL "$@" ||
        { why="Sentinel at $sentinel could not be asked: $answer" && return 1; }
    first=$(printf '%s\n' "$answer" | head -n 1)
}

# look_sentinel: asks Sentinel. Sets $leader to the run_id of the master that it knows, $at to its address, $flags to
# its state (just "master" if it is well), and $good to the run_ids of the replicas that could take over. False if it is
# unknown, with $why. Its answers are pairs of lines: a name and a value; a replica begins with its name.
look_sentinel() {
    leader='' at='' flags='' good=''
    ask_sentinel MASTER "$master" || return 1
    [ "$first" = name ] || { why="Sentinel at $sentinel does not know $master: $first" && return 1; }
    leader=$(pair runid) flags=$(pair flags | sed 's/primary/master/') at=$(pair ip):$(pair port)
    quorum=$(pair quorum) sentinels=$(pair num-other-sentinels)
    case $quorum:$sentinels in :* | *: | *[!0-9:]*)
        why="Sentinel at $sentinel does not say how many Sentinels there are, or its quorum" && return 1 ;;
    esac
    sentinels=$((sentinels + 1))
    case $leader:$flags in :* | *:) why="Sentinel at $sentinel does not say who $master is" && return 1 ;; esac
    ask_sentinel REPLICAS "$master" || return 1
    case $first in name | '') ;; *) why="Sentinel at $sentinel does not name the replicas: $first" && return 1 ;; esac
    # It has not yet heard of a replica without a runid. One with priority 0 never becomes the master.
    good=$(printf '%s\n' "$answer" | awk '
        function put() {
            if (is["runid"] != "" && is["flags"] ~ /^(slave|replica)$/ && is["link"] == "ok" && is["priority"] > 0)
                print is["runid"]
            split("", is)
        }
        NR % 2 { key = $0; next }
        key == "name" { put() }
        { sub(/^(slave|replica)-/, "", key); sub(/^(master|primary)-link-status$/, "link", key); is[key] = $0 }
        END { put() }')
}
pair() { printf '%s\n' "$answer" | awk -v key="$1" 'NR % 2 { is = $0 == key; next } is { print; exit }'; }
count() { printf '%s' "$1" | grep -c . || :; } # LINES: prints how many there are

# may_lose: true if the others can go on without this host. Sets $why if not. $min_replicas and $keep_quorum are the
# hook's settings.
may_lose() {
    look_here && look_sentinel || return 1
    [ "$flags" = master ] || { why="the master at $at is not well ($flags)" && return 1; }
    replicas=$(count "$good")
    [ "$replicas" -ge "${min_replicas:?}" ] ||
        { why="$replicas of $min_replicas replicas are good (link up, priority above 0)" && return 1; }
    if [ "$role" = replica ]; then
        ! why=$(unsynced) || return 1
    elif [ "$leader" != "$(info run_id)" ]; then
        why="this host says that it is the master, and Sentinel that $at is" && return 1
    fi
    ask_sentinel CKQUORUM "$master" || return 1
    case $first in "OK "[0-9]*) ;; *) why="Sentinel could not fail over: $first" && return 1 ;; esac
    [ "${keep_quorum:?}" = yes ] || return 0
    if on_this_host "${sentinel%:*}"; then leaves=1; else leaves=0; fi # this host's own goes down with it
    usable=${first#OK } && usable=$((${usable%% *} - leaves)) needed=$((sentinels / 2 + 1))
    [ "$needed" -ge "$quorum" ] || needed=$quorum
    [ "$usable" -ge "$needed" ] ||
        { why="without this host $usable Sentinels would be left, and $needed are needed for a failover" && return 1; }
}

# on_this_host NAME: true unless each address of NAME is known to be another host's.
on_this_host() {
    case $1 in 127.* | localhost | ::1) return 0 ;; esac
    addresses=$(getent ahosts "$1" | awk '{ print $1 }')
    for address in ${addresses:-unknown}; do
        # To an own address there is always a route.
        case $(ip route get "$address" 2>&1) in "$address "* | *unreachable*) ;; *) return 0 ;; esac
    done
    return 1
}

# unsynced: prints why the replica on this host does not have what its master has. False if it has.
unsynced() {
    [ "$(info loading)" = 0 ] || { echo "it still loads its data" && return; }
    link=$(info master_link_status)$(info primary_link_status) busy=$(info master_sync_in_progress)
    [ "$link" = up ] || { echo "its link to its master is ${link:-unknown}" && return; }
    [ "${busy:-$(info primary_sync_in_progress)}" = 0 ] || { echo "it still receives its master's data" && return; }
    return 1
}
