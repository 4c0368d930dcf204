#!/usr/bin/env bats
# needs_update/dnf and update/dnf with the real dnf5, which Debian 12 and 13 don't have, and testing changes every day:
# DEBIAN=testing test/hooks/real.sh dnf/dnf5.bats. The last run was with dnf5 5.4.6. Where apt has other sources than
# Debian's, set BOOT_LAB_SOURCES to a file with testing's.
# Also on Debian: testing
load ../../hook
load ../rpm
bats_require_minimum_version 1.5.0

repository() { printf '%s\n' "[$1-repo]" "name=$1" "baseurl=file:///srv/$1" gpgcheck=0 >"/etc/yum.repos.d/$1.repo"; }
offer() { # NAME VERSION [TAG...]
    package /srv/main "$@"
    publish /srv/main
}
serving() { # by HTTP, with a password
    python3 -m http.server -d /srv -b 127.0.0.1 8000 >/dev/null 2>&1 3>&- &
    SERVER=$!
    until (: </dev/tcp/127.0.0.1/8000) 2>/dev/null; do kill -0 "$SERVER"; done
    sed -i 's,^baseurl=.*,baseurl=http://joe:s3cret@127.0.0.1:8000/main,' /etc/yum.repos.d/main.repo
}

fresh5() {
    [[ -z ${SERVER:-} ]] || kill "$SERVER" 2>/dev/null || true
    local all; mapfile -t all < <(rpm -qa)
    ((!${#all[@]})) || quietly rpm -e --nodeps --noscripts "${all[@]}"
    rm -rf /srv/* /var/cache/libdnf5* /etc/acme.conf* /run/cut /run/ran /etc/yum.repos.d
    mkdir -p /etc/yum.repos.d /etc/dnf/vars
    sed -i 's,^enabled.*,enabled = 0,' /etc/dnf/libdnf5-plugins/local.conf # Debian enables this one
    echo 9 >/etc/dnf/vars/releasever
    printf '%s\n' "[main]" gpgcheck=True best=False skip_if_unavailable=True >/etc/dnf/dnf.conf
}
prepare() {
    fresh5
    repository main
    package /srv/main shell 1 "Provides: /bin/sh"
    offer acme 1
    quietly dnf5 -y -q --refresh install shell acme
}
teardown() { fresh5; }
asked() { hook needs_update/dnf; }
updated() { hook update/dnf; }

@test "dnf5: none, then a newer version, then none" {
    asked
    exits 0
    says "nothing to upgrade"
    offer acme 2
    asked
    exits 1
    installed acme 1
    updated
    exits 0
    installed acme 2
    asked
    exits 0
}

@test "dnf5: a repository has gone; its password is not printed" {
    offer acme 2
    serving
    mv /srv/main /srv/away
    could_not_find_out "http://***@127.0.0.1:8000/main" asked
    refute says s3cret
    updated # nothing was fetched: the old metadata have nothing newer
    refute says s3cret
    installed acme 1
}

@test "dnf5: a mirror half synced: what was fetched before is installed" {
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
    [[ -z $(compgen -G "/var/cache/libdnf5.dlm-*") ]]
    could_not_find_out "could not be fetched" asked
    mv /srv/acme-3-1.noarch.rpm /srv/main/
    updated
    exits 0
    installed acme 3
}

@test "dnf5: an unsigned package is noticed before anything is stopped; the key that the repository names is imported" {
    export GNUPGHOME=$BATS_TEST_TMPDIR/gnupg
    mkdir -m 700 "$GNUPGHOME"
    quietly gpg --batch --passphrase '' --quick-generate-key test@example.com rsa2048
    gpg --armor --export >/srv/key
    offer acme 2
    sed -i 's/gpgcheck=0/gpgcheck=1/' /etc/yum.repos.d/main.repo
    could_not_find_out "is not signed" asked
    updated
    exits 1
    installed acme 1
    echo gpgkey=file:///srv/key >>/etc/yum.repos.d/main.repo
    quietly rpmsign --define "_gpg_name test@example.com" --define "__gpg /usr/bin/gpg" --addsign /srv/main/*.rpm
    publish /srv/main
    asked
    exits 1
    updated
    exits 0
    installed acme 2
    gpgconf --kill all
}

@test "dnf5: excluded packages and packages without their dependencies are no update" {
    offer acme 2 "Requires: nowhere"
    asked
    exits 0
    says "none of these would be installed"
    rm /srv/main/acme-2*
    offer acme 2
    echo excludepkgs=acme >>/etc/dnf/dnf.conf
    asked
    exits 0
}

@test "dnf5: only what has a security advisory" {
    offer lib 1
    quietly dnf5 -y -q --refresh install lib
    package /srv/main acme 2
    package /srv/main lib 2
    publish /srv/main bugfix lib 2
    hook needs_update/dnf-security
    exits 0
    says "no security updates"
    publish /srv/main bugfix lib 2 security acme 2
    hook needs_update/dnf-security
    exits 1
    hook update/dnf-security
    exits 0
    installed acme 2
    installed lib 1
}

@test "dnf5: packages in two versions, after a power cut, are fixed first" {
    offer acme 2
    quietly rpm -i --force --justdb --nodeps /srv/main/acme-2-1.noarch.rpm
    installed acme 1 2
    updated
    exits 0
    says "finishing it: "
    installed acme 2
}

@test "dnf5: waits for another dnf5" {
    POST="sleep 4; echo other >>/run/ran" package /srv/main lib 1
    offer acme 2
    dnf5 -y -q --refresh install lib >/dev/null 2>&1 3>&- &
    until rpm -q lib >/dev/null; do kill -0 $!; done
    asked
    exits 1
    updated
    exits 0
    installed acme 2
    [[ $(cat /run/ran) == other ]]
}

@test "dnf5: needs-restarting" {
    hook needs_reboot/dnf-needs-restarting
    exits 0
    says "should not be necessary"
}
