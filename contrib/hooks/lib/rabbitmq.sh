# What the hooks for RabbitMQ share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/rabbitmq.sh"
# shellcheck shell=sh
: "${hook:?}" "${lib:?}" "${conf:?}" "${min_size=3}" "${options=}" # the hook's name, this directory, its settings
: "${timeout:=60}"
# Read by monitoring.sh.
# shellcheck disable=SC2034
what=RabbitMQ
# shellcheck source=cluster.sh
. "$lib/cluster.sh"
# shellcheck source=monitoring.sh
. "$lib/monitoring.sh"
numbers "$conf" min_size="$min_size"

# tool PROGRAM COMMAND...: asks the node on this host. Sets $answer to its answer, or to the program's error.
# Packages have a script that runs the program with `su`, in a session of its own. `timeout` ends only `su`, and $(...)
# would wait for the program. So the answer goes to a file, whose name, in the environment, finds what is still running.
tool() {
    program=$1 code=0
    file=$(mktemp) || return
    shift
    # shellcheck disable=SC2086 # each option is a word
    within "$timeout" env "DLM_ANSWER=$file" "$program" -q $options "$@" >"$file" 2>&1 || code=$?
    answer=$(cat "$file")
    if [ "$code" = 124 ]; then
        find /proc -mindepth 2 -maxdepth 2 -name environ -exec grep -lszxF "DLM_ANSWER=$file" {} + |
            while IFS=/ read -r _ _ pid _; do kill -KILL "$pid" || :; done
    fi
    rm -f "$file"
    return "$code"
}

# words: prints what that error says in one line.
words() {
    printf '%s\n' "$answer" | awk '
        NR == 1 || /^Error/ { why = $0 }
        sub(/.*no answer within/, "no answer within") { why = $0 } # words of su may come before
        why ~ /^Error: *$/ && NF && !/^Error/ { why = $0 }
        /epmd reports|unable to connect to epmd/ { sub(/^[ *]*/, ""); more = " (" $0 ")" }
        END { print (why == "" ? "it gave no answer" : why) more }'
}

# values_of PATH: prints the strings below that path of the answer, one a line.
values_of() {
    printf '%s\n' "${values:?}" | awk -F '\t' -v at="$1." 'index($1, at) == 1 && $2 == "string" { print $3 }'
}

# look: asks for the cluster's state. Sets $node to the name of this host's node, $members to the names of all nodes,
# $missing to those that don't run, and $drained to those that are in maintenance. False if there is no answer.
look() {
    tool rabbitmqctl eval 'node().' || return
    node=$(printf '%s\n' "$answer" | tr -d "'")
    case $node in *[!A-Za-z0-9@._-]*) return 1 ;; *@*) ;; *) return 1 ;; esac
    tool rabbitmq-diagnostics cluster_status --formatter json && understand "$answer" || return
    [ -n "$(is array running_nodes)" ] && [ -n "$(is array disk_nodes)" ] || return
    members=$(values_of disk_nodes && values_of ram_nodes)
    running=$(values_of running_nodes)
    missing=$(printf '%s\n' "$members" | grep -vxF "$running" || :)
    partitions=$(values_of partitions | few)
    alarms=$(printf '%s\n' "$values" | awk -F '\t' '
        $1 ~ /^alarms\.[0-9]+\.node$/ { node = $3 }
        $1 ~ /^alarms\.[0-9]+\.resource$/ { resource = $3 }
        $1 ~ /^alarms\.[0-9]+$/ { print (resource == "" ? "some" : resource) " on " node; node = resource = "" }' | few)
    version=$(is string "versions.$node.rabbitmq_version")
    # RabbitMQ 3.10 puts colours around these words, even into JSON.
    drained=$(printf '%s\n' "$values" | awk -F '\t' '
        index($1, "maintenance_status.") == 1 && $3 !~ /not under maintenance/ { print substr($1, 20) }')
}

# among LIST: true if this host's node is one of those names.
among() { printf '%s\n' "$1" | grep -qxF "$node"; }

# risky CHECK: prints which queues need this node, by that health check. False if none does.
risky() {
    tool rabbitmq-diagnostics "$1" --formatter json || : # exits 69 for "yes" and for "no answer"
    understand "$answer" || { echo "no answer to $1: $(words)" && return; }
    [ "$(is string result)" != ok ] || return
    queues=$(printf '%s\n' "$values" | awk -F '\t' '$1 ~ /^queues\.[0-9]+\.readable_name$/ { print $3 }' | few)
    echo "$1 says that queues need this node: ${queues:-$(is string message)}"
}

# apart: prints why the cluster that `look` saw is not whole. False if it is.
apart() {
    if [ -n "$missing" ]; then
        echo "not running: $(printf '%s\n' "$missing" | few)"
    elif [ -n "$partitions" ]; then
        echo "the cluster is partitioned: $partitions"
    elif [ "$(printf '%s\n' "$members" | grep -c .)" -gt 1 ]; then
        risky check_if_node_is_quorum_critical
    else
        return 1
    fi
}

# ill: prints why that cluster can't do without this node. False if it can.
ill() {
    size=$(printf '%s\n' "$members" | grep -c .) || :
    others=$(printf '%s\n' "$drained" | grep -vxF "$node" | few)
    if [ "$size" -lt "$min_size" ]; then
        echo "the cluster has $size of $min_size nodes (min_size in $conf)"
    elif [ -n "$alarms" ]; then
        echo "there is an alarm: $alarms"
    elif [ -n "$others" ]; then
        echo "in maintenance: $others"
    elif ! apart; then
        case $version in # RabbitMQ 4 has no mirrored queues
        [4-9].* | [1-9][0-9].*) return 1 ;;
        esac
        [ "$size" -gt 1 ] || return
        risky check_if_node_is_mirror_sync_critical
    fi
}
