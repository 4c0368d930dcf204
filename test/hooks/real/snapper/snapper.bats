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

@test "rollback, on a host that runs from a snapshot, as openSUSE sets it up" {
    local root=/srv/root top=/srv/top said
    mkdir -p $root $top
    truncate -s 300M "$BATS_TEST_TMPDIR/system"
    mkfs.btrfs -q "$BATS_TEST_TMPDIR/system" >/dev/null
    mount -o loop "$BATS_TEST_TMPDIR/system" $top
    quietly btrfs subvolume create $top/@
    quietly btrfs subvolume create $top/@/.snapshots
    mkdir $top/@/.snapshots/1
    quietly btrfs subvolume create $top/@/.snapshots/1/snapshot
    printf '%s\n' '<?xml version="1.0"?>' '<snapshot><type>single</type><num>1</num><date>2026-01-01 00:00:00</date>' \
        '</snapshot>' >$top/@/.snapshots/1/info.xml
    btrfs subvolume set-default $top/@/.snapshots/1/snapshot
    mount "$(findmnt -n -o SOURCE $top | sed 's/\[.*//')" $root
    mkdir -p $root/{.snapshots,usr,proc,dev,tmp,var/log,var/lib}
    ln -s usr/bin usr/sbin usr/lib usr/lib64 $root
    cp -a /etc $root
    mount -o subvol=@/.snapshots "$(findmnt -n -o SOURCE $top | sed 's/\[.*//')" $root/.snapshots
    for dir in usr proc dev tmp; do mount --rbind --make-rprivate /$dir $root/$dir; done
    sed 's,^SUBVOLUME=.*,SUBVOLUME="/",' $root/etc/snapper/configs/data >$root/etc/snapper/configs/root
    sed -i 's/^SNAPPER_CONFIGS=.*/SNAPPER_CONFIGS="root"/' $root/etc/default/snapper
    setting snapper options=--no-dbus
    echo old >$root/etc/file
    run chroot $root "$DLM_HOOKS_DIR/pre_update.d/snapper"
    exits 0
    says "\`snapper -c root undochange 2..0\`, or \`snapper -c root rollback 2\` and a reboot"
    echo new >$root/etc/file
    chroot $root snapper --no-dbus -c root rollback 2
    said=$(btrfs subvolume get-default $top)
    [[ ${said##* } == @/.snapshots/*/snapshot && ${said##* } != @/.snapshots/1/snapshot ]] # the reboot's root
    [[ $(cat "$top/${said##* }/etc/file") == old ]]
    umount -l $root # with all that is below
    umount $top
}
quietly() { "$@" >/dev/null; }
