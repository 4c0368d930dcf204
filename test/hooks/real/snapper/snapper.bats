#!/usr/bin/env bats
# The hooks for snapper with Debian's snapper, by way of D-Bus and without it, on Btrfs in a loop device.
# Debian: 12 13
load ../../hook
bats_require_minimum_version 1.5.0

# The loop device belongs to the mount: it goes away with it, at the latest when the host does.
prepare() {
    local number
    device /dev/loop-control c 10 237
    for number in {0..15}; do device "/dev/loop$number" b 7 "$number"; done
    truncate -s 300M "$BATS_TEST_TMPDIR/disk"
    mkfs.btrfs -q "$BATS_TEST_TMPDIR/disk" >/dev/null
    mkdir -p /srv/data
    mount -o loop "$BATS_TEST_TMPDIR/disk" /srv/data
    snapper -c data create-config /srv/data
    setting snapper configs=data
}
device() { [[ -e $1 ]] || mknod "$@"; } # FILE TYPE MAJOR MINOR
teardown() {
    snapper -c data delete-config || true
    umount /srv/data
}
before() { hook pre_update/snapper; }
after() { hook post_update/snapper; }
gate() { hook gate/snapper; }
snapshots() { snapper -c data --machine-readable csv list --columns number,type,pre-number,cleanup,userdata | tail -n +3; }

@test "a pair for a run, whose notes lead back" {
    yes
    echo old >/srv/data/file
    before
    exits 0
    says "DLM_NOTE: snapshot 1 (snapper -c data) is from before the update"
    refute says rollback # not the root
    before
    exits 0
    says "has taken snapshot 1 of configuration data already"
    diff - <(snapshots) <<<"1,pre,,number,dlm_run=run-1"

    echo new >/srv/data/file # the update fails: the way back that the note names
    says "\`snapper -c data undochange 1..0\`"
    snapper -c data undochange 1..0
    [[ $(cat /srv/data/file) == old ]]

    echo new >/srv/data/file
    after
    exits 0
    says "\`snapper -c data undochange 1..2\`"
    after
    exits 0
    says "has taken snapshots 1 and 2 of configuration data already"
    diff - <(snapshots) <<<$'1,pre,,number,dlm_run=run-1\n2,post,1,number,dlm_run=run-1'
    [[ $(snapper -c data status 1..2) == *"c..... /srv/data/file" ]]

    export DLM_RUN_ID=run-2 # the run before crashed, or not: this one has its own
    after
    says "this run took no snapshot of configuration data before the update"
    before
    exits 0
    says "snapshot 3 of configuration data is taken"
}

@test "the settings, and without D-Bus" {
    setting snapper configs=data cleanup= "description='an update'" userdata=important=yes,by=test options=--no-dbus
    yes
    before
    exits 0
    before
    says "already"
    after
    exits 0
    after
    says "already"
    diff - <(snapshots) <<'END'
1,pre,,,"by=test, dlm_run=run-1, important=yes"
2,post,1,,"by=test, dlm_run=run-1, important=yes"
END
    snapper -c data list | grep "an update"
}

@test "no such configuration, and a file system that has become read-only" {
    setting snapper configs=nope
    before
    exits 1
    says "no snapshot of configuration nope could be taken"
    no "snapper: snapper can't list the snapshots of configuration nope: *"
    setting snapper configs=data
    mount -o remount,ro /srv/data
    before
    exits 1
    says "no snapshot of configuration data could be taken"
    setting snapper configs=data strict=no
    before
    exits 0
    says "Going on without"
    mount -o remount,rw /srv/data
    setting snapper configs=data
    before
    exits 0
    mount -o remount,ro /srv/data
    after
    exits 0
    says "the post snapshot of configuration data could not be taken"
    mount -o remount,rw /srv/data
}
