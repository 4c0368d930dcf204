#!/usr/bin/env bats
# pacemaker-standby, pacemaker-unstandby and gate/pacemaker with Debian's Corosync and Pacemaker, in a cluster of two:
# this host ("here"), and a node in namespaces on it ("there").
# Debian: 13
# Also on Debian: 12
load ../../hook
load ../../set

setup_file() {
    ip netns add there
    ip link add here type veth peer name there netns there
    ip addr add 192.0.2.1/24 dev here && ip link set here up
    ip -n there addr add 192.0.2.2/24 dev there && ip -n there link set there up && ip -n there link set lo up
    cat >/etc/corosync/corosync.conf <<'END'
totem {
  version: 2
  cluster_name: test
  transport: udpu
}
nodelist {
  node {
    nodeid: 1
    name: here
    ring0_addr: 192.0.2.1
  }
  node {
    nodeid: 2
    name: there
    ring0_addr: 192.0.2.2
  }
}
quorum {
  provider: corosync_votequorum
  two_node: 1
  wait_for_all: 0
}
logging {
  to_syslog: yes
}
END
    # The two must not share processes, IPC, sockets or state.
    cat >/run/there <<'END'
for dir in /dev/shm /run /var/lib/corosync /var/lib/pacemaker /var/log; do mount -t tmpfs tmpfs $dir; done
cd /var/lib/pacemaker
mkdir -p /run/lock /run/resource-agents /var/log/corosync /var/log/pacemaker blackbox cib cores pengine
chown -R hacluster:haclient . /var/log/pacemaker
corosync
exec pacemakerd
END
    systemctl stop pacemaker corosync # Debian starts a cluster of one
    rm -f /var/lib/pacemaker/cib/*
    systemctl start pacemaker
    there_joins # the first nodes wait 20 s for others
    cibadmin --modify --xml-text '<crm_config><cluster_property_set id="all"><nvpair id="fencing" name="stonith-enabled" value="false"/>
        </cluster_property_set></crm_config>'
    cibadmin --create --scope resources --xml-text '<primitive id="app" class="ocf" provider="pacemaker" type="Dummy"/>'
    cibadmin --create --scope constraints --xml-text '<rsc_location id="home" rsc="app" node="here" score="100"/>'
}
prepare() {
    crm_standby -N here -D
    crm_standby -N there -D
    crm_attribute -n maintenance-mode -D
    crm_resource -r app --meta -d is-managed || : # Pacemaker 3: 105 if it is not set
    until_true runs_on here
}
there_joins() {
    systemd-run -q --collect -u there ip netns exec there unshare --mount --ipc --pid --fork --mount-proc --kill-child \
        sh -ex /run/there
    until_true online here
    until_true online there
}
online() { crm_mon -1 --output-as=xml | grep -q "<node name=\"$1\" .*online=\"true\" .*pending=\"false\""; }
standby() { [[ $(crm_standby -N "$1" -G -Q) == on ]]; }
runs_on() { [[ $(crm_resource -r app --locate -Q) == "$1" ]]; }
until_true() { # COMMAND...
    for _ in {1..1500}; do
        ! "$@" 2>/dev/null || return 0
        sleep 0.2
    done
    echo "never true: $*"
    crm_mon -1
    return 1
}
runs() { [[ $(crm_resource -r "$1" --locate -Q) == "$2" ]]; }
create() { cibadmin --create --scope "$1" --xml-text "$2"; } # SCOPE XML
delete() { cibadmin --delete --xml-text "$1"; } # XML
gate() { hook gate/pacemaker; }
drain() { hook pre_update/pacemaker-standby; }
back() { hook post_update/pacemaker-unstandby; }

@test "the resource moves to the other node, and may come back" {
    drain
    exits 0
    says "putting here into standby"
    says "no resource runs on here"
    standby here
    until_true runs_on there
    drain # again, as after a failed hook
    exits 0
    says "here is in standby already"
    back
    exits 0
    says "here is online"
    refute standby here
    until_true runs_on here
    back # again
    exits 0
}

@test "a stop of the whole cluster stack in between, as in a reboot" {
    drain
    exits 0
    systemctl stop pacemaker corosync
    setting pacemaker-unstandby 'online_timeout=1'
    back
    exits 1
    says "this node has not joined its cluster after 1 s: "
    says "Could not connect to controller: Connection refused" || says "\`crm_node -n\` says nothing"
    setting pacemaker-standby 'standby_timeout=1'
    drain
    exits 1
    says "nothing was moved"
    systemctl start --no-block pacemaker
    setting pacemaker-standby 'standby_timeout=600'
    drain # after a power cut in pre_update: waits for Pacemaker
    exits 0
    setting pacemaker-unstandby 'online_timeout=600'
    back
    exits 0
    until_true runs_on here
}

@test "a power cut after the record, before the standby: put into standby then, and out of it" {
    mkdir -p "$DLM_HOOKS_STATE"
    printf '%s\n' run-1 here >"$DLM_HOOKS_STATE/pacemaker-standby"
    drain
    exits 0
    standby here
    back
    exits 0
    refute standby here
}

@test "a node that was in standby before stays in standby; another run's record does not count" {
    crm_standby -N here -v on
    until_true runs_on there
    drain
    exits 0
    back
    exits 0
    says "this run put no node into standby"
    standby here
    crm_standby -N here -D
    until_true runs_on here
    drain
    exits 0
    DLM_RUN_ID=run-2 back
    exits 0
    standby here
    back
    exits 0
    refute standby here
}

@test "the other node can't take over: refused, unless the settings say so" {
    crm_standby -N there -v on
    drain
    exits 1
    says "not enough other nodes can take over (others=all in $BATS_TEST_TMPDIR/etc/hooks.conf.d/pacemaker-standby.conf)"
    refute standby here
    setting pacemaker-standby 'others=one'
    drain
    exits 1
    says "not enough other nodes"
    setting pacemaker-standby 'others=none'
    drain
    exits 0
    [[ -z $(crm_resource -r app --locate -Q 2>/dev/null) ]]
    back
    exits 0
    until_true runs_on here
    crm_standby -N there -D
    systemctl stop there # killed
    until_true eval '! online there'
    setting pacemaker-standby 'others=one'
    drain
    exits 1
    says "not enough other nodes"
    there_joins
    drain
    exits 0
}

@test "maintenance mode: refused" {
    crm_attribute -n maintenance-mode -v true
    drain
    exits 1
    says "the cluster, or here, is in maintenance mode"
    refute standby here
}

@test "an unmanaged resource never moves: refused" {
    crm_resource -r app --meta -p is-managed -v false
    drain
    exits 1
    says "nothing was moved: these would not leave here: app (unmanaged resources never move)"
    refute standby here
}

@test "a resource that becomes unmanaged in between: stays in standby, and it goes on once it moves" {
    mkdir -p "$DLM_HOOKS_STATE"
    printf '%s\n' run-1 here >"$DLM_HOOKS_STATE/pacemaker-standby"
    crm_resource -r app --meta -p is-managed -v false
    crm_standby -N here -v on
    setting pacemaker-standby 'standby_timeout=1'
    drain
    exits 1
    says "resources still run on here after 1 s"
    standby here
    crm_resource -r app --meta -d is-managed
    setting pacemaker-standby 'standby_timeout=600'
    drain
    exits 0
    until_true runs_on there
}

@test "a constraint keeps the resource from the other node: refused before anything moves" {
    crm_resource --ban -r app -N there
    gate
    exits 1
    says "app: constraint cli-ban-app-on-there keeps it from there (end that with \`crm_resource --clear --resource app\`)"
    drain
    exits 1
    says "nothing was moved: without here, the cluster would stop what runs now"
    refute standby here
    runs_on here
    setting pacemaker-standby 'may_stop="other app"'
    gate
    exits 0
    crm_resource --clear --resource app
}

@test "the other node can't start the resource: here again; then its fail count is INFINITY: refused" {
    mkdir /run/frail # which the other node does not have
    create resources '<primitive id="frail" class="ocf" provider="pacemaker" type="Dummy"><instance_attributes id="at">
        <nvpair id="state" name="state" value="/run/frail/state"/></instance_attributes></primitive>'
    create constraints '<rsc_location id="frail-home" rsc="frail" node="here" score="100"/>'
    until_true runs frail here
    crm_resource --cleanup -r frail # it may have begun there
    crm_resource --wait
    setting pacemaker-standby 'standby_timeout=15'
    drain
    exits 1
    says "what ran here does not run on another node (standby_timeout=15 in $BATS_TEST_TMPDIR/etc/hooks.conf.d/pacemaker-standby.conf): frail: it failed too often on there (try \`crm_resource --cleanup --resource frail --node there\`). here is out of standby again"
    refute standby here
    until_true runs frail here
    gate
    exits 1
    drain
    exits 1
    says "nothing was moved: without here, the cluster would stop what runs now"
    says "frail: it failed too often on there"
    runs frail here
    delete '<rsc_location id="frail-home"/>'
    delete '<primitive id="frail"/>'
    crm_resource --cleanup >/dev/null 2>&1
}

@test "clones, promotable clones and groups: what matters is that one runs, is promoted, on another node" {
    create resources '<clone id="c"><primitive id="one" class="ocf" provider="pacemaker" type="Dummy"/></clone>'
    create resources '<clone id="u"><meta_attributes id="m1"><nvpair id="m2" name="globally-unique" value="true"/>
        </meta_attributes><primitive id="two" class="ocf" provider="pacemaker" type="Dummy"/></clone>'
    create resources '<clone id="p"><meta_attributes id="m3"><nvpair id="m4" name="promotable" value="true"/>
        </meta_attributes><primitive id="three" class="ocf" provider="pacemaker" type="Stateful"/></clone>'
    create resources '<group id="g"><primitive id="four" class="ocf" provider="pacemaker" type="Dummy"/></group>'
    crm_resource --wait
    gate
    exits 0
    crm_resource --ban -r g -N there
    crm_resource --ban -r p --promoted -N there
    crm_resource --wait
    gate
    exits 1
    says "four in g: constraint cli-ban-g-on-there keeps it from there"
    says "three in p (as promoted): constraint cli-ban-p-on-there keeps it from there"
    refute says "one in"
    refute says "two in"
    setting pacemaker 'may_stop="g p"'
    gate
    exits 0
    crm_resource --clear -r g
    crm_resource --clear -r p
}

@test "the documented hooks: the resource runs on the other node during the update, and here after it" {
    documented_hooks pacemaker
    whole_run
    [[ $output == *"putting here into standby"*"no resource runs on here"*"here is online"* ]]
    refute standby here
    until_true runs_on here
}
