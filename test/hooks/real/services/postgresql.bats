#!/usr/bin/env bats
# Debian: 13
# Also on Debian: 12
# pre_update/postgresql-stop and post_update/postgresql-start with real servers: two Debian clusters.
load ../../hook
load ../../set
bats_require_minimum_version 1.5.0

prepare() {
    VERSION=$(pg_lsclusters -h | awk '$2 == "main" { print $1 }')
    [[ -d /etc/postgresql/$VERSION/second ]] || pg_createcluster "$VERSION" second >/dev/null
    MAIN=postgresql@$VERSION-main.service SECOND=postgresql@$VERSION-second.service
    systemctl start postgresql.service "$MAIN"
    systemctl stop "$SECOND"
}
teardown() { rm -f "/etc/postgresql/$VERSION/second/conf.d/test.conf"; }
state() { pg_lsclusters -h | awk '{ print $2, $4 }' | tr '\n' ' '; } # from PostgreSQL's own tools
record() { tr '\n' ' ' <"$DLM_HOOKS_STATE/postgresql"; }
query() { (cd / && runuser -u postgres -- psql -At --cluster "$VERSION/$1" -c 'select 1'); }
stop() { hook pre_update/postgresql-stop; }
start() { hook post_update/postgresql-start; }

@test "one of two clusters runs: it is stopped, and only it comes back" {
    [[ $(state) == "main online second down " ]]
    stop
    exits 0
    [[ $(state) == "main down second down " ]]
    [[ $(record) == "run-1 $MAIN " ]]
    start
    exits 0
    says "$MAIN accepts connections"
    [[ $(state) == "main online second down " ]]
    [[ $(query main) == 1 ]]
}

@test "both run: the hook asks each at its own port" {
    systemctl start "$SECOND"
    stop
    exits 0
    [[ $(state) == "main down second down " ]]
    start
    exits 0
    says "$SECOND accepts connections"
    [[ $(query main) == 1 && $(query second) == 1 ]]
}

@test "again in the same run, with the servers down: the record stays; another run: a new one" {
    stop
    stop
    exits 0
    says "no server runs"
    [[ $(record) == "run-1 $MAIN " ]]
    DLM_RUN_ID=run-2 start
    exits 0
    [[ $(state) == "main down second down " ]]
    start
    exits 0
    start
    exits 0
    [[ $(state) == "main online second down " ]]
    systemctl stop "$MAIN"
    systemctl start "$SECOND"
    DLM_RUN_ID=run-2 stop
    exits 0
    [[ $(record) == "run-2 $SECOND " ]]
    DLM_RUN_ID=run-2 start
    exits 0
    [[ $(state) == "main down second online " ]]
}

@test "a cluster that an upgrade has started already" {
    stop
    systemctl start "$MAIN"
    start
    exits 0
    says "$MAIN accepts connections"
}

@test "a cluster that was started without systemd is noticed" {
    pg_ctlcluster --skip-systemctl-redirect "$VERSION" second start
    stop
    pg_ctlcluster --skip-systemctl-redirect "$VERSION" second stop
    exits 1
    says "pg_ctlcluster $VERSION second stop"
    [[ $(state) == "main online "* ]] # nothing was stopped
}

@test "a server that Patroni runs, or another unit: refused, with nothing stopped" {
    local name
    for name in patroni own; do
        systemd-run --quiet --collect --unit="$name" -p User=postgres -p Type=notify \
            "/usr/lib/postgresql/$VERSION/bin/postgres" -D "/var/lib/postgresql/$VERSION/second" \
            -c "config_file=/etc/postgresql/$VERSION/second/postgresql.conf"
        stop
        exits 1
        says "the server in /var/lib/postgresql/$VERSION/second (process "
        [[ $name == own ]] || says "Patroni (patroni.service) runs it. Disable this hook, and enable pre_update/patroni-switchover, and services-stop with SERVICES=patroni.service"
        [[ $name == patroni ]] || says "it runs as own.service. Enable services-stop with SERVICES=own.service"
        says "Nothing was stopped"
        [[ $(state) == "main online "* ]]
        mkdir "$BATS_TEST_TMPDIR/bin" 2>/dev/null || true
        stub pg_lsclusters 'exit 127' # as on Enterprise Linux
        stop
        rm "$BATS_TEST_TMPDIR/bin/pg_lsclusters"
        systemctl stop "$name"
        exits 1
        says "$name.service"
    done
    stop
    exits 0
    start
    exits 0
}

@test "a server that has no socket" {
    local conf=/etc/postgresql/$VERSION/second/conf.d/test.conf
    echo "unix_socket_directories = ''" >"$conf"
    systemctl start "$SECOND"
    stop
    exits 0
    start
    rm "$conf"
    exits 0
    says "$SECOND accepts connections"
}

@test "a server that is up, but can't be reached: an error" {
    systemctl stop "$MAIN"
    systemctl start "$SECOND"
    stop
    systemctl start "$SECOND"
    mv "/run/postgresql/.s.PGSQL.$(pg_lsclusters -h | awk '$2 == "second" { print $3 }')" /run/postgresql/hidden
    setting postgresql-start start_timeout=2
    start
    rm /run/postgresql/hidden
    exits 1
    says "$SECOND runs, but accepts no connections after 2 s"
}

@test "a cluster that cannot start" {
    systemctl start "$SECOND"
    stop
    exits 0
    local conf=/etc/postgresql/$VERSION/second/conf.d/test.conf
    echo 'nonsense = 1' >"$conf"
    start
    rm "$conf"
    exits 1
    says "$SECOND is not up"
    start
    exits 0
    says "$SECOND accepts connections"
}

# acme's script starts the server, and says in a file what became of that.
acme_package() { # DIR VERSION
    mkdir -p "$1/$2/DEBIAN"
    printf '%s\n' 'Package: acme' "Version: $2" 'Architecture: all' 'Maintainer: Test <test@example.com>' \
        'Description: test' >"$1/$2/DEBIAN/control"
    printf '%s\n' '#!/bin/sh' 'set -e' "systemctl start $MAIN" "deb-systemd-invoke restart $MAIN" \
        "systemctl is-active $MAIN >/run/acme-$2 || :" >"$1/$2/DEBIAN/postinst"
    chmod 755 "$1/$2/DEBIAN/postinst"
    dpkg-deb -b "$1/$2" "$1/acme_$2.deb" >/dev/null
}

@test "the hooks that the page names, in a whole run; a package's script starts the server in vain" {
    systemctl reset-failed
    documented_hooks postgresql
    whole_run
    [[ $(cat /run/acme-1) == active && $(cat /run/acme-2) == inactive ]]
    [[ $(query main) == 1 ]]
    [[ ! -e /run/systemd/system/$MAIN.d && ! -e /var/lib/foreman_dlm_updater/state ]]
}

@test "every way to give a run up, or to go on with it: whether the server is held" {
    local run held file=/run/systemd/system/$MAIN.d/zz-foreman-dlm-updater.conf
    documented_hooks postgresql
    updater() { env -i PATH="$PATH" foreman-dlm-updater "$@"; }
    # held: prints whether the server can be started
    held() {
        systemctl stop "$MAIN"
        systemctl start "$MAIN"
        systemctl is-active "$MAIN" || true
    }
    # begin: a run is in the stage update, with the server stopped
    begin() {
        systemctl start "$MAIN"
        updater state clear
        updater state set pre_update
        updater hooks run pre_update postgresql-stop
        updater state set update
        [[ -e $file ]]
    }
    begin
    [[ $(held) == inactive ]]
    updater hooks run pre_update postgresql-stop # the stage runs again
    [[ $(held) == inactive ]]
    updater state set post_update # the run is given up, and brings the server back
    [[ $(held) == inactive ]]
    updater hooks run post_update postgresql-start
    [[ ! -e $file && $(systemctl is-active "$MAIN") == active ]]
    begin
    updater state clear
    [[ $(held) == active ]]
    updater state set update # the run that was given up goes on, under its name
    [[ $(held) == inactive ]]
    begin
    updater state set needs_update
    [[ $(held) == active ]]
    begin
    rm /var/lib/foreman_dlm_updater/state # another run begins
    rm -f /var/lib/foreman_dlm_updater/state.history.jsonl /var/lib/foreman_dlm_updater/history*
    updater state set update
    [[ $(held) == active ]]
    updater state clear
}
