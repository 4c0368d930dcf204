# What the update hooks for apt share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/apt.sh"
# shellcheck shell=sh
: "${lock_timeout:=600}" # the hook's setting

# Nobody is there to answer debconf, ucf, apt-listchanges; and needrestart would restart the very unit that this runs in.
export DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 APT_LISTCHANGES_FRONTEND=none NEEDRESTART_SUSPEND=1

fail() {
    echo "apt: $1" >&2
    exit 1
}

# patient ARG...: apt-get, its words in $said. apt itself waits for dpkg's lock, but not for those of its lists and its archives.
# Not for installing: a daemon that a package starts would keep the pipe open.
patient() {
    end=$(($(date +%s) + lock_timeout))
    until said=$(LC_ALL=C apt-get -q -y -o DPkg::Lock::Timeout="$lock_timeout" "$@" 2>&1); do
        case $said in *"Unable to lock directory"*) ;; *) return 1 ;; esac
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 1
    done
}

# apt_install ARG...: apt-get, where it installs. Without a terminal dpkg shows no progress, which would be one very long line in the
# journal.
apt_install() {
    apt-get -q -y -o DPkg::Lock::Timeout="$lock_timeout" -o Dpkg::Use-Pty=0 \
        -o DPkg::Options::=--force-confdef -o DPkg::Options::=--force-confold "$@"
}

# refresh: new package lists, for this stage may begin hours after needs_update. Services are stopped by now: the lists that are
# there will do if no new ones can be had.
refresh() {
    patient -o APT::Update::Error-Mode=any update ||
        echo "apt: the package lists could not be renewed, going on with those of before: $said" >&2
}

# fix: finishes what a power cut interrupted. Removes nothing: which of two packages has to go is for people to say.
fix() {
    patient check && return
    case $said in
    *"dpkg was interrupted"* | *"fix-broken"*) ;;
    *) fail "dpkg's state could not be looked at, nothing was installed: $said" ;;
    esac
    echo "apt: an earlier installation was interrupted, finishing it"
    dpkg --force-confdef --force-confold --configure -a || true # what lacks a package that was not unpacked yet is for apt
    apt_install --no-remove --fix-broken install ||
        fail "the interrupted installation could not be finished: see dpkg --audit, fix it, and start the updater again"
}

# fetch_and ARG...: downloads first (nothing is changed if that fails), then installs.
fetch_and() {
    patient -d "$@" || fail "the packages could not be fetched, nothing was installed: $said"
    apt_install "$@" || fail "not all was installed: see above and dpkg --audit, fix it, and start the updater again"
}
