# What the hooks systemd-healthy share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/failed-units.sh"
# shellcheck shell=sh
: "${hook:?}" "${lib:?}" "${EXCEPT?}" # the hook's name, this directory, its setting

# shellcheck source=cluster.sh
. "$lib/cluster.sh"

# excepted UNIT: true if it may fail.
excepted() {
    for pattern in 'foreman-dlm-updater*.service' $EXCEPT; do
        # shellcheck disable=SC2254 # $pattern is a pattern
        case $1 in $pattern) return 0 ;; esac
    done
    return 1
}

# look: sets $failed to the units that have failed and are not excepted, each a word.
look() {
    # A unit that systemd restarts again and again, if not too fast, never gets the state "failed".
    units=$(timeout 30 systemctl list-units --state=failed,auto-restart --plain --no-legend) ||
        fail "systemctl list-units failed, or did not answer within 30 s: see above"
    failed=
    for unit in $(printf '%s\n' "$units" | awk '{ print $1 }'); do
        ! excepted "$unit" || continue
        result=$(timeout 30 systemctl show --property=Result --value -- "$unit") || result=unknown
        [ "$result" = success ] || failed="$failed $unit" # else it ended well and restarts
    done
}
