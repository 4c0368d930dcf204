#!/usr/bin/env bats
# needs_update/zypper and update/zypper with Debian's zypper 1.14, against repositories that the test makes.
# Debian: 13
# Also on Debian: 12
load ../../hook
load ../rpm
bats_require_minimum_version 1.5.0

prepare() {
    export DLM_HOOKS_CACHE=$BATS_TEST_TMPDIR/cache
    fresh
    package /srv/main shell 1 "Provides: /bin/sh"
    package /srv/main lib 1
    package /srv/main acme 1
    offered
    repository main
    quietly zypper -n install shell acme lib
}
teardown() { fresh; }
# fresh: removes test packages, repositories, locks and caches, because all tests of a file share one host.
fresh() {
    echo '%_dbpath /var/lib/rpm' >/root/.rpmmacros # zypper's path; Debian's rpm has another one
    [[ -z ${HOLDER:-} ]] || kill "$HOLDER" 2>/dev/null || true
    local all; mapfile -t all < <(rpm -qa)
    ((!${#all[@]})) || quietly rpm -e --nodeps --noscripts "${all[@]}"
    rm -rf /srv/* /etc/zypp/repos.d/* /etc/zypp/locks /var/cache/zypp/* \
        /etc/acme.conf* /run/cut /run/ran /run/reboot-needed
    [[ ! -e /etc/acme.conf ]]
}
repository() { quietly zypper -n addrepo --no-gpgcheck "dir:///srv/$1" "$1"; }
# offered [TYPE NAME VERSION]...: publishes the packages, with these patches.
offered() { publish /srv/main "$@"; }
# serve: serves /srv on 127.0.0.1, port 8000, until the test ends.
serve() {
    # shellcheck disable=SC2016 # perl's variables
    perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 9, LocalAddr => "127.0.0.1:8000", ReuseAddr => 1)
        or die $!;
        while ($c = $s->accept) {
            ($path) = <$c> =~ m{^\w+ (\S+)};
            while (<$c>) { last if /^\r?$/ }
            $body = open(F, "<", "/srv$path") && -f F ? do { local $/; <F> } : undef;
            printf $c "HTTP/1.0 %s\r\nContent-Length: %d\r\n\r\n%s",
                defined $body ? "200 OK" : "404 Not Found", length $body, $body;
            close $c;
        }' 3>&- &
    HOLDER=$!
    until (: </dev/tcp/127.0.0.1/8000) 2>/dev/null; do kill -0 "$HOLDER" || return; done
}
asked() { hook needs_update/zypper; }
updated() { hook update/zypper; }

@test "none, then a newer version, then none; always with fresh metadata" {
    asked
    exits 0
    says "Nothing to do."
    updated
    exits 0
    installed acme 1

    package /srv/main acme 2
    offered
    asked
    exits 1
    says acme
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
}

@test "the only repository has gone; none is defined" {
    package /srv/main acme 2
    offered
    asked
    exits 1
    mv /srv/main /srv/away
    could_not_find_out "zypper refresh failed (4)" asked
    rm /etc/zypp/repos.d/*
    could_not_find_out "zypper refresh failed (6)" asked
}

@test "one of two repositories is broken, even if the other has an update" {
    package /srv/main acme 2
    offered
    package /srv/second extra 1
    publish /srv/second
    repository second
    asked
    exits 1
    rm -r /srv/second
    could_not_find_out "second" asked
    updated # from the other repository
    exits 0
    says "going on with what was fetched before"
    installed acme 2
}

@test "a repository that could never be read: the update says so" {
    package /srv/main acme 2
    offered
    repository bad
    could_not_find_out "bad" asked
    updated
    exits 0
    says "a repository could not be used"
    installed acme 2
}

@test "a package is missing on the mirror: noticed in needs_update; fetched packages are installed without the mirror" {
    package /srv/main acme 2
    offered
    mv /srv/main/acme-2-1.noarch.rpm /srv/
    could_not_find_out "zypper update --download-only failed" asked
    updated
    exits 1
    installed acme 1
    setting zypper download=no
    asked
    exits 1

    mv /srv/acme-2-1.noarch.rpm /srv/main/
    setting zypper
    asked
    exits 1
    mv /srv/main /srv/away
    updated
    exits 0
    installed acme 2
}

@test "a mirror half synced: its newest package is missing: what needs_update has fetched is installed" {
    package /srv/main acme 2
    offered
    asked
    exits 1
    package /srv/main acme 3
    offered
    rm /srv/main/acme-[23]-1.noarch.rpm
    quietly zypper -n refresh # somebody else: zypper's own metadata has the new index, too
    updated
    exits 0
    says "going on with what was fetched before"
    says "acme-3-1.noarch"
    installed acme 2
    [[ ! -e $DLM_HOOKS_CACHE/zypper ]]

    package /srv/main acme 3 # the mirror is synced
    offered
    asked
    exits 1
    updated
    exits 0
    installed acme 3
}

@test "a mirror half synced, by http; then synced: the newest is installed, in the same run" {
    package /srv/main acme 2
    offered
    serve
    rm /etc/zypp/repos.d/*
    quietly zypper -n addrepo --no-gpgcheck http://127.0.0.1:8000/main main
    asked
    exits 1
    package /srv/main acme 3
    POST="exit 1" package /srv/main lib 2
    offered
    mv /srv/main/acme-[23]-1.noarch.rpm /srv/
    updated
    exits 0
    says "going on with what was fetched before"
    installed acme 2
    installed lib 1
    mv /srv/acme-[23]-1.noarch.rpm /srv/main/
    updated
    exits 1
    says "script failed"
    installed acme 3
    installed lib 2
}

@test "mode=dup: also what is older; auto: where the release package asks for it" {
    package /srv/main acme 2
    package /srv/main release 1 "Provides: product-update() = dup"
    offered
    asked # update
    exits 1
    updated
    exits 0
    installed acme 2
    rm /srv/main/acme-2-1.noarch.rpm
    offered
    asked # acme 2 is not there any more, acme 1 is: no update, but a dup
    exits 0
    setting zypper mode=dup
    asked
    exits 1
    says "going to be downgraded"
    updated
    exits 0
    installed acme 1

    setting zypper
    package /srv/main acme 3
    offered
    quietly zypper -n refresh
    quietly zypper -n install release acme-3
    rm /srv/main/acme-3-1.noarch.rpm
    offered
    asked
    exits 1
    says "going to be downgraded"
    setting zypper mode=update
    asked
    exits 0
    says "has to be updated with mode=dup"
    setting zypper
    updated
    exits 0
    installed acme 1
}

@test "/ is read-only: zypper refuses to install; the hooks say so first" {
    package /srv/main acme 2
    offered
    cat >"$BATS_TEST_TMPDIR/readonly" <<'END'
mount -o remount,bind,ro / && mount -t tmpfs tmpfs /var/cache/zypp || exit 9
zypper -n update; echo "zypper: $?"
"$DLM_HOOKS_DIR/needs_update.d/zypper"; echo "needs_update: $?"
"$DLM_HOOKS_DIR/update.d/zypper"; echo "update: $?"
END
    run unshare --mount sh "$BATS_TEST_TMPDIR/readonly"
    says "The target filesystem is mounted as read-only"
    says "zypper: 5"
    says "/ is read-only, so zypper can install nothing"
    says "needs_update: 75"
    says "update: 1"
    installed acme 1
}

@test "a locked package is no update" {
    package /srv/main acme 2
    offered security acme 2
    quietly zypper -n addlock acme
    asked
    exits 0
    updated
    exits 0
    installed acme 1
    quietly zypper -n removelock acme
    asked
    exits 1
}

@test "an update that can't be installed is no update; an older version that can be is one" {
    package /srv/main acme 3 "Requires: nowhere"
    offered
    asked
    exits 0
    updated
    exits 0
    installed acme 1
    package /srv/main acme 2
    offered
    asked
    exits 1
    updated
    exits 0
    installed acme 2
    asked
    exits 0
}

@test "mode=patch: only packages that a patch names, even if it needs a reboot" {
    setting zypper mode=patch
    package /srv/main lib 2
    offered
    asked
    exits 0
    updated
    exits 0
    installed lib 1

    package /srv/main acme 2
    REBOOT=1 offered security acme 2
    asked
    exits 1
    updated
    exits 0
    says reboot
    installed acme 2
    installed lib 1
    asked
    exits 0
}

@test "mode=patch: an updated zypper runs once more for the rest" {
    setting zypper mode=patch
    package /srv/main acme 2
    package /srv/main lib 2
    RESTART=acme offered security acme 2 recommended lib 2
    asked
    exits 1
    updated
    exits 0
    says "running it once more"
    installed acme 2
    installed lib 2
    asked
    exits 0
}

@test "mode=patch: could not find out if a lock conflicts with a patch, unless the patch is locked too" {
    setting zypper mode=patch
    package /srv/main acme 2
    offered security acme 2
    quietly zypper -n addlock acme
    could_not_find_out "do not install patch:ADV-1" asked
    updated
    exits 1
    installed acme 1
    quietly zypper -n addlock -t patch ADV-1
    asked
    exits 0
    updated
    exits 0
    installed acme 1
}

@test "both hooks use the options" {
    package /srv/second acme 2
    publish /srv/second
    repository second
    setting zypper "options='--repo main'"
    asked
    exits 0
    updated
    exits 0
    installed acme 1
    setting zypper "options='--repo second'"
    asked
    exits 1
    updated
    installed acme 2
}

@test "the administrator's configuration file stays, and nobody is asked" {
    echo mine >/etc/acme.conf
    package /srv/main acme 2
    offered
    updated
    exits 0
    installed acme 2
    [[ $(cat /etc/acme.conf) == mine && $(cat /etc/acme.conf.rpmnew) == version=2 ]]
}

@test "the hooks wait for another zypper; too long: could not find out, and a failure" {
    package /srv/main acme 2
    offered
    sleep 4 3>&- | zypper -n shell >/dev/null 2>&1 3>&- &
    until grep -qs . /run/zypp.pid; do :; done
    setting zypper lock_timeout=0
    could_not_find_out "zypper refresh failed (7)" asked
    updated
    exits 1
    says "(7)"
    installed acme 1
    setting zypper lock_timeout=600
    asked
    exits 1
    sleep 4 3>&- | zypper -n shell >/dev/null 2>&1 3>&- &
    until grep -qs . /run/zypp.pid; do :; done
    updated
    exits 0
    installed acme 2
}

@test "the update waits for rpm's own lock; too long: a failure" {
    package /srv/main acme 2
    offered
    holding /var/lib/rpm/.rpm.lock 600
    setting zypper lock_timeout=0
    updated
    exits 1
    says "transaction lock"
    installed acme 1
    setting zypper lock_timeout=600
    released_once_waited_for
    updated
    exits 0
    says "another program has rpm's lock"
    installed acme 2
}

@test "a package's script fails: a failure" {
    POST="exit 1" package /srv/main acme 2
    offered
    updated
    exits 1
    says "script failed"
    PRE="exit 1" package /srv/main acme 3
    offered
    updated
    exits 1
    says "some packages were not installed (8)"
    installed acme 2
}

@test "a power cut in the middle of the update: the hook's next run finishes it, with the package's scripts" {
    POST=$(power_cut) package /srv/main acme 2
    package /srv/main lib 2
    offered
    updated
    [[ $status != 0 && ! -e /run/ran ]]
    rpm -q acme-1 acme-2
    updated
    exits 0
    says "installing again: acme.noarch"
    installed acme 2
    installed lib 2
    [[ $(cat /run/ran) == ran ]]
    asked
    exits 0
}

@test "a power cut, and the package is no longer available: the hook says so clearly" {
    POST=$(power_cut) package /srv/main acme 2
    offered
    updated
    rm /srv/main/acme-2*
    offered
    zypper clean --all
    updated
    exits 1
    says "still installed in two versions, remove the older ones"
    says "acme.noarch"
}
