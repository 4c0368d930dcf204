# What the update hooks for apt share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/apt-update.sh"
# Read lib/apt.sh first.
# shellcheck shell=sh
: "${hook:?}" "${lock_timeout:?}" "${conf:?}" "${lists=}"

uncommitted=refuse # the setting of gate/etckeeper
# shellcheck source=/dev/null
[ ! -e "${conf%/*}/etckeeper.conf" ] || . "${conf%/*}/etckeeper.conf"

# commit_etc: with uncommitted=commit, commits what changed in /etc, since etckeeper may refuse the installation else.
commit_etc() {
    if [ "$uncommitted" = commit ] && command -v etckeeper >/dev/null && timeout 60 etckeeper unclean; then
        timeout 600 etckeeper commit "saving uncommitted changes in /etc before foreman-dlm-updater's $hook" ||
            fail "etckeeper could not commit the changes in /etc, nothing was installed: commit them with" \
                "'etckeeper commit', and start the updater again"
    fi
}

# apt_install ARG...: runs an apt-get that installs. Without Use-Pty dpkg shows no progress, which would be one very
# long line in the journal.
apt_install() {
    commit_etc
    # shellcheck disable=SC2086 # each option is a word
    apt-get -q -y -o DPkg::Lock::Timeout="$lock_timeout" -o Dpkg::Use-Pty=0 \
        -o DPkg::Options::=--force-confdef -o DPkg::Options::=--force-confold $lists "$@"
}

# refresh: fetches new package lists, because this stage may begin hours after needs_update. If that fails the old lists
# will do: services are stopped by now.
refresh() {
    patient -o APT::Update::Error-Mode=any update ||
        echo "$hook: the package lists could not be renewed, going on with the old ones: $said" >&2
}

# fix: finishes what a power cut interrupted. It removes nothing: if one of two packages has to go, a person decides
# which.
fix() {
    patient check && return
    case $said in
    *"dpkg was interrupted"* | *"fix-broken"*) ;;
    *) fail "could not check dpkg's state, nothing was installed: $said" ;;
    esac
    echo "$hook: an earlier installation was interrupted, finishing it"
    dpkg --force-confdef --force-confold --configure -a || true # a package may still lack a dependency: apt installs it
    fetched patient -d --no-remove --fix-broken install || :
    apt_install --no-remove --fix-broken install ||
        fail "the interrupted installation could not be finished: see dpkg --audit, fix it, and start the updater again"
}

# install_fetched ARG...: installs what was fetched. If the power fails now, the same lists are there afterwards.
install_fetched() {
    keep
    apt_install "$@" ||
        fail "some packages were not installed: see above and dpkg --audit, fix it, and start the updater again"
    rm -rf "${kept:?}"
}

# old_kernels: removes the kernels, with their headers and modules, that apt would remove as not needed any more. apt
# keeps the running one and the two newest ones; this keeps the running one and the newest one in any case.
old_kernels() {
    patient -s autoremove || fail "apt-get -s autoremove failed, nothing was removed or installed: $said"
    names='linux-(image|headers|modules|kbuild|base|binary|tools|cloud-tools|buildinfo)|(pve|proxmox)-(kernel|headers)'
    # shellcheck disable=SC2016 # dpkg-query's variables
    newest=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' |
        sed -En 's/^installed (linux-image|pve-kernel|proxmox-kernel)(-[a-z]+)*-([0-9]+\.[0-9]+\.[0-9][^ ]*)/\3/p' |
        sed 's/-[a-z].*//' | sort -V | tail -n 1)
    running=$(uname -r | sed 's/-[a-z].*//')
    # shellcheck disable=SC2046 # each package is a word
    set -- $(printf '%s\n' "$said" | sed -En "s/^Remv (($names)(-[a-z]+)*-[0-9]+\.[0-9]+\.[0-9][^ ]*) .*/\1/p" |
        while read -r package; do
            case $package in
            *-"$running" | *-"$running"-* | *-"$newest" | *-"$newest"-*) ;;
            *) echo "$package" ;;
            esac
        done)
    [ $# != 0 ] || return 0
    patient -s remove "$@" || fail "apt-get -s remove $* failed, nothing was removed or installed: $said"
    if [ "$(printf '%s\n' "$said" | grep -c '^Remv ')" != $# ]; then
        echo "$hook: the old kernels stay, because other packages would go with them: $said" >&2
        return
    fi
    echo "$hook: removing old kernels: $*"
    apt_install remove "$@" ||
        fail "the old kernels were not removed, nothing was installed: see above, fix it, and start the updater again"
}
