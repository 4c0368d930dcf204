#!/usr/bin/env bats
# gate/systemd-healthy and post_update/systemd-healthy. Against the real systemd: ../real/services/systemd-healthy.bats.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    export JOBS=$BATS_TEST_TMPDIR/jobs FAILED=$BATS_TEST_TMPDIR/failed # what systemctl prints
    : >"$JOBS"
    : >"$FAILED"
    # shellcheck disable=SC2016 # not for this shell
    stub systemctl 'case $1 in
        list-jobs) cat "$JOBS" ;;
        list-units) cat "$FAILED" ;;
        show) echo "${RESULT:-exit-code}" ;;
        esac'
    stub sleep
    setting systemd-healthy
}
failed() { printf '%s loaded failed failed Some service\n' "$@" >"$FAILED"; }
healthy() { hook post_update/systemd-healthy; }

@test "nothing failed" {
    healthy
    exits 0
    says "no failed units"
    called "systemctl list-units --state=failed,auto-restart"
}

@test "each failed unit is named, with how to look at it" {
    failed app.service mnt-data.mount
    healthy
    exits 1
    says "failed: app.service; see \`systemctl status 'app.service'\`"
    says "failed: mnt-data.mount; see"
    says "name them in EXCEPT in $BATS_TEST_TMPDIR/etc/hooks.conf.d/systemd-healthy.conf"
}

@test "a name with backslashes is printed as it is" {
    failed 'srv-a\x2db.mount'
    healthy
    exits 1
    says "systemctl status 'srv-a\\x2db.mount'"
}

@test "exceptions are patterns, and do not cover other units" {
    failed apt-daily.service apt-daily-upgrade.service app.service
    setting systemd-healthy "EXCEPT='fwupd.service apt-daily*'"
    healthy
    exits 1
    refute says apt-daily
    says "failed: app.service"
    setting systemd-healthy "EXCEPT='apt-daily* app.service'"
    healthy
    exits 0
}

@test "the updater's own units don't count" {
    failed foreman-dlm-updater.service foreman-dlm-updater-resume.service
    healthy
    exits 0
    failed foreman-dlm-updater.timer
    healthy
    exits 1
}

@test "waits for jobs, and once more until it stays quiet" {
    echo '11 app.service start running' >"$JOBS"
    # shellcheck disable=SC2016 # not for this shell
    stub sleep 'case $(grep -c ^sleep "$CALLS") in
        2) : >"$JOBS" ;;
        3) echo "12 late.service start running" >"$JOBS" ;;
        4) : >"$JOBS"; echo "late.service loaded failed failed x" >"$FAILED" ;;
        esac'
    healthy
    exits 1
    says "failed: late.service"
    [[ $(grep ^sleep "$CALLS" | tr '\n' ' ') == "sleep 1 sleep 1 sleep 5 sleep 1 sleep 5 " ]]
}

@test "jobs that don't end: they are named" {
    printf '%s\n' '11 app.service start running' '12 b.mount start running' >"$JOBS"
    setting systemd-healthy job_timeout=0
    healthy
    exits 1
    says "still being started or stopped after 0 s: app.service b.mount:"
    setting systemd-healthy job_timeout=0 "EXCEPT='b* app.service'"
    healthy
    exits 0
}

@test "does not wait for the updater's own jobs, or for jobs that wait for them" {
    printf '%s\n' '11 foreman-dlm-updater.service start running' '12 foreman-dlm-updater-resume.service start running' \
        '13 after.service start waiting' >"$JOBS"
    setting systemd-healthy job_timeout=0
    healthy
    exits 0
}

@test "systemctl that does not work is not healthy" {
    stub systemctl 'exit 1'
    healthy
    exits 1
    says "list-jobs failed"
    # shellcheck disable=SC2016 # not for this shell
    stub systemctl '[ "$1" = list-jobs ]'
    healthy
    exits 1
    says "list-units failed"
}

@test "a mistake in the settings is not healthy" {
    setting systemd-healthy 'EXCEPT=('
    healthy
    [[ $status != 0 ]]
}

@test "a unit that fails and restarts all the time is not healthy; one that ends well is" {
    echo 'loop.service loaded activating auto-restart Some service' >"$FAILED"
    healthy
    exits 1
    says "failed: loop.service"
    RESULT=success healthy
    exits 0
}

@test "gate: no failed units, or all of them in one line; it waits for nothing" {
    echo '11 app.service start running' >"$JOBS"
    hook gate/systemd-healthy
    exits 0
    says "no failed units"
    called "systemctl list-units --state=failed,auto-restart"
    refute called list-jobs
    refute called sleep
    failed app.service 'srv-a\x2db.mount' foreman-dlm-updater.service
    hook gate/systemd-healthy
    not_now 'systemd-healthy: failed units: app.service srv-a\x2db.mount'
    RESULT=success hook gate/systemd-healthy
    exits 0
    setting systemd-healthy "EXCEPT='app* srv-*'"
    hook gate/systemd-healthy
    exits 0
}

@test "gate: could not find out" {
    stub systemctl 'exit 1'
    hook gate/systemd-healthy
    not_now "systemd-healthy: systemctl list-units failed, or did not answer within 30 s: see above"
    # shellcheck disable=SC2016 # not for this shell
    stub systemctl '[ "$1" = list-units ] && echo "app.service loaded activating auto-restart x"'
    hook gate/systemd-healthy
    not_now "systemd-healthy: failed units: app.service"
    setting systemd-healthy 'EXCEPT=('
    hook gate/systemd-healthy
    [[ $status != 0 ]]
}
