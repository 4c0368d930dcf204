# For the hooks' bats tests: `load ../hook` (or ../../hook), which gives each test a folder of its own, an environment as
# the updater's, and commands to stand in for the real ones.
# shellcheck shell=bash
bats_require_minimum_version 1.5.0

if [[ -d /usr/share/foreman-dlm-updater/hooks ]]; then
    DLM_HOOKS_DIR=/usr/share/foreman-dlm-updater/hooks # a booted host
else
    DLM_HOOKS_DIR=$(readlink -f "${BASH_SOURCE[0]%/*}/../../contrib/hooks")
fi
export DLM_HOOKS_DIR

setup() {
    export DLM_RUN_ID=run-1 DLM_LOCK_NAME=web DLM_REBOOTED=0 DLM_CANNOT_TELL_EXIT=75
    export DLM_CONFIG=$BATS_TEST_TMPDIR/etc/config.ini DLM_HOOKS_STATE=$BATS_TEST_TMPDIR/state
    mkdir -p "$BATS_TEST_TMPDIR"/{bin,etc/hooks.conf.d}
    CALLS=$BATS_TEST_TMPDIR/calls # what the stubs were called with, a line each
    export CALLS
    : >"$CALLS"
    ! declare -F prepare >/dev/null || prepare # a test file's own
}

# stub NAME [SCRIPT]: a command NAME that notes how it was called and then does SCRIPT (sh; "$@" are its arguments).
stub() {
    printf '#!/bin/sh\necho "%s $*" >>"$CALLS"\n%s\n' "$1" "${2:-}" >"$BATS_TEST_TMPDIR/bin/$1"
    chmod +x "$BATS_TEST_TMPDIR/bin/$1"
}

# setting NAME LINE...: writes hooks.conf.d/NAME.conf.
setting() { printf '%s\n' "${@:2}" >"$BATS_TEST_TMPDIR/etc/hooks.conf.d/$1.conf"; }

# hook STAGE/NAME: runs a bundled hook as the updater does; then $status and $output (both streams) tell.
hook() {
    local PATH=$BATS_TEST_TMPDIR/bin:$PATH
    DLM_STAGE=${1%%/*} run --separate-stderr "$DLM_HOOKS_DIR/${1%%/*}.d/${1#*/}" </dev/null
    output="$output${stderr:+${output:+$'\n'}$stderr}"
}

# says TEXT: the hook has said TEXT.
says() { [[ $output == *"$1"* ]] || { printf 'not said: %s\noutput: %s\n' "$1" "$output"; return 1; }; }

# exits CODE: the hook has exited with CODE.
exits() { [[ $status == "$1" ]] || { printf 'exit %s, want %s\noutput: %s\n' "$status" "$1" "$output"; return 1; }; }

# called TEXT: a stub was called like this; `refute called TEXT`: it was not.
called() { grep -qF -- "$1" "$CALLS" || { printf 'not called: %s\ncalls:\n%s\n' "$1" "$(cat "$CALLS")"; return 1; }; }
refute() { ! "$@" >/dev/null || { printf 'should not be: %s\noutput: %s\ncalls:\n%s\n' "$*" "$output" "$(cat "$CALLS")"; return 1; }; }
