# What the hooks for Elasticsearch and OpenSearch share:
# . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/elasticsearch.sh"
# shellcheck shell=sh
: "${hook:?}" "${lib:?}" "${conf:?}" # the hook's name, this directory, the file with its settings
: "${url:=http://localhost:9200}" "${curl_config=}" "${timeout:=10}" "${health:=green}" "${masters:=quorum}"
what=Elasticsearch allocation=cluster.routing.allocation.enable

# shellcheck source=cluster.sh
. "$lib/cluster.sh"
# shellcheck source=monitoring.sh
. "$lib/monitoring.sh"
case $health in green | yellow) ;; *) fail "health=$health in $conf: use green or yellow" ;; esac
case $masters in quorum | ignore) ;; *) fail "masters=$masters in $conf: use quorum or ignore" ;; esac

# api PATH [METHOD [JSON]]: sends a request, and reads its answer for `is`. False, with $why and $exit (curl's), unless
# it succeeds. The request goes through a pipe, because every user can see the arguments of a process.
api() {
    exit=0
    answer=$({
        printf '%s\n' "url = $(quoted "${url%/}/$1")" "request = ${2:-GET}"
        [ -z "${3:-}" ] || printf '%s\n' 'header = "Content-Type: application/json"' "data = $(quoted "$3")"
    } | curl -q -sS ${curl_config:+-K "$curl_config"} -K - --connect-timeout 5 --max-time "${limit:-$timeout}" \
        -w '\n%{http_code}' 2>&1) || exit=$?
    code=$(printf '%s\n' "$answer" | tail -n 1)
    if [ "$exit" != 0 ]; then
        why=$(printf '%s\n' "$answer" | sed -n 's/^.*\(curl: ([0-9]*) .*\)/\1/p' | tail -n 1)
        blame_config
    elif [ "$code" = 401 ] || [ "$code" = 403 ]; then
        why="HTTP status $code: set curl_config to a file with a user that may do this"
    elif ! understand "$(printf '%s\n' "$answer" | sed '$d')"; then
        why="its answer is HTTP status $code and not JSON"
    elif [ "$code" != 200 ]; then
        why=$(is string error.reason)
        why="HTTP status $code: ${why:-$(is string error)}"
    else
        return 0
    fi
    why="$url/$1 could not be asked: $(printf '%s' "${why:-curl failed ($exit)}" | tr -d '\n')"
    return 1
}

# look_allocation: sets $enable to who may be allocated by the cluster's settings (unset if nothing is set), and
# $transient to what overrides that.
look_allocation() {
    api _cluster/settings || return 1
    { [ -n "$(is object persistent)" ] && [ -n "$(is object transient)" ]; } ||
        { why="$url/_cluster/settings has an answer that was not understood" && return 1; }
    enable=$(is string "persistent.$allocation") transient=$(is string "transient.$allocation")
    : "${enable:=unset}"
}

# allocate JSON: sets it in the cluster, and looks at what it is then.
allocate() { api _cluster/settings PUT "{\"persistent\":{\"$allocation\":$1}}" && look_allocation; }

# free: true if nobody has restricted the allocation.
free() {
    look_allocation || return 1
    [ -z "$transient" ] || { why="somebody has set $allocation to $transient (transient)" && return 1; }
    case $enable in unset | all) ;; *) why="somebody has set $allocation to $enable (persistent)" && return 1 ;; esac
}

# healthy: true if the cluster is as healthy as the setting says, and no shard is being built up.
healthy() {
    api _cluster/health || return 1
    status=$(is string status) nodes=$(is word number_of_nodes)
    case $status:$health in
    green:* | yellow:yellow) ;;
    yellow:green | red:*) why="the cluster is $status, $(is word unassigned_shards) shards unassigned" && return 1 ;;
    *) why="$url/_cluster/health has an answer that was not understood" && return 1 ;;
    esac
    count=$(is word initializing_shards)
    [ "$count" = 0 ] || { why="${count:-an unknown number of} shards are being built up (initializing)" && return 1; }
}
settled() {
    healthy || return 1
    count=$(is word relocating_shards)
    [ "$count" = 0 ] || { why="${count:-an unknown number of} shards are on the move (relocating)" && return 1; }
}

# local_node: sets $id and $name to those of the node that answers, which has to be the one on this host.
local_node() {
    api '_nodes/_local?filter_path=nodes.*.name' || return 1
    id=$(printf '%s\n' "$values" | awk -F '\t' 'split($1, part, ".") == 3 && part[3] == "name" { print part[2] }')
    name=$(is string "nodes.$id.name")
    [ -n "$name" ] || { why="$url does not say which node it is" && return 1; }
}

# quorum: true if the nodes that elect the master have a majority without this one.
quorum() {
    [ "$masters" = quorum ] || return 0
    voting=metadata.cluster_coordination.last_committed_config
    api "_cluster/state/metadata?filter_path=$voting" || return 1
    all=$(is array "$voting") voters=$(printf '%s\n' "$values" | awk -F '\t' -v path="$voting." '
        index($1, path) == 1 { print $3 }')
    [ "${all:-0}" -gt 0 ] || { why="it is unknown which nodes elect the master (before version 7?)" && return 1; }
    api '_nodes?filter_path=nodes.*.name' || return 1
    left=0
    for voter in $voters; do
        [ "$voter" = "$id" ] || [ -z "$(is string "nodes.$voter.name")" ] || left=$((left + 1))
    done
    [ $((left * 2)) -gt "$all" ] || { why="without this node $left of $all nodes that elect the master would be left" &&
        return 1; }
}

# may_lose: true if the cluster can lose this node. If not, sets $why.
may_lose() { settled && free && local_node && quorum; }
