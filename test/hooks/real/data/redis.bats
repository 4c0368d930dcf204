#!/usr/bin/env bats
# gate/redis, redis-failover and redis-synced with Debian's Redis and its Sentinel: three servers and three Sentinels on
# this host. The server on port 6379 and the Sentinel on 26379 are "this host's", the others stand for other hosts.
# Debian: 12 13
load ../../hook

setup_file() {
    systemctl stop 'redis*' 'valkey*'
    server=$(command -v valkey-server || command -v redis-server) cli=$(command -v valkey-cli || command -v redis-cli)
    export server cli
    mkdir /run/redis-test
    local port
    for port in 6379 6380 6381; do
        mkdir /run/redis-test/$port
        printf '%s\n' "port $port" 'bind 127.0.0.1' "dir /run/redis-test/$port" 'daemonize no' 'save ""' \
            'requirepass secret' 'masterauth secret' 'repl-ping-replica-period 1' >/run/redis-test/$port.conf
        [[ $port == 6379 ]] || echo 'replicaof 127.0.0.1 6379' >>/run/redis-test/$port.conf
        printf '%s\n' "port 2$port" 'bind 127.0.0.1' 'sentinel monitor mymaster 127.0.0.1 6379 2' \
            'sentinel auth-pass mymaster secret' 'sentinel down-after-milliseconds mymaster 2000' \
            'sentinel failover-timeout mymaster 4000' >/run/redis-test/2$port.conf
        start $port
    done
    for port in 6379 6380 6381; do start 2$port --sentinel; done
    echo secret >/run/redis-test/password
    chmod 600 /run/redis-test/password
}
start() { systemd-run -q --collect -u "redis-test-$1" "$server" "/run/redis-test/$1.conf" "${@:2}"; }
running() { systemctl -q is-active "redis-test-$1" || start "$@"; }
stop() { systemctl stop "redis-test-$1"; }
ask() { REDISCLI_AUTH=secret "$cli" -p "$@" 2>/dev/null; } # PORT ARG...
prepare() {
    setting redis password_file=/run/redis-test/password
    for port in 6379 6380 6381; do running $port && running 2$port --sentinel; done
    until_true settled
}
# settled: true if all Sentinels know each other and two good replicas. What they know of a replica's link is from before
# it was away, until they no longer say that it is down.
settled() {
    local port
    [[ $(ask 6379 INFO replication; ask 6380 INFO replication) == *connected_slaves:2* ]] || return 1
    for port in 26379 26380 26381; do
        [[ $(ask $port SENTINEL CKQUORUM mymaster) == "OK 3 usable"* ]] &&
            [[ $(ask $port SENTINEL REPLICAS mymaster | grep -A 1 -x master-link-status | grep -cx ok) == 2 &&
                $(ask $port SENTINEL REPLICAS mymaster) != *s_down* ]] || return 1
    done
}
until_true() { # COMMAND...
    for _ in {1..600}; do
        ! "$@" || return 0
        sleep 0.1
    done
    echo "never true: $*"
    ask 26379 SENTINEL MASTER mymaster
    ask 26379 SENTINEL REPLICAS mymaster
    return 1
}
role() { ask "$1" INFO replication | tr -d '\r' | sed -n 's/^role://p'; }
gate() { hook gate/redis; }
pre() { hook pre_update/redis-failover; }
post() { hook post_update/redis-synced; }

usable() { [[ $(ask 26379 SENTINEL CKQUORUM mymaster) == "$1"* ]]; }
lost_both() { [[ $(ask 26379 SENTINEL REPLICAS mymaster | grep -c 's_down') == 2 ]]; }

@test "nothing is done if nobody could take over" {
    setting redis
    gate
    not_now "Redis: the server at 127.0.0.1:6379 could not be asked: NOAUTH Authentication required."
    echo wrong >"$BATS_TEST_TMPDIR/wrong"
    setting redis "password_file=$BATS_TEST_TMPDIR/wrong"
    pre
    exits 1
    says "Nothing was done."
    setting redis password_file=/run/redis-test/password master=other
    gate
    not_now "Redis: Sentinel at 127.0.0.1:26379 does not know other: ERR No such master with that name"
    setting redis password_file=/run/redis-test/password
    stop 26381
    until_true usable "OK 2 usable"
    gate
    not_now "Redis: without this host 1 Sentinels would be left, and 2 are needed for a failover"
    stop 26380
    until_true usable "NOQUORUM"
    pre
    exits 1
    says "nobody could take over from this host, nothing was done: Sentinel could not fail over: NOQUORUM 1 usable Sentinels."
    start 26380 --sentinel
    start 26381 --sentinel
    until_true usable "OK 3 usable"
    stop 6380
    stop 6381
    until_true lost_both
    pre
    exits 1
    says "nothing was done: 0 of 1 replicas are good"
    [[ $(role 6379) == master ]]
}

@test "the master fails over to another host, and this one comes back as its replica" {
    gate
    exits 0
    says "Redis: this host's master may go: 2 good replicas"
    pre
    exits 0
    says "redis-failover: Sentinel fails mymaster over to another host"
    says "this host is a replica that is in sync"
    [[ $(role 6379) == slave ]]
    pre # again
    exits 0
    refute says "fails mymaster over"
    gate
    exits 0
    says "this host's replica may go"
    stop 6379
    stop 26379
    pre # again, after services-stop and a crash
    exits 0
    says "is down; the master ran elsewhere when this run came here first"
    setting redis-synced sync_timeout=0
    post
    exits 1
    says "this host is not back after 0 s: the server at 127.0.0.1:6379 could not be asked: Could not connect"
    start 6379
    start 26379 --sentinel
    setting redis-synced sync_timeout=60
    post
    exits 0
    says "redis-synced: this host is a replica, 2 good replicas"
}
