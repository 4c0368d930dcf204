#!/usr/bin/env bats
# needs_update/dnf-security and update/dnf-security with Debian's dnf 4, against a repository with advisories that the
# test makes.
# Debian: 13
# Also on Debian: 12
load dnf

prepare() {
    fresh
    repository main
    package /srv/main lib 1
    offer acme 1
    installing acme lib
}
teardown() { fresh; }
asked() { hook needs_update/dnf-security; }
updated() { hook update/dnf-security; }
# offer_with [TYPE NAME VERSION]...: publishes the packages, with these advisories.
offer_with() { publish /srv/main "$@"; }

@test "only what has a security advisory is an update, and is installed" {
    package /srv/main lib 2
    offer_with bugfix lib 2
    asked
    exits 0
    says "no security updates"
    updated
    exits 0
    installed lib 1

    package /srv/main acme 2
    offer_with bugfix lib 2 security acme 2
    asked
    exits 1
    says acme
    refute says lib
    (
        unset DLM_CANNOT_TELL_EXIT
        asked
        exits 1
    )
    updated
    exits 0
    installed acme 2
    installed lib 1
    asked
    exits 0
}

@test "a repository without advisories" {
    package /srv/main acme 2
    offer_with
    asked
    exits 0
    updated
    exits 0
    installed acme 1
}

@test "the newest version is installed, though the advisory names another one; then none" {
    package /srv/main acme 2
    package /srv/main acme 3
    offer_with security acme 2 bugfix acme 3
    asked
    exits 1
    updated
    exits 0
    installed acme 3
    asked
    exits 0
}

@test "dependencies are installed too, without an advisory" {
    package /srv/main acme 2 "Requires: lib = 2"
    package /srv/main lib 2
    offer_with security acme 2
    asked
    exits 1
    updated
    exits 0
    installed acme 2
    installed lib 2
}

@test "a security update that can't be installed, or is excluded or locked, is no update" {
    package /srv/main acme 2 "Requires: nowhere"
    offer_with security acme 2
    asked
    exits 0
    says "none of these would be installed"
    updated
    exits 0
    installed acme 1
    rm /srv/main/acme-2*
    package /srv/main acme 2
    offer_with security acme 2
    configured exclude=acme
    asked
    exits 0
    configured exclude=
    echo "acme-0:1-1.*" >/etc/dnf/plugins/versionlock.list
    asked
    exits 0
    updated
    exits 0
    installed acme 1
}

@test "the repository has gone, or one of two is broken" {
    package /srv/main acme 2
    offer_with security acme 2
    repository bad
    could_not_find_out "bad-repo" asked
    rm /etc/yum.repos.d/bad.repo
    rm -r /srv/main/repodata
    could_not_find_out "main-repo" asked
}
