#!/usr/bin/env bats
# pre_update/puppet-disable and post_update/puppet-enable with a real agent (Debian's).
load ../../hook
bats_require_minimum_version 1.5.0

prepare() {
    LOCK=$(puppet config print --section agent agent_disabled_lockfile)
    RUN=$(puppet config print --section agent agent_catalog_run_lockfile)
    rm -f "$LOCK" "$RUN"
}
teardown() {
    systemctl stop server 2>/dev/null || true
    rm -rf /opt/puppetlabs
}
disable() { hook pre_update/puppet-disable; }
enable() { hook post_update/puppet-enable; }
agent() { timeout 60 puppet agent --onetime --no-daemonize --verbose 2>&1 || true; }

@test "disabled: the agent itself says so; enabled again" {
    disable
    exits 0
    [[ $(agent) == *"Reason: 'foreman-dlm-updater: run run-1'"* ]]
    disable
    exits 0
    enable
    exits 0
    [[ ! -e $LOCK ]]
    enable
    exits 0
    says "enabled already"
}

@test "an administrator's lock stays, of before and of meanwhile" {
    puppet agent --disable "by me"
    disable
    exits 0
    enable
    exits 0
    [[ $(cat "$LOCK") == *"by me"* ]]
    puppet agent --enable
    disable
    puppet agent --enable
    puppet agent --disable "by me again"
    enable
    exits 0
    says "meanwhile, it stays so"
    [[ $(cat "$LOCK") == *"by me again"* ]]
}

@test "without the environment of a login" {
    run env -i PATH="$PATH" DLM_RUN_ID=run-1 DLM_CONFIG="$DLM_CONFIG" DLM_HOOKS_STATE="$DLM_HOOKS_STATE" \
        "$DLM_HOOKS_DIR/pre_update.d/puppet-disable"
    exits 0
    [[ -e $LOCK ]]
}

@test "the agent of puppet's own packages comes first" {
    mkdir -p /opt/puppetlabs/bin
    # shellcheck disable=SC2016 # not for this shell
    printf '%s\n' '#!/bin/sh' 'echo "puppetlabs $*" >>"$CALLS"' 'exec /usr/bin/puppet "$@"' >/opt/puppetlabs/bin/puppet
    chmod +x /opt/puppetlabs/bin/puppet
    disable
    exits 0
    called "puppetlabs agent --disable"
    enable
    exits 0
    called "puppetlabs agent --enable"
}

@test "a real run that is going on is waited for" {
    # A server that never answers keeps the agent in its run.
    # shellcheck disable=SC2016 # Perl's
    systemd-run --quiet --collect --unit=server perl -MIO::Socket::INET -e \
        '$s = IO::Socket::INET->new(Listen => 9, LocalAddr => "127.0.0.1:8140", ReuseAddr => 1) or die; push @c, $s->accept while 1'
    until (: </dev/tcp/127.0.0.1/8140) 2>/dev/null; do sleep 0.1; done
    puppet agent --onetime --no-daemonize --server localhost >/dev/null 2>&1 3>&- &
    local pid=$!
    local end=$((SECONDS + 30))
    until [[ -s $RUN ]] || ((SECONDS > end)); do sleep 0.1; done
    setting puppet-disable run_timeout=2
    disable
    exits 1
    says "a run of the agent (process $pid) has not ended after 2 s"
    setting puppet-disable run_timeout=60
    (sleep 3; kill "$pid") 3>&- &
    SECONDS=0
    disable
    exits 0
    says "no run of the agent is going on"
    ((SECONDS >= 2))
}
