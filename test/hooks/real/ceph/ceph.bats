#!/usr/bin/env bats
# gate/ceph and the hooks ceph-noout with a real Ceph (see cluster.bash), as the user that the page makes.
# Debian: 12
load ../../hook
load ../../set
load cluster

setup_file() {
    start_ceph
    local create
    create=$(grep '^ceph auth get-or-create' -A 3 /docs/bundled-hooks/ceph.md | sed '/^```/,$d')
    sh -euc "$create" # with mon and mgr, as for all hooks
    ceph auth get-or-create client.reader mon 'allow r' -o /etc/ceph/ceph.client.reader.keyring
}
prepare() {
    systemctl start mon-a mon-b mon-c mgr-x osd-0 osd-1
    ceph osd unset noout 2>/dev/null
    within_seconds 60 ceph osd unset-group noout "$ME" # once osd.0 has put its host into CRUSH
    within_seconds 60 all_well
    within_seconds 60 ceph osd ok-to-stop 0 # what the manager knows is some seconds old
    settings
}
settings() {
    setting ceph "command='ceph --id updater'" "$@"
    setting ceph-noout settle=0
}
all_well() { [[ $(ceph status) == *HEALTH_OK*'2 osds: 2 up '*'active+clean'* && $(ceph status) != *degraded* ]]; }
flags() { ceph osd dump --format json | grep -o '"flags":"[^"]*noout\|"crush_node_flags":{[^}]*}'; }
gate() { hook gate/ceph; }
pre() { hook pre_update/ceph-noout; }
post() { hook post_update/ceph-noout; }
down() { ceph osd dump | grep -q "^osd.$1 down"; }
is_unhealthy() { [[ $(ceph health) == *"$1"* ]]; }
ME=$(uname -n)
readonly ME none='"crush_node_flags":{}' host="\"crush_node_flags\":{\"$ME\":[\"noout\"]}"

@test "noout for this host: set before, seen by nobody's gate but others', unset when all is well" {
    yes
    settings ok_to_stop=yes
    yes
    pre
    exits 0
    says "ceph-noout: noout is set (ceph osd set-group noout $ME)"
    [[ $(flags) == "$host" ]]
    yes
    DLM_RUN_ID=run-2 no "HEALTH_WARN: OSD_FLAGS"

    systemctl stop osd-0
    within_seconds 30 down 0
    pre # again, because a later hook has failed
    exits 0
    setting ceph-noout settle=0 healthy_timeout=0
    post
    exits 1
    says "ceph-noout: Ceph is not well after 0 s: osd.0 is not up and in. noout stays set."
    [[ $(flags) == "$host" ]]

    systemctl start osd-0
    setting ceph-noout settle=1 healthy_timeout=60
    post
    exits 0
    says "ceph-noout: noout is unset (ceph osd unset-group noout $ME)"
    [[ $(flags) == "$none" ]]
    DLM_RUN_ID=run-2 yes

    ceph osd set-group noout "$ME" # somebody else, before post_update runs again
    settings TOLERATE=OSD_FLAGS
    post
    exits 0
    [[ $(flags) == "$host" ]]
}

@test "another one's flag stays" {
    ceph osd set-group noout "$ME"
    pre
    exits 1
    says "Ceph is HEALTH_WARN: OSD_FLAGS. Nothing was changed."
    settings TOLERATE=OSD_FLAGS
    pre
    exits 0
    says "noout was set before (ceph osd dump), and stays set after the run"
    post
    exits 0
    [[ $(flags) == "$host" ]]
}

@test "refused: a monitor or an OSD that others need" {
    systemctl stop mon-c
    settings TOLERATE=MON_DOWN ok_to_stop=yes
    within_seconds 60 is_unhealthy "1/3 mons down"
    no "ceph mon ok-to-stop a: Error EBUSY: not enough monitors would be available (b) after stopping mons [a]"
    pre
    exits 1
    says "Ceph can't do without this host now: ceph mon ok-to-stop a: Error EBUSY: not enough monitors"
    says "Nothing was changed."
    systemctl start mon-c
    within_seconds 60 well

    systemctl stop osd-1
    within_seconds 60 refute ceph osd ok-to-stop 0 2>/dev/null # what the manager knows is some seconds old
    settings "TOLERATE='OSD_DOWN OSD_HOST_DOWN PG_DEGRADED PG_AVAILABILITY TOO_FEW_OSDS'" ok_to_stop=yes
    no "ceph osd ok-to-stop 0: Error EBUSY: unsafe to stop osd(s) at this time*"
    pre
    exits 1
    says "Ceph can't do without this host now: ceph osd ok-to-stop 0: Error EBUSY: unsafe to stop osd(s) at this time"
    [[ $(flags) == "$none" ]]
    [[ ! -e $DLM_HOOKS_STATE/ceph-noout ]]
}

@test "post waits for the monitor of this host" {
    pre
    exits 0
    systemctl stop mon-a
    settings TOLERATE=MON_DOWN
    setting ceph-noout settle=0 healthy_timeout=0
    within_seconds 60 is_unhealthy "1/3 mons down"
    post
    exits 1
    says "mon.a is not in the quorum"
}

@test "the whole cluster" {
    settings "command=ceph" # the documented user may not do that
    setting ceph-noout settle=0 scope=cluster
    pre
    exits 0
    says "noout is set (ceph osd set noout)"
    [[ $(flags) == '"flags":"noout'*"$none" ]]
    yes
    DLM_RUN_ID=run-2 no "HEALTH_WARN: OSDMAP_FLAGS:noout"
    post
    exits 0
    says "noout is unset (ceph osd unset noout)"
    [[ $(flags) == "$none" ]]
}

@test "capabilities, and a name that is not in CRUSH" {
    setting ceph "command='ceph --id reader'"
    yes
    setting ceph "command='ceph --id reader'" ok_to_stop=yes
    no "ceph osd ok-to-stop 0: Error EACCES: access denied: does your client key have mgr caps?*"
    pre
    exits 1
    says "ceph osd ok-to-stop 0: Error EACCES: access denied"
    ceph auth caps client.reader mon 'allow r' mgr 'allow r' 2>/dev/null
    pre
    exits 1
    says "noout could not be set: ceph osd set-group noout $ME: Error EACCES: access denied."
    [[ $(flags) == "$none" ]]

    settings ok_to_stop=yes crush_hosts=rack1
    no "could not ask Ceph: rack1 in the CRUSH map (see crush_hosts): Error ENOENT: \"rack1\" does not exist"
    settings ok_to_stop=yes crush_hosts=h2
    no "could not ask Ceph: the host h2 in its CRUSH map does not have the OSDs of this host:*"
}

@test "the hooks of the page, in a whole run" {
    documented_hooks ceph
    whole_run
    [[ $output == *"noout is set (ceph osd set-group noout $ME)"*"noout is unset (ceph osd unset-group noout $ME)"* ]]
    [[ $(flags) == "$none" ]]
}
