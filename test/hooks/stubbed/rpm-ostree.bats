#!/usr/bin/env bats
# The hooks for rpm-ostree: every branch, with a stub for the command. The real one needs a host that boots an image:
# options, exit codes and words are from its source (src/app/rpmostree-builtin-upgrade.cxx and -status.cxx, and
# src/daemon/rpmostreed-transaction-types.cxx).
load ../hook
bats_require_minimum_version 1.5.0

# shellcheck disable=SC2016 # for the stub's shell
prepare() {
    export OSTREE=$BATS_TEST_TMPDIR/ostree
    mkdir "$OSTREE"
    stub sleep
    stub rpm-ostree 'case "$*" in
"status --pending-exit-77") file=status ;;
"upgrade --check") file=check ;;
"upgrade --download-only") file=download ;;
"upgrade --unchanged-exit-77") file=upgrade ;;
"upgrade --unchanged-exit-77 --cache-only") file=cached ;;
*) echo "error: Unknown option $2" >&2; exit 1 ;;
esac
[ ! -e "$OSTREE/$file.once" ] || { mv "$OSTREE/$file.once" "$OSTREE/was"; cat "$OSTREE/was" >&2; exit 1; }
[ ! -e "$OSTREE/$file" ] || cat "$OSTREE/$file"
[ ! -e "$OSTREE/$file.exit" ] || exit "$(cat "$OSTREE/$file.exit")"'
    answers status 0 "State: idle" "Deployments:"
    answers check 77 "No updates available."
    answers download 0 "No upgrade available."
}
answers() { # WHAT EXIT [LINE...]
    echo "$2" >"$OSTREE/$1.exit"
    printf '%s\n' "${@:3}" >"$OSTREE/$1"
}
asked() { hook needs_update/rpm-ostree; }
updated() { hook update/rpm-ostree; }
reboot() { hook needs_reboot/rpm-ostree; }
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

@test "needs_update: no, yes, could not find out; it fetches, and stages nothing" {
    asked
    exits 0
    says "no update"
    answers check 0 "AvailableUpdate:" "        Version: 42.1" "         Commit: beef"
    answers download 0 "Update downloaded."
    asked
    exits 1
    says "42.1"
    called "upgrade --download-only"
    refute called unchanged
    setting rpm-ostree download=no
    : >"$CALLS"
    asked
    exits 1
    refute called download
    setting rpm-ostree
    answers download 1 "error: http://joe:s3cret@host/ failed"
    could_not_find_out "http://***@host/ failed" asked
    answers check 0 "Automatic updates are not enabled; exiting..."
    could_not_find_out "not understood" asked
    answers check 1 "error: Updates and deployments are driven by Zincati (zincati.service)"
    could_not_find_out "driven by Zincati" asked
    answers status 1 "error: Unknown option --pending-exit-77"
    could_not_find_out "Unknown option" asked
    could_not_find_out "Unknown option" reboot
}

@test "needs_update: what --check says is not reliable (rpm-ostree issue 1579): the download decides" {
    answers download 0 "Update downloaded."
    asked
    exits 1
    answers check 0 "AvailableUpdate:"
    local said
    for said in "No upgrade available." "Pinned to commit; no upgrade available"; do
        answers download 0 "$said"
        asked
        exits 0
        says "no update"
    done
    answers download 0 "something new"
    could_not_find_out "not understood" asked
    answers check 77 "No updates available."
    setting rpm-ostree download=no
    asked
    exits 0
    answers status 0 "State: idle" "Deployments:" "● ostree-image-signed:docker://quay.io/example/os:stable"
    could_not_find_out "set download=yes" asked
}

@test "needs_update: a deployment that somebody else has staged is an update" {
    answers status 77 "  ostree-image-signed:docker://quay.io/example/os:stable"
    asked
    exits 1
    says "waits for a reboot already"
    refute called check
}

@test "needs_update, needs_reboot: no rpm-ostree, no answer in time, a mistake in the settings" {
    local hook
    for hook in asked reboot; do
        setting rpm-ostree timeout=1
        stub rpm-ostree 'exec /bin/sleep 5'
        could_not_find_out "(124)" $hook
        rm "$BATS_TEST_TMPDIR/bin/rpm-ostree"
        setting rpm-ostree
        could_not_find_out "(127)" $hook
        [[ $hook == reboot ]] || {
            setting rpm-ostree download=true
            could_not_find_out "download=true" asked
        }
        setting rpm-ostree 'timeout=('
        $hook
        exits 75
    done
}

@test "update: stages, and never reboots; nothing new is fine" {
    answers upgrade 0 "Staging deployment... done"
    updated
    exits 0
    says "Staging deployment"
    refute called reboot
    answers upgrade 77 "No upgrade available."
    updated
    exits 0
    refute called cache-only
}

@test "update: if it can't be fetched, what was fetched before is staged, or what is staged will do" {
    answers upgrade 1 "error: no route"
    answers cached 0 "Staging deployment... done"
    updated
    exits 0
    says "going on with what was fetched before"
    answers cached 1 "error: not in the cache"
    answers status 77
    updated
    exits 0
    says "staged before waits for a reboot"
    answers status 0
    updated
    exits 1
    says "not in the cache"
    says "nothing was staged"
}

@test "update: waits for another transaction, no longer than lock_timeout" {
    echo "error: Transaction in progress: upgrade" >"$OSTREE/upgrade.once"
    answers upgrade 0
    updated
    exits 0
    says "waiting for it"
    called "sleep 5"
    setting rpm-ostree lock_timeout=0
    answers upgrade 1 "error: Transaction in progress: upgrade"
    answers cached 1 "error: Transaction in progress: upgrade"
    : >"$CALLS"
    updated
    exits 1
    refute called sleep
}

@test "needs_reboot: yes if the next boot starts another deployment" {
    reboot
    exits 0
    answers status 77
    reboot
    exits 1
    answers status 2
    could_not_find_out "(2)" reboot
}
