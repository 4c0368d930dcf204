#!/usr/bin/env bats
# pre_update/ceph-noout, post_update/ceph-noout, and what gate/ceph says of their flag. The stub answers in the shapes
# of Ceph 16.2; ../real/ceph runs the real one.
load ../hook

prepare() {
    export C=$BATS_TEST_TMPDIR/ceph
    mkdir -p "$C"
    stub uname 'echo ceph1.example.com'
    stub sleep
    # shellcheck disable=SC2016 # not for this shell
    stub ceph '
answer() { printf "\n%s\n" "$*" | tr "~" "\042"; } # quotes
of() { cat "$C/$1" 2>/dev/null || printf %s "$2"; }
[ ! -e "$C/away" ] || { echo "[errno 110] RADOS timed out" >&2; exit 1; }
flags=$(of flags) host=$(of host_flags)
case $* in
*" node ls "*)
    answer "$(of nodes "{~mon~:{~ceph1.example.com~:[~a~]},~osd~:{~ceph1.example.com~:[0,1]},~mds~:{},~mgr~:{}}")" ;;
*" osd ls-tree ceph1 "*) answer "$(of tree "[0,1]")" ;;
*" osd ls-tree "*) echo "Error ENOENT: \"x\" does not exist" >&2; exit 2 ;;
*" osd ok-to-stop 0 1"*)
    of osd_stop "OSD(s) 0,1 are ok to stop without reducing availability" >&2
    [ ! -e "$C/osd_stop" ] || [ -e "$C/odd" ] ;;
*" mon ok-to-stop a"*) [ ! -e "$C/mon_stop" ] || { of mon_stop >&2; exit 16; } ;;
*" osd dump "*)
    answer "{~epoch~:7,~flags~:~sortbitwise$flags~,~osds~:[{~osd~:0,~up~:$(of up 1),~in~:1}," \
        "{~osd~:1,~up~:1,~in~:1}],~crush_node_flags~:{$host}}" ;;
*" osd set-group noout ceph1"*) [ -e "$C/deaf" ] || echo "~ceph1~:[~noout~]" >"$C/host_flags" ;;
*" osd unset-group noout ceph1"*)
    [ ! -e "$C/denied" ] || { echo "Error EACCES: access denied" >&2; exit 13; }
    rm -f "$C/host_flags" ;;
*" osd set noout"*) echo ",noout" >"$C/flags" ;;
*" osd unset noout"*) rm -f "$C/flags" ;;
*" status "*)
    answer "{~quorum_names~:[$(of quorum "~a~,~b~")],~mgrmap~:{~available~:$(of mgr true)},~pgmap~:{~num_pgs~:3," \
        "~pgs_by_state~:[{~state_name~:~$(of pgs active+clean)~,~count~:3}]}}" ;;
*" health"*)
    checks=$(of checks) warn="~severity~:~HEALTH_WARN~,~summary~"
    [ -z "$flags" ] || checks="$checks${checks:+,}~OSDMAP_FLAGS~:{$warn:{~message~:~noout flag(s) set~},~muted~:false}"
    text="1 OSDs or CRUSH {nodes, device-classes} have {NOUP,NODOWN,NOIN,NOOUT} flags set"
    detail="{~message~:~host ceph1 has flags noout~}$(of other_flags)"
    flags="$warn:{~message~:~$text~},~detail~:[$detail],~muted~:false"
    [ -z "$host" ] || checks="$checks${checks:+,}~OSD_FLAGS~:{$flags}"
    answer "{~status~:~HEALTH_$([ -n "$checks" ] && echo WARN || echo OK)~,~checks~:{$checks}}" ;;
*) echo "no valid command found" >&2; exit 22 ;;
esac'
    setting ceph-noout settle=0 healthy_timeout=0
}
gate() { hook gate/ceph; }
pre() { hook pre_update/ceph-noout; }
post() { hook post_update/ceph-noout; }
degraded() { echo '"PG_DEGRADED":{"severity":"HEALTH_WARN","summary":{"message":"x"},"muted":false}' >"$C/checks"; }
refused() { # TEXT
    pre
    exits 1
    says "$1"
    says "Nothing was changed."
    refute called noout
}

@test "set, and unset when all is well; each again; the gate does not mind the own flag" {
    pre
    exits 0
    says "noout is set (ceph osd set-group noout ceph1)"
    yes
    DLM_RUN_ID=run-2 no "HEALTH_WARN: OSD_FLAGS"
    degraded # osds of this host are down by now, and a later hook has failed
    pre
    exits 0
    rm "$C/checks"
    post
    exits 0
    says "noout is unset (ceph osd unset-group noout ceph1)"
    [[ ! -e $C/host_flags ]]
    post
    exits 0
    refute says "noout is unset"
}

@test "Ceph goes away after noout was set: it does not say that nothing was changed" {
    # shellcheck disable=SC2016 # not for this shell
    sed -i 's|osd set-group noout ceph1"\*) |&touch "$C/away"; |' "$BATS_TEST_TMPDIR/bin/ceph"
    pre
    exits 1
    says "Ceph could not be asked: [errno 110] RADOS timed out. noout may be set. Fix it, and start the updater again"
    refute says "Nothing was changed"
}

@test "a flag of somebody else beside the own one counts" {
    pre
    echo ',{"message":"host ceph2 has flags noout"}' >"$C/other_flags"
    no "HEALTH_WARN: OSD_FLAGS"
}

@test "a flag that somebody else had set before stays" {
    echo '"ceph1":["noout"]' >"$C/host_flags"
    setting ceph TOLERATE=OSD_FLAGS
    pre
    exits 0
    says "noout was set before"
    post
    exits 0
    [[ -e $C/host_flags ]]
    refute called "unset"
}

@test "scope=cluster" {
    setting ceph-noout settle=0 healthy_timeout=0 scope=cluster
    pre
    exits 0
    says "noout is set (ceph osd set noout)"
    yes
    DLM_RUN_ID=run-2 no "HEALTH_WARN: OSDMAP_FLAGS:noout"
    post
    exits 0
    says "noout is unset (ceph osd unset noout)"
    [[ ! -e $C/flags ]]
}

@test "refused, with nothing changed" {
    degraded
    refused "Ceph is HEALTH_WARN: PG_DEGRADED."
    rm "$C/checks"
    echo "Error EBUSY: 3 PGs would go inactive" >"$C/osd_stop"
    refused "Ceph can't do without this host now: ceph osd ok-to-stop 0 1: Error EBUSY: 3 PGs would go inactive."
    : >"$C/odd"
    echo "perhaps" >"$C/osd_stop"
    refused "the answer of ceph osd ok-to-stop 0 1 was not understood: perhaps"
    rm "$C/osd_stop" "$C/odd"
    echo "Error EBUSY: not enough monitors" >"$C/mon_stop"
    refused "ceph mon ok-to-stop a: Error EBUSY: not enough monitors."
    rm "$C/mon_stop"
    echo '[0,1,2]' >"$C/tree"
    echo '{"mon":{},"osd":{"ceph1.example.com":[0,1],"ceph2":[2]},"mds":{},"mgr":{}}' >"$C/nodes"
    refused "the host ceph1 in its CRUSH map does not have the OSDs of this host"
    echo '[0]' >"$C/tree"
    refused "the host ceph1 in its CRUSH map does not have the OSDs of this host"
    rm "$C/tree" "$C/nodes"
    setting ceph crush_hosts=rack1
    refused "rack1 in the CRUSH map (see crush_hosts): Error ENOENT"
    setting ceph
    echo '{"mon":{"ceph2":["a"]},"osd":{},"mds":{},"mgr":{}}' >"$C/nodes"
    refused "it knows no OSD, monitor, MDS or manager on ceph1.example.com"
    echo 'nonsense' >"$C/nodes"
    refused "its answer is not JSON"
    rm "$C/nodes"
    : >"$C/away"
    refused "Ceph could not be asked: [errno 110] RADOS timed out."
    rm "$C/away"
    stub timeout 'exit 124'
    refused "no answer within 20 s."
}

@test "a host without OSDs gets no flag" {
    echo '{"mon":{"ceph1.example.com":["a"]},"osd":{},"mds":{},"mgr":{}}' >"$C/nodes"
    pre
    exits 0
    refute called noout
    post
    exits 0
    says "Ceph is well"
}

@test "a flag that is not set although Ceph reports no error" {
    : >"$C/deaf"
    pre
    exits 1
    says "reported no error, but noout is not set"
}

@test "post: what is not well, and the flag that stays" {
    post
    exits 0
    says "pre_update/ceph-noout did not run in this run"
    pre
    echo 0 >"$C/up"
    post
    exits 1
    says "Ceph is not well after 0 s: osd.0 is not up and in. noout stays set."
    rm "$C/up"
    echo '"b"' >"$C/quorum"
    post
    says "mon.a is not in the quorum"
    rm "$C/quorum"
    echo false >"$C/mgr"
    post
    says "no manager is active"
    rm "$C/mgr"
    echo active+undersized+degraded >"$C/pgs"
    post
    says "3 PGs are active+undersized+degraded"
    rm "$C/pgs"
    degraded
    post
    says "Ceph is HEALTH_WARN: PG_DEGRADED"
    rm "$C/checks"
    : >"$C/away"
    post
    says "RADOS timed out"
    rm "$C/away"
    : >"$C/denied"
    post
    exits 1
    says "noout could not be unset: ceph osd unset-group noout ceph1: Error EACCES: access denied."
    [[ -e $C/host_flags ]]
    rm "$C/denied"
    setting ceph-noout settle=0 healthy_timeout=60
    echo false >"$C/mgr"
    # shellcheck disable=SC2016 # not for this shell
    stub sleep 'rm "$C/mgr"'
    post
    exits 0
    [[ ! -e $C/host_flags ]]
}

@test "settings" {
    setting ceph-noout scope=rack
    pre
    exits 1
    says "scope=rack in"
    setting ceph-noout settle=1m
    post
    exits 1
    says "settle=1m in"
    setting ceph ok_to_stop=maybe
    no "ok_to_stop=maybe in *"
}
