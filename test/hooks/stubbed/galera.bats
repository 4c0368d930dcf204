#!/usr/bin/env bats
# gate/galera, pre_update/galera-healthy and post_update/galera-synced, with a client that prints a file. Its answers come from
# Debian 12's MariaDB 10.11.19 with Galera 26.4.23. With a cluster of three: ../real/services/galera.bats.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    export SERVER=$BATS_TEST_TMPDIR/server
    # shellcheck disable=SC2016 # not for this shell
    stub mariadb '[ -e "$SERVER" ] || { echo "ERROR 2002 (HY000): Can'\''t connect to local server through socket '\''/run/mysqld/mysqld.sock'\'' (2)" >&2; exit 1; }
        cat "$SERVER"'
    stub mysql 'exec mariadb "$@"'
    stub sleep
    setting galera-synced sync_timeout=0
    synced 3
}
# server COMMENT SIZE STATUS READY [ADDRESS]: sets the server's state from now on.
server() {
    printf 'wsrep_local_state_comment\t%s\nwsrep_cluster_size\t%s\nwsrep_cluster_status\t%s\nwsrep_ready\t%s\nwsrep_cluster_address\t%s\n' \
        "$1" "$2" "$3" "$4" "${5-gcomm://10.0.0.1,10.0.0.2:4567,10.0.0.3}" >"$SERVER"
}
synced() { server Synced "$1" Primary ON "${2-gcomm://10.0.0.1,10.0.0.2:4567,10.0.0.3}"; }
healthy() { hook pre_update/galera-healthy; }
back() { hook post_update/galera-synced; }
refused() { # WHY
    healthy
    exits 1
    says "galera-healthy: "
    says "$1"
    says "start the updater again"
    [[ ! -e $DLM_HOOKS_STATE/galera-healthy ]]
}

@test "a cluster that can lose this node, and has it back" {
    healthy
    exits 0
    says "the cluster has 3 nodes and can lose this one"
    [[ $(tr '\n' ' ' <"$DLM_HOOKS_STATE/galera-healthy") == "run-1 size=3 " ]]
    back
    exits 0
    says "this node is synced, the cluster has 3 nodes"
    back
    exits 0
}

@test "the question, and its time limit" {
    # shellcheck disable=SC2016 # not for this shell
    stub timeout 'shift; exec "$@"'
    healthy
    exits 0
    called "timeout 30 mariadb --connect-timeout=10 -N -B -e SHOW GLOBAL STATUS"
    setting galera-healthy "defaults_file='/etc/mysql/a b.cnf'"
    healthy
    exits 0
    called "mariadb --defaults-file=/etc/mysql/a b.cnf --connect-timeout=10"
    back # reads that file too
    exits 0
    [[ $(grep -c "^mariadb --defaults-file" "$CALLS") == 2 ]]
    setting galera defaults_file=/gate.cnf # and the gate's
    back
    called "mariadb --defaults-file=/gate.cnf"
    setting galera-synced sync_timeout=0 defaults_file=/other.cnf
    back
    called "mariadb --defaults-file=/other.cnf"
}

@test "this node is no full member: refused" {
    local comment
    for comment in 'Donor/Desynced' Joiner Joined Initialized; do
        server "$comment" 3 Primary ON
        refused "this node is no full member of the cluster: wsrep_local_state_comment is $comment and not Synced"
    done
    server Initialized 1 non-Primary OFF
    refused "wsrep_cluster_status is non-Primary and not Primary"
    server Synced 3 Primary OFF
    refused "wsrep_ready is OFF and not ON"
    printf 'wsrep_cluster_size\t0\nwsrep_cluster_status\tDisconnected\nwsrep_ready\tOFF\nwsrep_cluster_address\t\n' \
        >"$SERVER" # without Galera
    refused "wsrep_cluster_status is Disconnected"
    : >"$SERVER"
    refused "wsrep_cluster_status is unset"
}

@test "the size: at least three, and as many as the cluster's address names" {
    synced 2
    refused "the cluster has 2 nodes and needs 3 before it may lose this one"
    synced 3 'gcomm://a,b,c,d?gmcast.listen_addr=tcp://0.0.0.0:4567,x'
    refused "the cluster has 3 nodes and needs 4"
    synced 2 'gcomm://a,b'
    refused "needs 3"
    synced 3 'gcomm://'
    healthy
    exits 0
    synced 4
    healthy
    exits 0
}

@test "the size from the settings" {
    synced 3
    setting galera-healthy min_size=4
    refused "needs 4"
    setting galera-healthy expected_size=5
    refused "needs 5"
    synced 2
    setting galera-healthy min_size=2
    refused "needs 3"
    setting galera-healthy min_size=2 expected_size=2
    healthy
    exits 0
}

@test "the server does not answer: refused, with the client's words" {
    rm "$SERVER"
    refused "could not be asked whether the cluster can lose it: ERROR 2002 (HY000): Can't connect"
    says "defaults_file"
    # shellcheck disable=SC2016 # not for this shell
    stub mariadb 'echo "ERROR 1045 (28000): Access denied for user" >&2; exit 1'
    refused "ERROR 1045 (28000): Access denied for user"
    stub timeout 'exit 124' # it hangs
    refused "could not be asked whether the cluster can lose it: no answer within 30 s"
}

@test "again in the same run with the server stopped: passes; not in another run, and not with another error" {
    healthy
    rm "$SERVER"
    healthy
    exits 0
    says "the server is down; the cluster could lose this node when this run began"
    DLM_RUN_ID=run-2 healthy
    exits 1
    says "ERROR 2002"
    stub mariadb 'echo "ERROR 1045 (28000): Access denied for user" >&2; exit 1'
    healthy
    exits 1
    says "Access denied"
}

@test "again in the same run with the server up: checked again" {
    healthy
    synced 2
    healthy
    exits 1
    says "the cluster has 2 nodes and needs 3"
}

@test "back: waits until the node is synced" {
    healthy
    rm "$SERVER"
    setting galera-synced sync_timeout=60
    export SERVER
    # shellcheck disable=SC2016 # not for this shell
    stub sleep 'n=$(grep -c ^sleep "$CALLS")
        case $n in 1) comment=Joiner ;; 2) comment=Joined ;; *) comment=Synced ;; esac
        printf "wsrep_local_state_comment\t$comment\nwsrep_cluster_size\t3\nwsrep_cluster_status\tPrimary\nwsrep_ready\tON\n" >"$SERVER"'
    back
    exits 0
    [[ $(grep -c ^sleep "$CALLS") == 3 ]]
}

@test "back: too late, and the hook says why" {
    healthy
    rm "$SERVER"
    back
    exits 1
    says "this node is not back in its cluster after 0 s: the server could not be asked: ERROR 2002"
    says "set sync_timeout in $BATS_TEST_TMPDIR/etc/hooks.conf.d/galera-synced.conf"
    server Joiner 3 Primary ON
    back
    exits 1
    says "wsrep_local_state_comment is Joiner and not Synced"
    synced 2
    back
    exits 1
    says "the cluster has 2 nodes and had 3 before the update"
    synced ''
    back
    exits 1
    says "the cluster has  nodes"
    synced 4
    back
    exits 0
}

@test "back without galera-healthy, or with another run's record: synced is enough" {
    synced 1
    back
    exits 0
    says "the cluster has 1 nodes"
    mkdir -p "$DLM_HOOKS_STATE"
    printf '%s\n' run-0 size=3 >"$DLM_HOOKS_STATE/galera-healthy"
    back
    exits 0
}

@test "back: as many nodes as this run found last" {
    synced 4
    healthy
    synced 3
    healthy
    back
    exits 0
    synced 2
    back
    exits 1
    says "had 3 before"
}

@test "the client's older name; no client at all" {
    rm "$BATS_TEST_TMPDIR/bin/mariadb"
    ! command -v mariadb || skip "MariaDB is installed here"
    # shellcheck disable=SC2016 # not for this shell
    stub mysql 'cat "$SERVER"'
    healthy
    exits 0
    called "mysql --connect-timeout=10"
    rm "$BATS_TEST_TMPDIR/bin/mysql" "$DLM_HOOKS_STATE/galera-healthy"
    ! command -v mysql || skip "MySQL is installed here"
    refused "mysql"
}

@test "wrong settings: nothing is done" {
    local wrong
    for wrong in min_size=three min_size= expected_size=all expected_size=; do
        setting galera-healthy "$wrong"
        healthy
        exits 1
        says "$wrong in $BATS_TEST_TMPDIR/etc/hooks.conf.d/galera-healthy.conf: use "
    done
    setting galera-healthy 'min_size=('
    healthy
    [[ $status != 0 ]]
    back
    [[ $status != 0 ]]
    rm "$BATS_TEST_TMPDIR/etc/hooks.conf.d/galera-healthy.conf"
    setting galera-synced sync_timeout=1h
    back
    exits 1
    says "sync_timeout=1h in $BATS_TEST_TMPDIR/etc/hooks.conf.d: use "
    refute called mariadb
}

@test "gate: yes, and nothing is left behind" {
    hook gate/galera
    exits 0
    says "the cluster has 3 nodes and may lose this one"
    called "mariadb --connect-timeout=10"
    [[ ! -e $DLM_HOOKS_STATE ]]
}

@test "gate: not now" {
    synced 2
    hook gate/galera
    not_now "Galera: the cluster has 2 of 3 nodes"
    synced 3 'gcomm://a,b,c,d'
    hook gate/galera
    not_now "Galera: the cluster has 3 of 4 nodes"
    synced ''
    hook gate/galera
    not_now "Galera: the cluster has  of 3 nodes"
    server Joiner 3 Primary ON
    hook gate/galera
    not_now "Galera: this node is no full member of the cluster: wsrep_local_state_comment is Joiner and not Synced"
    server Initialized 1 non-Primary OFF
    hook gate/galera
    not_now "Galera: this node is no full member of the cluster: wsrep_cluster_status is non-Primary and not Primary"
    : >"$SERVER"
    hook gate/galera
    not_now "Galera: this node is no full member of the cluster: wsrep_cluster_status is unset and not Primary"
}

@test "gate: could not find out, in one line; also in a run that has stopped the server" {
    hook pre_update/galera-healthy
    rm "$SERVER"
    hook gate/galera
    not_now "Galera: the server on this host could not be asked: ERROR 2002 (HY000): Can't connect to local server through\
 socket '/run/mysqld/mysqld.sock' (2)"
    stub mariadb 'printf "first\nsecond\n" >&2; exit 1'
    hook gate/galera
    not_now "Galera: the server on this host could not be asked: first second"
    stub timeout 'exit 124' # it hangs
    hook gate/galera
    not_now "Galera: the server on this host could not be asked: no answer within 30 s"
}

@test "gate: it reads the settings of galera-healthy, and then its own" {
    setting galera-healthy min_size=4 defaults_file=/my.cnf
    hook gate/galera
    not_now "Galera: the cluster has 3 of 4 nodes"
    called "mariadb --defaults-file=/my.cnf"
    setting galera min_size=2
    hook gate/galera
    exits 0
    setting galera expected_size=5
    hook gate/galera
    not_now "Galera: the cluster has 3 of 4 nodes" # min_size of galera-healthy
    setting galera min_size=1 expected_size=5
    hook gate/galera
    not_now "Galera: the cluster has 3 of 5 nodes"
    setting galera min_size=few
    hook gate/galera
    not_now "Galera: min_size=few in $BATS_TEST_TMPDIR/etc/hooks.conf.d: use a whole number"
    setting galera min_size=1 expected_size=few
    hook gate/galera
    not_now "Galera: expected_size=few in $BATS_TEST_TMPDIR/etc/hooks.conf.d: use a whole number"
    setting galera 'min_size=('
    hook gate/galera
    [[ $status != 0 ]]
}
