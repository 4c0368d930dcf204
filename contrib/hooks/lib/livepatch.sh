# What needs_reboot/livepatch asks about patches in the running kernel. It reads this file after lib/kernel.sh.
# shellcheck shell=sh
: "${lib:?}" "${root=}" "${tool=}" # this directory, and settings; $running and $why are kernel.sh's

days_up() { awk '$1 ~ /^[0-9]+(\.[0-9]+)?$/ { print int($1 / 86400) }' "$root/proc/uptime"; }

# days_since_change FILE: its age on this disk, which a package does not set.
days_since_change() {
    when=$(stat -c %Z -- "$1") && echo $((($(date +%s) - when) / 86400))
}

# loaded: sets $patches to the names of the patches in the kernel. If one is not simply enabled, nobody knows what runs.
# See Documentation/ABI/testing/sysfs-kernel-livepatch.
loaded() {
    patches=''
    for dir in "$root"/sys/kernel/livepatch/*/; do
        [ -d "$dir" ] || continue
        name=${dir%/} name=${name##*/}
        enabled=$(cat "$dir/enabled") && transition=$(cat "$dir/transition") ||
            cannot_tell "the live patch $name says nothing of its state"
        case $enabled:$transition in
        1:0) patches="$patches $name" ;;
        *:1) cannot_tell "the live patch $name is in transition: some processes still run without it" ;;
        0:0) cannot_tell "the live patch $name is disabled" ;;
        *) cannot_tell "the live patch $name says enabled=$enabled transition=$transition" ;;
        esac
    done
}

# ask_tool: sets $patched to what the tool says in a few words. Ends the hook if the tool is not content.
ask_tool() {
    [ -n "$tool" ] || for tool in canonical-livepatch klp kpatch ''; do
        [ -z "$tool" ] || ! command -v "$tool" >/dev/null || break
    done
    case $tool in
    canonical-livepatch | klp | kpatch) ;;
    '') say 1 "$why, and nothing here patches the running one live (canonical-livepatch, klp or kpatch)" ;;
    *) cannot_tell "tool=$tool: use canonical-livepatch, klp or kpatch" ;;
    esac
    case $tool in
    canonical-livepatch) set -- status --format json ;;
    klp) set -- status ;;
    kpatch) set -- list ;;
    esac
    said=$(within 60 "$tool" "$@" 2>&1) && code=0 || code=$?
    [ "$code" = 0 ] || cannot_tell "$tool $* failed ($code): $said"
    case $tool in
    canonical-livepatch) canonical ;;
    klp) [ "$said" = ready ] || cannot_tell "$tool status says \"$said\" and not \"ready\"" ;;
    kpatch) kpatch_list ;;
    esac
    [ -n "${patched:-}" ] && return
    [ -n "$patches" ] || say 1 "$why, and no live patch is loaded"
    patched="$tool:$patches"
}

# canonical: reads the answer of the client (versions 9 and 10 call the state patchState, later ones State). Its list
# has an entry for each kernel.
canonical() {
    what=$tool timeout=60
    # shellcheck source=monitoring.sh
    . "$lib/monitoring.sh" # it reads JSON
    understand "$said" || cannot_tell "the answer of canonical-livepatch is not JSON: $said"
    at=$(printf '%s\n' "$values" | awk -F '\t' '$1 ~ /^Status\.[0-9]+\.Running$/ && $3 == "true" {
        sub(/\.Running$/, "", $1); print $1 }')
    case $at in
    '' | *[!A-Za-z0-9.]*) cannot_tell "canonical-livepatch does not say which kernel runs: $said" ;;
    esac
    kernel=$(value "$at.Kernel") check=$(value "$at.Livepatch.CheckState") state=$(value "$at.Livepatch.State")
    covered=$(value "$at.Supported") until=$(value "$at.UpgradeRequiredDate")
    [ -n "$state" ] || state=$(value "$at.Livepatch.patchState")
    # Kernel 5.15.0-100.110-generic is release 5.15.0-100-generic.
    case $kernel in "${running%-*}"[.-]*"-${running##*-}" | "$running") ;; *)
        cannot_tell "canonical-livepatch speaks of kernel $kernel, and $running runs" ;;
    esac
    case $covered in
    supported) ;;
    unsupported | kernel-upgrade-required | kernel-end-of-life)
        say 1 "$why, and canonical-livepatch does not cover the running one ($covered)" ;;
    *) cannot_tell "canonical-livepatch says Supported=$covered" ;;
    esac
    case $state in
    applied | nothing-to-apply) ;;
    kernel-upgrade-required | apply-failed | applied-with-bug) say 1 "$why, and canonical-livepatch says $state" ;;
    *) cannot_tell "canonical-livepatch says State=$state" ;;
    esac
    [ "$check" = checked ] || cannot_tell "canonical-livepatch says CheckState=$check: it may not know of newer patches"
    case $until in
    '') ;;
    [0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*)
        [ "$(date -d "$until" +%s)" -gt "$(date +%s)" ] ||
            say 1 "$why, and canonical-livepatch covers the running one only until $until"
        ;;
    *) cannot_tell "canonical-livepatch says UpgradeRequiredDate=$until" ;;
    esac
    [ "$state" = nothing-to-apply ] || [ -n "$patches" ] ||
        cannot_tell "canonical-livepatch says $state, and no live patch is in the kernel"
    patched="canonical-livepatch: $state${patches:+,}$patches"
}
value() { printf '%s\n' "$values" | awk -F '\t' -v path="$1" '$1 == path { print $3 }'; }

# kpatch_list: each patch that is installed for the running kernel must be loaded and enabled.
#   Loaded patch modules:
#   kpatch_5_14_0_284_11_1_1_1 [enabled]
#
#   Installed patch modules:
#   kpatch_5_14_0_284_11_1_1_1 (5.14.0-284.11.1.el9_2.x86_64)
kpatch_list() {
    wrong=$(printf '%s\n' "$said" | awk -v running="($running)" '
        /^Loaded patch modules:$/ { part = 1; parts++; next }
        /^Installed patch modules:$/ { part = 2; parts++; next }
        !NF { next }
        part == 1 && NF == 2 && $2 == "[enabled]" { on[$1] = 1; next }
        part == 2 && NF == 2 && $2 ~ /^\(.*\)$/ { if ($2 == running) want[$1] = 1; next }
        { print "not understood, or not enabled: " $0; bad = 1; exit }
        END {
            if (bad) exit
            if (parts != 2) print "not the two lists of patches"
            else for (name in want) if (!(name in on)) { print name " is installed and not loaded"; exit }
        }')
    [ -z "$wrong" ] || cannot_tell "kpatch list: $wrong"
}
