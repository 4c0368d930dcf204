#!/usr/bin/env bats
# needs_update/apt-security and update/apt-security with Debian's apt and dpkg, against two repositories with Debian's
# labels and suites.
# Debian: 13
# Also on Debian: 12
load ../../hook
load repository
bats_require_minimum_version 1.5.0

prepare() {
    fresh
    setting apt-security lock_timeout=30
    package /srv/main acme 1
    package /srv/main unrelated 1
    mkdir -p /srv/security
    offered
    sources "$(trusted /srv/main)" "$(trusted /srv/security)"
    quietly apt-get -q update
    quietly apt-get -q -y install acme=1 unrelated=1
}
setup_file() { quick; }
teardown() { let_go; }

offered() {
    publish /srv/main Debian stable
    publish /srv/security Debian-Security stable-security
}
asked() { hook needs_update/apt-security; }
updated() { hook update/apt-security; }

@test "none, then a security update, then none; other updates are left alone" {
    package /srv/main unrelated 2
    offered
    asked
    exits 0
    says "no security updates"
    updated
    exits 0
    installed unrelated 1

    package /srv/security acme 1+deb12u1
    offered
    asked
    exits 1
    says "acme=1+deb12u1"
    refute says unrelated=
    updated
    exits 0
    installed acme 1+deb12u1
    installed unrelated 1
    asked
    exits 0
}

@test "a newer version elsewhere is not taken, and hides nothing" {
    package /srv/security acme 1+deb12u1
    package /srv/main acme 2
    offered
    asked
    exits 1
    updated
    exits 0
    installed acme 1+deb12u1
    asked
    exits 0
}

@test "the administrator's default release and preferences do not hide a security update" {
    package /srv/security acme 1+deb12u1
    package /srv/main acme 2
    offered
    echo 'APT::Default-Release "o=Test";' >>/etc/apt/apt.conf.d/90test # both archives
    printf 'Package: *\nPin: release a=stable\nPin-Priority: 995\n' >/etc/apt/preferences
    asked
    exits 1
    updated
    exits 0
    installed acme 1+deb12u1
}

@test "a package that the administrator pinned: to its version, to another archive" {
    package /srv/security acme 1+deb12u1
    package /srv/main acme 2
    offered
    printf 'Package: acme\nPin: version 1\nPin-Priority: 1001\n' >/etc/apt/preferences
    asked
    exits 0
    updated
    exits 0
    installed acme 1
    printf 'Package: acme\nPin: release l=Debian\nPin-Priority: 999\n' >/etc/apt/preferences
    asked
    exits 0
    updated
    exits 0
    installed acme 1
}

@test "held: no, and the package is named; so is what else holds a package back" {
    package /srv/main lib 1
    publish /srv/main Debian stable
    quietly apt-get -q update
    quietly apt-get -q -y install lib
    package /srv/security acme 1+deb12u1
    package /srv/security unrelated 1+deb12u1 "Depends: lib (>= 2)"
    package /srv/main lib 2
    package /srv/main other 2
    offered
    apt-mark -qq hold acme lib
    asked
    exits 0
    says "no security updates to install"
    says "apt-security: the security update acme=1+deb12u1 is held back: it is on hold: apt-mark unhold acme"
    says "apt-security: the security update unrelated=1+deb12u1 is held back: "
    says "unrelated : Depends: lib (>= 2) but 1 is to be installed"
    refute says "the security update lib"
    updated
    exits 0
    says "the security update acme=1+deb12u1 is held back: it is on hold"
    says "unrelated : Depends: lib (>= 2) but 1 is to be installed"
    installed acme 1
    apt-mark -qq unhold acme lib
    asked
    exits 1
    refute says "held back"
}

@test "a package that is kept back and is no security update is not named" {
    package /srv/main unrelated 2 "Depends: nowhere"
    offered
    apt-mark -qq hold acme
    asked
    exits 0
    refute says "held back"
    apt-mark -qq unhold acme
}

@test "dependencies are installed from any archive: a new package, a newer one" {
    package /srv/main extra 1
    package /srv/main unrelated 2
    package /srv/security acme 1+deb12u1 "Depends: extra, unrelated (>= 2)"
    offered
    asked
    exits 1
    updated
    exits 0
    installed acme 1+deb12u1
    installed extra 1
    installed unrelated 2
    asked
    exits 0
}

@test "a package whose dependency does not exist is no update, in both hooks, which say so" {
    package /srv/security acme 1+deb12u1 "Depends: nowhere"
    package /srv/security unrelated 1+deb12u1
    offered
    asked
    exits 1
    says "acme=1+deb12u1 is held back: "
    says "acme : Depends: nowhere but it is not installable"
    updated
    exits 0
    says "acme : Depends: nowhere but it is not installable"
    installed unrelated 1+deb12u1
    installed acme 1
}

@test "a package that was installed as a dependency stays marked as one" {
    package /srv/security acme 1+deb12u1
    offered
    apt-mark -qq auto acme
    updated
    exits 0
    installed acme 1+deb12u1
    [[ $(apt-mark showauto acme unrelated) == acme ]]
}

@test "a version that both archives have" {
    package /srv/security acme 1+deb12u1
    cp /srv/security/*.deb /srv/main/
    offered
    asked
    exits 1
    updated
    exits 0
    installed acme 1+deb12u1
}

@test "the security archives of Ubuntu, of another distribution, and from the settings" {
    package /srv/security acme 2
    becomes() { publish /srv/security "$@"; rm -r /var/lib/apt/lists/*; } # apt refuses lists that change their label
    becomes Ubuntu noble-security
    asked
    exits 1
    becomes Ubuntu noble-updates
    asked
    exits 75
    says "none of apt's sources is a security archive"
    becomes Acme-Fixes stable
    asked
    exits 75
    setting apt-security "archives='Debian-Security:* Acme-*:stable'"
    asked
    exits 1
    updated
    exits 0
    installed acme 2
}

@test "could not find out: a broken mirror, a missing package, locked lists, locked dpkg, wrong settings" {
    package /srv/security acme 2
    offered
    setting apt-security lock_timeout=1
    holding /var/lib/apt/lists/lock 600
    asked
    exits 75
    says "could not find out"
    kill "$HOLDER"
    holding /var/lib/dpkg/lock-frontend 600
    asked
    exits 75
    kill "$HOLDER"
    rm /srv/security/acme_2_all.deb
    asked
    exits 75
    says "could not find out"
    updated
    exits 1
    says "nothing was installed"
    rm /srv/security/Packages
    asked
    exits 75
    unset DLM_CANNOT_TELL_EXIT
    asked
    exits 0
    says "could not find out"
    DLM_CANNOT_TELL_EXIT=75
    export DLM_CANNOT_TELL_EXIT
    setting apt-security 'archives=('
    asked
    exits 75
}

@test "the administrator's configuration file stays; an interrupted dpkg is finished first" {
    echo mine >/etc/acme.conf
    package /srv/security acme 2 "Depends: extra"
    package /srv/main extra 1
    offered
    quietly dpkg --unpack /srv/security/acme_2_all.deb
    updated
    exits 0
    installed acme 2
    installed extra 1
    [[ $(cat /etc/acme.conf) == mine ]]
}

@test "a mirror that is half synced: what was fetched before is installed" {
    package /srv/security acme 1+deb12u1
    offered
    sources "$(trusted /srv/main)" "deb [trusted=yes] copy:/srv/security ./"
    asked
    exits 1
    package /srv/security acme 1+deb12u2
    offered
    rm /srv/security/*.deb
    updated
    exits 0
    says "going on with those that were fetched before"
    installed acme 1+deb12u1
}
