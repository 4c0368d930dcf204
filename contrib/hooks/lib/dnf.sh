# What the update hooks for dnf share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/dnf.sh"
# Read lib/rpm.sh first.
# shellcheck shell=sh
: "${name:?}" "${dnf=}" "${options=}" # the hook's name and settings

# run ARG...: runs dnf with the options that each call needs. It waits for another dnf.
run() {
    # shellcheck disable=SC2086 # each option is a word
    "$dnf" -y --setopt='*.skip_if_unavailable=False' $lock "$@" $options
}

# fix: finishes what a power cut interrupted. The packages of that upgrade are installed in two versions, and dnf would
# not touch them. This installs the newer version again, with its scripts, and removes the older one. Only dnf 4 can do
# that; with dnf5 and yum the hook fails and says what to do.
fix() {
    ! said=$("$dnf" -q check "$duplicates" 2>&1) || return 0
    case $said in *duplicate*) ;; *) fail "$dnf check $duplicates failed, nothing was installed: $said" ;; esac
    echo "$name: an earlier installation was interrupted, finishing it: $said"
    patient run remove --duplicates || fail "the interrupted installation could not be finished: remove the older" \
        "version of each of these, for example with rpm -e, and start the updater again: $said"
}

# upgrade ARG...: downloads first (nothing is changed if that fails), then installs.
upgrade() {
    [ -n "$dnf" ] || for dnf in dnf5 dnf yum; do ! command -v "$dnf" >/dev/null || break; done
    lock=--setopt=exit_on_lock=False refresh=--refresh duplicates=--duplicates
    case ${dnf##*/} in
    dnf5) lock='' ;; # does not know the option
    yum) refresh='' duplicates=duplicates ;;
    esac
    fix
    [ -n "$refresh" ] || run -q clean expire-cache || :
    # This stage may begin hours after needs_update. If a fetch fails now, the packages fetched then will do: services
    # are stopped by now.
    if ! run -q $refresh --downloadonly upgrade "$@"; then
        echo "$name: the newest packages could not be fetched, going on with what was fetched before" >&2
        set -- "$@" -C
    fi
    patient run upgrade "$@" || fail "some packages were not installed: see above, fix it, and start the updater again"
}
