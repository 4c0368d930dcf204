# What the hooks for bootc and rpm-ostree share, and those for dnf: . "$lib/image-mode.sh"
# shellcheck shell=sh
: "${name:?}" # the hook's name

# image_mode: true if this host boots an image, where dnf can't install anything that outlives a reboot (also not into
# the overlay of `bootc usr-overlay`). Sets $image to why not, and which hooks fit. ostree's initramfs writes the file;
# bootc's backend without ostree has a word on the kernel's command line.
image_mode() {
    [ -e "${DLM_OSTREE_BOOTED:-/run/ostree-booted}" ] ||
        grep -qs '\(^\| \)composefs=' "${DLM_CMDLINE:-/proc/cmdline}" || return
    image=''
    for tool in bootc rpm-ostree; do
        ! command -v "$tool" >/dev/null || image="$image${image:+, or with }needs_update/$tool and update/$tool"
    done
    # shellcheck disable=SC2034 # for the hook
    image="this host boots an image, which dnf can't update. Update it with ${image:-the tool that it came with}"
}

# ask_tool COMMAND...: runs it, and sets $said to its output and $code to its exit code.
ask_tool() {
    # shellcheck disable=SC2034 # for the hook
    said=$(LC_ALL=C timeout --foreground -k 10 "${timeout:?}" "$@" 2>&1) && code=0 || code=$?
    said=$(printf '%s\n' "$said" | sed 's,://[^/[:space:]]*@,://***@,g') # no passwords of URLs
}

# entry NAME: prints an entry of bootc's status in $said (staged, booted): "none", or its digest, version and whether it
# is locked, which means that a reboot does not install it. Nothing if there is no such entry. bootc writes YAML with
# two blanks for each level; its manual promises the names, and the names and values are all that counts here.
entry() {
    printf '%s\n' "$said" | awk -v name="$1" '
        /^[^ ]/ { status = $0 == "status:" }
        /^  [^ -]/ { ours = status && $1 == name ":"; if (ours) { found = 1; none = $2 == "null" || $2 == "~" } next }
        !ours { next }
        /^    [^ ]/ { part = $1 } # cachedUpdate has a digest, too
        part == "image:" && $1 == "imageDigest:" { digest = $2 }
        part == "image:" && $1 == "version:" { version = $2 }
        ($1 == "downloadOnly:" || $1 == "finalizationLocked:") && $2 == "true" { locked = " locked" }
        END {
            if (found && none) print "none"
            else if (found && digest) print digest " (version " (version ? version : "unknown") ")" locked
        }'
}

# bootc_status: asks bootc. Sets $booted and $staged to these entries, and $rollback to true or false: whether the next
# boot goes back to the image before. Sets $seen to the digest of an image that bootc has seen after the booted one, and
# that is none of the deployments; empty: none. False if the answer is not understood.
bootc_status() {
    ask_tool bootc status --format=yaml
    [ "$code" = 0 ] || return
    booted=$(entry booted) staged=$(entry staged)
    rollback=$(printf '%s\n' "$said" | awk '/^[^ ]/ { status = $0 == "status:" }
        /^  rollbackQueued:/ && status { is = $2 } END { print is ? is : "false" }')
    seen=$(printf '%s\n' "$said" | awk '/^[^ ]/ { status = $0 == "status:" }
        /^  [^ -]/ { ours = status && $1 == "booted:" }
        /^    [^ ]/ { part = $1 }
        ours && part == "cachedUpdate:" && $1 == "imageDigest:" { print $2 }')
    # shellcheck disable=SC2034 # for a hook
    case "$booted $staged $(entry rollback) " in *" $seen "* | "$seen "*) seen='' ;; esac
    case $said in *"kind: BootcHost"*) ;; *) return 1 ;; esac
    case $rollback in true | false) ;; *) return 1 ;; esac
    [ -n "$staged" ] && [ -n "$booted" ] && [ "$booted" != none ]
}
