#!/usr/bin/env bats
# The hooks for bootc: every branch, with a stub for the command. The real one needs a host that boots an image. The
# status has the form of bootc's own fixtures and of its schema host-v1; what `upgrade` prints is from its source
# (crates/lib/src/cli.rs).
load ../hook
bats_require_minimum_version 1.5.0

# shellcheck disable=SC2016 # for the stub's shell
prepare() {
    export BOOTC=$BATS_TEST_TMPDIR/bootc
    mkdir "$BOOTC"
    stub bootc 'case "$*" in
"status --format=yaml") file=status ;;
"upgrade --check") file=check ;;
upgrade) file=upgrade; [ ! -e "$BOOTC/next" ] || mv "$BOOTC/next" "$BOOTC/status" ;;
*) echo "error: unexpected argument" >&2; exit 2 ;;
esac
cat "$BOOTC/$file"
[ ! -e "$BOOTC/$file.exit" ] || exit "$(cat "$BOOTC/$file.exit")"'
    CACHED=none status none >"$BOOTC/status"
    echo "No changes in: docker://quay.io/example/os:latest" >"$BOOTC/check"
    echo "No update available." >"$BOOTC/upgrade"
}
image() { # DIGEST VERSION
    printf '%s\n' "    image:" "      image:" "        image: quay.io/example/os:latest" "        transport: registry" \
        "      version: $2" "      timestamp: 2026-01-01T00:00:00Z" "      imageDigest: sha256:$1" \
        "      architecture: amd64"
}
status() { # STAGED [LINE...]: the digest of the staged image or none, and more lines of its entry
    printf '%s\n' "apiVersion: org.containers.bootc/v1" "kind: BootcHost" "metadata:" "  name: host" "spec:" "  image:" \
        "    image: quay.io/example/os:latest" "    transport: registry" "  bootOrder: default" "status:"
    if [[ $1 == none ]]; then echo "  staged: null"; else
        echo "  staged:"
        image "$1" 10.2
        printf '%s\n' "    cachedUpdate: null" "    incompatible: false" "    pinned: false" "${@:2}" \
            "    store: ostreeContainer" "    ostree:" "      checksum: beef" "      deploySerial: 0"
    fi
    echo "  booted:"
    image aaa 10.1
    if [[ ${CACHED=999} == none ]]; then echo "    cachedUpdate: null"; else
        printf '%s\n' "    cachedUpdate:" "      image:" "        image: quay.io/example/os:latest" \
            "        transport: registry" "      version: 10.9" "      timestamp: null" "      imageDigest: sha256:$CACHED"
    fi
    printf '%s\n' "    incompatible: false" "    ostree:" "      checksum: cafe" "      deploySerial: 0"
    if [[ -z ${BEFORE:-} ]]; then echo "  rollback: null"; else
        echo "  rollback:"
        image "$BEFORE" 10.9
        printf '%s\n' "    cachedUpdate: null" "    incompatible: false" "    ostree:" "      checksum: f00d"
    fi
    printf '%s\n' "  rollbackQueued: false" "  type: bootcHost"
}
asked() { hook needs_update/bootc; }
updated() { hook update/bootc; }
reboot() { hook needs_reboot/bootc; }
could_not_find_out() { # WHY HOOK
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
    asked
    exits 0
    says "No changes in"
    printf '%s\n' "Update available for: docker://quay.io/example/os:latest" "  Digest: sha256:bbb" >"$BOOTC/check"
    asked
    exits 1
    says "sha256:bbb"
    refute called "upgrade --download-only" # it would stage it
    echo "something new" >"$BOOTC/check"
    could_not_find_out "something new" asked
    printf '%s\n' "error: Upgrading: http://joe:s3cret@registry/ failed" >"$BOOTC/check"
    echo 1 >"$BOOTC/check.exit"
    could_not_find_out "http://***@registry/ failed" asked
    refute says s3cret
}

@test "needs_update: an image that was staged and dropped (a power cut before the reboot): could not find out" {
    status none >"$BOOTC/status"
    could_not_find_out "bootc has seen sha256:999" asked
    says "bootc upgrade"
    CACHED=aaa status none >"$BOOTC/status"
    asked
    exits 0
    BEFORE=999 status none >"$BOOTC/status" # somebody went back from it
    asked
    exits 0
    echo "Update available for: docker://quay.io/example/os:latest" >"$BOOTC/check"
    status none >"$BOOTC/status"
    asked
    exits 1
}

@test "needs_update: an image that somebody else has staged is one, locked or not; a rollback that is queued is not" {
    status bbb >"$BOOTC/status"
    asked
    exits 1
    says "sha256:bbb (version 10.2) is staged already"
    says "booted is sha256:aaa (version 10.1)"
    refute called "--check"
    status bbb "    downloadOnly: true" >"$BOOTC/status"
    asked
    exits 1
    status none | sed 's/rollbackQueued: false/rollbackQueued: true/' >"$BOOTC/status"
    could_not_find_out "goes back to the image before" asked
}

@test "a status that is not understood, no bootc, no answer in time, a mistake in the settings" {
    local text hook
    for text in "" "kind: BootcHost" "$(status none | sed 's/BootcHost/Other/')" "$(status none | sed '/^  staged/d')" \
        "$(status none | sed 's/rollbackQueued: false/rollbackQueued: perhaps/')" \
        "$(status none | sed '/^  booted:/,/deploySerial/d; s/^  rollback:/  booted: null\n&/')" \
        "$(status none | sed 's/sha256:aaa//')" '{"apiVersion":"org.containers.bootc/v1","kind":"BootcHost"}'; do
        echo "$text" >"$BOOTC/status"
        could_not_find_out "not understood" asked
        could_not_find_out "not understood" reboot
        updated
        exits 1
        says "not understood"
        refute called "bootc upgrade"
    done
    for hook in asked reboot; do
        setting bootc timeout=1
        stub bootc 'exec sleep 5'
        could_not_find_out "(124)" $hook
        rm "$BATS_TEST_TMPDIR/bin/bootc"
        setting bootc
        could_not_find_out "(127)" $hook
        setting bootc 'timeout=('
        $hook
        exits 75
    done
}

@test "update: stages, and never reboots" {
    status bbb >"$BOOTC/next"
    updated
    exits 0
    says "staged is sha256:bbb"
    called "bootc upgrade"
    refute called apply
    echo "Staged update present, not changed" >"$BOOTC/upgrade"
    updated # again
    exits 0
    says "staged is sha256:bbb"
}

@test "update: nothing is newer" {
    updated
    exits 0
    says "nothing is newer than sha256:aaa"
}

@test "update: the registry is down: a failure, unless an image is staged already" {
    echo "error: Upgrading: Pulling: no route" >"$BOOTC/upgrade"
    echo 1 >"$BOOTC/upgrade.exit"
    updated
    exits 1
    says "no route"
    says "no image was staged (1)"
    status bbb >"$BOOTC/status"
    updated
    exits 0
    says "going on with what was staged before"
}

@test "update: a locked image that bootc did not unlock, and a queued rollback" {
    status bbb "    finalizationLocked: true" >"$BOOTC/status"
    updated
    exits 1
    says "sha256:bbb (version 10.2) is locked"
    status none | sed 's/rollbackQueued: false/rollbackQueued: true/' >"$BOOTC/status"
    : >"$CALLS"
    updated
    exits 1
    says "bootc rollback"
    refute called "bootc upgrade"
}

@test "needs_reboot: yes for a staged image or a rollback; no for none, or one that a reboot would drop" {
    reboot
    exits 0
    status bbb >"$BOOTC/status"
    reboot
    exits 1
    says "staged is sha256:bbb"
    status bbb "    downloadOnly: true" >"$BOOTC/status"
    reboot
    exits 0
    says locked
    status none | sed 's/rollbackQueued: false/rollbackQueued: true/' >"$BOOTC/status"
    reboot
    exits 1
    echo 1 >"$BOOTC/status.exit"
    could_not_find_out "(1)" reboot
}
