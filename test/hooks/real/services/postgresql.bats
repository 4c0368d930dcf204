#!/usr/bin/env bats
# pre_update/postgresql-stop and post_update/postgresql-start with real servers: two Debian clusters.
load ../../hook
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
