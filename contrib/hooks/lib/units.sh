# Stopping systemd units, and starting just those again: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/units.sh"
# Needs lib/record.sh, read before.
# shellcheck shell=sh
: "${stop_timeout:=300}" "${start_timeout:=300}" # seconds; the hook's settings

unit_state() { systemctl show --property=ActiveState --value -- "$1"; }

# unit_runs UNIT: it is up, or on its way.
unit_runs() {
    case $(unit_state "$1") in active | activating | reloading) return 0 ;; esac
    return 1
}

# stop_units NAME UNIT...: puts those that run on the record NAME, stops them in this order, and sees that they stay down.
stop_units() {
    name=$1
    shift
    for unit in "$@"; do
        if unit_runs "$unit"; then record_add "$name" "$unit"; else echo "$name: $unit does not run"; fi
    done
    for unit in "$@"; do
        case $(unit_state "$unit") in inactive | failed) continue ;; esac # one that is on its way down is waited for
        echo "$name: stopping $unit"
        if ! timeout "$stop_timeout" systemctl stop -- "$unit"; then
            echo "$name: $unit could not be stopped within $stop_timeout s: see \`systemctl status $unit\`; mend it, and start the updater again" >&2
            return 1
        fi
    done
    for unit in "$@"; do
        case $(unit_state "$unit") in inactive | failed) continue ;; esac
        echo "$name: $unit runs again after it was stopped: something starts it (a socket, a timer, another unit); stop that first" >&2
        return 1
    done
}

# start_units NAME: starts what is on the record NAME, the last one stopped first, and sees that it is up.
start_units() {
    name=$1
    units=$(record_items "$name" | sed -n '1!G;h;$p')
    [ -n "$units" ] || echo "$name: this run stopped nothing"
    for unit in $units; do
        echo "$name: starting $unit"
        if ! timeout "$start_timeout" systemctl start -- "$unit" || [ "$(unit_state "$unit")" != active ]; then
            echo "$name: $unit is not up (${start_timeout} s were given): see \`systemctl status $unit\`; mend it, and start the updater again" >&2
            return 1
        fi
    done
}
