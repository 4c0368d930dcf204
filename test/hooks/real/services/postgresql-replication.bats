#!/usr/bin/env bats
# gate and post_update/postgresql-replication with a real primary and its standby: two Debian clusters on this host.
load ../../hook

setup_file() {
    VERSION=$(pg_lsclusters -h | awk '$2 == "main" { print $1 }')
    PRIMARY=postgresql@$VERSION-main.service STANDBY=postgresql@$VERSION-standby.service
    export VERSION PRIMARY STANDBY
    query main 'ALTER SYSTEM SET wal_level = logical'
    systemctl restart "$PRIMARY"
    pg_createcluster "$VERSION" standby >/dev/null
    local data=/var/lib/postgresql/$VERSION/standby
    rm -rf "${data:?}"
    as_postgres pg_basebackup -c fast -R -d 'port=5432' -D "$data"
    systemctl start "$STANDBY"
}
prepare() {
    systemctl start "$PRIMARY" "$STANDBY"
    eventually # the standby connects
}
as_postgres() { (cd / && runuser -u postgres -- "$@"); }
query() { as_postgres psql -XAtq --cluster "$VERSION/$1" -c "$2"; }
settings() { setting postgresql-replication "$@"; }
gate() { hook gate/postgresql-replication; }
eventually() { # yes, within a minute
    for _ in {1..300}; do
        gate
        [[ $status != 0 ]] || return 0
        sleep 0.2
    done
    exits 0
}
of() { echo "PostgreSQL: ${1%.service}: $2"; } # UNIT REASON

@test "a primary and its standby, each for itself and both" {
    gate
    exits 0
    says "the replication may lose this host"
    settings "SERVERS=$PRIMARY"
    gate
    exits 0
    settings "SERVERS=$PRIMARY" MIN_STANDBYS=2
    gate
    not_now "$(of "$PRIMARY" "it has 1 of 2 good standbys")"
    settings "SERVERS=$STANDBY" MIN_STANDBYS=2
    gate
    exits 0
}

@test "which standbys count: by name, and synchronous ones" {
    settings "SERVERS=$PRIMARY" "NAMES='/standby\$'" # Debian's cluster_name
    gate
    exits 0
    settings "SERVERS=$PRIMARY" "NAMES='^ha'"
    gate
    not_now "$(of "$PRIMARY" "it has 0 of 1 good standbys")"
    settings "SERVERS=$PRIMARY" SYNC=yes
    gate
    not_now "$(of "$PRIMARY" "it has 0 of 1 good standbys")"
    query main "ALTER SYSTEM SET synchronous_standby_names = '*'"
    query main 'SELECT pg_reload_conf()'
    eventually
    query main 'ALTER SYSTEM RESET synchronous_standby_names'
    query main 'SELECT pg_reload_conf()'
}

@test "a standby that lags behind" {
    query standby 'SELECT pg_wal_replay_pause()'
    query main 'CREATE TABLE big AS SELECT generate_series(1, 100000)'
    settings "SERVERS=$PRIMARY" MAX_LAG=1MB
    gate
    not_now "$(of "$PRIMARY" "it has 0 of 1 good standbys")"
    settings "SERVERS=$STANDBY" MAX_LAG=1MB
    for _ in {1..300}; do # until it has received that
        gate
        [[ $status == 0 ]] || break
        sleep 0.2
    done
    not_now "$(of "$STANDBY" "it is more than 1MB behind its primary")"
    settings MAX_LAG=1GB
    gate
    exits 0
    query standby 'SELECT pg_wal_replay_resume()'
    settings MAX_LAG=1MB
    eventually
    settings MAX_LAG=much
    gate
    not_now "$(of "$PRIMARY" "the server could not be asked: ERROR:  invalid size: \"much\"")"
}

@test "a standby that asks its primary for the others" {
    settings "SERVERS=$STANDBY" "PRIMARY='port=5432 dbname=postgres'"
    gate
    not_now "$(of "$STANDBY" "without this host, its primary has 0 of 1 good standbys")"
    settings "SERVERS=$STANDBY" "PRIMARY='port=5432 dbname=postgres'" MIN_STANDBYS=0
    gate
    exits 0
    settings "SERVERS=$STANDBY" "PRIMARY='port=5433 dbname=postgres'" # a standby, too
    gate
    [[ $status != 0 ]]
    settings "SERVERS=$STANDBY" "PRIMARY='host=localhost port=1'"
    gate
    exits 1
    says "$(of "$STANDBY" "its primary could not be asked: ")"
    says "refused"
}

@test "the standby is gone; what else receives WAL is no standby" {
    systemctl stop "$STANDBY"
    gate
    not_now "$(of "$PRIMARY" "it has 0 of 1 good standbys")"
    query main 'CREATE DATABASE other'
    query main 'CREATE PUBLICATION p FOR ALL TABLES' >/dev/null
    query main "SELECT pg_create_logical_replication_slot('s', 'pgoutput')"
    as_postgres psql -Xq --cluster "$VERSION/main" -d other -c "CREATE TABLE big (generate_series int)" \
        -c "CREATE SUBSCRIPTION s CONNECTION 'port=5432 dbname=postgres' PUBLICATION p WITH (create_slot = false)"
    systemd-run --quiet --unit=receivewal -p User=postgres -p RuntimeDirectory=receivewal \
        pg_receivewal -d port=5432 -D /run/receivewal
    for _ in {1..300}; do
        [[ $(query main "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == 2 ]] && break
        sleep 0.2
    done
    [[ $(query main "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == 2 ]]
    gate
    systemctl stop receivewal
    not_now "$(of "$PRIMARY" "it has 0 of 1 good standbys")"
}

@test "the primary is gone; no server runs" {
    systemctl stop "$PRIMARY"
    for _ in {1..300}; do # until the standby notices
        gate
        [[ $status == 0 ]] || break
        sleep 0.2
    done
    not_now "$(of "$STANDBY" "it does not stream from its primary")"
    systemctl stop "$STANDBY"
    gate
    not_now "PostgreSQL: no server runs here (postgresql@*.service postgresql.service postgresql-[0-9]*.service): see SERVERS in ${DLM_CONFIG%/*}/hooks.conf.d/postgresql-replication.conf"
}

@test "after the update: a standby that catches up; a standby that has become a primary, and can't follow any more" {
    settings ready_timeout=0 MAX_LAG=1MB "SERVERS=$STANDBY" "PRIMARY='port=5432 dbname=postgres'"
    hook post_update/postgresql-replication
    exits 0
    says "postgresql-replication: each server replicates again"
    systemctl stop "$STANDBY"
    query main 'CREATE TABLE behind AS SELECT generate_series(1, 100000)'
    settings ready_timeout=0 MAX_LAG=1MB "SERVERS=$PRIMARY"
    hook post_update/postgresql-replication
    exits 1
    says "after 0 s, ${PRIMARY%.service}: it has 0 of 1 good standbys."
    systemctl start --no-block "$STANDBY"
    settings ready_timeout=60 MAX_LAG=1MB "PRIMARY='port=5432 dbname=postgres'"
    hook post_update/postgresql-replication
    exits 0
    query standby 'SELECT pg_promote()'
    settings ready_timeout=0
    hook post_update/postgresql-replication
    exits 1
    says "good standbys"
    touch "/var/lib/postgresql/$VERSION/standby/standby.signal"
    systemctl restart "$STANDBY"
    settings ready_timeout=2 "SERVERS=$STANDBY"
    hook post_update/postgresql-replication
    exits 1
    says "after 2 s, ${STANDBY%.service}: it does not stream from its primary"
}
