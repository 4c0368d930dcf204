#!/usr/bin/env bats
# pre_update/pacemaker-standby, post_update/pacemaker-unstandby and gate/pacemaker, with a cluster whose nodes are lines
# in a file. The stubs' answers come from Pacemaker 2.1.5 and 3.0.0 (Debian 12 and 13) in a cluster of two. With the
# real one: ../real/cluster/pacemaker.bats.
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
        stub crm_node '[ -z "${DUMB:-}" ] || exit 102
            [ -z "${AWAY:-}" ] || { echo "error: Could not connect to controller: Connection refused" >&2; exit 102; }
            echo web1'
        stub crm_mon '[ -z "${OLD:-}" ] || [ "$*" = -X ] || { echo "crm_mon: unrecognized option --output-as=xml" >&2; exit 1; }
            [ -z "${DEAF:-}" ] || { echo "crm_mon: Connection to cluster failed: Connection refused" >&2; exit 102; }
            [ ! -e "$CLUSTER/then" ] || mv "$CLUSTER/then" "$NODES"
            which=now
            ! grep -q "^web1 [a-z]* true" "$NODES" || which=moved
            [ -z "${CIB_file:-}" ] || which=$(cat "$CIB_file")
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
                \" is_dc=\\\"false\\\" resources_running=\\\"%s\\\" type=\\\"%s\\\"/>\\n\", \$1, NR, \$2, \$3, \$4, \$5, \$6, \$7, \$8, \$9 }" "$NODES" |
                if [ "$which" = standby ]; then sed "/web1/s/standby=\"false\"/standby=\"${DREAM:-true}\"/"; else cat; fi
            cat <<END
  </nodes>
  <resources>
END
            on=web1
            case $which in standby | moved) on=web2 ;; esac
            if [ -e "$CLUSTER/$which" ]; then cat "$CLUSTER/$which"; else resource app $on; fi
            cat <<END
  </resources>
END
            [ ! -e "$CLUSTER/more" ] || cat "$CLUSTER/more"
            cat <<END
  <status code="0" message="OK"/>
</pacemaker-result>
END'
        stub resource 'active=true
            [ -n "$2" ] || active=false
            echo "    <resource id=\"$1\" resource_agent=\"${4:-ocf:pacemaker:Dummy}\" role=\"${3:-Started}\" active=\"$active\"" \
                "orphaned=\"false\" blocked=\"${BLOCKED:-false}\" managed=\"${MANAGED:-true}\" failed=\"${FAILED:-false}\" failure_ignored=\"false\" nodes_running_on=\"1\">"
            [ -z "$2" ] || echo "      <node name=\"$2\" id=\"1\" cached=\"true\"/>"
            echo "    </resource>"'
        stub cibadmin '[ "$*" = -Q ] && [ -z "${MUTE:-}" ] || { echo "Call cib_query failed: Transport endpoint is not connected" >&2; exit 107; }
            echo now'
        stub crm_simulate '[ "$1 $3 $4 $5" = "-x -S -Q -O" ] || exit 64
            [ -z "${BLIND:-}" ] || { echo "crm_simulate: Could not simulate" >&2; exit 1; }
            [ -n "${VAGUE:-}" ] || cp "$2" "$6"'
        stub crm_standby '[ -z "${CIB_file:-}" ] || { echo standby >"$CIB_file"; exit "${DENY:-0}"; }
            cp "$DLM_HOOKS_STATE/pacemaker-standby" "$CLUSTER/record-at-standby" 2>/dev/null
            [ -z "${STUCK:-}" ] || exit "$STUCK"
            case "$*" in
            "-N web1 -v on") sed -i "s/^web1 \([a-z]*\) false\(.*\) [0-9]* /web1 \1 true\2 ${LEFT:-0} /" "$NODES" ;;
            "-N web1 -D") sed -i "s/^web1 \([a-z]*\) true/web1 \1 false/" "$NODES" ;;
            esac'
    }
    # What is done with a copy of the configuration is no call.
    sed -i '2s/.*/[ -n "${CIB_file:-}" ] || echo "crm_standby $*" >>"$CALLS"/' "$BATS_TEST_TMPDIR/bin/crm_standby"
    stub sleep
    setting pacemaker-standby 'standby_timeout=0'
    setting pacemaker-unstandby 'online_timeout=0'
}
# node NAME "ONLINE STANDBY STANDBY_ONFAIL MAINTENANCE PENDING UNCLEAN RESOURCES TYPE": sets the node's state from now
# on.
node() { sed -i "/^$1 /d" "$NODES" && echo "$1 $2" >>"$NODES"; }
# resource ID NODE [ROLE [AGENT]]: prints it as crm_mon does; NODE may be empty. cluster WHEN: takes the resources from
# standard input: now; standby: as Pacemaker foresees it with this node in standby; moved: this node is in standby.
resource() { "$BATS_TEST_TMPDIR/bin/resource" "$@"; }
cluster() { cat >"$CLUSTER/$1"; }
standby() { grep -q "^$1 [a-z]* true" "$NODES"; }
recorded() { mkdir -p "$DLM_HOOKS_STATE" && printf '%s\n' "$@" >"$DLM_HOOKS_STATE/pacemaker-standby"; }
gate() { hook gate/pacemaker; }
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

@test "an answer of crm_mon that is cut off, or has another grammar, is no reason for yes" {
    local how
    mv "$BATS_TEST_TMPDIR/bin/crm_mon" "$BATS_TEST_TMPDIR/bin/crm_mon.whole"
    # shellcheck disable=SC2016 # not for this shell
    stub crm_mon 'crm_mon.whole "$@" | eval "$HOW"'
    export HOW=cat
    gate
    exits 0
    for how in 'head -n 8' 'head -n 10' 'head -n 12' 'sed "s/ active=\"[a-z]*\"//"' \
        'sed "s/ role=\"Started/ role=\"on/"' 'sed "s/ failed=/ Failed=/"' 'sed "s/<resource /<Resource /"'; do
        HOW=$how gate
        not_now "Pacemaker: Pacemaker could not be asked what would happen: the answer of crm_mon was not understood"
        HOW=$how refused "nothing was moved: Pacemaker could not be asked what would happen: the answer of crm_mon"
    done
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

# nowhere TEXT: Pacemaker's simulation says that "app" would stop, and hook and gate say why.
nowhere() {
    resource app '' Stopped | cluster standby
    refused "nothing was moved: without web1, the cluster would stop what runs now (may_stop in $BATS_TEST_TMPDIR/etc/hooks.conf.d/pacemaker-standby.conf allows it): $1"
    gate
    not_now "Pacemaker: without web1, the cluster would stop what runs now (may_stop in $BATS_TEST_TMPDIR/etc/hooks.conf.d allows it): $1"
}

@test "the gate: yes if the cluster can do without this node; changes nothing" {
    gate
    exits 0
    [[ -z $output ]]
    refute called crm_standby
    [[ ! -e $DLM_HOOKS_STATE ]]
    AWAY=1 gate
    not_now "Pacemaker: this node is not online in its cluster: error: Could not connect to controller: Connection refused"
    QUORUM=false gate
    not_now "Pacemaker: the cluster has no quorum"
    setting pacemaker others=two
    gate
    not_now "Pacemaker: others=two in $BATS_TEST_TMPDIR/etc/hooks.conf.d: use all, one or none"
    setting pacemaker others=all
    node web2 'false false false false false false 0 member'
    gate
    says "not enough other nodes can take over (others=all in $BATS_TEST_TMPDIR/etc/hooks.conf.d)"
    setting pacemaker others=none
    gate
    exits 0
}

@test "the other node has fail count INFINITY, or reached the migration threshold: refused, with the command" {
    cat >"$CLUSTER/more" <<'END'
  <node_history>
    <node name="web2">
      <resource_history id="app" orphan="false" migration-threshold="1000000" fail-count="1000000" last-failure="Sun Nov 29 02:42:55 2026">
        <operation_history call="57" task="start" rc="1" rc_text="error" last-rc-change="Sun Nov 29 02:42:55 2026" exec-time="54ms" queue-time="0ms"/>
      </resource_history>
    </node>
    <node name="web1">
      <resource_history id="app" orphan="false" migration-threshold="1" fail-count="1"/>
    </node>
  </node_history>
END
    nowhere "app: it failed too often on web2 (try \`crm_resource --cleanup --resource app --node web2\`)"
    sed -i 's/"1000000"/"3"/g' "$CLUSTER/more"
    nowhere "app: it failed too often on web2 (try \`crm_resource --cleanup --resource app --node web2\`)"
    sed -i 's/fail-count="3"/fail-count="2"/' "$CLUSTER/more"
    nowhere "app: \`crm_simulate -L -s\` shows the scores"
}

@test "a constraint that crm_resource left, or another one: refused; may_stop allows it" {
    cat >"$CLUSTER/more" <<'END'
  <bans>
    <ban id="cli-ban-app-on-web2" resource="app" node="web2" weight="-1000000" promoted-only="false" master_only="false"/>
    <ban id="elsewhere" resource="app2" node="web2" weight="-1000000" promoted-only="false" master_only="false"/>
  </bans>
END
    nowhere "app: constraint cli-ban-app-on-web2 keeps it from web2 (end that with \`crm_resource --clear --resource app\`)"
    sed -i 's/cli-ban-app-on-web2/only-web1/' "$CLUSTER/more"
    nowhere "app: constraint only-web1 keeps it from web2"
    setting pacemaker-standby standby_timeout=0 'may_stop="db app"'
    resource app '' Stopped | cluster moved
    drain
    exits 0
    standby web1
}

@test "Pacemaker can't be asked what would happen, or its answer is none: refused" {
    MUTE=1 refused "Pacemaker could not be asked what would happen: Call cib_query failed: Transport endpoint is not connected"
    BLIND=1 refused "Pacemaker could not be asked what would happen: crm_simulate: Could not simulate"
    VAGUE=1 refused "Pacemaker could not be asked what would happen: "
    DENY=1 refused "Pacemaker could not be asked what would happen: "
    DREAM=false refused "Pacemaker could not be asked what would happen: "
}

@test "what would not leave this node: refused" {
    MANAGED=false resource app web1 | cluster standby
    refused "nothing was moved: these would not leave web1: app (unmanaged resources never move)"
}

@test "what counts as running: the role, failed, blocked; other nodes' resources; fencing devices do not count" {
    local state
    for state in Stopped Stopping Starting; do
        resource app web2 "$state" | cluster standby
        refused "app: "
    done
    FAILED=true resource app web2 | cluster standby
    refused "app: "
    BLOCKED=true resource app web2 | cluster standby
    refused "app: "
    { resource app web1; resource db web2; } | cluster now
    { resource app web2; resource db ''; } | cluster standby
    refused "allows it): db: "
    { resource app web1; resource fence web1 Started stonith:fence_xvm; } | cluster now
    resource app web2 | cluster standby
    gate
    exits 0
    resource app '' | cluster now # as target-role Stopped
    resource app '' | cluster standby
    gate
    exits 0
}

# box KIND ID: puts what comes on standard input into a group, clone or bundle.
box() { echo "    <$1 id=\"$2\" multi_state=\"true\" unique=\"false\" managed=\"true\">"; cat; echo "    </$1>"; }

@test "clones, groups, promotable clones, bundles: one instance has to be left" {
    { resource a web1; resource a web2; } | box clone c >"$CLUSTER/now"
    { resource a ''; resource a web2; } | box clone c >"$CLUSTER/standby"
    gate
    exits 0
    { resource a:0 web1; resource a:1 web2; } | box clone c >"$CLUSTER/now"
    gate
    exits 0
    { resource a:0 ''; resource a:1 ''; } | box clone c >"$CLUSTER/standby"
    refused "a in c: "
    resource a web1 | box group g:0 | box clone c >"$CLUSTER/now"
    resource a '' | box group g:0 | box clone c >"$CLUSTER/standby"
    refused "a in c,g: "
    setting pacemaker may_stop=g
    gate
    exits 0
    setting pacemaker
    local promoted
    for promoted in Promoted Master; do
        { resource a web1 $promoted; resource a web2 Unpromoted; } | box clone c >"$CLUSTER/now"
        { resource a ''; resource a web2 Slave; } | box clone c >"$CLUSTER/standby"
        refused "a in c (as promoted): "
        { resource a ''; resource a web2 $promoted; } | box clone c >"$CLUSTER/standby"
        gate
        exits 0
    done
    for n in 1 2; do
        resource "b-ip-192.0.2.$n" web$n Started ocf:heartbeat:IPaddr2
        resource "b-podman-$n" web$n Started ocf:heartbeat:podman
    done | box replica 0 | box bundle b >"$CLUSTER/now"
    sed 's/.*name="web1".*//' "$CLUSTER/now" >"$CLUSTER/standby"
    gate
    exits 0
    sed 's/.*name="web.".*//' "$CLUSTER/now" >"$CLUSTER/standby"
    refused "ocf:heartbeat:IPaddr2 in b: "
    setting pacemaker may_stop=b
    gate
    exits 0
}

@test "what ran here does not start elsewhere: waits, then takes the node out of standby, once Pacemaker has given up" {
    resource app '' Stopped | cluster moved
    cat >"$CLUSTER/more" <<'END'
  <node_history>
    <node name="web2">
      <resource_history id="app" orphan="false" migration-threshold="1000000" fail-count="1000000"/>
END
    local why="pacemaker-standby.conf): app: it failed too often on web2"
    drain # Pacemaker says that it will start it; standby_timeout is over
    exits 1
    says "$why"
    says "web1 is out of standby again, so that it can run here. Fix it, and start the updater again"
    refute standby web1
    setting pacemaker-standby standby_timeout=600
    # shellcheck disable=SC2016 # not for this shell
    stub sleep '"${0%/*}/resource" app "" >"$CLUSTER/now"'
    drain # it says that it won't
    exits 1
    says "$why"
    refute standby web1
    [[ $(grep -c ^sleep "$CLUSTER/../calls") == 8 ]]
    rm "$CLUSTER/now"
    stub sleep 'rm "$CLUSTER/moved"'
    drain
    exits 0
    standby web1
}

@test "what ran here does not run elsewhere, and the node can't be taken out of standby" {
    resource app '' Stopped | cluster moved
    # shellcheck disable=SC2016 # not for this shell
    sed -i '3i[ "$*" != "-N web1 -D" ] || exit 1' "$BATS_TEST_TMPDIR/bin/crm_standby"
    drain
    exits 1
    says "web1 could not be taken out of standby, do so: crm_standby -N web1 -D."
    standby web1
    drain # again: it is looked at again
    exits 1
    says "what ran here does not run on another node (standby_timeout=0 in "
    rm "$CLUSTER/moved"
    drain
    exits 0
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
    DUMB=1 refused "nothing was moved: \`crm_node -n\` says nothing, so Pacemaker does not run. Start Pacemaker on it"
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
    called "timeout 60 cibadmin -Q"
    called "timeout 60 crm_simulate -x "
    called "timeout 60 env CIB_file="
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
