#!/usr/bin/env bats
# Debian: 12 13
# pre_update/mariadb-stop and post_update/mariadb-start with a real MariaDB server.
load ../../hook
bats_require_minimum_version 1.5.0

prepare() { systemctl start mariadb.service; }
teardown() { rm -f /root/.my.cnf; }
up() { mariadb -Ne 'select 1'; }
record() { tr '\n' ' ' <"$DLM_HOOKS_STATE/mariadb"; }
stop() { hook pre_update/mariadb-stop; }
start() { hook post_update/mariadb-start; }

@test "stopped, and started again" {
    [[ $(up) == 1 ]]
    stop
    exits 0
    refute up 2>/dev/null
    [[ $(record) == "run-1 mariadb.service " ]] # once, though it has three names
    start
    exits 0
    says "mariadb.service answers"
    [[ $(up) == 1 ]]
}

@test "again in the same run, with the server down: the record stays; another run starts nothing" {
    stop
    stop
    exits 0
    says "mariadb.service does not run"
    [[ $(record) == "run-1 mariadb.service " ]]
    DLM_RUN_ID=run-2 stop
    DLM_RUN_ID=run-2 start
    exits 0
    refute up 2>/dev/null
    start
    exits 0
    start
    exits 0
    [[ $(up) == 1 ]]
}

@test "access denied is an answer" {
    stop
    printf '%s\n' '[client]' user=nobody password=wrong >/root/.my.cnf
    HOME=/root start
    exits 0
    says "mariadb.service answers"
    refute env HOME=/root mariadb -Ne 'select 1' 2>/dev/null
}

@test "a server that can't be reached: an error" {
    stop
    printf '%s\n' '[client]' socket=/run/nosuch.sock >/root/.my.cnf
    setting mariadb-start start_timeout=8
    HOME=/root start
    exits 1
    says "mariadb.service runs, but does not answer after 8 s"
    says /run/nosuch.sock
}

@test "a server that cannot start" {
    stop
    printf '%s\n' '[mariadbd]' nonsense=1 >/etc/mysql/mariadb.conf.d/99-test.cnf
    start
    rm /etc/mysql/mariadb.conf.d/99-test.cnf
    exits 1
    says "mariadb.service is not up"
    systemctl reset-failed mariadb
}

@test "a client that is configured for another server: the hook asks the local one" {
    printf '%s\n' '[client]' host=192.0.2.1 >/root/.my.cnf
    setting mariadb-start start_timeout=60
    HOME=/root stop
    exits 0
    HOME=/root start
    exits 0
    says "mariadb.service answers"
}

@test "a server that was started by hand is noticed" {
    systemctl stop mariadb
    setpriv --reuid mysql --regid mysql --clear-groups mariadbd >/dev/null 2>&1 3>&- &
    local pid=$! end=$((SECONDS + 300))
    until mariadb-admin ping 2>/dev/null >&2 || ((SECONDS > end)); do sleep 0.1; done
    stop
    kill "$pid"
    wait "$pid" || true
    exits 1
    says "a server still answers at the socket, and it is none of mariadb.service"
}
