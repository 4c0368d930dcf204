#!/usr/bin/env bats
# pre_update/mariadb-stop and post_update/mariadb-start. With a real server: ../real/services/mariadb.bats. Only this
# file tests MySQL and instances.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    export SERVERS=$BATS_TEST_TMPDIR/servers # one file for each existing unit, with its ActiveState
    mkdir "$SERVERS"
    # ALIASES: all three names belong to one unit
    # shellcheck disable=SC2016 # not for this shell
    stub systemctl 'for unit; do :; done
        case $unit in mariadb.service | mysql.service | mysqld.service) unit=${ALIASES:-$unit} ;; esac
        case "$*" in
        list-units*) (cd "$SERVERS" && for unit in *@*; do [ ! -e "$unit" ] || echo "$unit loaded active running x"; done) ;;
        show*LoadState*) [ -e "$SERVERS/$unit" ] && echo loaded || echo not-found ;;
        show*=Id*) echo "$unit" ;;
        show*ControlGroup*) echo "/system.slice/$unit" ;;
        show*ActiveState*) cat "$SERVERS/$unit" 2>/dev/null || echo inactive ;;
        stop*) echo inactive >"$SERVERS/$unit" ;;
        start*) [ "$unit" != "${FAILS:-}" ] && echo active >"$SERVERS/$unit" ;;
        esac'
    # shellcheck disable=SC2016 # not for this shell
    stub mariadb-admin '[ -n "${BY_HAND:-}" ] || grep -qsx active "$SERVERS"/*'
    stub sleep
}
unit() { echo "$1" >"$SERVERS/$2"; }
record() { tr '\n' ' ' <"$DLM_HOOKS_STATE/mariadb"; }
stop() { hook pre_update/mariadb-stop; }
start() { hook post_update/mariadb-start; }

@test "one server with three names is stopped once, by its own name" {
    unit active mariadb.service
    ALIASES=mariadb.service stop
    exits 0
    [[ $(record) == "run-1 mariadb.service " ]]
    [[ $(grep -c "^systemctl stop" "$CALLS") == 1 ]]
    ALIASES=mariadb.service start
    exits 0
    [[ $(cat "$SERVERS/mariadb.service") == active ]]
    says "mariadb.service answers"
    called "mariadb-admin --protocol=socket --host=localhost --connect-timeout=5 ping"
}

@test "the server's own name may be any of the three" {
    unit inactive mysqld.service
    ALIASES=mysqld.service stop
    exits 0
    [[ $output == "mariadb: mysqld.service does not run" ]] # said once
    unit active mysqld.service
    ALIASES=mysqld.service stop
    exits 0
    [[ $(record) == "run-1 mysqld.service " ]]
}

@test "MySQL, under either of its names" {
    unit active mysqld.service
    stop
    exits 0
    [[ $(record) == "run-1 mysqld.service " ]]
    rm "$SERVERS/mysqld.service"
    unit active mysql.service
    DLM_RUN_ID=run-2 stop
    [[ $(record) == "run-2 mysql.service " ]]
}

@test "running instances too; they are started, but not asked" {
    unit inactive mariadb.service
    unit active mariadb@two.service
    stub mariadb-admin 'exit 1'
    stop
    exits 0
    : >"$CALLS"
    [[ $(record) == "run-1 mariadb@two.service " ]]
    start
    exits 0
    [[ $(cat "$SERVERS/mariadb@two.service") == active && $(cat "$SERVERS/mariadb.service") == inactive ]]
    refute called mariadb-admin
}

@test "a server that does not run stays down; none at all is an error" {
    unit inactive mariadb.service
    stop
    exits 0
    start
    exits 0
    says "stopped nothing"
    [[ $(cat "$SERVERS/mariadb.service") == inactive ]]
    rm "$SERVERS/mariadb.service"
    stop
    exits 1
    says "install a server, or disable this hook"
}

@test "systemctl that does not work" {
    stub systemctl 'exit 1'
    stop
    exits 1
    says "list-units failed"
}

@test "again in the same run: the record stays; another run brings nothing back" {
    unit active mariadb.service
    stop
    stop
    exits 0
    [[ $(record) == "run-1 mariadb.service " ]]
    : >"$CALLS"
    DLM_RUN_ID=run-2 start
    exits 0
    refute called "systemctl start"
    refute called mariadb-admin
}

@test "a server that does not start" {
    unit active mariadb.service
    stop
    FAILS=mariadb.service start
    exits 1
    says "mariadb.service is not up"
}

@test "waits until it answers" {
    unit active mariadb.service
    stop
    : >"$CALLS"
    # shellcheck disable=SC2016 # not for this shell
    stub mariadb-admin '[ "$(grep -c ^mariadb-admin "$CALLS")" -ge 3 ]'
    start
    exits 0
    [[ $(grep -c ^mariadb-admin "$CALLS") == 3 ]]
}

@test "a server that never answers" {
    unit active mariadb.service
    stop
    stub mariadb-admin 'echo "connect failed" >&2; exit 1'
    setting mariadb-start start_timeout=1
    start
    exits 1
    says "mariadb.service runs, but does not answer after 1 s (connect failed)"
}

@test "mysqladmin if there is no mariadb-admin; without both, systemd's word counts" {
    unit active mysqld.service
    stop
    rm "$BATS_TEST_TMPDIR/bin/mariadb-admin"
    local tool
    for tool in sh dirname cat sed awk sync date timeout mv mkdir grep; do
        ln -s "$(command -v $tool)" "$BATS_TEST_TMPDIR/bin/$tool"
    done
    stub mysqladmin
    lonely() { DLM_STAGE=post_update PATH=$BATS_TEST_TMPDIR/bin run "$DLM_HOOKS_DIR/post_update.d/mariadb-start"; }
    lonely
    exits 0
    called "mysqladmin --protocol=socket --host=localhost --connect-timeout=5 ping"
    rm "$BATS_TEST_TMPDIR/bin/mysqladmin"
    lonely
    exits 0
    refute says "mysqld.service answers"
}

@test "a mistake in the settings fails" {
    setting mariadb-stop 'stop_timeout=('
    setting mariadb-start 'start_timeout=('
    stop
    [[ $status != 0 ]]
    start
    [[ $status != 0 ]]
}

@test "a node that runs as mysql@bootstrap: its unit is named, and nothing is stopped" {
    unit inactive mysql.service
    unit active mysql@bootstrap.service
    stop
    exits 1
    says "mariadb-stop: this node runs as mysql@bootstrap.service, and nothing was stopped"
    says "\`systemctl stop mysql@bootstrap.service && systemctl start mysql\`"
    refute called "systemctl stop"
}

# receiving: makes a process that looks like the one that receives a state transfer; kill $transfer ends it.
receiving() {
    mkdir -p "$BATS_TEST_TMPDIR/group"
    cp "$(command -v sleep)" "$BATS_TEST_TMPDIR/wsrep_sst_rsync"
    (exec -a "wsrep_sst_rsync --role joiner" "$BATS_TEST_TMPDIR/wsrep_sst_rsync" "${1:-100}" 3>&-) &
    transfer=$!
}

@test "a node that receives its state transfer is waited for; one that no longer does is not" {
    unit active mariadb.service
    stop
    # systemctl gives up after start_timeout; the unit goes on being started
    stub timeout '[ "$3" = start ] || { shift; exec "$@"; }; echo activating >"$SERVERS/mariadb.service"; exit 124'
    # shellcheck disable=SC2016 # not for this shell
    stub sleep '[ -z "${ENDS:-}" ] || [ "$(grep -c "^sleep" "$CALLS")" -lt 4 ] || echo "$ENDS" >"$SERVERS/mariadb.service"'
    # the process is looked for in the unit's control group
    stub cat 'case $* in *cgroup.procs*) [ -z "${JOINER:-}" ] || echo "$JOINER" ;; *) exec /bin/cat "$@" ;; esac'
    receiving
    JOINER=$transfer ENDS=active start
    exits 0
    says "mariadb.service receives a state transfer; waiting up to 14400 s"
    says "mariadb.service answers"
    : >"$CALLS"
    JOINER=$transfer ENDS=failed start
    exits 1
    says "mariadb.service is not up"
    setting mariadb-start sst_timeout=0
    JOINER=$transfer start
    kill "$transfer"
    exits 1
    setting mariadb-start start_timeout=1
    start # it receives nothing
    exits 1
    says "mariadb.service is not up (1 s allowed)"
    refute says "state transfer"
}

@test "a server that was started by hand: an error" {
    unit active mariadb.service
    BY_HAND=1 stop
    exits 1
    says "a server still answers at the socket, and it is none of mariadb.service"
}
