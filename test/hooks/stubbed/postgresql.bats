#!/usr/bin/env bats
# pre_update/postgresql-stop and post_update/postgresql-start. With real servers: ../real/services/postgresql.bats. Only
# this file tests Enterprise Linux's unit names (postgresql.service, postgresql-16.service).
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    export SERVERS=$BATS_TEST_TMPDIR/servers # one file for each unit that is up
    PGDATA=$BATS_TEST_TMPDIR/data
    mkdir -p "$SERVERS" "$PGDATA" "$BATS_TEST_TMPDIR/pgbin"
    # A server as /proc shows it: pg_isready is beside its program, and its working directory is its data directory.
    cp "$(command -v sleep)" "$BATS_TEST_TMPDIR/pgbin/postgres"
    SAYS=(5433 /run/pg '*' ready)
    server_up
    pg_isready 'exit 0'
    # shellcheck disable=SC2016 # not for this shell
    stub systemctl 'for unit; do :; done
        case "$*" in
        list-unit-files*) echo postgresql.service enabled ;;
        list-units*) for file in "$SERVERS"/*; do [ ! -e "$file" ] || echo "${file##*/} loaded active running PostgreSQL"; done ;;
        show*Type*) [ "$unit" = "${DUMMY:-}" ] && echo oneshot || echo notify ;;
        show*MainPID*) echo "$PID" ;;
        show*ActiveState*) [ -e "$SERVERS/$unit" ] && echo active || echo inactive ;;
        show*ExecStart*) echo "${RUN_BY:-Id=session-1.scope}" ;;
        stop*) rm "$SERVERS/$unit"
            [ -n "$(ls "$SERVERS")" ] || kill "$PID" ;;
        start*) [ "$unit" != "${FAILS:-}" ] && : >"$SERVERS/$unit" ;;
        esac'
    stub sleep
    # shellcheck disable=SC2016 # not for this shell
    stub pg_lsclusters 'echo "${CLUSTERS:-}"'
}
teardown() { xargs kill 2>/dev/null <"$BATS_TEST_TMPDIR/pids" || true; }

server_up() {
    (cd "$PGDATA" && exec "$BATS_TEST_TMPDIR/pgbin/postgres" 100 3>&-) &
    export PID=$!
    echo "$PID" >>"$BATS_TEST_TMPDIR/pids"
    until [[ $(readlink /proc/$PID/exe) == */pgbin/postgres ]]; do :; done
    pidfile "${SAYS[@]}"
}
server_down() {
    kill "$PID" 2>/dev/null || true
    wait "$PID" || true
}

pidfile() { # PORT SOCKETS ADDRESS STATE: what its postmaster.pid says, also if it is started again
    SAYS=("$@")
    printf '%s\n' "$PID" "$PGDATA" 1795537202 "$1" "$2" "$3" ' 10658057  0' "$4   " >"$PGDATA/postmaster.pid"
}
pg_isready() {
    stub pg_isready "$1"
    mv "$BATS_TEST_TMPDIR/bin/pg_isready" "$BATS_TEST_TMPDIR/pgbin/"
}
up() { local unit; for unit; do : >"$SERVERS/$unit"; done; }
# A server that is started again is another process.
start() {
    [[ -n $(ls "$SERVERS") ]] || { server_down && server_up; }
    hook post_update/postgresql-start
}
stop() { hook pre_update/postgresql-stop; }

@test "Debian: the instances that run, not the unit that pulls them in" {
    up postgresql.service postgresql@15-main.service postgresql@15-other.service
    DUMMY=postgresql.service stop
    exits 0
    [[ $(ls "$SERVERS") == postgresql.service ]]
    [[ $(tr '\n' ' ' <"$DLM_HOOKS_STATE/postgresql") == "run-1 postgresql@15-main.service postgresql@15-other.service " ]]
    start
    exits 0
    [[ -e $SERVERS/postgresql@15-main.service && -e $SERVERS/postgresql@15-other.service ]]
    says "postgresql@15-main.service accepts connections"
    says "postgresql@15-other.service accepts connections"
}

@test "Enterprise Linux: postgresql.service and postgresql-16.service" {
    rm "$BATS_TEST_TMPDIR/bin/pg_lsclusters" # Debian's
    local tool
    for tool in sh dirname sed awk sync timeout mv mkdir; do ln -s "$(command -v $tool)" "$BATS_TEST_TMPDIR/bin/$tool"; done
    for tool in rm ls; do ln -s "$(command -v $tool)" "$BATS_TEST_TMPDIR/bin/$tool"; done # the stubs'
    up postgresql.service postgresql-16.service
    DLM_STAGE=pre_update PATH=$BATS_TEST_TMPDIR/bin run "$DLM_HOOKS_DIR/pre_update.d/postgresql-stop"
    exits 0
    [[ -z $(ls "$SERVERS") ]]
    start
    exits 0
    [[ -e $SERVERS/postgresql.service && -e $SERVERS/postgresql-16.service ]]
}

@test "only units that are, or will be, PostgreSQL" {
    up postgresql.service
    stop
    called "postgresql@*.service postgresql.service postgresql-[0-9]*.service"
    called "--state=active,activating,reloading"
}

@test "no server runs: fine; none is installed: an error" {
    server_down
    stop
    exits 0
    says "no server runs"
    stub systemctl
    stop
    exits 1
    says "no unit of PostgreSQL"
    says "disable this hook"
}

@test "systemctl that does not work" {
    # shellcheck disable=SC2016 # not for this shell
    stub systemctl '[ "$1" = list-unit-files ] && echo postgresql.service enabled'
    stop
    exits 1
    says "list-units failed"
}

@test "a cluster that runs outside systemd: an error that names it" {
    up postgresql@15-main.service
    CLUSTERS='15 dev 5434 online postgres /d /l' stop
    exits 1
    says "15 dev"
    says "pg_ctlcluster 15 dev stop"
    CLUSTERS='15 dev 5434 online,recovery postgres /d /l' stop
    exits 1
    says "15 dev"
    CLUSTERS='15 dev 5434 down postgres /d /l' stop
    exits 0
}

@test "a server that Patroni runs: nothing is stopped, and the message names Patroni's hooks" {
    local other
    up postgresql.service
    mkdir "$BATS_TEST_TMPDIR/other"
    (cd "$BATS_TEST_TMPDIR/other" && exec "$BATS_TEST_TMPDIR/pgbin/postgres" 100 3>&-) &
    other=$!
    echo "$other" >"$BATS_TEST_TMPDIR/other/postmaster.pid"
    until [[ $(readlink /proc/$other/exe) == */pgbin/postgres ]]; do :; done
    RUN_BY='ExecStart={ path=/opt/patroni/bin/patroni }' stop
    [[ $status == 1 ]] || kill "$other"
    exits 1
    says "the server in $BATS_TEST_TMPDIR/other (process $other) would go on: Patroni ("
    says "Disable this hook, and enable pre_update/patroni-switchover"
    says "Nothing was stopped"
    refute called "systemctl stop"
    stop # by hand, where there is no pg_lsclusters to know it
    exits 1
    says "it runs outside systemd. Stop it with \`pg_ctl -D $BATS_TEST_TMPDIR/other stop\`"
    refute called "systemctl stop"
    mv "$BATS_TEST_TMPDIR/other/postmaster.pid" "$BATS_TEST_TMPDIR/other/PG_VERSION" # a session's process, no server
    stop
    kill "$other"
    exits 0
}

@test "again in the same run: the record stays; without a record nothing is started" {
    up postgresql.service
    stop
    stop
    exits 0
    [[ $(tr '\n' ' ' <"$DLM_HOOKS_STATE/postgresql") == "run-1 postgresql.service " ]]
    DLM_RUN_ID=run-2 start
    exits 0
    refute called "systemctl start"
    refute called pg_isready
}

@test "a server that does not start" {
    up postgresql.service
    stop
    FAILS=postgresql.service start
    exits 1
    says "postgresql.service is not up"
    refute called pg_isready
}

@test "the hook uses the server's own pg_isready, socket and port" {
    up postgresql.service
    stop
    start
    called "pg_isready -q -t 3 -h /run/pg -p 5433"
}

@test "a server without a socket: the hook uses its address" {
    up postgresql.service
    stop
    pidfile 5433 '' 192.0.2.1 ready
    start
    called "pg_isready -q -t 3 -h 192.0.2.1 -p 5433"
    pidfile 5433 '' '*' ready
    start
    called "pg_isready -q -t 3 -h localhost -p 5433"
}

@test "waits until it accepts connections" {
    up postgresql.service
    stop
    # shellcheck disable=SC2016 # not for this shell
    pg_isready '[ "$(grep -c ^pg_isready "$CALLS")" -ge 3 ]'
    stub sleep
    start
    exits 0
    [[ $(grep -c ^pg_isready "$CALLS") == 3 ]]
    [[ $(grep -c '^sleep 1' "$CALLS") == 3 ]] # one of them comes from start_units
}

@test "a server that never accepts connections" {
    up postgresql.service
    stop
    pg_isready 'exit 1'
    setting postgresql-start start_timeout=1
    start
    exits 1
    says "postgresql.service runs, but accepts no connections after 1 s"
}

@test "a standby that is configured to accept no connections is up" {
    up postgresql.service
    stop
    pidfile 5433 /run/pg '*' standby
    pg_isready 'exit 1'
    start
    exits 0
    refute called pg_isready
}

@test "without pg_isready the server's own word counts" {
    up postgresql.service
    stop
    rm "$BATS_TEST_TMPDIR/pgbin/pg_isready"
    start
    exits 0
    pidfile 5433 /run/pg '*' starting
    setting postgresql-start start_timeout=1
    start
    exits 1
}

@test "a mistake in the settings fails" {
    setting postgresql-stop 'stop_timeout=('
    setting postgresql-start 'start_timeout=('
    stop
    [[ $status != 0 ]]
    start
    [[ $status != 0 ]]
}
