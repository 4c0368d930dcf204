#!/usr/bin/env bats
# The hooks for zypper: every branch, with stubs for zypper and rpm. Against the real ones: ../real/zypper/.
load ../hook
bats_require_minimum_version 1.5.0

# zypper is a script: in $ZYPPER the file ACT has the output of that command, and ACT.exit its exit code. ACT.once is
# the first answer.
prepare() {
    export ZYPPER=$BATS_TEST_TMPDIR/zypper
    mkdir "$ZYPPER"
    # shellcheck disable=SC2016 # for the stub's shell
    stub zypper 'echo "timeout $ZYPP_LOCK_TIMEOUT" >>"$CALLS"
for act; do case $act in refresh | update | patch | install | needs-rebooting) break ;; esac; done
[ ! -e "$ZYPPER/$act.once" ] || {
    cat "$ZYPPER/$act.once" >&2
    rm "$ZYPPER/$act.once"
    exit "$(cat "$ZYPPER/$act.once.exit")"
}
[ ! -e "$ZYPPER/$act" ] || cat "$ZYPPER/$act"
[ ! -e "$ZYPPER/$act.exit" ] || exit "$(cat "$ZYPPER/$act.exit")"'
    # shellcheck disable=SC2016
    stub rpm '[ ! -e "$ZYPPER/rpm" ] || cat "$ZYPPER/rpm"'
    stub sleep
}
# answers ACT EXIT [LINE...]: from now on it prints these lines and exits with EXIT; ACT may be ACT.once.
answers() {
    echo "$2" >"$ZYPPER/$1.exit"
    printf '%s\n' "${@:3}" >"$ZYPPER/$1"
}
asked() { : >"$CALLS" && hook needs_update/zypper; }
updated() { : >"$CALLS" && hook update/zypper; }
reboot() { : >"$CALLS" && hook needs_reboot/zypper-needs-rebooting; }
# could_not_find_out WHY HOOK: checks the hook with and without an exit code for "could not find out".
could_not_find_out() {
    "$2"
    exits 75
    says "could not find out"
    says "$1"
    (
        unset DLM_CANNOT_TELL_EXIT
        "$2"
        exits 0
        says "could not find out"
    )
}
YES="The following package is going to be upgraded:
  acme"
NO="Reading installed packages...
Nothing to do."
RUN="zypper --non-interactive --non-interactive-include-reboot-patches"

@test "needs_update: no, yes, with and without an exit code for could not find out" {
    local mode code
    for mode in update patch; do
        setting zypper mode=$mode
        answers $mode 0 "$NO"
        asked
        exits 0
        says "Nothing to do."
        for code in 0 102 103; do
            answers $mode $code "$YES"
            asked
            exits 1
            says acme
            (
                unset DLM_CANNOT_TELL_EXIT
                asked
                exits 1
            )
        done
    done
}

@test "needs_update: could not find out" {
    local code
    answers update 0 "$YES"
    for code in 1 4 6 7 106 127; do
        answers refresh $code "repository 'main' is invalid"
        could_not_find_out "zypper refresh failed ($code): repository 'main' is invalid" asked
        refute called update
    done
    answers refresh 0
    for code in 1 4 5 7 8 104 106; do
        answers update $code "$YES" "no package acme-2"
        could_not_find_out "--download-only failed ($code)" asked
        says "no package acme-2"
    done
}

@test "needs_update: the commands, and the settings" {
    answers update 0 "$YES"
    answers patch 0 "$YES"
    asked
    diff - "$CALLS" <<END
$RUN --quiet refresh
timeout 600
$RUN --no-refresh update --auto-agree-with-licenses --download-only
timeout 600
END
    setting zypper mode=patch download=no lock_timeout=7 "options='--repo main /*'"
    asked
    exits 1
    called "--no-refresh patch --auto-agree-with-licenses --dry-run --repo main /*"
    called "timeout 7"
    setting zypper mode=maybe
    could_not_find_out "mode=maybe" asked
    setting zypper 'mode=('
    asked
    exits 75
}

@test "update: the commands, and the settings" {
    updated
    exits 0
    grep -v -e ^rpm -e '^$' "$CALLS" | diff - <(cat <<END
$RUN --quiet refresh
timeout 600
$RUN update --auto-agree-with-licenses
timeout 600
END
)
    setting zypper mode=patch lock_timeout=7 "options='--repo main /*'"
    updated
    exits 0
    called "patch --auto-agree-with-licenses --repo main /*"
    called "timeout 7"
    setting zypper mode=maybe
    updated
    exits 1
    says "mode=maybe"
    refute called zypper
}

@test "update: zypper's exit codes" {
    local code
    for code in 0 102; do
        answers update $code
        updated
        exits 0
        refute says zypper:
    done
    answers update 106
    updated
    exits 0
    says "a repository could not be used"
    answers update 107
    updated
    exits 1
    says "script failed"
    for code in 1 4 5 7 8 100 104 127; do
        answers update $code
        updated
        exits 1
        says "some packages were not installed ($code)"
        [[ $(grep -c " update " "$CALLS") == 1 ]]
    done
}

@test "update: a zypper that updated itself runs once more, and not again" {
    answers update.once 103
    updated
    exits 0
    [[ $(grep -c " update " "$CALLS") == 2 ]]
    answers update.once 103
    answers update 107
    updated
    exits 1
    says "script failed"
    answers update 103
    updated
    exits 1
    says "(103)"
    [[ $(grep -c " update " "$CALLS") == 2 ]]
}

@test "update: repositories that can't be refreshed: uses the old metadata" {
    answers refresh 4 "repository 'main' is invalid"
    updated
    exits 0
    says "going on with what was fetched before"
    says "repository 'main' is invalid"
    called "$RUN --no-refresh update"
}

@test "update: waits for rpm's lock, no longer than lock_timeout" {
    answers update.once 8 "error: can't create transaction lock on /var/lib/rpm/.rpm.lock (Resource temporarily unavailable)"
    updated
    exits 0
    called "sleep 5"
    says "transaction lock"
    setting zypper lock_timeout=0
    answers update.once 8 "error: can't create transaction lock on /var/lib/rpm/.rpm.lock (Resource temporarily unavailable)"
    updated
    exits 1
    refute called sleep
}

@test "update: packages in two versions are installed again, except kernels and keys" {
    printf '%s\n' "acme.noarch acme " "lib.noarch lib " \
        "kernel.noarch multiversion(kernel) k " "kernel.noarch k multiversion(kernel) " \
        "gpg-pubkey.(none) a " "gpg-pubkey.(none) b " >"$ZYPPER/rpm"
    updated
    exits 0
    refute called install
    echo "lib.noarch lib " >>"$ZYPPER/rpm"
    updated
    exits 1
    says "interrupted, installing again: lib.noarch"
    says "still installed in two versions"
    called "$RUN install --force --auto-agree-with-licenses lib.noarch"
    refute called update
    # This time zypper removes the older one.
    # shellcheck disable=SC2016
    sed -i '2i case $* in *--force*) echo >"$ZYPPER/rpm" ;; esac' "$BATS_TEST_TMPDIR/bin/zypper"
    updated
    exits 0
    called " update "
}

@test "needs_reboot: yes, no, could not find out" {
    local code
    answers needs-rebooting 0 "Reboot is probably not necessary."
    reboot
    exits 0
    says "not necessary"
    called "timeout 600"
    answers needs-rebooting 102 "Reboot is required"
    reboot
    exits 1
    says "is required"
    unset DLM_CANNOT_TELL_EXIT
    reboot
    exits 1
    export DLM_CANNOT_TELL_EXIT=75
    for code in 1 7 100 127; do
        answers needs-rebooting $code "Unknown command"
        could_not_find_out "failed ($code): Unknown command" reboot
    done
    setting zypper-needs-rebooting lock_timeout=7
    reboot
    called "timeout 7"
    setting zypper-needs-rebooting 'lock_timeout=('
    reboot
    exits 75
}
