# Keeps units down that a stop hook has stopped, until its start hook: . "$lib/hold.sh". lib/units.sh reads it.
# A package's script (deb-systemd-invoke), a dependency or a socket would start them in the middle of the update.
#
# A drop-in in /run makes systemd ask held.sh before each start, and held.sh says no only while this run is on record.
# So every end of the run ends the hold, also if nobody runs the start hook; and a reboot empties /run.
#
# Not by a mask: a mask in /run does nothing to a unit in /etc/systemd/system, takes ExecStop= away from one that runs,
# and lets `systemctl start` fail in the package's script, and so the update.
# shellcheck shell=sh
: "${DLM_UNITS:=/run/systemd/system}" # where the drop-ins go

# on_record: true if this run is in the updater's state: what nobody would end must not be held.
on_record() { [ -n "${DLM_STATE:-}" ] && grep -qsF "\"run\":\"${DLM_RUN_ID:?}\"" "$DLM_STATE"; }

# held_by UNIT: prints the services that are held for this unit: it, or those that a socket, a timer or a path starts.
held_by() {
    id=$(systemctl show --property=Id --value -- "$1") || return
    case ${id:=$1} in
    *.service) echo "$id" ;;
    *) systemctl show --property=Triggers --value -- "$id" | tr ' ' '\n' | grep '\.service$' || : ;;
    esac
}

# drop_in UNIT: prints the path of its drop-in.
drop_in() { printf '%s/%s.d/zz-foreman-dlm-updater.conf\n' "$DLM_UNITS" "$1"; }

# loaded UNIT: true if systemd knows its drop-in. A crash may have come between that and the change of the file.
loaded() {
    case $(systemctl show --property=ExecCondition --value -- "$1") in *held.sh*) ;; *) return 1 ;; esac
}

# rooted UNIT: true if its commands, and so ExecCondition=, run in a root directory of its own. That has no held.sh, and
# perhaps no shell: the unit could not start after the run either.
rooted() {
    case $(systemctl show --property=RootDirectoryStartOnly --value -- "$1") in yes) return 1 ;; esac
    [ -n "$(systemctl show --property=RootDirectory,RootImage --value -- "$1" | tr -d '/\n')" ]
}

# words WORD...: quotes the words for a line of a unit file.
words() { printf '%s\n' "$@" | sed 's/[\\"]/\\&/g; s/%/%%/g; s/\$/$$/g; s/.*/"&"/' | tr '\n' ' '; }

# held NAME: prints the services that are held for the units of record NAME.
held() {
    record_items "$1" | while read -r unit; do held_by "$unit" || echo "$unit"; done
}

# hold NAME: holds the units of record NAME. Call it before they are stopped: nothing comes up in between then. Each
# start that is skipped counts for the unit's start limit: a package's script must not reach it, but a socket that is
# asked again and again must.
hold() (
    on_record || return 0
    start=${1%-stop}-start changed=
    text="# post_update/$start takes this away; the end of the run, or a reboot, makes it void.
[Unit]
StartLimitIntervalSec=10
StartLimitBurst=20
[Service]
ExecCondition=+/bin/sh -c '[ ! -e \"\$\$0\" ] || exec /bin/sh \"\$\$0\" \"\$\$@\"' \\
    $(words "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/held.sh" "$DLM_STATE" "$DLM_RUN_ID" \
        "$start")\"%n\""
    for unit in $(held "$1"); do
        if rooted "$unit"; then
            echo "$1: warning: $unit is not held down, a package may start it: it has a root directory of its own" >&2
            continue
        fi
        file=$(drop_in "$unit")
        [ "$(cat "$file" 2>/dev/null)" != "$text" ] || ! loaded "$unit" || continue
        if ! { mkdir -p "${file%/*}" && printf '%s\n' "$text" >"$file.new" && mv "$file.new" "$file"; }; then
            echo "$1: $unit can't be held down, and was not stopped: see above; fix it, and start the updater again" >&2
            exit 1
        fi
        changed="$changed $unit"
    done
    [ -z "$changed" ] || reload "$1"
    for unit in $changed; do
        if loaded "$unit"; then
            echo "$1: nothing starts $unit until $start"
        else
            echo "$1: warning: $unit is not held down, a package may start it: systemd is older than 243, or a" \
                "drop-in clears ExecCondition=" >&2
        fi
    done
)

# release NAME: takes the hold off the units of record NAME. The starts that were skipped no longer count then.
release() (
    changed=
    for unit in $(held "$1"); do
        file=$(drop_in "$unit")
        [ -e "$file" ] || loaded "$unit" || continue
        rm -f "$file"
        rmdir "${file%/*}" 2>/dev/null || :
        changed="$changed $unit"
    done
    [ -n "$changed" ] || return 0
    reload "$1"
    # shellcheck disable=SC2046,SC2086 # each unit is a word
    systemctl reset-failed -- $changed $(record_items "$1") 2>/dev/null || : # fails for one that is not loaded
)

reload() {
    timeout 90 systemctl daemon-reload && return
    echo "$1: \`systemctl daemon-reload\` failed, or took longer than 90 s: see above; fix it, and start the updater" \
        "again" >&2
    exit 1
}
