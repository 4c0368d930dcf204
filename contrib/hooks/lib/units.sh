# Stopping systemd units, and starting just those again: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/units.sh"
# Needs lib/record.sh, read before.
# shellcheck shell=sh
: "${stop_timeout:=300}" "${start_timeout:=300}" # seconds; the hook's settings

# unit_state UNIT: sets $state, its ActiveState. To take "could not be found out" for "does not run" would lose it.
unit_state() {
    state=$(systemctl show --property=ActiveState --value -- "$1") && [ -n "$state" ] && return
    echo "systemctl does not say whether $1 runs: see above; fix it, and start the updater again" >&2
    exit 1
}

# unit_runs UNIT: it is up, or on its way.
unit_runs() {
    unit_state "$1"
    case $state in inactive | failed | deactivating) return 1 ;; esac
}

# must_exist NAME SETTING FILE UNIT...: fails, before anything is stopped, if one of these units does not exist.
must_exist() {
    where="nothing was stopped; correct $2 in $3, and start the updater again" name=$1 bad=
    shift 3
    for unit in "$@"; do
        case $unit in *[*?[]*) load=pattern ;; *) load=$(systemctl show --property=LoadState --value -- "$unit") || load='' ;; esac
        case $load in loaded | masked | error | bad-setting) ;; *) bad="$bad $unit" ;; esac
    done
    [ -n "$bad" ] || return 0
    echo "$name: no such unit:$bad: $where" >&2
    exit 1
}

# with_dependents UNIT: it, and before it what systemd stops together with it, but does not start again with it.
with_dependents() {
    given=$1 list=
    while [ $# != 0 ]; do
        unit=$1
        shift
        case " $list" in *" $unit "*) continue ;; esac
        if unit_runs "$unit"; then
            # Of others: Requires=, Requisite=, BindsTo=, PartOf=.
            more=$(systemctl show --property=RequiredBy,RequisiteOf,BoundBy,ConsistsOf --value -- "$unit") || exit 1
            # shellcheck disable=SC2086 # a word for each
            set -- "$@" $more
        elif [ "$unit" != "$given" ]; then
            continue
        fi
        list="$unit $list"
    done
    for unit in $list; do
        case $unit in "$given" | *.target) ;; *) echo "$unit" ;; esac # starting a target would start more than what ran
    done
    echo "$given"
}

# stop_units NAME UNIT...: puts those that run, and those that go down with them, on the record NAME, stops them in this order, and sees that
# they stay down.
stop_units() {
    name=$1
    shift
    units=$(for unit in "$@"; do with_dependents "$unit"; done) || exit 1
    for unit in $units; do
        if unit_runs "$unit"; then record_add "$name" "$unit"; else echo "$name: $unit does not run"; fi
    done
    for unit in $units; do
        ! unit_runs "$unit" || record_add "$name" "$unit" # started meanwhile
        case $state in inactive | failed) continue ;; esac # one that is on its way down is waited for
        echo "$name: stopping $unit"
        if ! timeout "$stop_timeout" systemctl stop -- "$unit"; then
            echo "$name: $unit could not be stopped within $stop_timeout s: see \`systemctl status $unit\`; fix it, and start the updater again" >&2
            return 1
        fi
    done
    for unit in $units; do
        unit_state "$unit"
        case $state in inactive | failed) continue ;; esac
        echo "$name: $unit runs again after it was stopped: something starts it (a socket, a timer, another unit); stop that first" >&2
        return 1
    done
}

# start_units NAME: starts what is on the record NAME, the last one stopped first, and sees that it is up.
start_units() {
    name=$1
    units=$(record_items "$name" | sed -n '1!G;h;$p')
    if [ -z "$units" ]; then
        echo "$name: this run stopped nothing"
        return
    fi
    for unit in $units; do
        echo "$name: starting $unit"
        timeout "$start_timeout" systemctl start -- "$unit" || not_up
    done
    sleep 1 # "started" mostly means no more than that the process is there
    for unit in $units; do
        unit_state "$unit"
        [ "$state" != inactive ] || [ "$(systemctl show --property=Type --value -- "$unit")" != oneshot ] || continue # it ran, and is done
        case $state in active | reloading | refreshing) ;; *) not_up ;; esac
    done
}
not_up() {
    echo "$name: $unit is not up ($start_timeout s were given): see \`systemctl status $unit\`; fix it, and start the updater again" >&2
    exit 1
}
