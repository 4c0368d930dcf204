# Stops systemd units, and starts exactly those again:
# . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/units.sh"
# Read lib/record.sh first.
# shellcheck shell=sh
# shellcheck source=hold.sh
. "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/hold.sh"
: "${stop_timeout:=300}" "${start_timeout:=300}" # seconds; the hook's settings

# unit_state UNIT: sets $state to its ActiveState. It fails if systemctl does not say: a unit that was taken for stopped
# would not be started again.
unit_state() {
    state=$(systemctl show --property=ActiveState --value -- "$1") && [ -n "$state" ] && return
    echo "systemctl does not say whether $1 runs: see above; fix it, and start the updater again" >&2
    exit 1
}

# unit_runs UNIT: true if it is up, or is being started.
unit_runs() {
    unit_state "$1"
    case $state in inactive | failed | deactivating) return 1 ;; esac
}

# must_exist NAME SETTING FILE UNIT...: fails if one of these units does not exist. Call it before anything is stopped.
must_exist() {
    where="nothing was stopped; correct $2 in $3, and start the updater again" name=$1 bad=
    shift 3
    for unit in "$@"; do
        case $unit in
        *[*?[]*) load=pattern ;;
        *) load=$(systemctl show --property=LoadState --value -- "$unit") || load='' ;;
        esac
        case $load in loaded | masked | error | bad-setting) ;; *) bad="$bad $unit" ;; esac
    done
    [ -n "$bad" ] || return 0
    echo "$name: no such unit:$bad: $where" >&2
    exit 1
}

# with_dependents UNIT: prints the unit, and before it the units that systemd stops together with it but does not start
# again with it, and the sockets, timers and paths that would start it.
with_dependents() {
    given=$1 list=
    while [ $# != 0 ]; do
        unit=$1
        shift
        case " $list" in *" $unit "*) continue ;; esac
        if unit_runs "$unit"; then
            # These are the units that name it in Requires=, Requisite=, BindsTo= or PartOf=, and in Unit=.
            more=RequiredBy,RequisiteOf,BoundBy,ConsistsOf,TriggeredBy
            more=$(systemctl show --property="$more" --value -- "$unit") || exit 1
            # shellcheck disable=SC2086 # each unit is a word
            set -- "$@" $more
        elif [ "$unit" != "$given" ]; then
            continue
        fi
        list="$unit $list"
    done
    for unit in $list; do
        case $unit in "$given" | *.target) ;; *) echo "$unit" ;; esac # to start a target would start more than what ran
    done
    echo "$given"
}

# stop_units NAME UNIT...: adds the units that run, and those that go down with them, to record NAME, holds them down,
# stops them in this order, and checks that they stay down.
stop_units() {
    name=$1
    shift
    units=$(for unit in "$@"; do with_dependents "$unit"; done) || exit 1
    for unit in $units; do
        if unit_runs "$unit"; then record_add "$name" "$unit"; else echo "$name: $unit does not run"; fi
    done
    hold "$name"
    for unit in $units; do
        if unit_runs "$unit"; then
            record_add "$name" "$unit" # started meanwhile
            hold "$name"
        fi
        case $state in inactive | failed) continue ;; esac # systemctl waits for a unit that is being stopped
        echo "$name: stopping $unit"
        if ! timeout "$stop_timeout" systemctl stop -- "$unit"; then
            echo "$name: $unit could not be stopped within $stop_timeout s: see \`systemctl status $unit\`; fix it," \
                "and start the updater again" >&2
            return 1
        fi
    done
    for unit in $units; do
        unit_state "$unit"
        case $state in inactive | failed) continue ;; esac
        echo "$name: $unit runs again after it was stopped: something starts it (a socket, a timer, another unit);" \
            "stop that first" >&2
        return 1
    done
}

# in_start_order UNIT...: prints the units with each socket before what it starts: systemd refuses to start the socket
# of a service that is up. (A service is not asked: it does not know a socket that is down and not loaded.)
in_start_order() {
    pairs=
    for unit in "$@"; do
        case $unit in *.socket) ;; *) continue ;; esac
        for service in $(systemctl show --property=Triggers --value -- "$unit"); do pairs="$pairs $service=$unit"; done
    done
    for unit in "$@"; do
        for pair in $pairs; do [ "${pair%=*}" != "$unit" ] || echo "${pair#*=}"; done
        echo "$unit"
    done | awk '!seen[$0]++'
}

# start_units NAME: takes the hold off the units of record NAME, starts them, the last one stopped first, and checks
# that they are up.
start_units() {
    name=$1
    units=$(record_items "$name" | sed -n '1!G;h;$p')
    if [ -z "$units" ]; then
        echo "$name: this run stopped nothing"
        return
    fi
    release "$name"
    # shellcheck disable=SC2086 # each unit is a word
    units=$(in_start_order $units)
    for unit in $units; do
        echo "$name: starting $unit"
        timeout "$start_timeout" systemctl start -- "$unit" || still_starting "$unit" || not_up
    done
    sleep 1 # "started" often only means that the process exists
    for unit in $units; do
        unit_state "$unit"
        # A oneshot unit that is inactive has run and is done.
        [ "$state" != inactive ] || [ "$(systemctl show --property=Type --value -- "$unit")" != oneshot ] || continue
        case $state in active | reloading | refreshing) ;; *) not_up ;; esac
    done
}
still_starting() { false; } # a hook may know that it only needs longer
not_up() {
    echo "$name: $unit is not up ($start_timeout s allowed): see \`systemctl status $unit\`; fix it, and start the" \
        "updater again" >&2
    exit 1
}

# processes NAME...: prints the pids of the processes that run one of these programs. Those in containers don't count.
processes() {
    space=$(readlink /proc/self/ns/pid)
    for program in "$@"; do
        find /proc -mindepth 2 -maxdepth 2 -name exe \( -lname "*/$program" -o -lname "*/$program (deleted)" \) \
            2>/dev/null || : # some end meanwhile
    done | while IFS=/ read -r _ _ pid _; do
        [ "$(readlink "/proc/$pid/ns/pid")" != "$space" ] || echo "$pid"
    done
}

# unit_of PID: prints the unit to which a process belongs, or nothing.
unit_of() {
    sed -n 's,^\(0::\|1:name=systemd:\).*/\([^/]*[.]\(service\|scope\)\).*,\2,p' "/proc/$1/cgroup" 2>/dev/null |
        head -n 1
}
