# Records what a stop hook stopped, so that its start hook brings back exactly that:
# . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/record.sh" A record belongs to one run. If the stop hook
# runs again in the same run (after a crash, with the services down), it adds to the record; in another run it begins a
# new one. Nobody deletes it: post_update may run again and must bring the same things back.
# shellcheck shell=sh

record_file() { printf '%s/%s\n' "${DLM_HOOKS_STATE:-/var/lib/foreman_dlm_updater/hooks}" "$1"; }

# record_items NAME: prints the items of record NAME, one per line, in the order in which they were added. Prints
# nothing if the record belongs to another run.
record_items() {
    record=$(record_file "$1")
    if [ -e "$record" ] && [ "$(sed -n 1p "$record")" = "${DLM_RUN_ID:-by-hand}" ]; then sed 1d "$record"; fi
}

# record_add NAME ITEM...: adds items to record NAME, each once. They are on the disk when it returns: stop what they
# name only after that.
record_add() {
    record=$(record_file "$1")
    (umask 077 && mkdir -p "${record%/*}")
    name=$1
    shift
    {
        printf '%s\n' "${DLM_RUN_ID:-by-hand}"
        {
            record_items "$name"
            [ $# = 0 ] || printf '%s\n' "$@"
        } | awk 'NF && !seen[$0]++'
    } >"$record.new"
    sync "$record.new"
    mv "$record.new" "$record"
    sync "${record%/*}"
}
