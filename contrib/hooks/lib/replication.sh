# What the hooks for PostgreSQL's streaming replication share: . "$lib/replication.sh"
# shellcheck shell=sh
: "${hook:?}" "${lib:?}" "${conf:?}" # the hook's name, this directory, the settings file
: "${MIN_STANDBYS:?}" "${MAX_LAG:?}" "${NAMES=}" "${SYNC:?}" "${PRIMARY=}" "${SERVERS=}" # settings

# shellcheck source=cluster.sh
. "$lib/cluster.sh"
# shellcheck source=postgresql.sh
. "$lib/postgresql.sh"
numbers "$conf" MIN_STANDBYS="$MIN_STANDBYS"
case $SYNC in yes | no) ;; *) fail "SYNC=$SYNC in $conf: use yes or no" ;; esac
if printf '%s\n' "$PRIMARY" | grep -Eq '(^|[[:space:]?&])(ssl)?password[[:space:]]*=|://[^/]*:[^/]*@'; then
    fail "PRIMARY in $conf must not contain a password, which every user could see: use passfile="
fi
servers=${SERVERS:-$servers}

# ask CONNINFO SQL [WHOM]: asks a server, as the user who runs the one on this host. Sets $answer to the last line.
ask() {
    answer=$(cd / && printf '%s\n' "$2" | PGCONNECT_TIMEOUT=10 within 30 runuser -u "$user" -- "$psql" -XAtqw -F ' ' \
        -v ON_ERROR_STOP=1 -v lag="$MAX_LAG" -v names="$NAMES" -v sync="$SYNC" -d "$1" 2>&1) ||
        fail "${unit%.service}: ${3:-the server} could not be asked: $(printf '%s' "$answer" | tr '\n' ' ')"
    answer=$(printf '%s\n' "$answer" | tail -n 1) # warnings come before it
}
# pg_basebackup and pg_receivewal replay nothing, and a logical subscriber is no standby.
good="SELECT count(*) FROM pg_stat_replication AS r WHERE state = 'streaming'
    AND pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) <= pg_size_bytes(:'lag')
    AND application_name ~ :'names' AND (:'sync' = 'no' OR sync_state <> 'async')
    AND NOT EXISTS (SELECT FROM pg_replication_slots WHERE active_pid = r.pid AND slot_type = 'logical');"
receiver="SELECT status, pg_wal_lsn_diff(latest_end_lsn, pg_last_wal_replay_lsn()) <= pg_size_bytes(:'lag')
    FROM pg_stat_wal_receiver;"

not_understood() { fail "${unit%.service}: the answer was not understood: ${answer:-it is empty}"; }
# enough WHO LESS: fails if $answer, less that many, is too few standbys.
enough() {
    case $answer in '' | *[!0-9]*) not_understood ;; esac
    count=$((answer - $2))
    [ "$count" -ge "$MIN_STANDBYS" ] || fail "${unit%.service}: $1 has $count of $MIN_STANDBYS good standbys"
}

# primary: fails unless the primary $unit has enough standbys.
primary() {
    ask "$here" "$good"
    enough "it" 0
}

# streams: fails unless the standby $unit streams and keeps up.
streams() {
    ask "$here" "$receiver"
    case $answer in
    'streaming t') ;;
    'streaming f') fail "${unit%.service}: it is more than $MAX_LAG behind its primary" ;;
    *) fail "${unit%.service}: it does not stream from its primary${answer:+ ($answer)}" ;;
    esac
}

# each_server: calls `primary`, or `standby`, which the hook defines, for each server that runs on this host. It sets
# $unit to the server's unit, and $here to its conninfo.
each_server() {
    units=$(running_servers) || fail "\`systemctl list-units\` failed, or did not answer within 60 s"
    [ -n "$units" ] || fail "no server runs here ($servers): see SERVERS in $conf"
    for unit in $units; do
        { server "$unit" && [ -n "$port" ]; } || fail "${unit%.service}: the server does not say where it listens"
        user=$(stat -c %U "$proc/cwd") || fail "${unit%.service}: the server has just stopped"
        psql=$bin/psql here="host=$host port=$port dbname=postgres"
        [ -x "$psql" ] || psql=psql
        ask "$here" 'SELECT pg_is_in_recovery();'
        case $answer in
        f) primary ;;
        t) standby ;;
        *) not_understood ;;
        esac
    done
}
