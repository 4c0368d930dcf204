# What the hooks for dnf share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/dnf.sh"
# An update hook reads lib/rpm.sh first.
# shellcheck shell=sh
: "${name:?}" "${dnf=}" "${options=}" # the hook's name and settings

unset LANGUAGE # the hooks search dnf's output, and Python's gettext reads this before LC_ALL

# shellcheck source=image-mode.sh
. "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/image-mode.sh"

# public: copies standard input without the passwords in URLs: dnf prints the whole URL of what it can't fetch.
public() { sed 's,://[^/[:space:]]*@,://***@,g'; }

# choose: sets $dnf if the settings leave it open, and what differs between dnf5, dnf 4 and yum 3:
#   $refresh   the option for fresh metadata
#   $fetch     the option, after the command, for a download that also checks signatures. dnf5 checks none with
#              --downloadonly; its test of the transaction does, and keeps the packages. dnf 4 and yum always check.
#   $cached    the option to install without asking a mirror; yum may need file lists that were never fetched
#   $cachedir  where the metadata and packages are
choose() {
    [ -n "$dnf" ] || for dnf in dnf5 dnf yum; do ! command -v "$dnf" >/dev/null || break; done
    refresh=--refresh fetch=--downloadonly cached=-C lock='' cachedir=/var/cache/dnf duplicates=--duplicates
    case ${dnf##*/} in
    # dnf5 always waits for another dnf5. (Old ones refuse exit_on_lock.)
    dnf5) fetch=--setopt=tsflags=test cachedir=/var/cache/libdnf5 ;;
    yum) refresh='' cached='' duplicates=duplicates cachedir='' ;;
    esac
    # dnf waits for another dnf by default, but the administrator may have set that differently.
    [ "${dnf##*/}" = dnf5 ] || lock=--setopt=exit_on_lock=False
    [ -z "$cachedir" ] || own=$(sed -n 's/^[[:blank:]]*\(system_\)\{0,1\}cachedir[[:blank:]]*=[[:blank:]]*//p' \
        "${DLM_DNF_CONF:-/etc/dnf/dnf.conf}" 2>/dev/null | tail -n 1) || own=''
    [ -z "${own:-}" ] || cachedir=${own%/}
}

# ask ARG...: runs dnf, and sets $said to its output and $code to its exit code. It stays in the foreground, so that a
# signal to this hook's process group reaches it too.
ask() {
    # shellcheck disable=SC2086 # each option is a word
    said=$(LC_ALL=C timeout --foreground -k 10 "${timeout:?}" \
        "$dnf" --setopt='*.skip_if_unavailable=False' $lock "$@" $options 2>&1) && code=0 || code=$?
    said=$(printf '%s\n' "$said" | public)
}

# look NOTHING ARG...: answers a needs_update hook's question; NOTHING is how "no" reads. The hook has defined
# cannot_tell and $answer.
look() {
    case ${download:?} in yes | no) ;; *) cannot_tell "download=$download in ${conf:?}: use yes or no" ;; esac
    nothing=$1
    shift
    ! image_mode || cannot_tell "$image"
    choose
    if [ -z "$refresh" ]; then # yum 3 of EL 7
        ask -q clean expire-cache
        [ "$code" = 0 ] || cannot_tell "$dnf clean expire-cache failed ($code): $said"
    fi
    # -y imports a key that the repository's own gpgkey= names.
    # shellcheck disable=SC2086 # yum has no such option
    ask -q -y $refresh check-update "$@"
    case $code in
    0)
        echo "$name: $nothing"
        answer=0
        exit
        ;;
    100) printf '%s\n' "$said" ;;
    *) cannot_tell "$dnf check-update failed ($code): $said" ;;
    esac
    # The list also has packages that the upgrade would skip. "yes" because of them would come back at every run.
    ask --assumeno upgrade "$@"
    case $code:$said in
    0:*)
        echo "$name: none of these would be installed: $said"
        answer=0
        exit
        ;;
    *"onfigured to be read-only"*) cannot_tell "$dnf can't install on this host: $said" ;; # a kind of image mode
    *"Operation aborted"* | *"Exiting on user command"*) ;; # --assumeno ended it: there is something to do
    *) cannot_tell "$dnf upgrade would fail ($code): $said" ;;
    esac
    if [ "$download" = yes ]; then
        ask -q -y upgrade "$fetch" "$@"
        [ "$code" = 0 ] || cannot_tell "the packages could not be fetched and checked ($code): $said"
    fi
    # shellcheck disable=SC2034 # the hook exits with it
    answer=1
}

# run ARG...: runs dnf with the options that each call needs. It waits for another dnf.
run() {
    # shellcheck disable=SC2086 # each option is a word
    "$dnf" -y --setopt='*.skip_if_unavailable=False' $lock "$@" $options
}

# fix: finishes what a power cut interrupted. The packages of that upgrade are installed in two versions, and dnf would
# not touch them. This installs the newer version again, with its scripts, and removes the older one. dnf 4 and a new
# dnf5 can do that; with an old dnf5 and yum the hook fails and says what to do.
fix() {
    ! said=$("$dnf" -q check "$duplicates" 2>&1) || return 0
    case $said in *duplicate*) ;; *) fail "$dnf check $duplicates failed, nothing was installed: $said" ;; esac
    echo "$name: an earlier installation was interrupted, finishing it: $said"
    patient run -q remove --duplicates || fail "the interrupted installation could not be finished: remove the older" \
        "version of each of these, for example with rpm -e, and start the updater again: $said"
}

# keep: keeps what needs_update has fetched, in $kept: a refresh replaces the metadata by which dnf finds its packages.
# The copies are hard links: dnf writes new files and renames them. What this run has kept already, before a crash or a
# failure, is the older plan, and stays. False if there is nothing to keep.
keep() {
    [ -n "$cachedir" ] && [ -d "$cachedir" ] || return
    kept=$cachedir.dlm-${DLM_RUN_ID:-by-hand}
    set +f
    for old in "$cachedir".dlm-*; do [ "$old" = "$kept" ] || rm -rf "$old"; done
    set -f
    [ ! -d "$kept" ] || return 0
    rm -rf "$kept.new"
    cp -al "$cachedir" "$kept.new" 2>/dev/null || # the cache may be a file system of its own
        { rm -rf "$kept.new" && cp -a "$cachedir" "$kept.new"; } || { rm -rf "$kept.new" && return 1; }
    mv "$kept.new" "$kept"
}

# upgrade ARG...: downloads first (nothing is changed if that fails), then installs.
upgrade() {
    ! image_mode || fail "$image"
    choose
    fix
    # This stage may begin hours after needs_update. If a fetch fails now, the packages fetched then will do: services
    # are stopped by now. A mirror may have the newest metadata and not yet the packages.
    keep || kept=''
    [ -n "$refresh" ] || run -q clean expire-cache || :
    if said=$(run -q $refresh upgrade "$fetch" "$@" 2>&1); then
        set -- "$@" $cached
    else
        printf '%s\n' "$said" | public >&2
        echo "$name: the newest packages could not be fetched, going on with what was fetched before" >&2
        set -- "$@" -C ${kept:+"--setopt=cachedir=$kept"}
    fi
    patient run upgrade "$@" || fail "some packages were not installed: see above, fix it, and start the updater again"
    [ -z "$kept" ] || rm -rf "$kept"
}
