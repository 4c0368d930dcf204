#!/usr/bin/env bats
# gate/redis, redis-failover and redis-synced with a stub for redis-cli. Its answers are those of Debian 12's Redis
# 7.0.15, shortened. With the real one: ../real/data/redis.bats.
load ../hook

prepare() {
    export R=$BATS_TEST_TMPDIR/redis
    mkdir "$R"
    # shellcheck disable=SC2016 # not for this shell
    stub redis-cli 'echo "password ${REDISCLI_AUTH-none} ${VALKEYCLI_AUTH-none}" >>"$CALLS"
        case "$*" in
        *" INFO")
            [ ! -e "$R/down" ] || { echo "Could not connect to Redis at 127.0.0.1:6379: Connection refused" >&2; exit 1; }
            cat "$R/info" ;;
        *" SENTINEL MASTER "*)
            [ ! -e "$R/then" ] || { cp "$R/then/"* "$R"; rm -r "$R/then"; }
            cat "$R/master" ;;
        *" SENTINEL REPLICAS "*) cat "$R/replicas" ;;
        *" SENTINEL CKQUORUM "*) cat "$R/quorum" ;;
        *" SENTINEL FAILOVER "*)
            cat "$R/failover"
            [ ! -e "$R/after" ] || { cp "$R/after/"* "$R"; rm -r "$R/after"; } ;;
        esac'
    stub sleep
    info master
    master_is aaa
    replicas 'bbb slave ok 100' 'ccc slave ok 100'
    echo "OK 3 usable Sentinels. Quorum and failover authorization can be reached" >"$R/quorum"
    echo OK >"$R/failover"
    setting redis-failover failover_timeout=0
    setting redis-synced sync_timeout=0
}
info() { # ROLE [LINK [SYNCING [LOADING]]]
    printf '%s\r\n' '# Server' run_id:aaa '# Persistence' "loading:${4:-0}" '# Replication' "role:$1" \
        "master_link_status:${2:-up}" "master_sync_in_progress:${3:-0}" >"${IN:-$R}/info"
}
master_is() { # RUNID [FLAGS]
    printf '%s\n' name mymaster ip 192.0.2.1 port 6379 runid "$1" flags "${2:-master}" num-other-sentinels 2 \
        quorum 2 >"${IN:-$R}/master"
}
replicas() { # "RUNID FLAGS LINK PRIORITY"...
    local id flags link priority
    for _ in "$@"; do
        read -r id flags link priority <<<"$1"
        printf '%s\n' name "192.0.2.9:$#" runid "$id" flags "$flags" role-reported slave master-link-status "$link" \
            slave-priority "$priority"
        shift
    done >"${IN:-$R}/replicas"
}
away() { # what the failover leads to
    mkdir "$R/after"
    IN=$R/after info slave
    IN=$R/after master_is bbb
    IN=$R/after replicas 'aaa slave ok 100' 'ccc slave ok 100'
}
gate() { hook gate/redis; }
pre() { hook pre_update/redis-failover; }
post() { hook post_update/redis-synced; }
no_failover() { # WHY
    gate
    not_now "Redis: $1"
    pre
    exits 1
    says "nothing was done: $1. Fix it, and start the updater again"
    refute called "SENTINEL FAILOVER"
    [[ ! -e $DLM_HOOKS_STATE/redis-failover ]]
}

@test "the failover, once" {
    gate
    exits 0
    says "Redis: this host's master may go: 2 good replicas"
    away
    pre
    exits 0
    says "Sentinel fails mymaster over to another host"
    says "the master runs at 192.0.2.1:6379, this host is a replica that is in sync"
    pre
    exits 0
    [[ $(grep -c "SENTINEL FAILOVER mymaster" "$CALLS") == 1 ]]
    [[ $(tr '\n' ' ' <"$DLM_HOOKS_STATE/redis-failover") == "run-1 replicas=2 " ]]
    touch "$R/down"
    pre
    exits 0
    says "the server at 127.0.0.1:6379 is down; the master ran elsewhere when this run came here first"
    DLM_RUN_ID=run-2 pre
    exits 1
    says "could not be asked: Could not connect to Redis at 127.0.0.1:6379: Connection refused. Nothing was done."
}

@test "nobody could take over" {
    local one
    for one in 'bbb slave,s_down ok 100' 'bbb slave,disconnected ok 100' 'bbb slave err 100' 'bbb slave ok 0'; do
        replicas "$one"
        no_failover "0 of 1 replicas are good (link up, priority above 0)"
    done
    : >"$R/replicas"
    no_failover "0 of 1 replicas are good (link up, priority above 0)"
    replicas 'bbb slave ok 100'
    setting redis min_replicas=2
    no_failover "1 of 2 replicas are good (link up, priority above 0)"
    setting redis
    echo "NOQUORUM 1 usable Sentinels. Not enough available Sentinels to reach the specified quorum for this master" >"$R/quorum"
    no_failover "Sentinel could not fail over: $(<"$R/quorum")"
    echo "OK 2 usable Sentinels. Quorum and failover authorization can be reached" >"$R/quorum"
    no_failover "without this host 1 Sentinels would be left, and 2 are needed for a failover"
    # shellcheck disable=SC2016 # not for this shell
    stub ip 'case $3 in
        192.0.2.7) echo "$3 dev eth0 src 192.0.2.1 uid 0" ;;
        2001:db8::7) echo "RTNETLINK answers: Network is unreachable" >&2; exit 2 ;;
        *) echo "local $3 dev lo src $3 uid 0" ;;
        esac'
    # shellcheck disable=SC2016
    stub getent 'case $2 in
        all) echo "192.0.2.7 STREAM all"; echo "192.0.2.1 STREAM" ;;
        other) echo "2001:db8::7 STREAM other"; echo "192.0.2.7 STREAM" ;;
        *) echo "$2 STREAM $2" ;;
        esac'
    for one in 192.0.2.1:26379 all:26379; do # this host's, too
        setting redis "sentinel=$one"
        no_failover "without this host 1 Sentinels would be left, and 2 are needed for a failover"
    done
    for one in 192.0.2.7:26379 other:26379; do # not this host's, also by an address to which no route leads
        setting redis "sentinel=$one"
        gate
        exits 0
    done
    stub ip 'exit 127'
    gate
    not_now "Redis: without this host 1 Sentinels would be left, and 2 are needed for a failover"
    setting redis keep_quorum=no
    gate
    exits 0
    master_is bbb
    no_failover "this host says that it is the master, and Sentinel that 192.0.2.1:6379 is"
    master_is aaa master,o_down
    no_failover "the master at 192.0.2.1:6379 is not well (master,o_down)"
    echo "ERR No such master with that name" >"$R/master"
    no_failover "Sentinel at 127.0.0.1:26379 does not know mymaster: ERR No such master with that name"
}

@test "Sentinel refuses, is at it already, or takes too long" {
    echo "NOGOODSLAVE No suitable replica to promote" >"$R/failover"
    pre
    exits 1
    says "Sentinel does not fail over, nothing was done: NOGOODSLAVE No suitable replica to promote"
    echo OK >"$R/failover"
    pre
    exits 1
    says "after 0 s this host is no replica that is in sync: this host is still the master"
    [[ ! -e $DLM_HOOKS_STATE/redis-failover ]]
    echo "INPROG Failover already in progress" >"$R/failover"
    away
    pre
    exits 0
}

@test "a replica: no failover, but it has to be in sync" {
    info slave
    master_is bbb
    pre
    exits 0
    refute called "SENTINEL FAILOVER"
    gate
    exits 0
    says "this host's replica may go"
    info slave down
    gate
    not_now "Redis: its link to its master is down"
    info slave up 1
    gate
    not_now "Redis: it still receives its master's data"
    info slave up 0 1
    gate
    not_now "Redis: it still loads its data"
    pre
    exits 1
    says "this host is no replica that is in sync: it still loads its data"
    info slave
    master_is aaa
    pre
    exits 1
    says "Sentinel still says that this host is the master"
}

@test "back in sync, with as many good replicas as before" {
    away
    pre
    exits 0
    post
    exits 0
    says "redis-synced: this host is a replica, 2 good replicas"
    replicas 'aaa slave ok 100'
    post
    exits 1
    says "this host is not back after 0 s: 1 of 2 replicas are good"
    DLM_RUN_ID=run-2 post
    exits 0
    info slave down
    post
    exits 1
    says "its link to its master is down"
    info master
    post
    exits 1
    says "this host says that it is the master, and Sentinel that 192.0.2.1:6379 is"
    mkdir "$R/then"
    IN=$R/then info slave
    IN=$R/then replicas 'aaa slave ok 100' 'ccc slave ok 100'
    setting redis-synced sync_timeout=60
    post
    exits 0
    called sleep
    info master
    master_is aaa
    post
    exits 0
    says "this host is a master, 2 good replicas"
}

@test "Valkey's words, and its client" {
    mv "$BATS_TEST_TMPDIR"/bin/{redis,valkey}-cli
    if command -v redis-cli; then skip "redis-cli is installed here"; fi
    sed -i 's/^role:.*/role:replica\r/; s/^master_/primary_/' "$R/info"
    master_is bbb primary
    replicas 'aaa replica ok 100'
    gate
    exits 0
}

@test "passwords: never in the arguments; each server its own" {
    echo secret >"$BATS_TEST_TMPDIR/a"
    echo other >"$BATS_TEST_TMPDIR/b"
    setting redis "password_file=$BATS_TEST_TMPDIR/a" "sentinel_password_file=$BATS_TEST_TMPDIR/b" user=updater "options='--tls --cacert /ca'"
    gate
    exits 0
    called "redis-cli -h 127.0.0.1 -p 6379 --user updater --tls --cacert /ca INFO"
    called "redis-cli -h 127.0.0.1 -p 26379 --tls --cacert /ca SENTINEL MASTER mymaster"
    called "password secret secret"
    called "password other other"
    refute grep '^redis-cli.*\(secret\|other\)' "$CALLS"
    : >"$BATS_TEST_TMPDIR/a"
    gate
    not_now "Redis: the server at 127.0.0.1:6379 could not be asked: there is no password in $BATS_TEST_TMPDIR/a"
}

@test "answers and settings that are not understood" {
    local line
    echo "NOAUTH Authentication required." >"$R/info"
    gate
    not_now "Redis: the server at 127.0.0.1:6379 could not be asked: NOAUTH Authentication required."
    info sentinel
    gate
    exits 1
    info master
    echo "NOAUTH Authentication required." >"$R/replicas"
    gate
    not_now "Redis: Sentinel at 127.0.0.1:26379 does not name the replicas: NOAUTH Authentication required."
    replicas 'bbb slave ok 100' 'ccc slave ok 100'
    for line in quorum num-other-sentinels; do
        master_is aaa
        sed -i "s/^$line/$line-of-a-new-version/" "$R/master"
        gate
        not_now "Redis: Sentinel at 127.0.0.1:26379 does not say how many Sentinels there are, or its quorum"
    done
    for line in redis=6379 sentinel=host: min_replicas=x keep_quorum=maybe; do
        setting redis "$line"
        gate
        exits 1
        says "$line in $BATS_TEST_TMPDIR/etc/hooks.conf.d/redis.conf"
    done
}
