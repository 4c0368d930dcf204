#!/usr/bin/env bats
# etckeeper and apt-listbugs, which may refuse an installation: gate/etckeeper, update/apt and update/apt-security.
# Debian: 12 13
load ../../hook
load repository
bats_require_minimum_version 1.5.0

setup_file() {
    mv /etc/apt/apt.conf.d/10apt-listbugs /root/
    mv /etc/apt/apt.conf.d/05etckeeper /root/
    quick
    mv /root/05etckeeper /etc/apt/apt.conf.d/
    grep -q '^AVOID_COMMIT' /etc/etckeeper/etckeeper.conf || echo AVOID_COMMIT_BEFORE_INSTALL=1 >>/etc/etckeeper/etckeeper.conf
    [[ -d /etc/.git ]] || etckeeper init >/dev/null # its package may have done that
    echo /hosts >>/etc/.git/info/exclude # the lab changes it whenever another host comes or goes
    git -C /etc rm -q --cached --ignore-unmatch hosts
}
prepare() {
    rm -f /etc/changed
    fresh
    package /srv/main acme 1
    quietly dpkg -i /srv/main/acme_1_all.deb
    package /srv/main acme 2
    publish /srv/main Debian-Security stable-security
    sources "$(trusted /srv/main)"
    ! etckeeper unclean || quietly etckeeper commit test
}
gate() { hook gate/etckeeper; }

@test "etckeeper: nothing uncommitted: the gate says yes, and the update installs and is committed" {
    gate
    exits 0
    says "no changes that are not committed"
    hook update/apt
    exits 0
    installed acme 2
    gate
    exits 0
}

@test "etckeeper: uncommitted changes: the gate says no, and the update would fail" {
    echo >/etc/changed
    gate
    not_now "etckeeper: /etc has changes that nobody has committed, and etckeeper would refuse to install anything: run \
'etckeeper commit'"
    hook update/apt
    exits 1
    says "etckeeper detected uncommitted changes in /etc"
    installed acme 1
    [[ -n $(git -C /etc status --porcelain) ]]
}

@test "etckeeper: uncommitted=commit: the gate says yes, and both updates commit first" {
    setting etckeeper uncommitted=commit
    local name
    for name in apt apt-security; do
        echo $name >/etc/changed
        gate
        exits 0
        hook update/$name
        exits 0
        installed acme 2
        [[ -z $(git -C /etc status --porcelain) ]]
        git -C /etc log --format=%s | grep -x "saving uncommitted changes in /etc before foreman-dlm-updater's $name"
        quietly dpkg --force-all -i /srv/main/acme_1_all.deb
        quietly etckeeper commit test
    done
}

@test "etckeeper: without AVOID_COMMIT_BEFORE_INSTALL it commits by itself" {
    sed -i 's/^AVOID_COMMIT_BEFORE_INSTALL=1/#&/' /etc/etckeeper/etckeeper.conf
    echo >/etc/changed
    gate
    exits 0
    says "by itself"
    hook update/apt
    sed -i 's/^#AVOID_COMMIT_BEFORE_INSTALL=1/AVOID_COMMIT_BEFORE_INSTALL=1/' /etc/etckeeper/etckeeper.conf
    exits 0
    installed acme 2
}

@test "apt-listbugs, which refuses an installation if it can't reach Debian's bugs, does not run" {
    cp /root/10apt-listbugs /etc/apt/apt.conf.d/
    quietly etckeeper commit test
    quietly apt-get -q update
    DEBIAN_FRONTEND=noninteractive run apt-get -q -y install acme </dev/null
    [[ $status != 0 ]] || { echo "$output"; false; }
    installed acme 1
    hook update/apt
    rm /etc/apt/apt.conf.d/10apt-listbugs
    exits 0
    installed acme 2
}
