#!/usr/bin/env bats
# The hooks for Patroni with a real cluster: etcd, and three members on this host. This host's own is patroni.service,
# which has the host's name; the others are patroni@b and patroni@c.
# Debian: 13
# Also on Debian: 12
load ../../hook
load ../../set

setup_file() {
    local cluster version
    read -r version cluster _ < <(pg_lsclusters -h)
    pg_dropcluster --stop "$version" "$cluster"
    config "$(uname -n)" config 8 "$version"
    config b b 9 "$version"
    config c c 7 "$version"
    systemctl start etcd patroni
    until_true curl -sf -o /dev/null localhost:8008/leader
    systemctl start patroni@b patroni@c
    until_true curl -sf -o /dev/null localhost:8009/replica
    until_true curl -sf -o /dev/null localhost:8007/replica
}
config() { # NAME FILE PORT VERSION
    cat >"/etc/patroni/$2.yml" <<END
scope: main
name: $1
restapi: {listen: "127.0.0.1:800$3", connect_address: "127.0.0.1:800$3",
  authentication: {username: patroni, password: PASSWORD}}
etcd3: {host: "127.0.0.1:2379"}
bootstrap:
  dcs: {ttl: 20, loop_wait: 1, retry_timeout: 3, synchronous_mode: false}
  initdb: [encoding: UTF8, data-checksums]
postgresql:
  listen: 127.0.0.1:544$3
  connect_address: 127.0.0.1:544$3
  data_dir: /var/lib/postgresql/patroni-$2
  bin_dir: /usr/lib/postgresql/$4/bin
  pgpass: /tmp/pgpass-$2
  authentication: {replication: {username: rep, password: rep}, superuser: {username: postgres, password: pg}}
  parameters: {unix_socket_directories: /tmp, shared_buffers: 16MB, max_connections: 20, fsync: "off"}
  pg_hba: [host all all 127.0.0.1/32 md5, host replication rep 127.0.0.1/32 md5]
END
}
prepare() {
    local credentials=$BATS_TEST_TMPDIR/curl
    me=$(uname -n)
    echo 'user = "patroni:PASSWORD"' >"$credentials"
    settings=("curl_config=$credentials" MIN_OTHERS=2 ready_timeout=60)
    setting patroni "${settings[@]}"
}
until_true() { # COMMAND...: within a minute
    local end=$((SECONDS + 60))
    until "$@"; do
        ((SECONDS < end)) || { echo "not within a minute: $*"; return 1; }
        sleep 0.2
    done
}
gate() { hook gate/patroni; }
says_yes() { gate; [[ $status == 0 ]]; }
not_ready() { hook post_update/patroni-ready; [[ $status == 1 && $stderr == *"$1"* ]]; }
# shellcheck disable=SC2154 # bats sets stderr
says_no() { gate; [[ $status != 0 && $stderr == *"$1"* ]]; }
api() { curl -s -u patroni:PASSWORD -X "$1" -d "${3:-}" "localhost:8008/$2"; }
leader() { curl -s localhost:8008/cluster | sed -n 's/.*"name": "\([^"]*\)", "role": "leader".*/\1/p'; }
lead() { # this member leads, and the others follow
    until_true says_yes
    [[ $(leader) == "$me" ]] || api POST switchover "{\"leader\": \"$(leader)\", \"candidate\": \"$me\"}"
    until_true says_yes
    [[ $(leader) == "$me" ]]
}
sql() { PGPASSWORD=pg psql -XAtqw -h 127.0.0.1 -p "$1" -U postgres -c "$2"; } # PORT SQL

@test "the documented hooks: a whole run on the host that leads" {
    lead
    documented_hooks patroni
    whole_run
    [[ $(leader) == [bc] ]]
    [[ $output == *"switching over from $me to "* && $output == *"patroni-ready: $me is a good member, "* ]]
    systemctl is-active patroni
}

@test "the gate: pause, a scheduled switchover, a member that is down, synchronous replication" {
    lead
    api PATCH config '{"pause": true}'
    until_true says_no "Patroni: the cluster is in maintenance mode"
    hook pre_update/patroni-switchover
    exits 1
    says "\`patronictl resume\` ends it"
    api PATCH config '{"pause": null}'
    until_true says_yes
    api POST switchover "{\"leader\": \"$me\", \"candidate\": \"b\", \"scheduled_at\": \"$(date -d +1day +%FT%T%:z)\"}"
    until_true says_no "Patroni: a switchover is scheduled for "
    api DELETE switchover
    until_true says_yes
    systemctl stop patroni@c
    until_true says_no "Patroni: c is stopped"
    setting patroni "${settings[@]}" MIN_OTHERS=1 IGNORE=c
    gate
    exits 0
    api PATCH config '{"synchronous_mode": true, "synchronous_mode_strict": true}'
    until_true says_no "Patroni: synchronous_mode_strict: "
    systemctl start patroni@c
    setting patroni "${settings[@]}"
    until_true says_yes
    api PATCH config '{"synchronous_mode": false, "synchronous_mode_strict": false}'
    until_true says_yes
}

@test "the switchover: a wrong password, a synchronous standby, and again after a crash" {
    lead
    setting patroni MIN_OTHERS=2
    hook pre_update/patroni-switchover
    exits 1
    says "Patroni refused to switch over from $me to b: 401 no auth header received. Fix it"
    [[ $(leader) == "$me" ]]
    setting patroni "${settings[@]}"
    api PATCH config '{"synchronous_mode": true}'
    until_true says_yes
    local sync
    sync=$(curl -s localhost:8008/cluster | grep -o '"name": "[^"]*", "role": "sync_standby"' | cut -d '"' -f 4)
    hook pre_update/patroni-switchover
    exits 0
    says "patroni-switchover: $sync leads the cluster, $me is a replica"
    hook pre_update/patroni-switchover
    exits 0
    says "patroni-switchover: $sync leads the cluster, $me is a replica"
    refute says "switching over"
    systemctl stop patroni
    hook pre_update/patroni-switchover
    exits 0
    says "Patroni is down on this host, which was a replica"
    systemctl start patroni
    hook post_update/patroni-ready
    exits 0
    api PATCH config '{"synchronous_mode": false}'
}

@test "ready: a replica that has much to replay, one that is down, and one that comes back" {
    until_true says_yes
    [[ $(leader) != "$me" ]]
    local port=5449 replay
    [[ $(leader) == b ]] || port=5447
    # Patroni would resume what pg_wal_replay_pause() stops.
    replay=$(sql 5448 "SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'")
    kill -STOP "$replay"
    sql "$port" 'CREATE TABLE big AS SELECT generate_series(1, 100000)'
    setting patroni "${settings[@]}" MAX_LAG=1MB ready_timeout=1
    until_true says_no " bytes yet to replay"
    # Patroni renews each member's position once per loop: one of another moment lets a member look behind, too.
    until_true not_ready "bytes yet to replay"
    exits 1
    says "bytes yet to replay. See \`patronictl list\` and the logs; fix it, and start the updater again"
    kill -CONT "$replay"
    setting patroni "${settings[@]}" MAX_LAG=1MB
    hook post_update/patroni-ready
    exits 0
    says "patroni-ready: $me is a good member, $(leader) leads the cluster"
    systemctl stop patroni
    setting patroni "${settings[@]}" ready_timeout=0
    hook post_update/patroni-ready
    exits 1
    says "after 0 s, could not ask Patroni at http://localhost:8008: curl: (7) "
    systemctl start patroni
    setting patroni "${settings[@]}"
    hook post_update/patroni-ready
    exits 0
}
