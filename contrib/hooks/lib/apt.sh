# What the update hooks for apt share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/apt.sh"
# shellcheck shell=sh
: "${lock_timeout:=600}" # the hook's setting

# Nobody is there to answer debconf, ucf and apt-listchanges. needrestart would restart the unit that this hook runs in.
export DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 APT_LISTCHANGES_FRONTEND=none NEEDRESTART_SUSPEND=1

fail() {
    echo "apt: $1" >&2
    exit 1
}

# patient ARG...: runs apt-get and sets $said to its output. apt itself waits for dpkg's lock, but not for its own locks
# on lists and archives. Don't install with it: a daemon that a package starts would keep the pipe open.
patient() {
    end=$(($(date +%s) + lock_timeout))
    until said=$(LC_ALL=C apt-get -q -y -o DPkg::Lock::Timeout="$lock_timeout" "$@" 2>&1); do
        case $said in *"Unable to lock directory"*) ;; *) return 1 ;; esac
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 1
    done
}

# apt_install ARG...: runs an apt-get that installs. Without Use-Pty dpkg shows no progress, which would be one very
# long line in the journal.
apt_install() {
    apt-get -q -y -o DPkg::Lock::Timeout="$lock_timeout" -o Dpkg::Use-Pty=0 \
        -o DPkg::Options::=--force-confdef -o DPkg::Options::=--force-confold "$@"
}

# refresh: fetches new package lists, because this stage may begin hours after needs_update. If that fails the old lists
# will do: services are stopped by now.
refresh() {
    patient -o APT::Update::Error-Mode=any update ||
        echo "apt: the package lists could not be renewed, going on with the old ones: $said" >&2
}

# fix: finishes what a power cut interrupted. It removes nothing: if one of two packages has to go, a person decides
# which.
fix() {
    patient check && return
    case $said in
    *"dpkg was interrupted"* | *"fix-broken"*) ;;
    *) fail "could not check dpkg's state, nothing was installed: $said" ;;
    esac
    echo "apt: an earlier installation was interrupted, finishing it"
    dpkg --force-confdef --force-confold --configure -a || true # a package may still lack a dependency: apt installs it
    apt_install --no-remove --fix-broken install ||
        fail "the interrupted installation could not be finished: see dpkg --audit, fix it, and start the updater again"
}

# fetch_and ARG...: downloads first (nothing is changed if that fails), then installs.
fetch_and() {
    patient -d "$@" || fail "the packages could not be fetched, nothing was installed: $said"
    apt_install "$@" ||
        fail "some packages were not installed: see above and dpkg --audit, fix it, and start the updater again"
}
