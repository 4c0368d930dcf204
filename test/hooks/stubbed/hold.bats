#!/usr/bin/env bats
# lib/hold.sh and lib/held.sh by means of services-stop and services-start: what goes wrong around them. With the real
# systemd, packages and people: ../real/services/hold.bats.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    export DLM_STATE=$BATS_TEST_TMPDIR/run-state DLM_UNITS=$BATS_TEST_TMPDIR/units UNITS=$BATS_TEST_TMPDIR/up
    mkdir "$UNITS"
    state update run-1
    echo active >"$UNITS/app.service"
    FILE=$DLM_UNITS/app.service.d/zz-foreman-dlm-updater.conf
    # shellcheck disable=SC2016 # not for this shell
    stub systemctl 'for unit; do :; done
        case "$*" in
        show*=Id*) echo "$unit" ;;
        show*LoadState*) echo loaded ;;
        show*=Triggers*) echo "app.service other.mount" ;;
        show*RootDirectoryStartOnly*) echo "${ONLY_START:-no}" ;;
        show*RootDirectory*) echo "${ROOTED:-}"; echo ;;
        show*ExecCondition*) [ -n "${OLD:-}" ] || cat "$UNITS/../loaded/$unit.d/"*.conf 2>/dev/null || : ;;
        show*ActiveState*) cat "$UNITS/$unit" 2>/dev/null || echo inactive ;;
        show*) ;;
        daemon-reload) [ -z "${FULL:-}" ] || { echo "Failed to reload daemon: No space left on device" >&2; exit 1; }
            rm -rf "$UNITS/../loaded"
            cp -r "$DLM_UNITS" "$UNITS/../loaded" ;;
        stop*) [ ! -d "$DLM_UNITS" ] || touch "$UNITS/../held-at-stop"
            echo inactive >"$UNITS/$unit" ;;
        start*) [ ! -e "$UNITS/../loaded/$unit.d" ] && echo active >"$UNITS/$unit" ;;
        esac'
    stub sleep
    setting services-stop SERVICES=app.service
}
state() { printf '%s\n{"format":1,"run":"%s"}\n' "$1" "$2" >"$DLM_STATE"; }
stop() { hook pre_update/services-stop; }
start() { hook post_update/services-start; }
held() { run sh "$DLM_HOOKS_DIR/lib/held.sh" "$DLM_STATE" "${1:-run-1}" services-start app.service; }

@test "held before it is stopped; once, however often the hook runs; and no longer before it is started" {
    stop
    exits 0
    says "services: nothing starts app.service until services-start"
    [[ -e $FILE && -e $UNITS/../held-at-stop ]]
    grep -qF "held.sh\" \"$DLM_STATE\" \"run-1\" \"services-start\" \"%n\"" "$FILE"
    stop
    exits 0
    [[ $(grep -c 'systemctl daemon-reload' "$CALLS") == 1 ]]
    start
    exits 0
    [[ ! -e $DLM_UNITS/app.service.d && $(cat "$UNITS/app.service") == active ]]
    called "systemctl reset-failed -- app.service"
    start
    exits 0
    [[ $(grep -c 'systemctl daemon-reload' "$CALLS") == 2 ]]
}

@test "no run on record, another one, or an updater that does not name its state: nothing is held" {
    local why
    for why in none other unnamed; do
        echo active >"$UNITS/app.service"
        case $why in none) rm "$DLM_STATE" ;; other) state update run-2 ;; unnamed) unset DLM_STATE ;; esac
        stop
        exits 0
        [[ ! -e $FILE && $(cat "$UNITS/app.service") == inactive ]]
    done
    refute called "systemctl daemon-reload"
}

@test "systemd that does not reload, or a drop-in that can't be written: nothing is stopped" {
    FULL=1 stop
    exits 1
    says "No space left on device"
    says "\`systemctl daemon-reload\` failed, or took longer than 90 s"
    refute called "systemctl stop"
    stop # again: systemd does not know the drop-in yet
    exits 0
    [[ $(grep -c 'systemctl daemon-reload' "$CALLS") == 2 ]]
    rm -r "$DLM_UNITS/app.service.d" # a crash after that, before systemd heard of it
    start
    exits 0
    [[ $(grep -c 'systemctl daemon-reload' "$CALLS") == 3 && $(cat "$UNITS/app.service") == active ]]
    : >"$CALLS"
    rm -r "$DLM_UNITS"
    : >"$DLM_UNITS"
    stop
    exits 1
    says "app.service can't be held down, and was not stopped"
    refute called "systemctl stop"
}

@test "systemd that knows no ExecCondition=: a warning" {
    OLD=1 stop
    exits 0
    says "warning: app.service is not held down, a package may start it: systemd is older than 243"
    [[ $(cat "$UNITS/app.service") == inactive ]]
}

@test "a unit with a root directory of its own, where systemd would look for held.sh: a warning" {
    ROOTED=/srv/tree stop
    exits 0
    says "warning: app.service is not held down, a package may start it: it has a root directory of its own"
    [[ ! -e $FILE && $(cat "$UNITS/app.service") == inactive ]]
    ROOTED=/ stop
    [[ -e $FILE ]]
    rm "$FILE"
    ROOTED=/srv/tree ONLY_START=yes stop
    [[ -e $FILE ]]
}

@test "of a timer, the service that it starts is held" {
    echo active >"$UNITS/app.timer"
    setting services-stop SERVICES=app.timer
    stop
    exits 0
    [[ -e $FILE && ! -e $DLM_UNITS/app.timer.d && ! -e $DLM_UNITS/other.mount.d ]]
    start
    exits 0
    [[ ! -e $FILE ]]
}

@test "held.sh: while the run is on record, and no longer" {
    held
    exits 1
    says "app.service is not started: update run run-1 has stopped it, and post_update/services-start starts it again."
    says "systemctl start 'app.service'"
    state post_update run-1
    held
    exits 1
    state update run-2
    held
    exits 0
    [[ -z $output ]]
    rm "$DLM_STATE"
    held
    exits 0
    mkdir "$DLM_STATE" # a state that can't be read is no end
    held
    exits 1
    rmdir "$DLM_STATE"
    state update run-2
    PATH=/nowhere run /bin/sh "$DLM_HOOKS_DIR/lib/held.sh" "$DLM_STATE" run-1 services-start app.service
    exits 0 # the unit's own PATH (Environment=) counts for nothing
}
