# What a stop hook found, for the start hook that brings just that back: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/record.sh"
# A record belongs to one run: a stop hook that runs again in it (after a crash, with the services down) adds to it, in another run it begins
# anew. Nobody deletes it: post_update may run again, and has to bring the same back.
# shellcheck shell=sh

record_file() { printf '%s/%s\n' "${DLM_HOOKS_STATE:-/var/lib/foreman_dlm_updater/hooks}" "$1"; }

# record_items NAME: prints the items on the record NAME, one a line, in the order in which they were added; nothing if it is of another run.
record_items() {
    record=$(record_file "$1")
    if [ -e "$record" ] && [ "$(sed -n 1p "$record")" = "${DLM_RUN_ID:-by-hand}" ]; then sed 1d "$record"; fi
}

# record_add NAME ITEM...: puts items on record, each once. On the disk when it returns: only then stop what they name.
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
