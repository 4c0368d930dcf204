# What the update hooks for dnf share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/dnf.sh", after lib/rpm.sh.
# shellcheck shell=sh
: "${name:?}" "${dnf=}" "${options=}" # the hook's

# run ARG...: dnf, with what each call needs. It waits for another dnf.
run() {
    # shellcheck disable=SC2086 # a word for each option
    "$dnf" -y --setopt='*.skip_if_unavailable=False' $lock "$@" $options
}

# fix: finishes what a power cut interrupted. The packages of that upgrade are there in two versions, and dnf would not touch them:
# this installs the newer one once more, with its scripts, and removes the older one. Only dnf 4 can; for dnf5 and yum it says so.
fix() {
    ! said=$("$dnf" -q check "$duplicates" 2>&1) || return 0
    case $said in *duplicate*) ;; *) fail "$dnf check $duplicates failed, nothing was installed: $said" ;; esac
    echo "$name: an earlier installation was interrupted, finishing it: $said"
    patient run remove --duplicates || fail "the interrupted installation could not be finished: remove the older one of these, for" \
        "example with rpm -e, and start the updater again: $said"
}

# upgrade ARG...: downloads first (nothing is changed if that fails), then installs.
upgrade() {
    [ -n "$dnf" ] || for dnf in dnf5 dnf yum; do ! command -v "$dnf" >/dev/null || break; done
    lock=--setopt=exit_on_lock=False refresh=--refresh duplicates=--duplicates
    case ${dnf##*/} in
    dnf5) lock='' ;; # does not know it
    yum) refresh='' duplicates=duplicates ;;
    esac
    fix
    [ -n "$refresh" ] || run -q clean expire-cache || :
    # Hours may have gone by since needs_update. Services are stopped by now: what was fetched before will do if there is no more.
    if ! run -q $refresh --downloadonly upgrade "$@"; then
        echo "$name: the newest packages could not be fetched, going on with what was fetched before" >&2
        set -- "$@" -C
    fi
    patient run upgrade "$@" || fail "not all was installed: see above, fix it, and start the updater again"
}
