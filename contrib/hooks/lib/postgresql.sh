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
