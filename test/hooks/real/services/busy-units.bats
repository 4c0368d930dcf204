#!/usr/bin/env bats
# gate/busy-units with the real systemd: oneshots, timers and a socket.
load ../../hook

prepare() {
    unit backup.service '[Service]' Type=oneshot 'ExecStart=/usr/bin/sleep 1000'
    unit backup.timer '[Timer]' OnCalendar=yearly
    unit 'borg@.service' '[Service]' 'ExecStart=/usr/bin/sleep 1000'
    setting busy-units "UNITS='backup.timer borg@*.service'"
}
teardown() {
    systemctl stop backup.timer backup.service borg@home done.service ask.socket ask.service 2>/dev/null || true
    rm -f /run/systemd/system/{backup,borg@,done,ask,copy}.*
    systemctl daemon-reload
    systemctl reset-failed
}
unit() {
    mkdir -p /run/systemd/system
    printf '%s\n' "${@:2}" >"/run/systemd/system/$1"
    systemctl daemon-reload
}
busy() { hook gate/busy-units; }

@test "a oneshot that its timer or somebody else has started" {
    busy
    exits 0
    says "none of these runs"
    systemctl start --no-block backup.service
    busy
    not_now "busy-units: running: backup.service"
    systemctl start backup.timer
    busy
    not_now "busy-units: running: backup.service"
    systemctl stop backup.service
    busy # the timer still waits
    exits 0
    setting busy-units UNITS=backup # without .service
    systemctl start --no-block backup
    busy
    not_now "busy-units: running: backup.service"
}

@test "a timer that fires" {
    unit backup.timer '[Timer]' OnActiveSec=0 AccuracySec=1ms
    systemctl start backup.timer
    for _ in {1..300}; do
        busy
        [[ $status == 0 ]] || break
        sleep 0.2
    done
    not_now "busy-units: running: backup.service"
}

@test "a unit by another name" {
    mkdir -p /run/systemd/system
    ln -s backup.service /run/systemd/system/copy.service
    systemctl daemon-reload
    setting busy-units UNITS=copy.service
    systemctl start --no-block backup.service
    busy
    not_now "busy-units: running: backup.service"
}

@test "instances, by a pattern" {
    systemctl start borg@home
    busy
    not_now "busy-units: running: borg@home.service"
    systemctl stop borg@home
    busy
    exits 0
}

@test "what is done: failed, or a oneshot that remains active" {
    unit backup.service '[Service]' Type=oneshot ExecStart=/bin/false
    run ! systemctl start backup.service
    busy
    exits 0
    unit done.service '[Service]' Type=oneshot RemainAfterExit=yes ExecStart=/bin/true
    systemctl start done.service
    setting busy-units UNITS=done.service
    busy
    exits 0
}

@test "what a socket starts" {
    unit ask.socket '[Socket]' ListenStream=/run/ask
    unit ask.service '[Service]' 'ExecStart=/usr/bin/sleep 1000'
    systemctl start ask.socket
    setting busy-units UNITS=ask.socket
    busy
    exits 0
    systemctl start ask.service
    busy
    not_now "busy-units: running: ask.service"
}

@test "no such unit" {
    setting busy-units "UNITS='backup.timer typo.service'"
    busy
    not_now "busy-units: no such unit: typo.service: correct UNITS in $BATS_TEST_TMPDIR/etc/hooks.conf.d/busy-units.conf"
}
