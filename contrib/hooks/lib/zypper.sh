# What the hooks for zypper share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/zypper.sh"
# shellcheck shell=sh
: "${conf:?}" "${mode:=auto}" "${lock_timeout:=600}" "${os_release:=/etc/os-release}" # the hook's settings

dirs='' metadata=${DLM_HOOKS_CACHE:-/var/cache/foreman_dlm_updater}/zypper run=${DLM_RUN_ID:-by-hand}

# zypp ARG...: runs zypper, with the metadata in $dirs, or its own. Without include-reboot-patches zypper skips the
# kernel's patches.
zypp() {
    ZYPP_LOCK_TIMEOUT=$lock_timeout zypper --non-interactive --non-interactive-include-reboot-patches \
        ${dirs:+--raw-cache-dir "$dirs/raw" --solv-cache-dir "$dirs/solv"} "$@"
}

# find_mode: sets $mode to the command that updates this host, or fails and sets $why. If a product has to be updated
# with dup, its release package says so (Tumbleweed, MicroOS); zypper reads it there, too.
find_mode() {
    why=''
    case $mode in
    patch | dup) return ;;
    auto | update) ;;
    *) why="mode=$mode in $conf: use auto, update, patch or dup" && return 1 ;;
    esac
    if rpm -q --qf '[%{PROVIDENAME} %{PROVIDEVERSION}\n]' --whatprovides 'product-update()' 2>/dev/null |
        grep -qx 'product-update() dup' ||
        grep -qsEx 'ID="?opensuse-(tumbleweed|slowroll|microos)"?' "$os_release"; then
        if [ "$mode" = auto ]; then mode=dup && return; fi
        echo "zypper: mode=update in $conf: this system has to be updated with mode=dup; with update, packages" \
            "stay old and may not fit together" >&2
    fi
    mode=update
}

# read_only: true if zypper can't install here; sets $why.
read_only() {
    case ,$(findmnt -n -o OPTIONS / 2>/dev/null), in *,ro,*) ;; *) return 1 ;; esac
    why="/ is read-only, so zypper can install nothing: remount it, or disable zypper's hooks"
    ! command -v transactional-update >/dev/null ||
        why="/ is read-only, and transactional-update updates this host: \`foreman-dlm-updater hooks disable\`" \
        why="$why needs_update/zypper and update/zypper, and enable needs_update/transactional-update," \
        why="$why update/transactional-update and needs_reboot/transactional-update"
}

# zypp_conf KEY DEFAULT: prints a directory from libzypp's configuration.
zypp_conf() {
    found=$(sed -n "s/^ *$1 *= *//p" /usr/etc/zypp/zypp.conf /etc/zypp/zypp.conf 2>/dev/null | tail -n 1)
    printf '%s\n' "${found:-$2}"
}

# copy_metadata: copies the metadata in $dirs, or zypper's own, to $metadata/new. There may be none.
copy_metadata() {
    cache=$(zypp_conf cachedir /var/cache/zypp)
    raw=$(zypp_conf metadatadir "$cache/raw") solv=$(zypp_conf solvfilesdir "$cache/solv")
    [ -z "$dirs" ] || raw=$dirs/raw solv=$dirs/solv
    rm -rf "$metadata/new" && mkdir -p "$metadata/new" || return
    { [ ! -d "$raw" ] || cp -a "$raw" "$metadata/new/raw"; } &&
        { [ ! -d "$solv" ] || cp -a "$solv" "$metadata/new/solv"; } && return
    rm -rf "$metadata/new" # the disk may be full
    return 1
}

# keep_metadata: makes $metadata/new what this run installs from. Its packages have been fetched. After a power cut
# there is the old one, the new one, or a whole new one that is still called new: see find_metadata.
keep_metadata() {
    sync -f "$metadata/new" && printf '%s\n' "$run" >"$metadata/new/run" && sync "$metadata/new/run" &&
        rm -rf "$metadata/plan" && mv "$metadata/new" "$metadata/plan"
}

# find_metadata: sets $dirs to what this run keeps; empty: nothing.
find_metadata() {
    [ -e "$metadata/plan" ] || [ ! -s "$metadata/new/run" ] || mv "$metadata/new" "$metadata/plan"
    if [ "$(cat "$metadata/plan/run" 2>/dev/null)" = "$run" ]; then dirs=$metadata/plan; else dirs=''; fi
}
