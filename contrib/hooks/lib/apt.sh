# What the hooks for apt share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/apt.sh"
# shellcheck shell=sh
: "${hook:?}" "${conf:?}" "${lock_timeout:=600}" # the hook's name, its settings file, and a setting

# Nobody is there to answer debconf, ucf, apt-listchanges and apt-listbugs. needrestart would restart the unit that this
# hook runs in.
export DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 APT_LISTCHANGES_FRONTEND=none APT_LISTBUGS_FRONTEND=none \
    NEEDRESTART_SUSPEND=1

fail() {
    echo "$hook: $*" >&2
    exit 1
}
case $lock_timeout in *[!0-9]* | 0?*) fail "lock_timeout=$lock_timeout in $conf: use whole seconds" ;; esac

lists='' # options for apt to read the kept lists instead of the system's
kept=${DLM_HOOKS_STATE:-/var/lib/foreman_dlm_updater/hooks}/$hook-lists

# patient ARG...: runs apt-get and sets $said to its output. apt itself waits for dpkg's lock, but not for its own locks
# on lists and archives. Don't install with it: a daemon that a package starts would keep the pipe open.
patient() {
    end=$(($(date +%s) + lock_timeout))
    # shellcheck disable=SC2086 # each option is a word
    until said=$(LC_ALL=C apt-get -q -y -o DPkg::Lock::Timeout="$lock_timeout" $lists "$@" 2>&1); do
        case $said in *"Unable to lock directory"*) ;; *) return 1 ;; esac
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 1
    done
}

# has_sources: false if apt reads packages from nowhere, as with a file of sources whose name ends in neither .list nor
# .sources. `update` exits 0 then, and nothing is ever newer. Without --no-release-info empty lists would be left out.
# shellcheck disable=SC2016 # apt's variable
has_sources() { apt-get indextargets --no-release-info --format '$(URI)' 'Created-By: Packages' | grep -q .; }

# keep: keeps a copy of the package lists by which everything was fetched, for `fetched`. cp -L: among the system's
# lists, that of a file: repository may be a link into the repository.
keep() {
    [ -z "$lists" ] || return 0
    rm -rf "$kept" "$kept.new"
    dir=$(apt-config shell dir Dir::State::lists/d) && eval "$dir" && (umask 077 && mkdir -p "$kept.new") &&
        find "$dir" -maxdepth 1 -name '*_*' -exec cp -L --preserve=timestamps -t "$kept.new" {} + &&
        find "$kept.new" -type f -exec sync {} + && mv "$kept.new" "$kept" && return
    rm -rf "$kept.new"
    echo "$hook: the package lists could not be kept: if a mirror changes before the update, that may fail" >&2
}

# fetched COMMAND...: runs COMMAND, which makes a plan and fetches it with `patient`. A mirror that is half synced has a
# new list, and not yet the packages that it names. Then the plan of the kept lists is fetched, and the rest of the hook
# reads these lists: services are stopped by now, and needs_update has fetched all of it before.
fetched() {
    if "$@"; then return; fi
    why=$said
    case $why in *"Unable to lock directory"* | *"Could not get lock"*) return 1 ;; esac
    [ -z "$lists" ] && [ -d "$kept" ] || return 1
    lists="-o Dir::State::lists=$kept -o Dir::Cache::pkgcache=$kept/cache -o Dir::Cache::srcpkgcache=$kept/srccache"
    if "$@"; then
        echo "$hook: the newest packages can't be fetched, going on with those that were fetched before: $why" >&2
        return
    fi
    said=$why lists=''
    return 1
}
