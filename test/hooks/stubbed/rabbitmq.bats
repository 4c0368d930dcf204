#!/usr/bin/env bats
# gate/rabbitmq, rabbitmq-drain and rabbitmq-revive, with stubs that answer as RabbitMQ 3.10.8 did on Debian 12.
load ../hook

# $R/nodes has a line for each node: NAME running|down regular|maintenance
prepare() {
    export R=$BATS_TEST_TMPDIR/rabbit
    mkdir -p "$R"
    printf 'rabbit@%s running regular\n' web1 web2 web3 >"$R/nodes"
    echo 3.10.8 >"$R/version"
    local failed="Error: unable to perform an operation on node 'rabbit@web1'. Please see diagnostics information and"
    printf '%s\n' "$failed suggestions below." '' 'Most common reasons for this are:' '' \
        ' * Target node is not running' '' 'DIAGNOSTICS' 'rabbit@web1:' '  * connected to epmd (port 4369) on web1' \
        "  * epmd reports: node 'rabbit' not running at all" '                  no other nodes on web1' >"$R/off"
    echo "Error: this command requires the 'rabbit' app to be running on the target node. Start it with" \
        "'rabbitmqctl start_app'." >"$R/booting"
    # shellcheck disable=SC2016 # not for this shell
    local down='if [ -e "$R/down" ]; then cat "$R/$(cat "$R/down")" >&2; exit 69; fi'
    # shellcheck disable=SC2016
    stub rabbitmqctl "$down"'
case $* in *"eval node()."*) echo "${NODE:-'\''rabbit@web1'\''}" ;; *) exit 64 ;; esac'
    # shellcheck disable=SC2016
    stub rabbitmq-diagnostics "$down"'
list() { awk -v want="$1" '\''want == "all" || $2 == want { printf "%s\"%s\"", n++ ? "," : "", $1 }'\'' "$R/nodes"; }
file() { cat "$R/$1" 2>/dev/null; }
case $* in
*cluster_status*)
    ! file answer || exit 0
    printf "{\"alarms\":[%s],\"cluster_name\":\"rabbit@web1\",\"disk_nodes\":[%s]," "$(file alarms)" "$(list all)"
    awk '\''BEGIN { printf "\"maintenance_status\":{" }
        { printf "%s\"%s\":\"%s\"", n++ ? "," : "", $1,
            $3 == "regular" ? "not under maintenance" : "\\uB100[35mmarked for maintenance\\uB100[0m" }'\'' "$R/nodes"
    printf "},\"partitions\":{%s},\"ram_nodes\":[],\"running_nodes\":[%s]," "$(file partitions)" "$(list running)"
    printf "\"versions\":{\"rabbit@web1\":{\"rabbitmq_version\":\"%s\"}}}\n" "$(file version)" ;;
*check_if_node_is_*)
    for one in quorum mirror_sync; do case $* in *"_${one}_"*) said=$(file "$one") ;; esac; done
    case $said in
    "") echo "{\"result\":\"ok\"}" ;;
    gone) echo "Error: operation timed out" >&2; exit 69 ;;
    *)
        echo "{\"message\":\"Node rabbit@web1 reported local queues with minimum online quorum\",\"queues\":[{
\"name\":\"$said\",\"readable_name\":\"queue $said in vhost /\",\"type\":\"quorum\"}],\"result\":\"error\"}"
        exit 69 ;;
    esac ;;
*) exit 64 ;;
esac'
    # shellcheck disable=SC2016
    stub rabbitmq-upgrade "$down"'
now() { [ -e "$R/deaf" ] || sed -i "s/^rabbit@web1 running .*/rabbit@web1 running $1/" "$R/nodes"; }
case $* in *drain*) now maintenance ;; *revive*) now regular ;; *) exit 64 ;; esac'
    setting rabbitmq sync_timeout=0
    stub sleep
}
gate() { hook gate/rabbitmq; }
drain() { hook pre_update/rabbitmq-drain; }
revive() { hook post_update/rabbitmq-revive; }
node() { sed -i "s/^rabbit@$1 .*/rabbit@$1 $2 $3/" "$R/nodes"; } # NAME running|down regular|maintenance
is() { grep -qx "rabbit@web1 running $1" "$R/nodes"; }

@test "gate: a whole cluster" {
    yes
}

@test "gate: what says no" {
    node web3 down regular
    no "not running: rabbit@web3"
    node web3 running maintenance
    no "in maintenance: rabbit@web3"
    node web3 running regular
    echo '"rabbit@web1":["rabbit@web3"]' >"$R/partitions"
    no "the cluster is partitioned: rabbit@web3"
    rm "$R/partitions"
    echo '{"node":"rabbit@web2","resource":"memory","type":"resource_limit"}' >"$R/alarms"
    no "there is an alarm: memory on rabbit@web2"
    rm "$R/alarms"
    echo q1 >"$R/quorum"
    no "check_if_node_is_quorum_critical says that queues need this node: queue q1 in vhost /"
    rm "$R/quorum"
    echo m1 >"$R/mirror_sync"
    no "check_if_node_is_mirror_sync_critical says that queues need this node: queue m1 in vhost /"
    rm "$R/mirror_sync"
    yes
}

@test "gate: this node in maintenance does not count, another one does" {
    node web1 running maintenance
    yes
}

@test "gate: RabbitMQ 4 knows no mirrored queues, and is not asked for them" {
    local version
    echo m1 >"$R/mirror_sync"
    for version in 4.0.5 4.1.0 10.0; do
        echo "$version" >"$R/version"
        yes
    done
    for version in 3.13.7 '' unknown; do
        echo "$version" >"$R/version"
        no "check_if_node_is_mirror_sync_critical says *"
    done
}

@test "gate: too few nodes, and a node without a cluster" {
    sed -i 3d "$R/nodes"
    no "the cluster has 2 of 3 nodes (min_size in $BATS_TEST_TMPDIR/etc/hooks.conf.d/rabbitmq.conf)"
    setting rabbitmq min_size=2
    yes
    sed -i 2d "$R/nodes"
    echo q1 >"$R/quorum" # of one
    setting rabbitmq min_size=1
    yes
}

@test "gate: could not find out" {
    echo off >"$R/down"
    no "could not ask RabbitMQ: Error: unable to perform an operation on node 'rabbit@web1'. Please see diagnostics" \
        "information and suggestions below. (epmd reports: node 'rabbit' not running at all)"
    echo booting >"$R/down"
    no "could not ask RabbitMQ: Error: this command requires the 'rabbit' app*"
    rm "$R/down"
    local answer
    for answer in '' nonsense '{}' '{"disk_nodes":[]}' '{"running_nodes":["rabbit@web1"]}' '["x"]'; do
        echo "$answer" >"$R/answer"
        no "could not ask RabbitMQ: *"
    done
    rm "$R/answer"
    NODE='{error,x}' no "could not ask RabbitMQ: *"
    echo gone >"$R/quorum"
    no "no answer to check_if_node_is_quorum_critical: Error: operation timed out"
    stub timeout 'exit 124'
    no "could not ask RabbitMQ: no answer within 60 s"
}

@test "a question that hangs has an end, although root's script runs the program in a session of its own" {
    setting rabbitmq timeout=1
    # shellcheck disable=SC2016
    stub rabbitmqctl 'setsid /bin/sleep 20 & echo $! >"$R/left"; printf "\nSession terminated, killing shell..."; wait'
    no "could not ask RabbitMQ: no answer within 1 s"
    [[ -z $(tr -d "\0" 2>/dev/null <"/proc/$(<"$R/left")/cmdline") ]] # ended, even if nobody has waited for it
}

@test "gate: settings" {
    setting rabbitmq "options='--node rabbit@web1 --longnames'"
    yes
    called "rabbitmq-diagnostics -q --node rabbit@web1 --longnames cluster_status --formatter json"
    setting rabbitmq min_size=all
    gate
    not_now "rabbitmq: min_size=all in $BATS_TEST_TMPDIR/etc/hooks.conf.d/rabbitmq.conf: use a whole number"
    setting rabbitmq timeout=1m
    gate
    exits 1
}

@test "drain and revive, each again" {
    drain
    exits 0
    is maintenance
    says "rabbit@web1 is in maintenance"
    drain
    exits 0
    revive
    exits 1 # it asks once more after that
    is regular
    says "rabbit@web1 is still in maintenance"
    revive
    exits 0
    says "rabbit@web1 runs, and the cluster is whole"
}

@test "drain: refused with nothing changed while the cluster can't do without the node" {
    echo q1 >"$R/quorum"
    drain
    exits 1
    says "nothing was changed, the cluster can't do without rabbit@web1: check_if_node_is_quorum_critical says"
    says "start the updater again"
    refute called rabbitmq-upgrade
    is regular
}

@test "drain: again, and the cluster can't do without the node any more: it says that the node is in maintenance" {
    drain
    exits 0
    node web3 down regular
    drain
    exits 1
    refute says "nothing was changed"
    says "the cluster can't do without rabbit@web1: not running: rabbit@web3. It stays in maintenance, which this run"
    says "\`rabbitmq-upgrade revive\` ends that"
}

@test "drain: drain_timeout is for the drain, timeout for each question before and after it" {
    # shellcheck disable=SC2016 # not for this shell
    stub timeout 'shift; "$@"'
    setting rabbitmq timeout=7 drain_timeout=9
    drain
    exits 0
    called "timeout 9 env DLM_ANSWER="
    [[ $(grep -c "^timeout 9 " "$CALLS") == 1 && $(grep "^timeout" "$CALLS" | tail -n 1) == "timeout 7 "* ]]
}

@test "drain: a node that is down" {
    echo off >"$R/down"
    drain
    exits 1
    says "nothing was changed, the node can't be asked: Error: unable to perform"
    rm "$R/down"
    drain
    echo booting >"$R/down"
    drain # a power cut, and RabbitMQ is starting
    exits 1
    echo off >"$R/down"
    drain # services-stop stopped it, and then a hook failed
    exits 0
    says "rabbit@web1 is down, this run drained it"
    DLM_RUN_ID=run-2 drain
    exits 1
}

@test "drain: somebody else's maintenance stays" {
    node web1 running maintenance
    drain
    exits 0
    says "somebody else has put rabbit@web1 into maintenance, it stays there"
    refute called rabbitmq-upgrade
    revive
    exits 0
    says "stays in maintenance, which this run did not begin"
    is maintenance
}

@test "drain: somebody else's maintenance does not mean that the cluster can do without the node" {
    node web1 running maintenance
    node web3 down regular
    drain
    exits 1
    says "nothing was changed, the cluster can't do without rabbit@web1: not running: rabbit@web3"
}

@test "drain and revive that do nothing are noticed" {
    : >"$R/deaf"
    drain
    exits 1
    says "rabbit@web1 is not in maintenance after"
    rm "$R/deaf"
    drain
    exits 0
    : >"$R/deaf"
    revive
    exits 1
    says "the node is not back in its cluster after 0 s: rabbit@web1 is still in maintenance"
}

@test "revive: a restart has ended the maintenance" {
    drain
    node web1 running regular
    revive
    exits 0
    refute called "revive"
}

@test "revive: waits for the node, the cluster and the queues" {
    drain
    node web1 running regular
    echo off >"$R/down"
    revive
    exits 1
    says "after 0 s: the node can't be asked: Error: unable"
    rm "$R/down"
    node web1 down regular
    revive
    exits 1
    says "rabbit@web1 does not run"
    node web1 running regular
    node web2 down regular
    revive
    exits 1
    says "not running: rabbit@web2"
    node web2 running regular
    echo q1 >"$R/quorum"
    revive
    exits 1
    says "queue q1 in vhost /"
    setting rabbitmq sync_timeout=60
    # shellcheck disable=SC2016
    stub sleep 'rm "$R/quorum"'
    revive
    exits 0
}
