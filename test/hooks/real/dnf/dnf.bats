#!/usr/bin/env bats
# needs_update/dnf and update/dnf with Debian's dnf 4, against repositories that the test makes.
# Debian: 13
# Also on Debian: 12
load dnf

prepare() {
    export LANGUAGE=de # the hooks search dnf's English
    fresh
    repository main
    package /srv/main shell 1 "Provides: /bin/sh"
    offer acme 1
    installing shell acme
}
teardown() { fresh; }
asked() { hook needs_update/dnf; }
updated() { hook update/dnf; }

@test "none, then a newer version, then none" {
    asked
    exits 0
    says "nothing to upgrade"
    refute says "could not find out"
    updated
    exits 0
    installed acme 1

    offer acme 2
    asked
    exits 1
    says "acme.noarch"
    (
        unset DLM_CANNOT_TELL_EXIT
        asked
        exits 1
    )
    installed acme 1
    updated
    exits 0
    installed acme 2
    asked
    exits 0
    says "nothing to upgrade"
}

@test "metadata is always fetched anew, even if it is still young" {
    asked
    exits 0
    offer acme 2
    run dnf -q check-update
    [[ $status == 0 ]] # dnf itself does not see it
    asked
    exits 1
}

@test "the only repository has gone" {
    offer acme 2
    rm -r /srv/main/repodata
    could_not_find_out "Failed to download metadata for repo 'main-repo'" asked
}

@test "one of two repositories is broken, even if the other has an update, and if dnf is told to skip it" {
    offer acme 2
    repository bad
    could_not_find_out "bad-repo" asked
    repository bad skip_if_unavailable=True
    could_not_find_out "bad-repo" asked
    repository bad "baseurl=http://127.0.0.1:9/"
    could_not_find_out "bad-repo" asked
    setting dnf "options='--setopt=bad-repo.skip_if_unavailable=True'"
    asked
    exits 1
    setting dnf "options='--disablerepo=bad-repo'"
    asked
    exits 1
}

@test "no repository at all" {
    rm /etc/yum.repos.d/main.repo
    could_not_find_out "no enabled repositories" asked
}

@test "metadata that do not match the repository's checksums" {
    offer acme 2
    local file; for file in /srv/main/repodata/*primary.xml*; do echo x >>"$file"; done
    could_not_find_out "main-repo" asked
}

@test "a package is missing on the mirror: noticed in needs_update; fetched packages are installed without the mirror" {
    offer acme 2
    serving
    mv /srv/main/acme-2-1.noarch.rpm /srv/
    could_not_find_out "could not be fetched" asked
    updated
    exits 1
    says "some packages were not installed"
    installed acme 1
    setting dnf download=no
    asked
    exits 1

    mv /srv/acme-2-1.noarch.rpm /srv/main/
    setting dnf
    DLM_RUN_ID=run-2
    asked
    exits 1
    mv /srv/main /srv/away
    updated
    exits 0
    says "going on with what was fetched before"
    installed acme 2
}

@test "a mirror half synced, with new metadata but not the package: what was fetched before is installed" {
    offer acme 2
    serving
    asked
    exits 1
    offer acme 3
    mv /srv/main/acme-3-1.noarch.rpm /srv/
    updated
    exits 0
    says "going on with what was fetched before"
    refute says s3cret
    installed acme 2
    [[ -z $(compgen -G "/var/cache/dnf.dlm-*") ]]
    could_not_find_out "could not be fetched" asked
    refute says s3cret
    mv /srv/acme-3-1.noarch.rpm /srv/main/
    updated
    exits 0
    installed acme 3
}

@test "passwords in a repository's URL are not printed" {
    offer acme 2
    serving
    mv /srv/main /srv/away
    could_not_find_out "main-repo" asked
    refute says s3cret
    mv /srv/away /srv/main
    kill "$SERVER"
    could_not_find_out "main-repo" asked
    refute says s3cret
}

@test "excluded and version-locked packages are no update" {
    offer acme 2
    configured exclude=acme
    asked
    exits 0
    updated
    exits 0
    installed acme 1
    configured exclude=
    echo "acme-0:1-1.*" >/etc/dnf/plugins/versionlock.list
    asked
    exits 0
    updated
    exits 0
    installed acme 1
    : >/etc/dnf/plugins/versionlock.list
    asked
    exits 1
}

@test "an update that can't be installed is no update; where dnf.conf wants the best, could not find out" {
    offer acme 2 "Requires: nowhere"
    run dnf -q --refresh check-update
    [[ $status == 100 ]] # dnf lists it
    asked
    exits 0
    says "none of these would be installed"
    updated
    exits 0
    installed acme 1
    configured best=True # EL's
    could_not_find_out "nothing provides nowhere" asked
    updated
    exits 1
    installed acme 1
    setting dnf "options='--setopt=best=False'"
    asked
    exits 0
    offer lib 1 # not installed: no update either
    asked
    exits 0
}

@test "a version below the newest, if that one can't be installed" {
    package /srv/main acme 2
    offer acme 3 "Requires: nowhere"
    asked
    exits 1
    updated
    exits 0
    installed acme 2
    asked
    exits 0
}

@test "the administrator's configuration file stays, and nobody is asked" {
    echo mine >/etc/acme.conf
    offer acme 2
    updated
    exits 0
    installed acme 2
    [[ $(cat /etc/acme.conf) == mine && $(cat /etc/acme.conf.rpmnew) == version=2 ]]
}

@test "the hooks wait for another dnf, even if dnf.conf says not to" {
    configured exit_on_lock=True
    POST="sleep 4; echo other >>/run/ran" package /srv/main lib 1
    offer acme 2
    dnf -y -q --refresh install lib >/dev/null 2>&1 3>&- &
    HOLDER=$!
    until grep -qs . /var/cache/dnf/*.pid /run/dnf/*.pid /var/lib/dnf/*.pid || rpm -q lib >/dev/null; do
        kill -0 "$HOLDER"
    done
    until rpm -q lib >/dev/null; do kill -0 "$HOLDER"; done
    asked
    exits 1
    updated
    exits 0
    installed acme 2
    [[ $(cat /run/ran) == other ]]
}

@test "the update waits for rpm's own lock" {
    offer acme 2
    holding "$(rpm --eval %_dbpath)/.rpm.lock" 600
    released_once_waited_for
    asked
    exits 1
    updated
    exits 0
    says "another program has rpm's lock"
    installed acme 2
}

@test "rpm's own lock is held too long: a failure, and nothing is changed" {
    setting dnf lock_timeout=0
    offer acme 2
    holding "$(rpm --eval %_dbpath)/.rpm.lock" 600
    updated
    exits 1
    says "transaction lock"
    installed acme 1
}

@test "a power cut in the middle of the upgrade: the hook's next run finishes it, with the package's scripts" {
    offer lib 1
    installing lib
    POST=$(power_cut) package /srv/main acme 2
    offer lib 2
    updated
    [[ $status != 0 && ! -e /run/ran ]]
    rpm -q acme-1 acme-2
    updated
    exits 0
    says "finishing it: "
    installed acme 2
    installed lib 2
    [[ $(cat /run/ran) == ran ]]
    asked
    exits 0
}

@test "two kernels are no interrupted upgrade" {
    local version
    for version in 1 2; do
        CONF=kernel-$version package /srv/main kernel $version "Provides: installonlypkg(kernel)"
        publish /srv/main
        installing kernel-$version
    done
    installed kernel 1 2
    updated
    exits 0
    refute says interrupted
    installed kernel 1 2
}

@test "a script that fails before the installation is a failure" {
    PRE="exit 1" offer acme 2
    updated
    exits 1
    says "some packages were not installed"
    installed acme 1
}

@test "an unsigned package is noticed before anything is stopped; the key that the repository names is imported" {
    export GNUPGHOME=$BATS_TEST_TMPDIR/gnupg
    mkdir -m 700 "$GNUPGHOME"
    quietly gpg --batch --passphrase '' --quick-generate-key test@example.com rsa2048
    gpg --armor --export >/srv/key
    offer acme 2
    sed -i 's/gpgcheck=0/gpgcheck=1/' /etc/yum.repos.d/main.repo
    could_not_find_out "do not have any GPG public keys installed" asked
    repository main gpgcheck=1 gpgkey=file:///srv/key
    could_not_find_out "is not signed" asked
    updated
    exits 1
    installed acme 1
    quietly rpmsign --define "_gpg_name test@example.com" --define "__gpg /usr/bin/gpg" --addsign /srv/main/*.rpm
    publish /srv/main
    asked
    exits 1
    updated
    exits 0
    installed acme 2
    gpgconf --kill all
}
