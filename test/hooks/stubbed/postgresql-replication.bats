#!/usr/bin/env bats
# gate and post_update/postgresql-replication, with servers that give the answers of files. With a real primary and its standby:
# ../real/services/postgresql-replication.bats.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    export SERVERS_UP=$BATS_TEST_TMPDIR/servers PGDATA=$BATS_TEST_TMPDIR/data
    mkdir -p "$SERVERS_UP" "$PGDATA" "$BATS_TEST_TMPDIR/pgbin"
    : >"$SERVERS_UP/postgresql@15-main.service"
    # A server as /proc shows it: psql is beside its program, and its working directory is its data directory.
    cp "$(command -v sleep)" "$BATS_TEST_TMPDIR/pgbin/postgres"
    (cd "$PGDATA" && exec "$BATS_TEST_TMPDIR/pgbin/postgres" 100 3>&-) &
    export PID=$!
    until [[ $(readlink /proc/$PID/exe) == */pgbin/postgres ]]; do :; done
    printf '%s\n' "$PID" "$PGDATA" 1795537202 5433 /run/pg '*' ' 10658057  0' 'ready   ' >"$PGDATA/postmaster.pid"
    # shellcheck disable=SC2016 # not for this shell
    stub systemctl 'for unit; do :; done
        case "$*" in
        list-units*) for file in "$SERVERS_UP"/*; do [ ! -e "$file" ] || echo "${file##*/} loaded active running x"; done ;;
        show*Type*) [ "$unit" = postgresql.service ] && echo oneshot || echo notify ;;
        show*MainPID*) echo "$PID" ;;
        esac'
    # shellcheck disable=SC2016
    stub runuser 'shift 3; exec "$@"'
    # Its answers are lines in files: whether it is a standby; its receiver; the good standbys of a server on this host,
    # and of the primary that PRIMARY names.
    export ANSWERS=$BATS_TEST_TMPDIR/answers
    mkdir "$ANSWERS"
    # shellcheck disable=SC2016
    stub psql 'sql=$(cat)
        case $sql in
        *pg_is_in_recovery*) cat "$ANSWERS/standby" ;;
        *received_tli*) cat "$ANSWERS/own_timeline" ;;
        *pg_walfile_name*) case "$*" in *host=db1*) cat "$ANSWERS/timeline" ;; *) exit 3 ;; esac ;;
        *pg_stat_wal_receiver*) cat "$ANSWERS/receiver" ;;
        *pg_stat_replication*) case "$*" in *host=db1*) cat "$ANSWERS/primary" ;; *) cat "$ANSWERS/good" ;; esac ;;
        esac'
    mv "$BATS_TEST_TMPDIR/bin/psql" "$BATS_TEST_TMPDIR/pgbin/"
    primary 1
}
teardown() { kill "$PID"; }
primary() { echo f >"$ANSWERS/standby"; echo "$1" >"$ANSWERS/good"; }
standby() { echo t >"$ANSWERS/standby"; printf '%s' "$1" >"$ANSWERS/receiver"; }
replication() { hook gate/postgresql-replication; }
yes() { replication; exits 0; says "the replication may lose this host"; }

@test "a primary with enough good standbys, or too few" {
    yes
    called "runuser -u $(id -un) -- $BATS_TEST_TMPDIR/pgbin/psql -XAtqw"
    called "psql -XAtqw -F   -v ON_ERROR_STOP=1 -v lag=16MB -v names= -v sync=no -d host=/run/pg port=5433 dbname=postgres"
    primary 0
    replication
    not_now "PostgreSQL: postgresql@15-main: it has 0 of 1 good standbys"
    setting postgresql-replication MIN_STANDBYS=2 MAX_LAG=1GB "NAMES='^ha'" SYNC=yes
    primary 1
    replication
    not_now "PostgreSQL: postgresql@15-main: it has 1 of 2 good standbys"
    called "-v lag=1GB -v names=^ha -v sync=yes"
    primary 2
    yes
    setting postgresql-replication MIN_STANDBYS=0
    primary 0
    yes
}

@test "a password in PRIMARY is refused: every user can see the arguments of psql" {
    local one
    standby 'streaming t'
    for one in 'host=db1 password=secret' "host=db1 password = 'secret'" 'postgresql://monitor:secret@db1/postgres' \
        'postgresql://db1/postgres?password=secret'; do
        setting postgresql-replication "PRIMARY=\"$one\""
        replication
        not_now "PostgreSQL: PRIMARY in ${DLM_CONFIG%/*}/hooks.conf.d/postgresql-replication.conf must not contain a\
 password, which every user could see: use passfile="
        refute called secret
    done
    echo 2 >"$ANSWERS/primary"
    for one in 'host=db1 passfile=/etc/pgpass' 'host=db1 passfile=/root/db1.password user=monitor' \
        'host=db1 require_auth=!password sslmode=require' 'postgresql://monitor@host=db1:5432/postgres' \
        'postgresql://host=db1:5432/postgres?application_name=monitor@db2'; do
        setting postgresql-replication "PRIMARY='$one'"
        yes
    done
}

@test "a standby that streams and keeps up, or does not" {
    standby 'streaming t'
    yes
    standby 'streaming f'
    replication
    not_now "PostgreSQL: postgresql@15-main: it is more than 16MB behind its primary"
    standby 'streaming ' # it has just begun
    replication
    not_now "PostgreSQL: postgresql@15-main: it does not stream from its primary (streaming )"
    standby 'waiting t'
    replication
    not_now "PostgreSQL: postgresql@15-main: it does not stream from its primary (waiting t)"
    standby ''
    replication
    not_now "PostgreSQL: postgresql@15-main: it does not stream from its primary"
}

@test "a standby that asks its primary: enough others" {
    setting postgresql-replication "PRIMARY='host=db1 user=monitor'"
    standby 'streaming t'
    echo 2 >"$ANSWERS/primary"
    yes
    called "-d host=db1 user=monitor"
    for few in 1 0; do
        echo "$few" >"$ANSWERS/primary"
        replication
        not_now "PostgreSQL: postgresql@15-main: without this host, its primary has $((few - 1)) of 1 good standbys"
    done
    standby ''
    replication
    not_now "PostgreSQL: postgresql@15-main: it does not stream from its primary"
    primary 1 # has become primary: PRIMARY is not asked
    rm "$ANSWERS/primary"
    yes
    standby 'streaming t'
    replication
    exits 1
    says "PostgreSQL: postgresql@15-main: its primary could not be asked: "
}

@test "each server on this host has to say yes; Debian's unit that pulls them in is none" {
    : >"$SERVERS_UP/postgresql@16-other.service"
    : >"$SERVERS_UP/postgresql.service"
    yes
    [[ $(grep -c ^psql "$CALLS") == 4 ]]
    called "postgresql@*.service postgresql.service postgresql-[0-9]*.service"
    # shellcheck disable=SC2016 # not for this shell
    sed -i 's/\*pg_is_in_recovery.*/*pg_is_in_recovery*) [ "$(grep -c ^psql "$CALLS")" -le 2 ] \&\& echo f || echo t ;;/' \
        "$BATS_TEST_TMPDIR/pgbin/psql"
    : >"$CALLS"
    : >"$ANSWERS/receiver"
    replication
    not_now "PostgreSQL: postgresql@16-other: it does not stream from its primary"
    setting postgresql-replication "SERVERS='postgresql@15-*.service'"
    : >"$CALLS"
    replication
    called "-- postgresql@15-*.service"
    refute called "postgresql-[0-9]"
}

@test "no server runs" {
    rm "$SERVERS_UP"/*
    replication
    not_now "PostgreSQL: no server runs here (postgresql@*.service postgresql.service postgresql-[0-9]*.service): see SERVERS in ${DLM_CONFIG%/*}/hooks.conf.d/postgresql-replication.conf"
    stub systemctl 'exit 1'
    replication
    not_now "PostgreSQL: \`systemctl list-units\` failed, or did not answer within 60 s"
}

@test "the server does not answer, or not what was asked" {
    stub runuser 'echo "psql: error: connection failed" >&2; echo "Is the server running?" >&2; exit 2'
    replication
    not_now "PostgreSQL: postgresql@15-main: the server could not be asked: psql: error: connection failed Is the server\
 running?"
    stub runuser 'echo "WARNING: a warning" >&2; echo yes'
    replication
    not_now "PostgreSQL: postgresql@15-main: the answer was not understood: yes"
    stub runuser
    replication
    not_now "PostgreSQL: postgresql@15-main: the answer was not understood: it is empty"
    stub timeout 'case $* in *runuser*) exit 124 ;; esac; shift; exec "$@"' # it hangs
    replication
    not_now "PostgreSQL: postgresql@15-main: the server could not be asked: no answer within 30 s"
}

@test "a number that is none" {
    primary many
    replication
    not_now "PostgreSQL: postgresql@15-main: the answer was not understood: many"
    setting postgresql-replication PRIMARY=host=db1
    standby 'streaming t'
    echo >"$ANSWERS/primary"
    replication
    not_now "PostgreSQL: postgresql@15-main: the answer was not understood: it is empty"
}

@test "warnings before the answer" {
    # shellcheck disable=SC2016 # not for this shell
    stub runuser 'echo "WARNING: the collation has changed" >&2; shift 3; exec "$@"'
    yes
}

@test "a server that goes away, or does not say where it listens" {
    rm "$PGDATA/postmaster.pid"
    replication
    not_now "PostgreSQL: postgresql@15-main: the server does not say where it listens"
    PID=0 replication
    not_now "PostgreSQL: postgresql@15-main: the server does not say where it listens"
}

@test "without a psql beside the server: the one in the PATH" {
    mv "$BATS_TEST_TMPDIR/pgbin/psql" "$BATS_TEST_TMPDIR/bin/"
    yes
    called "runuser -u $(id -un) -- psql -XAtqw"
}

@test "wrong settings" {
    local conf=$BATS_TEST_TMPDIR/etc/hooks.conf.d/postgresql-replication.conf
    setting postgresql-replication MIN_STANDBYS=one
    replication
    not_now "PostgreSQL: MIN_STANDBYS=one in $conf: use a whole number"
    setting postgresql-replication SYNC=true
    replication
    not_now "PostgreSQL: SYNC=true in $conf: use yes or no"
    setting postgresql-replication 'SYNC=('
    replication
    [[ $status != 0 ]]
    refute called psql
}

ready() { hook post_update/postgresql-replication; }
# A second passes with each `sleep`.
clock() {
    date +%s >"$BATS_TEST_TMPDIR/now"
    # shellcheck disable=SC2016 # not for this shell
    stub sleep 'echo $(($(cat "$BATS_TEST_TMPDIR/now") + $1)) >"$BATS_TEST_TMPDIR/now"; '"${1:-}"
    # shellcheck disable=SC2016
    stub date 'cat "$BATS_TEST_TMPDIR/now"'
}

@test "after the update: a primary waits for its standbys" {
    # shellcheck disable=SC2016
    clock 'n=$(grep -c ^sleep "$CALLS"); [ "$n" != 3 ] || echo 1 >"$ANSWERS/good"'
    primary 0
    ready
    exits 0
    says "postgresql-replication: each server replicates again"
    [[ $(grep -c ^sleep "$CALLS") == 3 ]]
    primary 1
    setting postgresql-replication MIN_STANDBYS=2 ready_timeout=60
    ready
    exits 1
    says "postgresql-replication: after 60 s, postgresql@15-main: it has 1 of 2 good standbys. See the servers' logs; fix\
 it, and start the updater again; for more time set ready_timeout in $BATS_TEST_TMPDIR/etc/hooks.conf.d/postgresql-re"
    [[ $output != *$'\n'* ]]
}

@test "after the update: a standby streams, keeps up, and is on its primary's timeline" {
    clock
    setting postgresql-replication ready_timeout=2
    standby 'streaming t'
    ready
    exits 0
    standby 'streaming f'
    ready
    exits 1
    says "after 2 s, postgresql@15-main: it is more than 16MB behind its primary."
    standby ''
    ready
    exits 1
    says "after 2 s, postgresql@15-main: it does not stream from its primary."
    setting postgresql-replication ready_timeout=2 PRIMARY=host=db1
    standby 'streaming t'
    echo 3 >"$ANSWERS/timeline"
    echo 3 >"$ANSWERS/own_timeline"
    ready
    exits 0
    echo 2 >"$ANSWERS/own_timeline"
    ready
    exits 1
    says "after 2 s, postgresql@15-main: it is on timeline 2, its primary on 3."
    : >"$ANSWERS/own_timeline"
    ready
    exits 1
    says "it is on timeline unknown, its primary on 3."
    : >"$ANSWERS/timeline"
    ready
    exits 1
    says "it is on timeline unknown, its primary on unknown."
    setting postgresql-replication ready_timeout=2 PRIMARY=host=db9
    ready
    exits 1
    says "its primary could not be asked"
}

@test "after the update: no server, and wrong settings, which nothing waits for" {
    clock
    setting postgresql-replication ready_timeout=2
    rm "$SERVERS_UP"/*
    ready
    exits 1
    says "after 2 s, no server runs here (postgresql@*.service "
    : >"$CALLS"
    setting postgresql-replication ready_timeout=soon
    ready
    exits 1
    says "ready_timeout=soon in $BATS_TEST_TMPDIR/etc/hooks.conf.d/postgresql-replication.conf: use a whole number"
    setting postgresql-replication SYNC=maybe
    ready
    exits 1
    says "SYNC=maybe in "
    refute called sleep
}
