#!/usr/bin/env bats
# gate/logged-in with the real logind: sessions that PAM opens, as login does.
load ../../hook

setup_file() { id -u alice >/dev/null 2>&1 || useradd --create-home alice; }
teardown() {
    systemctl stop visit 2>/dev/null || true
    until [[ -z $(sessions) ]]; do sleep 0.1; done
    systemctl unmask --runtime --quiet systemd-logind.service
}
sessions() { loginctl list-sessions --no-legend; }
# session USER COMMAND...: runs the command in a session on a terminal of its own.
session() {
    systemd-run --quiet --collect --unit=visit --pty -p PAMName=login -p User="$1" -E DLM_CONFIG="$DLM_CONFIG" \
        -E DLM_HOOKS_DIR="$DLM_HOOKS_DIR" "${@:2}" </dev/null
}
visit() { # alice, until teardown
    session alice sleep 1000 >/dev/null 2>&1 3>&- &
    until [[ $(sessions) == *alice* ]]; do sleep 0.1; done
}
logged_in() { hook gate/logged-in; }

@test "nobody, and then alice on a terminal" {
    logged_in
    exits 0
    says "nobody is logged in"
    visit
    logged_in
    exits 1
    [[ $output =~ ^'logged-in: alice on pts/'[0-9]+' since '[A-Z][a-z][a-z]' '20..-..-..' '..:..$ ]]
    setting logged-in "IGNORE='backup al*'"
    logged_in
    exits 0
}

@test "alice types nothing" {
    visit
    setting logged-in MIN_IDLE=3600
    logged_in
    exits 1
    setting logged-in MIN_IDLE=1
    for _ in {1..300}; do
        logged_in
        [[ $status != 0 ]] || break
        sleep 0.2
    done
    exits 0
}

@test "the session in which the hook runs does not count" {
    run session root "$DLM_HOOKS_DIR/gate.d/logged-in"
    exits 0
    says "nobody is logged in"
}

@test "what is no login: a session without a terminal, and one that has left a process behind" {
    systemd-run --quiet --collect --unit=visit -p PAMName=login -p User=alice sleep 1000
    until [[ $(sessions) == *alice* ]]; do sleep 0.1; done
    logged_in
    systemctl stop visit
    exits 0
    until [[ -z $(sessions) ]]; do sleep 0.1; done
    session alice sh -c 'trap "" HUP; sleep 1000 </dev/null >/dev/null 2>&1 & sleep 0.2' >/dev/null
    for _ in {1..300}; do
        logged_in
        [[ $status != 0 ]] || break
        sleep 0.2
    done
    local id state
    id=$(sessions | awk '{ print $1 }')
    state=$(loginctl show-session --property=State --value "$id")
    systemctl kill --signal=KILL "session-$id.scope"
    exits 0
    [[ $state == closing ]]
}

@test "logind does not answer, or hears of no logins" {
    systemctl mask --runtime --now --quiet systemd-logind.service
    logged_in
    not_now "logged-in: \`loginctl list-sessions\` failed, or did not answer within 30 s"
    systemctl unmask --runtime --quiet systemd-logind.service
    mv /etc/pam.d/common-session "$BATS_TEST_TMPDIR"
    logged_in
    mv "$BATS_TEST_TMPDIR/common-session" /etc/pam.d/
    not_now "logged-in: logind does not hear of logins, because pam_systemd is not set up: install libpam-systemd"
}
