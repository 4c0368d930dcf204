#!/usr/bin/env bats
# pre_update/keepalived-stop and post_update/keepalived-start, with a stub for systemctl that keeps its units' states in
# files. services.bats tests lib/units.sh and lib/record.sh. With the real keepalived: ../real/services/keepalived.bats.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    export UNITS=$BATS_TEST_TMPDIR/units # one file for each unit, with its ActiveState
    mkdir "$UNITS"
    # shellcheck disable=SC2016 # not for this shell
    stub systemctl 'for unit; do :; done
        file=$UNITS/$unit
        [ -z "${DEAF:-}" ] || { echo "Failed to connect to bus: No such file or directory" >&2; exit 1; }
        case "$*" in
        show*LoadState*) [ -e "$file" ] && echo loaded || echo not-found ;;
        show*RequiredBy*) ;;
        show*Type*) echo notify ;;
        show*ActiveState*) cat "$file" 2>/dev/null || echo inactive ;;
        stop*) cp "$DLM_HOOKS_STATE/keepalived-stop" "$UNITS/../record-at-stop"
            [ -z "${FAILS:-}" ] || exit 1
            [ -n "${COMES_BACK:-}" ] || echo inactive >"$file" ;;
        start*) [ -z "${FAILS:-}" ] || exit 1
            echo "${STARTED:-active}" >"$file" ;;
        esac'
    stub sleep
    unit active keepalived.service
}
unit() { echo "$1" >"$UNITS/$2"; }
is() { [[ $(cat "$UNITS/$2") == "$1" ]]; }
stop() { hook pre_update/keepalived-stop; }
start() { hook post_update/keepalived-start; }

@test "stopped after it was recorded; and started" {
    stop
    exits 0
    says "stopping keepalived.service"
    is inactive keepalived.service
    [[ $(tr '\n' ' ' <"$UNITS/../record-at-stop") == "run-1 keepalived.service " ]]
    start
    exits 0
    says "starting keepalived.service"
    is active keepalived.service
}

@test "again in the same run: stopped once; start may run any number of times" {
    stop
    stop
    exits 0
    says "keepalived.service does not run"
    [[ $(grep -c "systemctl stop" "$CALLS") == 1 ]]
    start
    start
    exits 0
    is active keepalived.service
}

@test "a power cut between the record and the stop" {
    mkdir -p "$DLM_HOOKS_STATE"
    printf '%s\n' run-1 keepalived.service >"$DLM_HOOKS_STATE/keepalived-stop"
    stop
    exits 0
    is inactive keepalived.service
    start
    exits 0
    is active keepalived.service
}

@test "a unit that was down before stays down; another run's record does not count" {
    unit inactive keepalived.service
    stop
    exits 0
    start
    exits 0
    says "this run stopped nothing"
    is inactive keepalived.service
    unit active keepalived.service
    DLM_RUN_ID=run-0 stop
    start
    exits 0
    says "this run stopped nothing"
    is inactive keepalived.service
}

@test "stops the units in the order of the settings, and starts them in reverse" {
    setting keepalived-stop "units='keepalived@a.service keepalived@b.service'"
    unit active keepalived@a.service
    unit active keepalived@b.service
    stop
    exits 0
    start
    exits 0
    [[ $(grep -oE '(stop|start) -- .*' "$CALLS" | tr '\n' ' ') == "stop -- keepalived@a.service stop -- keepalived@b.service "*"start -- keepalived@b.service start -- keepalived@a.service " ]]
    is active keepalived.service
}

@test "a unit that does not exist, or none named: the settings are wrong, and nothing is stopped" {
    setting keepalived-stop "units='keepalived.service typo.service'"
    stop
    exits 1
    says "keepalived-stop: no such unit: typo.service: nothing was stopped; correct units in $BATS_TEST_TMPDIR/etc/hooks.conf.d/keepalived-stop.conf"
    refute called "systemctl stop"
    setting keepalived-stop "units="
    stop
    exits 1
    says "no unit is named"
    is active keepalived.service
}

@test "a unit that does not stop, comes back, or does not stop in time" {
    FAILS=1 stop
    exits 1
    says "keepalived.service could not be stopped within 60 s"
    COMES_BACK=1 stop
    exits 1
    says "runs again after it was stopped"
    stub timeout 'exit 124'
    setting keepalived-stop stop_timeout=7
    stop
    exits 1
    says "could not be stopped within 7 s"
    called "timeout 7 systemctl stop -- keepalived.service"
}

@test "a unit that does not start, dies again, or does not start in time" {
    stop
    FAILS=1 start
    exits 1
    says "keepalived.service is not up (60 s allowed)"
    STARTED=failed start
    exits 1
    says "keepalived.service is not up"
    stub timeout 'exit 124'
    setting keepalived-start start_timeout=7
    start
    exits 1
    says "keepalived.service is not up (7 s allowed)"
    called "timeout 7 systemctl start -- keepalived.service"
}

@test "systemctl that does not work: nothing is stopped" {
    DEAF=1 stop
    exits 1
    says "nothing was stopped"
    refute called "systemctl stop"
}

@test "a mistake in the settings fails" {
    setting keepalived-stop 'units=('
    setting keepalived-start 'start_timeout=('
    stop
    [[ $status != 0 ]]
    start
    [[ $status != 0 ]]
    refute called systemctl
}
