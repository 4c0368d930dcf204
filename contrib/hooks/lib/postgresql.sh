# What the hooks for PostgreSQL share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/postgresql.sh"
# shellcheck shell=sh

# The units of its servers: Debian's instances, and what others have.
servers='postgresql@*.service postgresql.service postgresql-[0-9]*.service'

# running_servers: prints the units of the servers that run, one per line. It fails if systemd does not say.
running_servers() {
    # shellcheck disable=SC2086 # each pattern is a word
    found=$(timeout 60 systemctl list-units --plain --no-legend --state=active,activating,reloading,deactivating \
        -- $servers) || return
    for unit in $(printf '%s\n' "$found" | awk '{ print $1 }'); do
        # Debian's postgresql.service is not a server: it runs /bin/true and pulls in the instances.
        [ "$(systemctl show --property=Type --value -- "$unit")" = oneshot ] || echo "$unit"
    done
}

# server UNIT: sets $proc to its process, $bin to the directory of its programs, and $host and $port to where it
# listens. A server's working directory is its data directory, where postmaster.pid has the port (line 4), the socket's
# directory (5), an address (6) and the server's state (8; "standby": it is up, and configured to accept no
# connections).
server() {
    proc=/proc/$(systemctl show --property=MainPID --value -- "$1")
    bin=$(dirname "$(readlink "$proc/exe")") port=$(line 4) host=$(line 5)
    [ -n "$host" ] || host=$(line 6)
    [ "$host" != '*' ] || host=localhost
}

# line NUMBER: prints that line of its postmaster.pid.
line() { sed -n "$1{s/ *\$//;p;}" "$proc/cwd/postmaster.pid" 2>/dev/null; }

# stray UNIT...: prints why a server that runs in none of these units can't be stopped with them, and what to do. False
# if there is none.
stray() {
    known=' '
    for unit in "$@"; do known="$known$unit $(systemctl show --property=MainPID --value -- "$unit") "; done
    for pid in $(processes postgres postmaster); do
        [ "$(sed -n 1p "/proc/$pid/cwd/postmaster.pid" 2>/dev/null)" = "$pid" ] || continue # it serves a session
        dir=$(readlink "/proc/$pid/cwd") || continue
        unit=$(unit_of "$pid")
        case $known in *" $pid "* | *" ${unit:-none} "*) continue ;; esac
        by=$(systemctl show --property=Id,ExecStart -- "$unit" 2>/dev/null) || by=
        how=$(pg_lsclusters -h 2>/dev/null | awk -v dir="$dir" '$6 == dir { print "pg_ctlcluster", $1, $2, "stop" }')
        : "${how:=pg_ctl -D $dir stop}"
        case $unit/$by in
        *[Pp]atroni*)
            how="Patroni ($unit) runs it. Disable this hook, and enable pre_update/patroni-switchover, and \
services-stop with SERVICES=$unit and services-start" ;;
        *.service/*) how="it runs as $unit. Enable services-stop with SERVICES=$unit and services-start" ;;
        *) how="it runs outside systemd. Stop it with \`$how\`" ;;
        esac
        echo "the server in $dir (process $pid) would go on: $how"
        return
    done
    return 1
}
