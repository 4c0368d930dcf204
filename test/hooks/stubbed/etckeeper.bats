#!/usr/bin/env bats
# gate/etckeeper. With the real etckeeper: ../real/apt/vetoes.bats.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    export ETCKEEPER_CONF_DIR=$BATS_TEST_TMPDIR/etckeeper
    mkdir "$ETCKEEPER_CONF_DIR"
    echo 'AVOID_COMMIT_BEFORE_INSTALL=1' >"$ETCKEEPER_CONF_DIR/etckeeper.conf"
    unclean 1
}
# unclean EXIT [LINE]: what `etckeeper unclean` does.
unclean() { stub etckeeper "[ \$1 = unclean ] || exit 9; printf %s \"${2:-}\" >&2; exit $1"; }
gate() { hook gate/etckeeper; }

@test "nothing uncommitted: yes" {
    gate
    exits 0
    says "no changes that are not committed"
}

@test "uncommitted changes: no" {
    unclean 0
    gate
    not_now "etckeeper: /etc has changes that nobody has committed, and etckeeper would refuse to install anything: run \
'etckeeper commit'"
    refute called "etckeeper commit"
}

@test "uncommitted=commit: yes, and nothing is asked or committed" {
    unclean 0
    setting etckeeper uncommitted=commit
    stub apt-get
    gate
    exits 0
    refute called etckeeper
}

@test "uncommitted=commit without apt, whose hooks would commit: as with refuse" {
    unclean 0
    setting etckeeper uncommitted=commit
    mkdir "$BATS_TEST_TMPDIR/tools"
    local tool
    for tool in dirname sh mktemp rm cat timeout; do ln -s "$(command -v $tool)" "$BATS_TEST_TMPDIR/tools"; done
    PATH=$BATS_TEST_TMPDIR/tools gate
    not_now "etckeeper: /etc has changes that nobody has committed, and etckeeper would refuse to install anything: run \
'etckeeper commit'"
}

@test "etckeeper commits by itself: yes" {
    unclean 0
    : >"$ETCKEEPER_CONF_DIR/etckeeper.conf"
    gate
    exits 0
    says "by itself"
    rm "$ETCKEEPER_CONF_DIR/etckeeper.conf"
    gate
    exits 0
}

@test "could not find out: etckeeper's configuration, what it says, no answer, its own settings" {
    unclean 1 "fatal: detected dubious ownership"
    gate
    not_now "etckeeper: could not find out whether /etc has changes that nobody has committed: etckeeper unclean: exit 1: \
fatal: detected dubious ownership"
    unclean 127
    gate
    exits 1
    says "exit 127"
    # shellcheck disable=SC2016 # for the stub's shell
    stub timeout 'shift; case $1 in etckeeper) exit 124 ;; esac; "$@"'
    gate
    not_now "etckeeper: could not find out whether /etc has changes that nobody has committed: etckeeper unclean: exit \
124: no answer within 60 s"
    echo '(' >"$ETCKEEPER_CONF_DIR/etckeeper.conf"
    gate
    exits 1
    says "could not find out what etckeeper does"
    setting etckeeper uncommitted=maybe
    gate
    exits 1
    says "use refuse or commit"
}

@test "without etckeeper: yes" {
    rm "$BATS_TEST_TMPDIR/bin/etckeeper"
    command -v etckeeper >/dev/null && skip "this host has it"
    gate
    exits 0
    says "not installed"
}
