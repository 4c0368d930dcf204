#!/usr/bin/env bats
# gate/systemd-healthy and post_update/systemd-healthy with the real systemd, the latter also inside the updater's own
# unit while that is being started.
load ../../hook
bats_require_minimum_version 1.5.0

prepare() {
    systemctl reset-failed
    setting systemd-healthy settle=1 job_timeout=300
}
teardown() {
    systemctl stop slow late after again foreman-dlm-updater.service 2>/dev/null || true
    rm -f /run/systemd/system/{slow,late,after,again}.service
    systemctl daemon-reload
    systemctl reset-failed
}
unit() {
    mkdir -p /run/systemd/system
    printf '%s\n' "${@:2}" >"/run/systemd/system/$1"
    systemctl daemon-reload
}
fails() { systemd-run --quiet --unit="$1" --property=Type=oneshot /bin/false || true; }
healthy() { hook post_update/systemd-healthy; }

@test "nothing failed" {
    healthy
    exits 0
    says "no failed units"
    hook gate/systemd-healthy
    exits 0
}

@test "a failed unit is named, unless it is an exception" {
    fails acme-one
    fails acme-two
    healthy
    exits 1
    says "failed: acme-one.service; see \`systemctl status 'acme-one.service'\`"
    says "failed: acme-two.service"
    hook gate/systemd-healthy
    not_now "systemd-healthy: failed units: acme-one.service acme-two.service"
    setting systemd-healthy settle=1 "EXCEPT='acme-*'"
    healthy
    exits 0
    hook gate/systemd-healthy
    exits 0
}

@test "a failed unit with an escape in its name" {
    fails "$(systemd-escape --suffix=service a-b/c)"
    healthy
    exits 1
    says 'a\x2db-c.service'
}

@test "the updater's own units that failed before don't count" {
    fails foreman-dlm-updater
    fails foreman-dlm-updater-resume
    [[ $(systemctl is-failed foreman-dlm-updater) == failed ]]
    healthy
    exits 0
}

@test "waits for a unit that is being started, and sees it fail" {
    unit slow.service '[Service]' Type=oneshot "ExecStart=/bin/sh -c 'sleep 3; exit 1'"
    systemctl start --no-block slow
    healthy
    exits 1
    says "failed: slow.service"
}

@test "sees a service that dies soon after its start" {
    unit late.service '[Service]' "ExecStart=/bin/sh -c 'sleep 0.5; exit 1'"
    setting systemd-healthy settle=2
    systemctl start late
    healthy
    exits 1
    says "failed: late.service"
}

@test "names a unit that is still being started at the end" {
    unit slow.service '[Service]' Type=oneshot 'ExecStart=/bin/sleep 30'
    systemctl start --no-block slow
    setting systemd-healthy settle=0 job_timeout=1
    healthy
    exits 1
    says "still being started or stopped after 1 s: slow.service"
}

@test "inside the updater's own unit, with another one waiting behind it" {
    unit after.service '[Unit]' After=foreman-dlm-updater.service '[Service]' ExecStart=/bin/sleep 1000
    cat >"$BATS_TEST_TMPDIR/inside" <<'END'
systemctl start --no-block after
systemctl list-jobs --no-legend
"$DLM_HOOKS_DIR/post_update.d/systemd-healthy"
END
    SECONDS=0
    run timeout 250 systemd-run --quiet --wait --pipe --collect \
        --unit=foreman-dlm-updater.service --property=Type=oneshot \
        --setenv=DLM_CONFIG="$DLM_CONFIG" --setenv=DLM_HOOKS_DIR="$DLM_HOOKS_DIR" sh -e "$BATS_TEST_TMPDIR/inside"
    exits 0
    [[ $output == *foreman-dlm-updater.service*running* ]]
    [[ $output == *after.service*waiting* ]]
    says "no failed units"
    ((SECONDS < 200))
}

@test "does not wait for an excepted job" {
    unit slow.service '[Service]' Type=oneshot 'ExecStart=/bin/sleep 30'
    systemctl start --no-block slow
    setting systemd-healthy settle=0 job_timeout=1 "EXCEPT='slow*'"
    healthy
    exits 0
}

@test "a unit that fails and restarts, too slowly for systemd to give up, is not healthy; one that ends well is" {
    unit again.service '[Service]' Restart=always RestartSec=20 ExecStart=/bin/false
    systemctl start again
    healthy
    exits 1
    says "failed: again.service"
    systemctl stop again
    unit again.service '[Service]' Restart=always RestartSec=20 ExecStart=/bin/true
    systemctl start again
    until [[ $(systemctl show -P SubState again) == auto-restart ]]; do :; done
    healthy
    exits 0
}
