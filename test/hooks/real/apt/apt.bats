#!/usr/bin/env bats
# needs_update/apt and update/apt with Debian's apt and dpkg, against repositories that the test makes.
# Debian: 13
# Also on Debian: 12
load ../../hook
load repository
bats_require_minimum_version 1.5.0

prepare() {
    fresh
    setting apt lock_timeout=30
    package /srv/main acme 1
    publish /srv/main Test stable
    sources "$(trusted /srv/main)"
    quietly apt-get -q update
    quietly apt-get -q -y install acme=1
}
setup_file() { quick; }
teardown() { let_go; }

# offer NAME VERSION [FIELD...]: adds the package to the repository.
offer() {
    package /srv/main "$@"
    publish /srv/main Test stable
}
asked() { hook needs_update/apt; }
updated() { hook update/apt; }

# could_not_find_out WHY: checks the hook with and without an exit code for "could not find out".
could_not_find_out() {
    asked
    exits 75
    says "could not find out"
    says "$1"
    (
        unset DLM_CANNOT_TELL_EXIT
        asked
        exits 0
        says "could not find out"
    )
}

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
    says "Inst acme [1] (2 "
    unset DLM_CANNOT_TELL_EXIT
    asked
    exits 1
    installed acme 1
    updated
    exits 0
    installed acme 2
    asked
    exits 0
}

@test "no list of packages: the repository is away" {
    rm /srv/main/Packages
    could_not_find_out "apt-get update failed"
}

@test "no sources, because of the name of their file" {
    mv /etc/apt/sources.list /etc/apt/sources.list.d/main.source
    could_not_find_out "apt has no sources of packages"
    rm /etc/apt/sources.list.d/main.source
}

@test "no Release file" {
    offer acme 2
    asked
    exits 1
    rm -r /srv/main
    could_not_find_out "apt-get update failed"
}

@test "nothing listens on the mirror's port" {
    sources "deb [trusted=yes] http://127.0.0.1:9/ ./"
    could_not_find_out "Failed to fetch"
}

@test "one of two sources broken, even if the other has an update" {
    offer acme 2
    sources "$(trusted /srv/main)" "deb [trusted=yes] http://127.0.0.1:9/ ./"
    could_not_find_out "127.0.0.1"
}

@test "a list of packages that does not match the Release file" {
    offer acme 2
    echo >>/srv/main/Packages
    could_not_find_out "apt-get update failed"
}

@test "an unsigned source" {
    sources "deb file:/srv/main ./"
    could_not_find_out "not signed"
}

@test "a bad signature, while older lists exist" {
    export GNUPGHOME=$BATS_TEST_TMPDIR/gnupg
    mkdir -m 700 "$GNUPGHOME"
    quietly gpg --batch --passphrase '' --quick-generate-key test@example.com ed25519
    gpg --export >"$BATS_TEST_TMPDIR/key.gpg"
    sign() {
        rm -f /srv/main/Release.gpg
        quietly gpg --batch --armor --detach-sign -o /srv/main/Release.gpg /srv/main/Release
    }
    cp "$BATS_TEST_TMPDIR/key.gpg" /srv/key.gpg
    sources "deb [signed-by=/srv/key.gpg] file:/srv/main ./"
    sign
    asked
    exits 0
    offer acme 2
    sign
    echo "Description: changed" >>/srv/main/Release
    could_not_find_out "signature"
    publish /srv/main Test stable
    sign
    asked
    exits 1
    gpgconf --kill all
}

@test "a package is missing on the mirror: the hook notices before anything is stopped" {
    offer acme 2
    rm /srv/main/acme_2_all.deb
    could_not_find_out "could not be fetched"
    setting apt download=no
    asked
    exits 1
    updated
    exits 1
    says "nothing was installed"
    installed acme 1
}

@test "fetched packages are installed even if the mirror has gone since" {
    # file: copies nothing; copy: fetches like http.
    offer acme 2
    sources "deb [trusted=yes] copy:/srv/main ./"
    asked
    exits 1
    mv /srv/main /srv/away
    updated
    exits 0
    says "could not be renewed"
    installed acme 2
}

# half_synced: the mirror gets an index with acme 3, and loses all its packages.
half_synced() {
    offer acme 3
    rm /srv/main/*.deb
}

@test "a mirror that is half synced, by copy: and http: what was fetched before is installed" {
    serving /srv/main
    local from
    for from in copy:/srv/main http://127.0.0.1:8080; do
        offer acme 2
        sources "deb [trusted=yes] $from ./"
        asked
        exits 1
        half_synced
        updated
        exits 0
        says "going on with those that were fetched before"
        installed acme 2
        [[ ! -e $DLM_HOOKS_STATE/apt-lists ]]
        offer acme 3
        updated
        exits 0
        installed acme 3
        quietly dpkg --purge acme
        rm -f /srv/main/*.deb /var/cache/apt/archives/*.deb
        package /srv/main acme 1
        quietly dpkg -i /srv/main/acme_1_all.deb
    done
}

@test "a mirror with another package than its index says: what was fetched before is installed" {
    offer acme 2
    sources "deb [trusted=yes] copy:/srv/main ./"
    asked
    exits 1
    offer acme 3
    echo >>/srv/main/acme_3_all.deb
    updated
    exits 0
    says "Failed to fetch copy:/srv/main/./acme_3_all.deb"
    installed acme 2
}

@test "the mirror is half synced, and the lists were renewed in between by somebody else, compressed, as by file:" {
    echo 'Acquire::GzipIndexes "true";' >/etc/apt/apt.conf.d/90test
    offer extra 1
    offer acme 2 "Depends: extra"
    asked
    exits 1
    offer acme 3
    rm /srv/main/acme_3_all.deb
    quietly apt-get -q update
    updated
    exits 0
    installed acme 2
    installed extra 1
}

@test "half synced, and nothing was fetched before: nothing is installed" {
    offer acme 2
    sources "deb [trusted=yes] copy:/srv/main ./"
    setting apt download=no
    asked
    exits 1
    half_synced
    updated
    exits 1
    says "nothing was installed"
    says "acme_3_all.deb"
    installed acme 1
}

@test "a held package is no update" {
    offer acme 2
    apt-mark -qq hold acme
    asked
    exits 0
    says acme
    updated
    exits 0
    installed acme 1
    apt-mark -qq unhold acme
    asked
    exits 1
}

@test "a package kept back: the same in both hooks, in each mode" {
    offer extra 1
    offer acme 2 "Depends: extra"
    setting apt upgrade=no-new-pkgs
    asked
    exits 0
    says "kept back"
    updated
    exits 0
    installed acme 1

    setting apt upgrade=with-new-pkgs
    asked
    exits 1
    updated
    exits 0
    installed acme 2
    installed extra 1

    offer acme 3 "Conflicts: extra"
    asked
    exits 0
    updated
    exits 0
    installed acme 2
    setting apt upgrade=full
    asked
    exits 1
    updated
    exits 0
    installed acme 3
    asked
    exits 0
}

@test "a package that can't be installed is no update, in any mode" {
    offer acme 2 "Depends: nowhere"
    local mode
    for mode in with-new-pkgs no-new-pkgs full; do
        setting apt upgrade=$mode
        asked
        exits 0
        updated
        exits 0
        installed acme 1
    done
}

@test "autoremove only if asked for" {
    offer extra 1
    offer acme 2 "Depends: extra"
    updated
    exits 0
    installed extra 1
    offer acme 3
    updated
    exits 0
    installed acme 3
    installed extra 1
    asked
    exits 0
    setting apt autoremove=yes
    updated
    exits 0
    run dpkg-query -f '${Status}' -W extra
    [[ $output != "install ok installed" ]]
}

# kernel RELEASE: offers one, with its headers and modules, and adds their names to $kernels.
kernel() {
    local base=${1%-amd64}
    package /srv/main "linux-modules-$1" "$base"
    package /srv/main "linux-image-$1" "$base" "Depends: linux-modules-$1"
    package /srv/main "linux-headers-$base-common" "$base"
    package /srv/main "linux-headers-$1" "$base" "Depends: linux-headers-$base-common"
    kernels+=("linux-modules-$1" "linux-image-$1" "linux-headers-$base-common" "linux-headers-$1")
}

@test "autoremove=kernels: old kernels only; not the running one, nor the newest one" {
    local kernels=() running; running=$(uname -r)
    kernel 6.1.0-9-amd64
    kernel 6.1.0-10-amd64
    kernel 99.12.73+deb13-amd64
    kernel 99.12.74+deb13+1-amd64
    offer "linux-image-$running" 1
    kernels+=("linux-image-$running")
    offer extra 1
    quietly apt-get -q update
    quietly apt-get -q -y install extra "${kernels[@]}"
    apt-mark -qq auto extra "${kernels[@]}"
    echo 'APT::Protect-Kernels "false";' >/etc/apt/apt.conf.d/90test # the hook's own protection
    offer acme 2
    setting apt autoremove=kernels
    updated
    exits 0
    installed acme 2
    installed extra 1
    # shellcheck disable=SC2016 # dpkg-query's variables
    run -0 dpkg-query -f '${db:Status-Status} ${Package}\n' -W 'linux-*'
    [[ $(grep '^installed linux-[himk]' <<<"$output" | sort) == "installed linux-headers-99.12.74+deb13+1-amd64
installed linux-headers-99.12.74+deb13+1-common
installed linux-image-$running
installed linux-image-99.12.74+deb13+1-amd64
installed linux-modules-99.12.74+deb13+1-amd64" ]] || { echo "$output"; false; }
    quietly dpkg --purge "${kernels[@]}"
}

@test "autoremove=kernels: what apt protects stays, and so does a kernel with which something else would go" {
    local kernels=()
    kernel 6.1.0-9-amd64
    kernel 6.1.0-10-amd64
    kernel 6.1.0-11-amd64
    offer extra 1 "Depends: linux-image-6.1.0-9-amd64"
    quietly apt-get -q update
    quietly apt-get -q -y install extra "${kernels[@]}"
    apt-mark -qq auto extra "${kernels[@]}"
    offer acme 2
    setting apt autoremove=kernels
    updated
    exits 0
    says "the old kernels stay"
    installed extra 1
    installed linux-image-6.1.0-9-amd64 6.1.0-9
    quietly dpkg --purge extra
    updated
    exits 0
    says "removing old kernels:"
    refute installed linux-image-6.1.0-9-amd64 6.1.0-9
    refute installed linux-headers-6.1.0-9-common 6.1.0-9
    installed linux-image-6.1.0-10-amd64 6.1.0-10
    installed linux-image-6.1.0-11-amd64 6.1.0-11
    updated
    exits 0
    refute says "removing old kernels"
    quietly dpkg --purge "${kernels[@]}"
}

@test "the administrator's version of a configuration file stays, without a question" {
    echo "mine" >/etc/acme.conf
    offer acme 2
    updated
    exits 0
    installed acme 2
    [[ $(cat /etc/acme.conf) == mine ]]
    grep version=2 /etc/acme.conf.dpkg-dist
}

@test "debconf's question is answered with its default, even a critical one" {
    # shellcheck disable=SC2016 # not for this shell
    CONFIG='. /usr/share/debconf/confmodule; db_input critical acme/port || true; db_go' \
        POSTINST='. /usr/share/debconf/confmodule; db_get acme/port; echo "$RET" >/srv/answer; db_stop' \
        TEMPLATES=$'Template: acme/port\nType: string\nDefault: 8080\nDescription: Which port?\n None.' \
        offer acme 2 "Depends: debconf"
    updated
    exits 0
    [[ $(cat /srv/answer) == 8080 ]]
    refute says "unable to initialize frontend" # debconf's complaint if it wanted to ask and found nobody
}

@test "a package that reads its standard input reads nothing" {
    # shellcheck disable=SC2016 # not for this shell
    POSTINST='read -r answer || answer=none; echo "$answer" >/srv/answer' offer acme 2
    updated
    exits 0
    [[ $(cat /srv/answer) == none ]]
}

@test "ucf, needrestart and apt-listchanges are told not to ask" {
    POSTINST='env >/srv/env' offer acme 2
    updated
    exits 0
    grep -x DEBIAN_FRONTEND=noninteractive /srv/env
    grep -x UCF_FORCE_CONFFOLD=1 /srv/env
    grep -x NEEDRESTART_SUSPEND=1 /srv/env
    grep -x APT_LISTCHANGES_FRONTEND=none /srv/env
    says "needrestart is suspended"
}

@test "dpkg locked for a second: both wait" {
    offer acme 2
    holding /var/lib/dpkg/lock-frontend 1
    asked
    exits 1
    holding /var/lib/dpkg/lock-frontend 1
    updated
    exits 0
    installed acme 2
}

@test "dpkg locked for ever: could not find out; the update fails and says so" {
    offer acme 2
    setting apt lock_timeout=1
    holding /var/lib/dpkg/lock-frontend 600
    could_not_find_out "dpkg frontend lock"
    updated
    exits 1
    says "dpkg frontend lock"
    says "nothing was installed"
    installed acme 1
}

@test "apt's lists locked for a second: both wait" {
    sources "deb [trusted=yes] copy:/srv/main ./" # for file: apt needs no lists
    offer acme 2
    holding /var/lib/apt/lists/lock 1
    asked
    exits 1
    offer acme 3
    holding /var/lib/apt/lists/lock 1
    updated
    exits 0
    installed acme 3
}

@test "apt's lists locked for ever: could not find out; the update goes on with the old lists" {
    sources "deb [trusted=yes] copy:/srv/main ./"
    offer acme 2
    asked
    exits 1
    setting apt lock_timeout=1
    holding /var/lib/apt/lists/lock 600
    could_not_find_out "/var/lib/apt/lists/lock"
    updated
    exits 0
    says "could not be renewed"
    installed acme 2
}

@test "apt's archives locked: for a second, for ever" {
    offer acme 2
    holding /var/cache/apt/archives/lock 1
    asked
    exits 1
    setting apt lock_timeout=1
    holding /var/cache/apt/archives/lock 600
    could_not_find_out "/var/cache/apt/archives/lock"
    updated
    exits 1
    says "nothing was installed"
    kill "$HOLDER"
    setting apt lock_timeout=60
    holding /var/cache/apt/archives/lock 1
    updated
    exits 0
    installed acme 2
}

@test "a postinst that fails: the update fails, and finishes once it is fixed" {
    POSTINST='[ -e /run/fixed ] || { echo "no disk"; exit 3; }' offer acme 2
    updated
    exits 1
    says "no disk"
    says "dpkg --audit"
    updated
    exits 1
    touch /run/fixed
    updated
    exits 0
    installed acme 2
}

# For a maintainer script: the power fails, that is, apt and dpkg are killed.
# shellcheck disable=SC2016 # for the package's shell
CUT='[ -e /run/fixed ] || { touch /run/fixed; kill -9 $(pidof apt-get dpkg) $PPID; sleep 5; }'

@test "the power fails while a package is configured: the same hook finishes it" {
    offer other 1
    quietly apt-get -q update
    quietly apt-get -q -y install other
    package /srv/main other 2
    POSTINST=$CUT offer acme 2
    updated
    [[ $status != 0 ]]
    [[ -n $(ls /var/lib/dpkg/updates) ]]
    refute installed acme 2
    asked
    exits 0
    says "dpkg was interrupted"
    offer other 3
    asked
    exits 1
    updated
    exits 0
    says "was interrupted, finishing it"
    installed acme 2
    installed other 3
    asked
    exits 0
}

@test "the power fails while a package is unpacked, and another one needs it: the same hook finishes it" {
    package /srv/main lib 1
    offer acme 2 "Depends: lib (>= 1)"
    quietly apt-get -q update
    quietly apt-get -q -y install acme=2
    PREINST=$CUT package /srv/main lib 3
    offer acme 3 "Depends: lib (>= 3)"
    updated
    [[ $status != 0 ]]
    [[ -n $(dpkg --audit; ls /var/lib/dpkg/updates) ]]
    updated
    exits 0
    installed acme 3
    installed lib 3
}

@test "unpacked, but what it needs was not: the same hook finishes it" {
    package /srv/main lib 1
    offer acme 2 "Depends: lib"
    quietly dpkg --unpack /srv/main/acme_2_all.deb
    could_not_find_out "fix-broken"
    updated
    exits 0
    says "was interrupted, finishing it"
    installed acme 2
    installed lib 1
}

@test "an interrupted installation that can't be finished without removing something needs a person" {
    offer acme 2 "Depends: nowhere"
    quietly dpkg --unpack /srv/main/acme_2_all.deb
    rm /srv/main/*.deb
    publish /srv/main Test stable
    updated
    exits 1
    says "could not be finished"
    run dpkg-query -f '${Version}' -W acme
    [[ $output == 2 ]]
}

@test "wrong settings: could not find out; the update fails" {
    offer acme 2
    setting apt upgrade=maybe
    could_not_find_out "upgrade=maybe"
    updated
    exits 1
    setting apt 'upgrade=('
    asked
    exits 75
    updated
    [[ $status != 0 ]]
    installed acme 1
}
