#!/usr/bin/env bats
# pre_update/services-stop and post_update/services-start, with a stub for systemctl that keeps its units' states in
# files. This file also tests lib/units.sh and lib/record.sh. With the real systemd: ../real/services/services.bats.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    export UNITS=$BATS_TEST_TMPDIR/units # one file for each unit, with its ActiveState
    mkdir "$UNITS"
    # shellcheck disable=SC2016 # not for this shell
    stub systemctl 'for unit; do :; done
        file=$UNITS/$unit
        case "$*" in
        show*LoadState*) [ -e "$file" ] && echo "${LOAD:-loaded}" || echo not-found ;;
        show*RequiredBy*) cat "$UNITS/../needed-by-$unit" 2>/dev/null || : ;;
        show*Type*) echo "${TYPE:-simple}" ;;
        show*ActiveState*) [ -z "${MUTE:-}" ] || [ "$(grep -c ActiveState "$CALLS")" != "$MUTE" ] || exit "$MUTE_EXIT"
            cat "$file" 2>/dev/null || echo inactive ;;
        stop*) [ -z "${WAKES:-}" ] || echo active >"$UNITS/$WAKES"
            [ "$unit" != "${HANGS:-}" ] || /bin/sleep 60
            [ "$unit" != "${FAILS:-}" ] || exit 1
            [ "$unit" = "${COMES_BACK:-}" ] || echo "${STOPPED:-inactive}" >"$file"
            cp "$DLM_HOOKS_STATE/services" "$UNITS/../record-at-stop" ;;
        start*) [ "$unit" != "${FAILS:-}" ] || exit 1
            echo "${STARTED:-active}" >"$file" ;;
        esac'
    stub sleep
    setting services-stop "SERVICES='app.service db.service worker@1.service'"
    unit active app.service db.service worker@1.service
}
unit() { local state=$1 unit; for unit in "${@:2}"; do echo "$state" >"$UNITS/$unit"; done; }
order() { grep -oE "^systemctl $1 -- .*" "$CALLS" | sed 's/.* //' | tr '\n' ' '; }
record() { tr '\n' ' ' <"$DLM_HOOKS_STATE/services"; }
stop() { hook pre_update/services-stop; }
start() { hook post_update/services-start; }

@test "not configured: the hook fails, and says what to set" {
    rm "$BATS_TEST_TMPDIR/etc/hooks.conf.d/services-stop.conf"
    stop
    exits 1
    says "put SERVICES='NAME.service ...' into $BATS_TEST_TMPDIR/etc/hooks.conf.d/services-stop.conf"
    setting services-stop "SERVICES=' '"
    stop
    exits 1
    says "put SERVICES="
    refute called systemctl
    start # nothing was ever stopped
    exits 0
}

@test "a mistake in the settings fails" {
    setting services-stop 'SERVICES=('
    stop
    [[ $status != 0 ]]
    refute called systemctl
}

@test "stops in the order given, starts in reverse" {
    stop
    exits 0
    [[ $(order stop) == "app.service db.service worker@1.service " ]]
    [[ $(record) == "run-1 app.service db.service worker@1.service " ]]
    start
    exits 0
    [[ $(order start) == "worker@1.service db.service app.service " ]]
    [[ $(cat "$UNITS/app.service") == active ]]
}

@test "the record is there before the first unit is stopped, and for root only" {
    setting services-stop "SERVICES=app.service"
    stop
    exits 0
    [[ $(tr '\n' ' ' <"$UNITS/../record-at-stop") == "run-1 app.service " ]]
    [[ $(stat -c %a "$DLM_HOOKS_STATE") == 700 ]]
}

@test "a unit that does not exist: it is named, and nothing is stopped" {
    setting services-stop "SERVICES='app.service typo.service db.service other.service'"
    stop
    exits 1
    says "no such unit: typo.service other.service"
    refute called "systemctl stop"
    [[ ! -e $DLM_HOOKS_STATE/services ]]
}

@test "a pattern is not a unit" {
    setting services-stop "SERVICES='app.service *.service'"
    stop
    exits 1
    says "no such unit: *.service"
    refute called "systemctl stop"
}

@test "systemctl that does not work: nothing is stopped" {
    stub systemctl 'exit 1'
    stop
    exits 1
    says "nothing was stopped"
    refute called "systemctl stop"
}

@test "a masked unit that runs is stopped" {
    LOAD=masked stop
    exits 0
    [[ $(order stop) == "app.service db.service worker@1.service " ]]
}

@test "a unit that does not run is neither stopped nor started" {
    unit inactive db.service
    unit failed worker@1.service
    stop
    exits 0
    says "db.service does not run"
    [[ $(order stop) == "app.service " ]]
    start
    exits 0
    [[ $(order start) == "app.service " ]]
}

@test "a unit that is being started is stopped and started; one that is being stopped is waited for" {
    unit activating app.service
    unit reloading db.service
    unit deactivating worker@1.service
    stop
    exits 0
    [[ $(order stop) == "app.service db.service worker@1.service " ]]
    [[ $(record) == "run-1 app.service db.service " ]]
}

@test "again in the same run, with the services down: the record stays" {
    stop
    unit active db.service # came up again meanwhile
    stop
    exits 0
    [[ $(record) == "run-1 app.service db.service worker@1.service " ]]
}

@test "another run has its own record" {
    stop
    unit active db.service
    DLM_RUN_ID=run-2 stop
    exits 0
    [[ $(record) == "run-2 db.service " ]]
}

@test "another run's record, or none, brings nothing back" {
    start
    exits 0
    says "stopped nothing"
    refute called sleep
    stop
    DLM_RUN_ID=run-2 start
    exits 0
    says "stopped nothing"
    refute called "systemctl start"
}

@test "start can be repeated" {
    stop
    start
    unit inactive app.service
    start
    exits 0
    [[ $(cat "$UNITS/app.service") == active ]]
}

@test "a unit that cannot be stopped: the ones after it stay up" {
    FAILS=db.service stop
    exits 1
    says "db.service could not be stopped"
    refute called "systemctl stop -- worker@1.service"
}

@test "a unit that does not stop in time" {
    setting services-stop "SERVICES='app.service db.service'" stop_timeout=1
    HANGS=app.service stop
    exits 1
    says "app.service could not be stopped within 1 s"
}

@test "a unit that comes back after it was stopped" {
    COMES_BACK=db.service stop
    exits 1
    says "db.service runs again after it was stopped"
}

@test "a unit that ends as failed is down" {
    STOPPED=failed stop
    exits 0
}

@test "a unit that does not start, or not for long" {
    stop
    FAILS=db.service start
    exits 1
    says "db.service is not up"
    refute called "systemctl start -- app.service"
    STARTED=failed start
    exits 1
    says "worker@1.service is not up"
}

@test "units that systemd stops together with a unit are stopped before it, and come back after it" {
    setting services-stop "SERVICES='first.service db.service'"
    unit active first.service web.service some.target loop.service
    unit inactive idle.service
    printf '%s\n' 'app.service some.target' '' 'idle.service' >"$UNITS/../needed-by-db.service"
    echo 'web.service loop.service' >"$UNITS/../needed-by-app.service"
    echo 'app.service' >"$UNITS/../needed-by-loop.service"
    stop
    exits 0
    [[ $(order stop) == "first.service loop.service web.service app.service db.service " ]]
    refute says idle.service
    start
    exits 0
    [[ $(order start) == "db.service app.service web.service loop.service first.service " ]]
}

@test "a unit that was started meanwhile is on record too" {
    setting services-stop "SERVICES='app.service db.service'"
    unit inactive db.service
    stub timeout 'shift; case $* in *app.service) WAKES=db.service ;; esac; export WAKES; exec "$@"'
    stop
    exits 0
    [[ $(record) == "run-1 app.service db.service " ]]
}

@test "dependents of a unit that does not run stay up" {
    setting services-stop "SERVICES=db.service"
    unit inactive db.service
    echo app.service >"$UNITS/../needed-by-db.service"
    stop
    exits 0
    refute called "systemctl stop"
}

@test "a target that is named is stopped" {
    setting services-stop "SERVICES=app.target"
    unit active app.target
    stop
    exits 0
    [[ $(order stop) == "app.target " ]]
}

@test "systemctl fails in between: no unit is stopped without being on record" {
    local question code
    setting services-stop "SERVICES=app.service"
    for question in 1 2 3; do
        for code in 1 0; do # 0: without an answer
            MUTE=$question MUTE_EXIT=$code stop
            exits 1
            says "systemctl does not say whether app.service runs"
            refute called "systemctl stop"
            : >"$CALLS"
        done
    done
}

@test "a oneshot that ran is run again, and may then be inactive" {
    unit activating app.service
    setting services-stop "SERVICES=app.service"
    stop
    STARTED=inactive TYPE=oneshot start
    exits 0
    STARTED=inactive start
    exits 1
    says "app.service is not up"
}

@test "a unit that dies right after its start" {
    stop
    # shellcheck disable=SC2016 # not for this shell
    stub sleep 'echo failed >"$UNITS/db.service"'
    start
    exits 1
    says "db.service is not up"
}
