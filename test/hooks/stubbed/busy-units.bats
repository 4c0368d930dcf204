#!/usr/bin/env bats
# gate/busy-units, with a systemctl that knows some units. With the real one: ../real/services/busy-units.bats.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    # Lines as list-units prints them. The stub prints those whose unit matches one of its arguments.
    export LISTED=$BATS_TEST_TMPDIR/units
    # shellcheck disable=SC2016 # not for this shell
    stub systemctl 'for unit; do :; done
        case "$*" in
        show*) [ "$unit" != alias.service ] || unit=backup.service
            [ "$unit" != typo.service ] || LOAD=not-found
            printf "Id=%s\nTriggers=%s\nLoadState=%s\n" "$unit" \
                "$(case $unit in *.service) ;; *) echo "${unit%.*}.service" ;; esac)" "${LOAD-loaded}" ;;
        list-units*) shift 5
            while read -r name rest; do
                for pattern; do case $name in $pattern) echo "$name $rest" && break ;; esac; done
            done <"$LISTED" ;;
        esac'
    units 'backup.service loaded inactive dead Backup' 'backup.timer loaded active waiting Backup'
    setting busy-units "UNITS='backup.timer other.service'"
}
units() { printf '%s\n' "$@" >"$LISTED"; }
busy() { hook gate/busy-units; }

@test "none runs" {
    busy
    exits 0
    says "none of these runs: backup.timer other.service"
    called "systemctl list-units --all --plain --no-legend -- backup.timer other.service backup.timer backup.service"
}

@test "the unit that a timer, a path or a socket starts" {
    local kind
    for kind in timer path socket; do
        setting busy-units "UNITS=backup.$kind"
        units 'backup.service loaded activating start Backup' "backup.$kind loaded active running Backup"
        busy
        not_now "busy-units: running: backup.service"
        units 'backup.service loaded inactive dead Backup' "backup.$kind loaded active running Backup"
        busy
        exits 0
    done
}

@test "what counts as running" {
    local state
    setting busy-units "UNITS=backup.service"
    for state in 'active running' 'activating start' 'activating auto-restart' 'reloading reload' \
        'refreshing refresh' 'deactivating stop-post' 'maintenance x'; do
        units "backup.service loaded $state Backup"
        busy
        not_now "busy-units: running: backup.service"
    done
    for state in 'inactive dead' 'failed failed' 'active exited'; do
        units "backup.service loaded $state Backup"
        busy
        exits 0
    done
}

@test "patterns, also of timers, and several units in one line" {
    setting busy-units "UNITS='borg@*.service *.timer'"
    units 'borg@home.service loaded active running x' 'borg@etc.service loaded inactive dead x' \
        'backup.timer loaded active waiting x' 'backup.service loaded active running x' \
        'other.service loaded active running x'
    busy
    not_now "busy-units: running: borg@home.service backup.service"
}

@test "a unit by another name" {
    setting busy-units UNITS=alias.service
    units 'backup.service loaded active running x'
    busy
    not_now "busy-units: running: backup.service"
}

@test "not configured, or no such unit" {
    rm "$BATS_TEST_TMPDIR/etc/hooks.conf.d/busy-units.conf"
    busy
    not_now "busy-units: UNITS is not set: put UNITS='NAME.service ...' into\
 $BATS_TEST_TMPDIR/etc/hooks.conf.d/busy-units.conf, or disable this hook"
    refute called systemctl
    setting busy-units "UNITS='backup.service typo.service'"
    busy
    not_now "busy-units: no such unit: typo.service: correct UNITS in $BATS_TEST_TMPDIR/etc/hooks.conf.d/busy-units.conf"
    setting busy-units UNITS=backup.service
    LOAD='' busy
    not_now "busy-units: no such unit: backup.service: correct UNITS in\
 $BATS_TEST_TMPDIR/etc/hooks.conf.d/busy-units.conf"
    LOAD=masked busy
    exits 0
    setting busy-units "UNITS='back*'" # finds a unit that another one names, and that does not exist
    units 'backup-typo.service not-found inactive dead x'
    LOAD=not-found busy
    exits 0
    setting busy-units 'UNITS=('
    busy
    [[ $status != 0 ]]
}

@test "systemctl does not work, at any of its questions" {
    local n
    sed 2d "$BATS_TEST_TMPDIR/bin/systemctl" >"$BATS_TEST_TMPDIR/bin/real" # without its record of calls
    chmod +x "$BATS_TEST_TMPDIR/bin/real"
    for n in {1..5}; do
        : >"$CALLS"
        stub systemctl "[ \$(grep -c '^systemctl' \"\$CALLS\") != $n ] || exit 1; exec real \"\$@\""
        busy
        exits 1
        [[ $output == *"busy-units: \`systemctl "*"\` failed, or did not answer within 30 s" ]]
    done
    [[ $(grep -c ^systemctl "$CALLS") == 5 ]] # these were all
    stub timeout 'exit 124'
    busy
    exits 1
    says "did not answer within 30 s"
}
