#!/usr/bin/env bats
# gate/ceph, with a stub for ceph that prints a file. The answers in ceph/ come from a monitor of Debian 12's Ceph
# 16.2.15; only some-muted.json is of a cluster with pools.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    export ANSWERS=$BATS_TEST_DIRNAME/ceph ANSWER=ok.json
    # shellcheck disable=SC2016 # not for this shell
    stub ceph '[ -z "${MESSAGE:-}" ] || echo "$MESSAGE" >&2
        case $ANSWER in
        *.json) cat "$ANSWERS/$ANSWER" ;;
        hangs) exec sleep 60 ;;
        *.txt) cat "$ANSWERS/$ANSWER" >&2 && exit 1 ;;
        *) printf "\n%s\n" "$ANSWER"; exit "${CODE:-0}" ;;
        esac'
}
gate() { hook gate/ceph; }
check() { echo "\"$1\":{\"severity\":\"$2\",\"summary\":{\"message\":\"$3\",\"count\":1},\"muted\":${4:-false}}"; }

@test "HEALTH_OK, also if Ceph itself has muted everything" {
    yes
    called "ceph --connect-timeout 20 health --format json"
    ANSWER=all-muted.json yes
}

@test "HEALTH_WARN: the checks are named, in the same order" {
    local insecure=AUTH_INSECURE_GLOBAL_ID_RECLAIM_ALLOWED
    ANSWER=warn.json no "HEALTH_WARN: $insecure, MON_DISK_LOW, MON_MSGR2_NOT_ENABLED and 2 more"
    local checks
    checks=$(check PG_DEGRADED HEALTH_WARN x),$(check OSD_DOWN HEALTH_WARN y)
    ANSWER="{\"status\":\"HEALTH_WARN\",\"checks\":{$checks}}" \
        no "HEALTH_WARN: OSD_DOWN, PG_DEGRADED"
}

@test "muted and tolerated checks, and flags" {
    ANSWER=some-muted.json no "HEALTH_WARN: OSDMAP_FLAGS:noout"
    setting ceph "TOLERATE='OSDMAP_FLAGS'"
    ANSWER=some-muted.json yes
    setting ceph "TOLERATE=OSDMAP_FLAGS:noout"
    ANSWER=some-muted.json yes
    setting ceph "TOLERATE='OSDMAP_FLAGS:noout
        AUTH_INSECURE_GLOBAL_ID_RECLAIM_ALLOWED MON_DISK_LOW  MON_MSGR2_NOT_ENABLED'"
    ANSWER=warn.json no "HEALTH_WARN: OSDMAP_FLAGS:norebalance"
    setting ceph "TOLERATE='OSDMAP_FLAGS:noout OSDMAP_FLAGS:norebalance MON_DISK_LOW'"
    ANSWER=warn.json no "HEALTH_WARN: AUTH_INSECURE_GLOBAL_ID_RECLAIM_ALLOWED, MON_MSGR2_NOT_ENABLED"
    setting ceph "TOLERATE='MON_DISK OSDMAP noout *'" # neither a part of a code nor a pattern
    ANSWER=some-muted.json no "HEALTH_WARN: OSDMAP_FLAGS:noout"
}

@test "HEALTH_ERR: nothing is tolerated" {
    setting ceph "TOLERATE='MDS_ALL_DOWN MDS_UP_LESS_THAN_MAX'"
    ANSWER=err.json no "HEALTH_ERR: MDS_ALL_DOWN, MDS_UP_LESS_THAN_MAX"
}

@test "answers that no Ceph of today gives: not yes" {
    setting ceph TOLERATE=OSD_DOWN
    ANSWER="{\"status\":\"HEALTH_WARN\",\"checks\":{$(check OSD_DOWN HEALTH_ERR x)}}" no "HEALTH_WARN: OSD_DOWN"
    ANSWER='{"status":"HEALTH_WARN","checks":{},"mutes":[]}' no "HEALTH_WARN: no check says why"
    ANSWER="{\"status\":\"HEALTH_WARN\",\"checks\":{$(check OSD_DOWN HEALTH_WARN x true)}}" \
        no "HEALTH_WARN: no check says why"
    ANSWER='{"status":"HEALTH_ERR","checks":{}}' no "HEALTH_ERR: no check says why"
    ANSWER='{"status":"HEALTH_WARN","checks":{"OSD_DOWN":{"severity":"HEALTH_WARN"}}}' yes # Luminous had no mutes
    ANSWER="{\"status\":\"HEALTH_WARN\",\"checks\":{$(check OSDMAP_FLAGS HEALTH_WARN 'other words')}}" \
        no "HEALTH_WARN: OSDMAP_FLAGS"
    ANSWER='{"status":"HEALTH_FINE","checks":{}}' no "could not ask Ceph: its answer has no status"
    ANSWER='{"health":{"status":"HEALTH_OK"}}' no "could not ask Ceph: its answer has no status"
    ANSWER='{"status":"HEALTH_OK","che' no "could not ask Ceph: its answer is not JSON"
    ANSWER='HEALTH_OK' no "could not ask Ceph: its answer is not JSON"
    ANSWER='' no "could not ask Ceph: its answer is not JSON"
    ANSWER='{"status":"HEALTH_OK"}' CODE=1 no 'could not ask Ceph: {"status":"HEALTH_OK"}'
}

@test "messages beside the answer" {
    MESSAGE="Inferring fsid 3f1b7a52-6a0c-4b0e-9a57-0c8d2f4f2b11" yes
    MESSAGE=$'2026-11-28 warning\nhealth is odd' ANSWER=some-muted.json no "HEALTH_WARN: OSDMAP_FLAGS:noout"
}

@test "no monitor, no keyring, no capability, no answer, no ceph" {
    ANSWER='timed out' CODE=1 no "could not ask Ceph: timed out"
    ANSWER=no-keyring.txt no "could not ask Ceph: [errno 2] RADOS object not found (error connecting to the cluster)"
    ANSWER=no-caps.txt no "could not ask Ceph: [errno 13] RADOS permission denied (error connecting to the cluster)"
    ANSWER='' CODE=1 no "could not ask Ceph: it failed and did not say why"
    setting ceph timeout=1
    ANSWER=hangs no "could not ask Ceph: no answer within 1 s"
    setting ceph command=cephx
    no "could not ask Ceph: cephx is not installed"
}

@test "settings" {
    setting ceph "command='ceph --id updater'" timeout=7
    yes
    called "ceph --id updater --connect-timeout 7 health --format json"
    local wrong
    for wrong in 0 07 1.5 5s ''; do
        setting ceph "timeout=$wrong"
        no "timeout=$wrong in $BATS_TEST_TMPDIR/etc/hooks.conf.d/ceph.conf: use whole seconds, at least 1"
    done
    setting ceph 'timeout=('
    gate
    [[ $status != 0 ]]
}
