#!/usr/bin/env bats
# The hooks for transactional-update: every branch. The stubs say what transactional-update 4, btrfs and zypper say
# according to their sources; btrfs's and findmnt's words are those of a real root in snapper's layout.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    export NEXT=$BATS_TEST_TMPDIR/next LOCKED=$BATS_TEST_TMPDIR/locked FSROOT=/@/.snapshots/1/snapshot
    echo 1 >"$NEXT"
    # shellcheck disable=SC2016 # for the stub's shell
    stub findmnt 'case $* in *FSROOT*) echo "$FSROOT" ;; *) echo ro,relatime,subvol=/@/.snapshots/1/snapshot ;; esac'
    # shellcheck disable=SC2016
    stub btrfs '[ -z "${BTRFS_FAILS:-}" ] || { echo "ERROR: not a btrfs filesystem: /" >&2; exit 1; }
[ "$(cat "$NEXT")" != none ] || { echo "ID 5 (FS_TREE)"; exit; }
echo "ID 265 gen 93 top level 264 path @/.snapshots/$(cat "$NEXT")/snapshot"'
    # shellcheck disable=SC2016
    stub transactional-update '[ ! -e "$LOCKED" ] || {
    rm "$LOCKED"
    echo "Couldn'"'"'t get lock, is another instance already running?" >&2
    exit 1
}
case ${TU:-new} in
none) echo "zypper: nothing to update" ;;
new) echo 2 >"$NEXT"; echo "Please reboot your machine to activate the changes and avoid data loss." ;;
bad) echo "ERROR: zypper dup on /.snapshots/2/snapshot failed with exit code 4!" >&2; exit 1 ;;
esac'
    # shellcheck disable=SC2016
    stub zypper 'for act; do case $act in refresh | update | patch | dup) break ;; esac; done
case $*:$act in
*" --dry-run"*) echo "${SAID:-Nothing to do.}"; exit "${CODE:-0}" ;;
*:refresh) [ "${REFRESH:-0}" = 0 ] || { echo "repository is invalid"; exit "$REFRESH"; } ;;
*)
    echo "This is a transactional-server, please use transactional-update to update or modify the system." >&2
    exit 5
    ;;
esac'
    stub rpm 'echo "no package provides product-update()"; exit 1'
    stub sleep
    setting transactional-update os_release=/nowhere
}
asked() { : >"$CALLS" && hook needs_update/transactional-update; }
updated() { : >"$CALLS" && hook update/transactional-update; }
reboot() { : >"$CALLS" && hook needs_reboot/transactional-update; }
could_not_find_out() {
    "$2"
    exits 75
    says "could not find out"
    says "$1"
    (
        unset DLM_CANNOT_TELL_EXIT
        "$2"
        exits 0
    )
}

@test "needs_update: no, yes, could not find out" {
    local code
    asked
    exits 0
    called "zypper --non-interactive --non-interactive-include-reboot-patches --quiet refresh"
    called "--no-refresh update --auto-agree-with-licenses --dry-run"
    export SAID="The following package is going to be upgraded:"
    for code in 0 102 103; do
        CODE=$code asked
        exits 1
    done
    (
        unset DLM_CANNOT_TELL_EXIT
        asked
        exits 1
    )
    for code in 1 4 5 7 106; do
        CODE=$code could_not_find_out "zypper update --dry-run failed ($code)" asked
        REFRESH=$code could_not_find_out "zypper refresh failed ($code): repository is invalid" asked
    done
    rm "$BATS_TEST_TMPDIR/bin/transactional-update"
    could_not_find_out "there is no transactional-update: use needs_update/zypper" asked
    setting transactional-update 'mode=('
    asked
    exits 75
}

@test "the modes" {
    local mode
    for mode in patch dup; do
        setting transactional-update mode=$mode
        asked
        called " $mode --auto-agree-with-licenses --dry-run"
        updated
        exits 0
        called "transactional-update --non-interactive"
        called " $mode"
    done
    setting transactional-update mode=update os_release=/nowhere
    updated
    called " up"
    setting transactional-update
    stub rpm 'echo "product-update() dup"'
    asked
    called " dup "
    updated
    called " dup"
    setting transactional-update mode=maybe
    could_not_find_out "mode=maybe" asked
    updated
    exits 1
    says "mode=maybe"
    refute called transactional-update
}

@test "update: a new snapshot, none, a failure" {
    updated
    exits 0
    says "the host will boot snapshot 2"
    says "DLM_NOTE: the updates are in snapshot 2; to keep running snapshot 1"
    says "\`transactional-update rollback 1\`"
    refute called --continue
    echo 1 >"$NEXT"
    TU=none updated
    exits 0
    says "there is no new snapshot"
    refute says DLM_NOTE
    TU=bad updated
    exits 1
    says "failed with exit code 4"
    says "nothing was installed"
}

@test "update: what waits for the reboot already is not lost" {
    echo 7 >"$NEXT"
    TU=none updated
    exits 0
    says "snapshot 7 waits for the reboot"
    called "transactional-update --non-interactive --continue up"
}

@test "update: waits for another one, no longer than lock_timeout" {
    : >"$LOCKED"
    updated
    exits 0
    called "sleep 5"
    says "the host will boot snapshot 2"
    setting transactional-update lock_timeout=0
    : >"$LOCKED"
    updated
    exits 1
    says "Couldn't get lock"
}

@test "no root in snapper's layout, or no answer: nothing is installed, and could not find out" {
    FSROOT=/ could_not_find_out "/ is no snapshot of snapper: /" reboot
    FSROOT=/ updated
    exits 1
    says "nothing was installed: / is no snapshot"
    refute called transactional-update
    echo none >"$NEXT"
    could_not_find_out "the default subvolume is no snapshot of snapper: ID 5 (FS_TREE)" reboot
    export BTRFS_FAILS=1
    could_not_find_out "btrfs subvolume get-default / failed: ERROR: not a btrfs filesystem: /" reboot
    stub findmnt 'exit 1'
    could_not_find_out "findmnt / failed" reboot
}

@test "needs_reboot: yes if the next boot is into another snapshot" {
    reboot
    exits 0
    echo 12 >"$NEXT"
    reboot
    exits 1
    says "runs from snapshot 1, and will boot snapshot 12"
    unset DLM_CANNOT_TELL_EXIT
    reboot
    exits 1
}

@test "zypper's own hook can't be used here, and says which one can" {
    hook needs_update/zypper
    exits 75
    says "enable needs_update/transactional-update"
    setting zypper download=no
    hook needs_update/zypper
    exits 75
    says "enable needs_update/transactional-update"
}
