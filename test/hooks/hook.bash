# For the hooks' bats tests: `load ../hook` (or ../../hook). It gives each test its own directory, an environment like
# the updater's, and stubs for the real commands.
# shellcheck shell=bash
bats_require_minimum_version 1.5.0

if [[ -d /usr/share/foreman-dlm-updater/hooks ]]; then
    DLM_HOOKS_DIR=/usr/share/foreman-dlm-updater/hooks # on a booted host
else
    DLM_HOOKS_DIR=$(readlink -f "${BASH_SOURCE[0]%/*}/../../contrib/hooks")
fi
export DLM_HOOKS_DIR

setup() {
    export DLM_RUN_ID=run-1 DLM_LOCK_NAME=web DLM_REBOOTED=0 DLM_CANNOT_TELL_EXIT=75
    export DLM_CONFIG=$BATS_TEST_TMPDIR/etc/config.ini DLM_HOOKS_STATE=$BATS_TEST_TMPDIR/state
    mkdir -p "$BATS_TEST_TMPDIR"/{bin,etc/hooks.conf.d}
    CALLS=$BATS_TEST_TMPDIR/calls # one line for each call of a stub
    export CALLS
    : >"$CALLS"
    ! declare -F prepare >/dev/null || prepare # a test file may define it
}

# stub NAME [SCRIPT]: makes a command NAME that records its call and then runs SCRIPT (sh; "$@" are its arguments).
stub() {
    printf '#!/bin/sh\necho "%s $*" >>"$CALLS"\n%s\n' "$1" "${2:-}" >"$BATS_TEST_TMPDIR/bin/$1"
    chmod +x "$BATS_TEST_TMPDIR/bin/$1"
}

# setting NAME LINE...: writes hooks.conf.d/NAME.conf.
setting() { printf '%s\n' "${@:2}" >"$BATS_TEST_TMPDIR/etc/hooks.conf.d/$1.conf"; }

# hook STAGE/NAME: runs a bundled hook as the updater does. Sets $status, and $output from both streams.
hook() {
    local PATH=$BATS_TEST_TMPDIR/bin:$PATH
    DLM_STAGE=${1%%/*} run --separate-stderr "$DLM_HOOKS_DIR/${1%%/*}.d/${1#*/}" </dev/null
    output="$output${stderr:+${output:+$'\n'}$stderr}"
}

# says TEXT: fails unless the hook printed TEXT.
says() { [[ $output == *"$1"* ]] || { printf 'not said: %s\noutput: %s\n' "$1" "$output"; return 1; }; }

# not_now REASON: fails unless the gate that ran said no, with just this as the last line of standard error.
not_now() {
    [[ $status != 0 && ${stderr##*$'\n'} == "$1" ]] ||
        { printf 'exit %s, want another than 0, and: %s\noutput: %s\n' "$status" "$1" "$output"; return 1; }
}

# yes, no REASON...: run the gate, by the function `gate` that the test file defines, and fail unless it says yes and
# prints nothing, or says no with this as the last line of standard error. REASON may end in "*": more may follow.
yes() { gate && exits 0 && [[ -z $output ]]; }
no() {
    local want=$* said
    gate && exits 1 && said=${stderr##*$'\n'} || return
    [[ $said == "$want" || ($want == *'*' && $said == "${want%'*'}"*) ]] ||
        { printf 'reason: %s\nwanted: %s\n' "$said" "$want"; return 1; }
}

# exits CODE: fails unless the hook exited with CODE.
exits() { [[ $status == "$1" ]] || { printf 'exit %s, want %s\noutput: %s\n' "$status" "$1" "$output"; return 1; }; }

# called TEXT: fails unless a stub was called like this; `refute called TEXT`: fails if one was.
called() { grep -qF -- "$1" "$CALLS" || { printf 'not called: %s\ncalls:\n%s\n' "$1" "$(cat "$CALLS")"; return 1; }; }
refute() {
    ! "$@" >/dev/null ||
        { printf 'should not be: %s\noutput: %s\ncalls:\n%s\n' "$*" "$output" "$(cat "$CALLS")"; return 1; }
}
