#!/usr/bin/env bats
# pre_update/pacemaker-standby and post_update/pacemaker-unstandby, with a cluster whose nodes are lines in a file. The
# stubs' answers come from Debian 12's Pacemaker 2.1.5 in a cluster of two. With the real one:
# ../real/cluster/pacemaker.bats.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    export CLUSTER=$BATS_TEST_TMPDIR/cluster NODES=$BATS_TEST_TMPDIR/cluster/nodes
    mkdir "$CLUSTER"
    export QUORUM=true MAINTENANCE=false
    printf '%s\n' 'web1 true false false false false false 2 member' \
        'web2 true false false false false false 1 member' >"$NODES"
    # shellcheck disable=SC2016 # not for this shell
    {
        stub crm_node '[ -z "${AWAY:-}" ] || { echo "error: Could not connect to controller: Connection refused" >&2; exit 102; }
            echo web1'
        stub crm_mon '[ -z "${OLD:-}" ] || [ "$*" = -X ] || { echo "crm_mon: unrecognized option --output-as=xml" >&2; exit 1; }
            [ -z "${DEAF:-}" ] || { echo "crm_mon: Connection to cluster failed: Connection refused" >&2; exit 102; }
            [ ! -e "$CLUSTER/then" ] || mv "$CLUSTER/then" "$NODES"
            cat <<END
<pacemaker-result api-version="2.25" request="crm_mon -1 --output-as=xml">
  <summary>
    <current_dc present="true" version="2.1.5-a3f44794f94" name="web2" id="2" with_quorum="$QUORUM" mixed_version="false"/>
    <cluster_options stonith-enabled="true" symmetric-cluster="true" no-quorum-policy="stop" maintenance-mode="$MAINTENANCE" stop-all-resources="false"/>
  </summary>
  <nodes>
END
            awk "{ printf \"    <node name=\\\"%s\\\" id=\\\"%s\\\" online=\\\"%s\\\" standby=\\\"%s\\\" standby_onfail=\\\"%s\\\" maintenance=\\\"%s\\\"\" \
                \" pending=\\\"%s\\\" unclean=\\\"%s\\\" health=\\\"green\\\" feature_set=\\\"3.16.1\\\" shutdown=\\\"false\\\" expected_up=\\\"true\\\"\" \
                \" is_dc=\\\"false\\\" resources_running=\\\"%s\\\" type=\\\"%s\\\"/>\\n\", \$1, NR, \$2, \$3, \$4, \$5, \$6, \$7, \$8, \$9 }" "$NODES"
            cat <<END
  </nodes>
  <resources>
    <resource id="app" resource_agent="ocf:pacemaker:Dummy" role="Started" active="true" managed="true" nodes_running_on="1">
      <node name="web1" id="1" cached="true"/>
    </resource>
  </resources>
  <status code="0" message="OK"/>
</pacemaker-result>
END'
        stub crm_standby 'cp "$DLM_HOOKS_STATE/pacemaker-standby" "$CLUSTER/record-at-standby" 2>/dev/null
            [ -z "${STUCK:-}" ] || exit "$STUCK"
            case "$*" in
            "-N web1 -v on") sed -i "s/^web1 \([a-z]*\) false\(.*\) [0-9]* /web1 \1 true\2 ${LEFT:-0} /" "$NODES" ;;
            "-N web1 -D") sed -i "s/^web1 \([a-z]*\) true/web1 \1 false/" "$NODES" ;;
            esac'
    }
    stub sleep
    setting pacemaker-standby 'standby_timeout=0'
    setting pacemaker-unstandby 'online_timeout=0'
}
# node NAME "ONLINE STANDBY STANDBY_ONFAIL MAINTENANCE PENDING UNCLEAN RESOURCES TYPE": sets the node's state from now
# on.
node() { sed -i "/^$1 /d" "$NODES" && echo "$1 $2" >>"$NODES"; }
standby() { grep -q "^$1 [a-z]* true" "$NODES"; }
recorded() { mkdir -p "$DLM_HOOKS_STATE" && printf '%s\n' "$@" >"$DLM_HOOKS_STATE/pacemaker-standby"; }
drain() { hook pre_update/pacemaker-standby; }
back() { hook post_update/pacemaker-unstandby; }
refused() { # WHY
    drain
    exits 1
    says "pacemaker-standby: "
    says "$1"
    says "start the updater again"
    refute called crm_standby
    [[ ! -e $DLM_HOOKS_STATE/pacemaker-standby ]]
}

@test "into standby after it was recorded; and out of it" {
    drain
    exits 0
    says "putting web1 into standby"
    says "no resource runs on web1"
    standby web1
    [[ $(tr '\n' ' ' <"$CLUSTER/record-at-standby") == "run-1 web1 " ]]
    back
    exits 0
    says "web1 is online"
    refute standby web1
    refute standby web2
}

@test "again in the same run: one standby; unstandby may run any number of times" {
    drain
    drain
    exits 0
    says "web1 is in standby already"
    [[ $(grep -c "crm_standby .* -v on" "$CALLS") == 1 ]]
    back
    back
    exits 0
    refute standby web1
}

@test "a node that was in standby before stays in standby" {
    node web1 'true true false false false false 0 member'
    drain
    exits 0
    says "web1 is in standby already"
    back
    exits 0
    says "this run put no node into standby"
    refute called crm_standby
}

@test "another run's record does not count" {
    recorded run-0 web1
    node web1 'true true false false false false 0 member'
    drain
    exits 0
    back
    exits 0
    says "this run put no node into standby"
    standby web1
}

@test "waits until nothing runs here, and says what to do if that takes too long" {
    export LEFT=2
    drain
    exits 1
    says "resources still run on web1 after 0 s"
    says "crm_standby -N web1 -D"
    standby web1
    setting pacemaker-standby 'standby_timeout=60'
    # shellcheck disable=SC2016 # not for this shell
    stub sleep 'sed -i "s/^web1 .*/web1 true true false false false false 0 member/" "$NODES"'
    drain
    exits 0
    [[ $(grep -c ^sleep "$CALLS") == 1 ]]
}

@test "the other nodes: all, one, none" {
    local states='true true false false false false 0 member
true false true false false false 0 member
true false false true false false 1 member
true false false false true false 0 member
true false false false false true 1 member
false false false false false false 0 member'
    while read -r state; do
        node web2 "$state"
        refused "not enough other nodes can take over (others=all in $BATS_TEST_TMPDIR/etc/hooks.conf.d/pacemaker-standby.conf)"
        setting pacemaker-standby 'standby_timeout=0' 'others=one'
        refused "not enough other nodes can take over (others=one"
        setting pacemaker-standby 'standby_timeout=0'
    done <<<"$states"
    node web3 'true false false false false false 0 member'
    refused "others=all"
    setting pacemaker-standby 'standby_timeout=0' 'others=one'
    drain
    exits 0
}

@test "the only node, and one that only runs pacemaker_remote, are no others; others=none does not look" {
    sed -i /^web2/d "$NODES"
    refused "not enough other nodes"
    node web3 'true false false false false false 0 remote'
    refused "not enough other nodes"
    setting pacemaker-standby 'standby_timeout=0' 'others=one'
    refused "not enough other nodes"
    setting pacemaker-standby 'standby_timeout=0' 'others=none'
    drain
    exits 0
    standby web1
}

@test "a node whose name begins with this one's is another node" {
    node web10 'false false false false false false 0 member'
    refused "not enough other nodes"
    node web10 'true true false false false false 0 member'
    setting pacemaker-standby standby_timeout=0 others=one
    drain
    exits 0
    says "putting web1 into standby"
}

@test "this node is not well, no quorum, maintenance mode: refused" {
    local state
    for state in 'false false false false false false 0 member' \
        'true false false false true false 0 member' \
        'true false false false false true 2 member'; do
        node web1 "$state"
        refused "this node is not online in its cluster, nothing was moved: node name=\"web1\" "
    done
    node web1 'true false false true false false 2 member'
    refused "in maintenance mode"
    node web1 'true false false false false false 2 member'
    MAINTENANCE=true refused "in maintenance mode"
    QUORUM=false refused "the cluster has no quorum"
}

@test "Pacemaker is not up, does not answer, or is not installed: refused" {
    AWAY=1 refused "nothing was moved: error: Could not connect to controller: Connection refused"
    DEAF=1 refused "nothing was moved: crm_mon: Connection to cluster failed"
    stub timeout 'exit 124'
    refused "nothing was moved: no answer within 60 s"
    rm "$BATS_TEST_TMPDIR"/bin/{timeout,crm_node}
    ! command -v crm_node || skip "Pacemaker is installed here"
    refused "crm_node"
}

@test "each command has a time limit" {
    # shellcheck disable=SC2016 # not for this shell
    stub timeout 'shift; exec "$@"'
    drain
    exits 0
    back
    exits 0
    called "timeout 60 crm_node -n"
    called "timeout 60 crm_mon -1"
    called "timeout 60 crm_standby -N web1 -v on"
    called "timeout 60 crm_standby -N web1 -D"
}

@test "Pacemaker before 2.0.3" {
    export OLD=1
    drain
    exits 0
    standby web1
    back
    exits 0
    refute standby web1
}

@test "standby that fails, or does nothing" {
    STUCK=1 drain
    exits 1
    says "web1 could not be put into standby"
    STUCK=0 drain
    exits 1
    says "resources still run on web1 after 0 s"
    drain
    exits 0
    STUCK=1 back
    exits 1
    says "web1 is still in standby"
    says "crm_standby -N web1 -D"
    back
    exits 0
    refute standby web1
}

@test "after a power cut, in standby: waits for Pacemaker, and the other nodes do not matter" {
    recorded run-1 web1
    node web1 'true true false false true false 0 member'
    node web2 'false false false false false false 0 member'
    setting pacemaker-standby 'standby_timeout=60'
    # shellcheck disable=SC2016 # not for this shell
    stub sleep 'sed -i "s/^web1 .*/web1 true true false false false false 0 member/" "$NODES"'
    drain
    exits 0
    says "web1 is in standby already"
    [[ $(grep -c ^sleep "$CALLS") == 1 ]]
    refute called crm_standby
}

@test "after a power cut between the record and the standby: everything is checked again" {
    recorded run-1 web1
    node web2 'false false false false false false 0 member'
    drain
    exits 1
    says "not enough other nodes"
    refute called crm_standby
    node web2 'true false false false false false 0 member'
    node web1 'true false false false true false 0 member'
    setting pacemaker-standby 'standby_timeout=60'
    # shellcheck disable=SC2016 # not for this shell
    stub sleep 'sed -i "s/^web1 .* true false 0 /web1 true false false false false false 2 /" "$NODES"'
    drain
    exits 0
    standby web1
    [[ $(tr '\n' ' ' <"$DLM_HOOKS_STATE/pacemaker-standby") == "run-1 web1 " ]]
}

@test "out of standby: the node has to join first" {
    drain
    AWAY=1 back
    exits 1
    says "this node has not joined its cluster after 0 s: error: Could not connect to controller"
    says "Start Pacemaker on it"
    node web1 'true true false false true false 0 member'
    back
    exits 1
    says "has not joined"
    [[ $(grep -c "crm_standby .* -D" "$CALLS") == 0 ]]
    setting pacemaker-unstandby 'online_timeout=60'
    # shellcheck disable=SC2016 # not for this shell
    stub sleep 'sed -i "s/^web1 .*/web1 true true false false false false 0 member/" "$NODES"'
    back
    exits 0
    refute standby web1
}

@test "wrong settings: nothing is done" {
    local wrong
    for wrong in others=two others= standby_timeout=10m standby_timeout=; do
        setting pacemaker-standby "$wrong"
        drain
        exits 1
        says "$wrong in $BATS_TEST_TMPDIR/etc/hooks.conf.d/pacemaker-standby.conf: use "
    done
    setting pacemaker-standby 'others=('
    drain
    [[ $status != 0 ]]
    refute called crm_
    recorded run-1 web1
    setting pacemaker-unstandby 'online_timeout=soon'
    back
    exits 1
    says "online_timeout=soon in $BATS_TEST_TMPDIR/etc/hooks.conf.d/pacemaker-unstandby.conf: use "
    setting pacemaker-unstandby 'online_timeout=('
    back
    [[ $status != 0 ]]
    refute called crm_
}
