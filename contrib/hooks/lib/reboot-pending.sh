# What needs_update/reboot-pending asks and remembers.
# shellcheck shell=sh
: "${lib:?}" "${config:?}" "${timeout:?}" "${again:?}" "${hooks=}" # this directory, the configuration, the settings
reasons='' unknown='' record=${DLM_HOOKS_STATE:-/var/lib/foreman_dlm_updater/hooks}/reboot-pending

# enabled: sets $enabled to the names of the bundled hooks that are enabled in needs_reboot.d. Fails if a run would not
# ask those that the setting names: it would install nothing, not reboot, and come back in the next night.
enabled() {
    dir=''
    [ ! -r "$config" ] || dir=$(awk '{ sub(/\r$/, "") } tolower($0) ~ /^needs_reboot\.d[ \t]*[=:]/ {
        sub(/^[^=:]*[=:][ \t]*/, ""); sub(/[ \t]+$/, ""); print }' "$config" | tail -n 1)
    case $dir in
    '') dir=/etc/foreman_dlm_updater/needs_reboot.d ;;
    *%* | [!/]*) cannot_tell "needs_reboot.d = $dir in $config is not a plain path" ;;
    esac
    enabled='' others=''
    set +f
    for link in "${dir%/}"/*; do
        [ -f "$link" ] && [ -x "$link" ] || continue
        path=$(readlink -f "$link")
        case $path in
        "$(readlink -f "$lib/../needs_reboot.d")"/*) enabled="$enabled ${path##*/}" ;;
        *) others="$others ${link##*/}" ;;
        esac
    done
    set -f
    if [ -n "$enabled$others" ]; then
        for name in $hooks; do
            case " $enabled " in *" $name "*) ;; *)
                cannot_tell "$name (hooks= in $conf) is not enabled in $dir, so a run would not reboot for it:" \
                    "foreman-dlm-updater hooks enable needs_reboot/$name" ;;
            esac
        done
    fi
    [ -n "$hooks$enabled" ] || cannot_tell "no bundled hook is enabled in $dir: enable one (foreman-dlm-updater hooks\
 enable needs_reboot/kernel-changed), or name some in hooks= in $conf"
}

# ask NAME: asks that hook as a run would, and adds to $reasons or $unknown.
ask() {
    [ -x "$lib/../needs_reboot.d/$1" ] || cannot_tell "there is no bundled hook needs_reboot/$1 (hooks= in $conf)"
    # A number of our own for "could not find out", so that it is never taken for no.
    said=$(DLM_STAGE=needs_reboot DLM_HOOK=$1 DLM_CANNOT_TELL_EXIT=75 \
        timeout -k 10 "$timeout" "$lib/../needs_reboot.d/$1" </dev/null) && code=0 || code=$?
    case $code in
    0) ;;
    75) unknown="$unknown $1" ;;
    12[4-9] | 1[3-9]? | 2??) unknown="$unknown $1 (exit $code)" ;; # it hung, can't be executed, or was killed
    *) reasons="$reasons${reasons:+; }$1: $(printf '%s' "$said" | tr -s '[:cntrl:]' ' ')" ;;
    esac
}

# boot: prints what changes with each boot. A container has the machine's boot id, and a first process of its own.
boot() {
    echo "$(cat /proc/sys/kernel/random/boot_id) $(sed 's/.*) //' /proc/1/stat | cut -d ' ' -f 20)"
}

# unchanged: true if the host was rebooted since it had the same reasons. Sets $rebooted to the day. The record has the
# boot, the time and the reasons, each in a line.
unchanged() {
    [ -s "$record" ] || return
    if [ "$(sed -n 1p "$record")" = "$(boot)" ] || [ "$(sed -n 3p "$record")" != "$reasons" ]; then return 1; fi
    when=$(sed -n 2p "$record")
    case $when in '' | *[!0-9]*) return 1 ;; esac
    rebooted=$(date -d "@$when" +%Y-%m-%d)
    [ "$again" = 0 ] || [ $((($(date +%s) - when) / 86400)) -lt "$again" ]
}

# remember: writes the record of this boot and these reasons. It is on the disk when it returns.
remember() {
    now=$(boot)
    if [ -s "$record" ] && [ "$(sed -n 1p "$record")" = "$now" ] && [ "$(sed -n 3p "$record")" = "$reasons" ]; then
        return # the time is that of the first request
    fi
    (umask 077 && mkdir -p "${record%/*}" &&
        printf '%s\n' "$now" "$(date +%s)" "$reasons" >"$record.new") &&
        sync "$record.new" && mv "$record.new" "$record" && sync "${record%/*}"
}
