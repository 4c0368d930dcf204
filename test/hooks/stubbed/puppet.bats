#!/usr/bin/env bats
# pre_update/puppet-disable and post_update/puppet-enable. Against a real agent: ../real/puppet/puppet.bats.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    export STATE=$BATS_TEST_TMPDIR/statedir
    mkdir "$STATE"
    # shellcheck disable=SC2016 # not for this shell
    PUPPET='case "$*" in
        "config print --section agent "*)
            echo "agent_catalog_run_lockfile = $STATE/agent_catalog_run.lock"
            echo "agent_disabled_lockfile = $STATE/agent_disabled.lock" ;;
        "agent --disable "*) [ -z "${STUCK:-}" ] || exit 0
            cp "$DLM_HOOKS_STATE/puppet" "$STATE/record-at-disable"
            [ -e "$STATE/agent_disabled.lock" ] || echo "{\"disabled_message\":\"$3\"}" >"$STATE/agent_disabled.lock" ;;
        "agent --enable") [ -n "${STUCK:-}" ] || rm -f "$STATE/agent_disabled.lock" ;;
        esac'
    stub puppet "$PUPPET"
    # If Puppet's own packages are installed, the hook would find that puppet.
    setting puppet-disable puppet=puppet run_timeout=1
    setting puppet-enable puppet=puppet
}
teardown() { [[ -z ${PID:-} ]] || kill "$PID"; }
by_admin() { echo '{"disabled_message":"do not touch"}' >"$STATE/agent_disabled.lock"; }
disabled() { cat "$STATE/agent_disabled.lock"; }
run_of() { # NAME: a process with this name holds the lock of an agent run
    (exec -a "$1" sleep 100 3>&-) &
    PID=$!
    until grep -q "$1" /proc/$PID/cmdline; do :; done
    echo "$PID" >"$STATE/agent_catalog_run.lock"
}
disable() { hook pre_update/puppet-disable; }
enable() { hook post_update/puppet-enable; }

@test "disabled with a reason, after it was recorded; enabled again" {
    disable
    exits 0
    [[ $(disabled) == '{"disabled_message":"foreman-dlm-updater: run run-1"}' ]]
    [[ $(tr '\n' ' ' <"$STATE/record-at-disable") == "run-1 agent " ]]
    enable
    exits 0
    [[ ! -e $STATE/agent_disabled.lock ]]
    enable
    exits 0
    says "enabled already"
}

@test "an administrator's lock stays: neither disabled nor enabled by us" {
    by_admin
    disable
    exits 0
    says 'somebody else has disabled the agent, it stays disabled: {"disabled_message":"do not touch"}'
    enable
    exits 0
    says "did not disable"
    [[ $(disabled) == *"do not touch"* ]]
    refute called "agent --"
}

@test "an administrator's lock stays if it names the updater" {
    echo '{"disabled_message":"until foreman-dlm-updater: run 7 is fixed"}' >"$STATE/agent_disabled.lock"
    disable
    exits 0
    says "somebody else has disabled the agent"
    enable
    exits 0
    [[ -e $STATE/agent_disabled.lock ]]
}

@test "a lock that an administrator made meanwhile stays" {
    disable
    by_admin
    enable
    exits 0
    says "since, it stays disabled"
    [[ $(disabled) == *"do not touch"* ]]
    disable
    exits 0
    [[ $(disabled) == *"do not touch"* ]]
}

@test "again in the same run: the lock is still ours" {
    disable
    disable
    exits 0
    [[ $(grep -c "agent --disable" "$CALLS") == 1 ]]
    enable
    exits 0
    [[ ! -e $STATE/agent_disabled.lock ]]
}

@test "our lock from a run that was given up becomes this run's" {
    disable
    DLM_RUN_ID=run-2 enable
    exits 0
    [[ -e $STATE/agent_disabled.lock ]]
    DLM_RUN_ID=run-2 disable
    exits 0
    DLM_RUN_ID=run-2 enable
    exits 0
    [[ ! -e $STATE/agent_disabled.lock ]]
}

@test "an agent that cannot be disabled, or enabled" {
    STUCK=1 disable
    exits 1
    says "the agent is not disabled"
    disable
    STUCK=1 enable
    exits 1
    says "the agent is not enabled"
    stub puppet "case \$1 in agent) exit 1 ;; esac; $PUPPET"
    enable
    exits 1
    says "puppet agent --enable failed"
    rm "$STATE/agent_disabled.lock"
    disable
    exits 1
    says "puppet agent --disable failed"
}

@test "no puppet: an error, but not for enabling what was never disabled" {
    setting puppet-disable puppet=/no/such/puppet
    setting puppet-enable puppet=/no/such/puppet
    rm "$BATS_TEST_TMPDIR/bin/puppet"
    ! command -v puppet || skip "puppet is installed here"
    disable
    exits 1
    says "there is no puppet"
    says "disable this hook"
    enable
    exits 0
    mkdir -p "$DLM_HOOKS_STATE"
    printf '%s\n' run-1 agent >"$DLM_HOOKS_STATE/puppet"
    enable
    exits 1
    says "there is no puppet"
}

@test "the PATH's puppet if the one in the settings does not exist" {
    setting puppet-disable puppet=/no/such/puppet
    disable
    exits 0
    called "puppet agent --disable"
}

@test "puppet that does not say where its locks are" {
    stub puppet 'exit 1'
    disable
    exits 1
    says "puppet config print failed"
    stub puppet 'echo "agent_disabled_lockfile = /x"'
    disable
    exits 1
    says "does not say where the agent's locks are"
}

@test "waits for an agent run, with the agent disabled" {
    run_of "puppet agent: applying configuration"
    setting puppet-disable puppet=puppet run_timeout=30
    # shellcheck disable=SC2016 # not for this shell
    stub sleep '[ -e "$STATE/agent_disabled.lock" ] && rm -f "$STATE/agent_catalog_run.lock"'
    disable
    exits 0
    [[ $(grep -c ^sleep "$CALLS") == 1 ]]
}

@test "an agent run that does not end, with and without an administrator's lock" {
    run_of "puppet agent: applying configuration"
    disable
    exits 1
    says "a run of the agent (process $PID) has not ended after 1 s"
    by_admin
    disable
    exits 1
    says "has not ended"
}

@test "a run lock that is empty, or names a dead process or another program, does not count" {
    run_of unrelated
    disable
    exits 0
    echo 999999999 >"$STATE/agent_catalog_run.lock"
    disable
    exits 0
    : >"$STATE/agent_catalog_run.lock"
    disable
    exits 0
}

@test "a mistake in the settings fails" {
    setting puppet-disable 'puppet=('
    setting puppet-enable 'puppet=('
    disable
    [[ $status != 0 ]]
    enable
    [[ $status != 0 ]]
}
