#!/usr/bin/env bats
# Debian: 13
# Also on Debian: 12
# What services-stop, keepalived-stop, mariadb-stop and postgresql-stop have stopped stays down until the start hook,
# whoever starts it (lib/hold.sh, lib/held.sh): packages' scripts, dependencies, sockets, a person; and every way in
# which a run can end ends the hold.
load ../../hook
bats_require_minimum_version 1.5.0

prepare() {
    export DLM_STATE="$BATS_TEST_TMPDIR/state % \$x\"'/st ate"
    mkdir -p "${DLM_STATE%/*}"
    at update
    unit one.service '[Service]' 'ExecStart=/usr/bin/sleep 1000' 'ExecStop=/usr/bin/touch /run/one-stopped'
    setting services-stop SERVICES=one.service
    systemctl start one
    rm -f /run/one-stopped
}
teardown() {
    systemctl unmask --runtime one 2>/dev/null || true
    systemctl stop one.socket one.timer one user two@a etc 2>/dev/null || true
    rm -rf /run/systemd/system/{one,user,two@}.* /run/systemd/system/*.d/zz-foreman* /etc/systemd/system/etc.service* \
        /etc/init.d/old /run/one /run/one-stopped
    systemctl daemon-reload
    systemctl reset-failed
}
# at STAGE [RUN]: the state file as the updater writes it.
at() {
    printf '%s\n{"format":1,"run":"%s","began":"2026-01-01T00:00:00Z","lock":"web"}\n' "$1" "${2:-run-1}" >"$DLM_STATE"
}
unit() {
    mkdir -p /run/systemd/system
    printf '%s\n' "${@:2}" >"/run/systemd/system/$1"
    systemctl daemon-reload
}
stop() { hook "pre_update/${1:-services}-stop"; }
start() { hook "post_update/${1:-services}-start"; }
is() { [[ $(systemctl is-active "$1") == "$2" ]] || { systemctl status "$1"; return 1; }; }
wait_for() { for _ in {1..100}; do "$@" && return; sleep 0.1; done; }
# down UNIT: nobody gets it up, and no package's script fails
down() {
    local how
    is "$1" inactive
    for how in start restart reload-or-restart; do systemctl "$how" "$1"; is "$1" inactive; done
}

@test "nothing starts it until the start hook, and nothing is left then" {
    stop
    exits 0
    says "services: nothing starts one.service until services-start"
    [[ -e /run/one-stopped ]] # it ended as its unit says
    down one
    run -0 systemctl status one || true
    [[ $output == *"one.service is not started: update run run-1 has stopped it, and post_update/services-start starts it again"* ]]
    stop # again in this run
    exits 0
    down one
    start
    exits 0
    is one active
    [[ ! -e /run/systemd/system/one.service.d ]]
    systemctl restart one
    is one active
}

@test "a person who starts it at a terminal is told at once why it stays down, and what to type" {
    stop
    exits 0
    run script -qec 'systemctl start one' /dev/null </dev/null
    [[ $status == 0 ]]
    says "one.service is not started: update run run-1 has stopped it"
    local line
    line=$(grep -o 'rm .*' <<<"$output" | tr -d '\r')
    is one inactive
    bash -euo pipefail -c "$line" # what it says to type
    is one active
}

@test "every way in which a run can end ends the hold" {
    local way
    for way in finished 'given up: state clear, state set needs_update' 'the next run, in each of its stages' \
        'another configuration with its own state'; do
        echo "# $way"
        at update
        stop
        exits 0
        down one
        case $way in
        finished | 'given up'*) rm "$DLM_STATE" ;;
        'the next run'*) at needs_update run-2 ;;
        another*) rm "$DLM_STATE"; printf 'update\n{"format":1,"run":"run-9"}\n' >"$DLM_STATE.other" ;;
        esac
        systemctl start one
        is one active
        systemctl restart one
        is one active
    done
    local stage
    for stage in lock_get pre_update update needs_reboot reboot post_update lock_release; do
        at "$stage" run-2
        systemctl restart one
        is one active
        at "$stage" # the run goes on: it is held in each stage, as also after `state set` and `lock release`
        systemctl stop one
        down one
        systemctl stop one
    done
    at post_update # the run is given up by `state set post_update`, and `run`
    start
    exits 0
    is one active
    rm /run/systemd/system/one.service
    systemctl daemon-reload
    run -0 find /run/systemd/system -name 'zz-foreman*'
    [[ -z $output ]]
}

@test "a state that can't be read is no end; a library that is gone is" {
    stop
    rm "$DLM_STATE"
    mkdir "$DLM_STATE" # grep can't read it
    down one
    rmdir "$DLM_STATE"
    systemctl start one
    is one active
    at update
    cp -r "$DLM_HOOKS_DIR" "$BATS_TEST_TMPDIR/hooks"
    DLM_HOOKS_DIR=$BATS_TEST_TMPDIR/hooks stop
    down one
    rm -r "$BATS_TEST_TMPDIR/hooks" # as if the package were removed
    systemctl start one
    is one active
}

@test "a run that nobody has on record (hooks run) holds nothing" {
    DLM_RUN_ID=by-hand stop
    exits 0
    refute says "nothing starts"
    systemctl start one
    is one active
    rm "$DLM_STATE"
    stop
    exits 0
    systemctl start one
    is one active
}

@test "a stage that runs again after a reboot holds what it stops" {
    stop
    rm -r /run/systemd/system/one.service.d # as a reboot does
    systemctl daemon-reload
    systemctl start one
    is one active
    stop
    exits 0
    down one
    systemctl stop one
    rm -r /run/systemd/system/one.service.d
    systemctl daemon-reload
    stop # it is down, but on record
    exits 0
    down one
    start
    is one active
}

@test "units in /etc, instances, aliases, init scripts, and what a mask of the administrator says" {
    cat >/etc/systemd/system/etc.service <<END
[Service]
ExecStart=/usr/bin/sleep 1000
[Install]
Alias=alias.service
END
    unit 'two@.service' '[Service]' 'ExecStart=/usr/bin/sleep 1000'
    ln -s etc.service /etc/systemd/system/alias.service
    cat >/etc/init.d/old <<'END'
#!/bin/sh
### BEGIN INIT INFO
# Provides: old
# Required-Start:
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
case $1 in start) touch /run/old ;; stop) rm -f /run/old ;; esac
END
    chmod +x /etc/init.d/old
    systemctl daemon-reload
    systemctl start etc two@a old
    [[ -e /run/old ]]
    setting services-stop "SERVICES='alias.service two@a old.service'"
    stop
    exits 0
    down etc
    down alias
    down two@a
    is old.service inactive
    systemctl start old.service
    [[ ! -e /run/old ]]
    start
    exits 0
    is etc active
    is two@a active
    [[ -e /run/old ]]
    systemctl stop old.service
    rm /etc/systemd/system/alias.service
    setting services-stop SERVICES=one.service
    systemctl mask --runtime one 2>/dev/null || true # in vain: its file is in /run itself
    mkdir -p /etc/systemd/system
    ln -s /dev/null /etc/systemd/system/one.service
    systemctl daemon-reload
    stop
    exits 0
    [[ $(readlink /etc/systemd/system/one.service) == /dev/null ]]
    start
    rm /etc/systemd/system/one.service
    exits 1 # it can't be started: the administrator's mask stays
    says "one.service is not up"
}

@test "a unit with a PATH of its own is held, and no longer than the run; one with a root directory of its own is not" {
    unit one.service '[Service]' 'Environment=PATH=/nowhere' 'ExecStart=/usr/bin/sleep 1000'
    mkdir -p /srv/tree/usr/bin # no shell
    # shellcheck disable=SC2046 # each file is a word
    cp --parents $(ldd /usr/bin/sleep | grep -o '/[^ ]*') /usr/bin/sleep /srv/tree
    unit two@.service '[Service]' RootDirectory=/srv/tree 'ExecStart=/usr/bin/sleep 1000'
    unit user.service '[Service]' RootDirectory=/srv/tree RootDirectoryStartOnly=yes 'ExecStart=/usr/bin/sleep 1000'
    systemctl restart one two@a user
    setting services-stop "SERVICES='one.service two@a.service user.service'"
    stop
    exits 0
    says "warning: two@a.service is not held down"
    down one
    down user # its ExecCondition= does not get that root directory
    at update run-2
    systemctl start one two@a user
    is one active
    is two@a active
    is user active
}

@test "starts that were skipped do not count for the start limit" {
    stop
    exits 0
    for _ in {1..12}; do systemctl start one; done
    start
    exits 0
    is one active
}

@test "what needs it, its socket and its timer don't start it; they come back with it, the socket first" {
    unit one.socket '[Socket]' ListenStream=/run/one
    unit one.timer '[Timer]' OnActiveSec=1000000
    unit user.service '[Unit]' Requires=one.service After=one.service '[Service]' 'ExecStart=/usr/bin/sleep 1000'
    systemctl stop one
    systemctl start one.socket one.timer user
    stop
    exits 0
    [[ $(sed 1d "$DLM_HOOKS_STATE/services" | sort | tr '\n' ' ') == "one.service one.socket one.timer user.service " ]]
    down one
    down user
    is one.socket inactive
    is one.timer inactive
    systemctl start one.socket # a package does
    timeout 5 socat -u OPEN:/dev/null UNIX-CONNECT:/run/one || true
    wait_for is one inactive >/dev/null # systemd asks, and asks again while the connection waits
    start
    exits 0
    is one active
    is one.socket active
    is one.timer active
    is user active
}

@test "a timer that was stopped: a package may start it, but not what it starts" {
    unit one.timer '[Timer]' OnActiveSec=0 AccuracySec=1ms
    systemctl stop one
    unit two@.service '[Service]' 'ExecStart=/usr/bin/sleep 1000'
    unit one.timer '[Timer]' OnActiveSec=1000000
    systemctl start one.timer
    setting services-stop SERVICES=one.timer
    stop
    exits 0
    says "nothing starts one.service until services-start"
    unit one.timer '[Timer]' OnActiveSec=0 AccuracySec=1ms
    systemctl start one.timer
    wait_for grep -q . <(journalctl -u one.service --since -5s -g 'is not started' -o cat)
    wait_for is one inactive >/dev/null
    start
    exits 0
    is one.timer active
}

@test "a package whose script starts the service" {
    local deb=$BATS_TEST_TMPDIR/deb
    mkdir -p "$deb/DEBIAN" "$deb/lib/systemd/system"
    printf '%s\n' '[Service]' 'ExecStart=/usr/bin/sleep 1000' '[Install]' WantedBy=multi-user.target \
        >"$deb/lib/systemd/system/served.service"
    printf '%s\n' 'Package: served' 'Version: 1' 'Architecture: all' 'Maintainer: x <x@example.com>' 'Description: x' \
        >"$deb/DEBIAN/control"
    cat >"$deb/DEBIAN/postinst" <<'END'
#!/bin/sh
set -e
systemctl daemon-reload
systemctl enable served
deb-systemd-invoke restart served.service
deb-systemd-invoke start served.service
systemctl start served
systemctl restart served
END
    chmod 755 "$deb/DEBIAN/postinst"
    dpkg-deb -b "$deb" "$deb.deb" >/dev/null
    dpkg -i "$deb.deb"
    is served active
    setting services-stop SERVICES=served.service
    stop
    exits 0
    sed -i 's/^Version: .*/Version: 2/' "$deb/DEBIAN/control"
    echo '# changed' >>"$deb/lib/systemd/system/served.service"
    dpkg-deb -b "$deb" "$deb.deb" >/dev/null
    run -0 dpkg -i "$deb.deb"
    is served inactive
    start
    exits 0
    is served active
    systemctl disable --now served
    dpkg -P served
}

@test "Debian's own packages are configured anew in mid-update: keepalived, HAProxy, MariaDB, PostgreSQL" {
    local pg package
    pg=$(pg_lsclusters -h | awk '{ print $1 }')
    ip link add here type veth peer name there
    ip addr add 192.0.2.1/24 dev here
    ip link set here up
    printf 'vrrp_instance one {\n state BACKUP\n interface here\n virtual_router_id 1\n}\n' >/etc/keepalived/keepalived.conf
    systemctl restart keepalived
    setting services-stop SERVICES=haproxy.service
    all() { systemctl is-active keepalived haproxy mariadb "postgresql@$pg-main" | tr '\n' ' '; }
    [[ $(all) == "active active active active " ]]
    for name in services keepalived mariadb postgresql; do
        stop "$name"
        exits 0
    done
    for package in keepalived haproxy mariadb-server "postgresql-$pg"; do
        DEBIAN_FRONTEND=noninteractive run -0 dpkg-reconfigure "$package"
        [[ $(all) == "inactive inactive inactive inactive " ]]
    done
    for name in postgresql mariadb services keepalived; do
        start "$name"
        exits 0
    done
    [[ $(all) == "active active active active " ]]
    run -0 find /run/systemd/system -name 'zz-foreman*'
    [[ -z $output ]]
}
