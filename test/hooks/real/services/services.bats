#!/usr/bin/env bats
# pre_update/services-stop and post_update/services-start with the real systemd.
load ../../hook
bats_require_minimum_version 1.5.0

prepare() {
    local name
    for name in one two three; do
        unit $name.service '[Service]' 'ExecStart=/usr/bin/sleep 1000' \
            "ExecStopPost=/bin/sh -c 'echo stop-$name >>/run/order'" \
            "ExecStartPost=/bin/sh -c 'echo start-$name >>/run/order'"
    done
    unit 'worker@.service' '[Service]' 'ExecStart=/usr/bin/sleep 1000'
    systemctl start one two three worker@1
    rm -f /run/order
    setting services-stop "SERVICES='three.service one.service two worker@1.service'"
}
teardown() {
    systemctl stop one two three worker@1 stubborn base app bound part idle all.target brief 2>/dev/null || true
    rm -f /run/systemd/system/{one,two,three,worker@,stubborn,base,app,bound,part,idle,all,brief}.* /run/order
    systemctl daemon-reload
}
unit() {
    mkdir -p /run/systemd/system
    printf '%s\n' "${@:2}" >"/run/systemd/system/$1"
    systemctl daemon-reload
}
states() { systemctl is-active three one two worker@1 | tr '\n' ' '; }
order() { tr '\n' ' ' </run/order; }
stop() { hook pre_update/services-stop; }
start() { hook post_update/services-start; }

@test "stopped in order, started in reverse" {
    stop
    exits 0
    [[ $(states) == "inactive inactive inactive inactive " ]]
    [[ $(order) == "stop-three stop-one stop-two " ]]
    rm /run/order
    start
    exits 0
    [[ $(states) == "active active active active " ]]
    [[ $(order) == "start-two start-one start-three " ]]
}

@test "only units that ran come back; again in the same run; in another run" {
    systemctl stop one
    stop
    exits 0
    stop # all of them down: the record stays
    exits 0
    [[ $(tr '\n' ' ' <"$DLM_HOOKS_STATE/services") == "run-1 three.service two worker@1.service " ]]
    DLM_RUN_ID=run-2 start
    exits 0
    [[ $(states) == "inactive inactive inactive inactive " ]]
    start
    exits 0
    [[ $(states) == "active inactive active active " ]]
    systemctl stop three worker@1
    DLM_RUN_ID=run-2 stop
    exits 0
    DLM_RUN_ID=run-2 start
    exits 0
    [[ $(states) == "inactive inactive active inactive " ]]
}

@test "a unit that does not exist, or is no unit: nothing is stopped" {
    local typo
    for typo in thre.service worker@.service 'worker@*.service' 'three.service.d/x' -- -x; do
        setting services-stop "SERVICES='one.service $typo'"
        stop
        exits 1
        says "no such unit: $typo"
        [[ $(states) == "active active active active " ]]
    done
}

@test "a running unit whose file is gone could not be started again" {
    rm /run/systemd/system/one.service
    systemctl daemon-reload
    stop
    exits 1
    says "no such unit: one.service"
    [[ $(systemctl is-active three) == active ]]
}

@test "a unit that does not stop in time" {
    unit stubborn.service '[Service]' "ExecStart=/bin/sh -c 'trap : TERM; while :; do sleep 1; done'" TimeoutStopSec=8
    systemctl start stubborn
    sleep 0.5 # until it has set its trap
    setting services-stop 'SERVICES=stubborn.service' stop_timeout=1
    stop
    exits 1
    says "stubborn.service could not be stopped within 1 s"
    setting services-stop 'SERVICES=stubborn.service' # again, while it is being stopped
    stop
    exits 0
    [[ $(tr '\n' ' ' <"$DLM_HOOKS_STATE/services") == "run-1 stubborn.service " ]]
}

@test "a unit that does not come up" {
    stop
    unit one.service '[Service]' ExecStart=/bin/false Type=oneshot
    start
    exits 1
    says "one.service is not up"
    says "systemctl status one.service"
}

@test "units that systemd stops together with a unit come back too, but only those that ran" {
    unit base.service '[Service]' 'ExecStart=/usr/bin/sleep 1000'
    unit app.service '[Unit]' Requires=base.service After=base.service PartOf=part.service \
        '[Service]' 'ExecStart=/usr/bin/sleep 1000'
    unit bound.service '[Unit]' BindsTo=base.service After=base.service '[Service]' 'ExecStart=/usr/bin/sleep 1000'
    unit part.service '[Unit]' PartOf=app.service '[Service]' 'ExecStart=/usr/bin/sleep 1000' # each is part of the other
    unit idle.service '[Unit]' Requires=base.service '[Service]' 'ExecStart=/usr/bin/sleep 1000'
    unit all.target '[Unit]' Requires=base.service Wants=three.service
    systemctl start app bound part all.target
    systemctl stop three
    setting services-stop SERVICES=base.service
    all() { systemctl is-active base app bound part idle three | tr '\n' ' '; }
    stop
    exits 0
    [[ $(all) == "inactive inactive inactive inactive inactive inactive " ]]
    stop
    exits 0
    start
    exits 0
    [[ $(all) == "active active active active inactive inactive " ]]
}

@test "a unit that dies right after its start is not up" {
    stop
    unit one.service '[Service]' "ExecStart=/bin/sh -c 'sleep 0.3; exit 1'"
    start
    exits 1
    says "one.service is not up"
}

@test "a oneshot that was running is run again" {
    unit brief.service '[Service]' Type=oneshot \
        "ExecStart=/bin/sh -c 'if [ ! -e /run/brief ]; then touch /run/brief; exec sleep 600; fi'"
    rm -f /run/brief
    systemctl start --no-block brief
    until [[ -e /run/brief ]]; do sleep 0.1; done
    setting services-stop SERVICES=brief.service
    stop
    exits 0
    says "stopping brief.service"
    start
    exits 0
    [[ $(systemctl show -P Result brief) == success ]]
}
