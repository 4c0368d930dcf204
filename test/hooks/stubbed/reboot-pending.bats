#!/usr/bin/env bats
# needs_update/reboot-pending with stand-ins for the hooks of needs_reboot.
load ../hook

prepare() {
    local tree=$BATS_TEST_TMPDIR/hooks
    cp -r "$DLM_HOOKS_DIR" "$tree"
    rm "$tree"/needs_reboot.d/*
    DLM_HOOKS_DIR=$tree
    ENABLED=$BATS_TEST_TMPDIR/etc/needs_reboot.d
    mkdir "$ENABLED"
    printf '%s\n' '[main]' "needs_reboot.d = $ENABLED" >"$DLM_CONFIG"
    RECORD=$DLM_HOOKS_STATE/reboot-pending
}
# question NAME SCRIPT: a bundled hook of needs_reboot that is enabled.
# shellcheck disable=SC2016 # the hook expands them
question() {
    printf '#!/bin/sh\necho "%s $DLM_STAGE $DLM_HOOK" >>"$CALLS"\n%s\n' "$1" "$2" >"$DLM_HOOKS_DIR/needs_reboot.d/$1"
    chmod +x "$DLM_HOOKS_DIR/needs_reboot.d/$1"
    ln -sf "$DLM_HOOKS_DIR/needs_reboot.d/$1" "$ENABLED/50-$1"
}
answers() { hook needs_update/reboot-pending && exits "$1"; }
rebooted() { sed -i '1s/.*/another-boot 7/' "$RECORD"; } # since the record was written

@test "none says yes: no" {
    question one 'exit 0'
    question two 'exit 0'
    answers 0
    says "no reboot is pending"
    called "one needs_reboot one"
    called "two needs_reboot two"
    [[ ! -e $RECORD ]]
}

@test "one says yes: yes, as often as it is asked on this boot" {
    question one 'exit 0'
    question two 'echo "kernel 1 runs, 2 is installed"; exit 1'
    question three 'exit 75'
    answers 1
    says "a reboot is pending: two: kernel 1 runs, 2 is installed"
    local before; before=$(cat "$RECORD")
    answers 1
    [[ $(cat "$RECORD") == "$before" ]]
}

@test "a reboot did not change the reason: no, with a warning, until a month is over" {
    question one 'echo "kernel 1 runs, 2 is installed"; exit 1'
    answers 1
    rebooted
    answers 0
    says "did not change this"
    says "kernel 1 runs, 2 is installed"
    says "rm $RECORD"
    answers 0
    sed -i "2s/.*/$(($(date +%s) - 31 * 86400))/" "$RECORD"
    answers 1
    rebooted
    answers 0
    setting reboot-pending again=0
    sed -i "2s/.*/$(($(date +%s) - 999 * 86400))/" "$RECORD"
    answers 0
}

@test "another reason after the reboot, and the same one after it was gone: yes" {
    question one 'echo "libc6"; exit 1'
    answers 1
    rebooted
    question one 'echo "libc6 dbus"; exit 1'
    answers 1
    rebooted
    question one 'exit 0'
    answers 0
    question one 'echo "libc6 dbus"; exit 1'
    answers 1
}

@test "no answer: could not find out" {
    local one
    for one in 'exit 75' 'exit 126' 'exit 127' 'kill -1 $$' 'kill -9 $$' 'exit 137'; do
        question one "$one"
        answers 75
        says "these hooks could not find out: one"
    done
    unset DLM_CANNOT_TELL_EXIT
    # shellcheck disable=SC2016 # the hook expands it
    question one 'exit "${DLM_CANNOT_TELL_EXIT:-0}"' # it must not be taken for no
    answers 0
    says "could not find out"
    export DLM_CANNOT_TELL_EXIT=9
    question one 'exit 9'
    answers 1
    question one 'sleep 60'
    setting reboot-pending timeout=1
    answers 9
    says "exit 124"
}

@test "what is not known does not forget a reboot that did not help" {
    question one 'echo x; exit 1'
    answers 1
    rebooted
    question one 'exit 75'
    answers 75
    question one 'echo x; exit 1'
    answers 0
}

@test "only bundled hooks are asked, and only those that would run" {
    question one 'exit 0'
    question two 'echo two; exit 1'
    rm "$ENABLED/50-two"
    printf '#!/bin/sh\nexit 1\n' >"$ENABLED/60-own"
    chmod +x "$ENABLED/60-own"
    answers 0
    refute called two
    rm "$ENABLED/50-one"
    answers 75
    says "no bundled hook is enabled"
}

@test "the setting hooks" {
    question one 'exit 0'
    question two 'echo two; exit 1'
    setting reboot-pending hooks=one
    answers 0
    refute called two
    rm "$ENABLED/50-two"
    setting reboot-pending 'hooks="one two"' # a run would not reboot for two
    answers 75
    says "hooks enable needs_reboot/two"
    rm "$ENABLED"/* # a run always ends with a reboot
    answers 1
    setting reboot-pending hooks=three
    answers 75
    says "no bundled hook needs_reboot/three"
}

@test "where needs_reboot.d is" {
    question one 'echo one; exit 1'
    printf '[main]\r\nNeeds_Reboot.d: %s \r\n' "$ENABLED/" >"$DLM_CONFIG"
    answers 1
    printf '%s\n' '[main]' "needs_reboot.d = %(x)s/d" >"$DLM_CONFIG"
    answers 75
    says "not a plain path"
}

@test "the record can't be written: could not find out, and never yes in each night" {
    question one 'echo one; exit 1'
    export DLM_HOOKS_STATE=/proc/nowhere
    answers 75
    says "can't be written"
}

@test "a mistake in the settings does not count as yes" {
    question one 'echo one; exit 1'
    setting reboot-pending 'hooks=('
    answers 75
    setting reboot-pending 'timeout=soon'
    answers 75
}
