#!/usr/bin/env bats
# The hooks for apt: cases that can't be made with the real apt (an older apt, a phased update on Ubuntu, no apt-get),
# and how they call apt. ../real/apt/ tests the rest against the real one.
load ../hook

# apt-get is a script: in $APT the file NAME has the output of that command, and NAME.exit its exit code.
prepare() {
    export APT=$BATS_TEST_TMPDIR/apt
    mkdir "$APT"
    # shellcheck disable=SC2016 # for the stub's shell
    stub apt-get 'for act; do
    case $act in update | check | upgrade | dist-upgrade | install | autoremove | remove | indextargets) break ;; esac
done
case " $* " in *" remove "* | *" autoremove "*) ;; *" -s "*) act=simulate ;; *" -d "*) act=download ;; *" --fix-broken "*) act=repair ;; esac
case " $* " in *" Dir::State::lists="*) [ ! -e "$APT/kept.$act" ] || act=kept.$act ;; esac
[ ! -e "$APT/$act.once" ] || { mv "$APT/$act.once" "$APT/$act.now"; cat "$APT/$act.now" >&2; exit 100; }
[ ! -e "$APT/$act" ] || cat "$APT/$act"
[ ! -e "$APT/$act.exit" ] || exit "$(cat "$APT/$act.exit")"'
    echo "http://mirror/" >"$APT/indextargets"
    mkdir "$APT/lists"
    archive Debian-Security stable-security
    echo "Package: ssl" >"$APT/lists/mirror_Packages"
    # shellcheck disable=SC2016 # for the stub's shell
    stub apt-config 'echo "dir=\"$APT/lists/\""'
    stub apt-cache
    stub dpkg
    stub dpkg-query
    stub apt-mark
    stub sleep
}
# apt_get ACT EXIT [LINE...]: from now on `apt-get ACT` prints these lines and exits with EXIT.
apt_get() {
    echo "$2" >"$APT/$1.exit"
    printf '%s\n' "${@:3}" >"$APT/$1"
}
archive() { # LABEL SUITE: the archive that is among the sources
    printf '%s\n' "-----BEGIN PGP SIGNED MESSAGE-----" "Hash: SHA256" "" "Origin: x" "Label: $1" "Suite: $2" "SHA256:" \
        " 0 0 Suite: stable-security" >"$APT/lists/mirror_InRelease"
}
offers() { apt_get simulate 0 "Calculating upgrade..." "$@"; }
LOCKED='E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)
E: Unable to lock directory /var/lib/apt/lists/'
SECURE='Inst ssl [3.0-1] (3.0-1+deb12u1 Debian-Security:12/stable-security [amd64])'

@test "needs_update: no, yes, could not find out, with and without an exit code for that" {
    local name
    for name in apt apt-security; do
        offers
        hook needs_update/$name
        exits 0
        refute says "could not"
        called "-o APT::Update::Error-Mode=any update"
        offers "$SECURE"
        hook needs_update/$name
        exits 1
        local act
        for act in update check simulate download; do
            apt_get "$act" 100 "E: no $act"
            [[ $act == simulate ]] || offers "$SECURE"
            hook needs_update/$name
            exits 75
            says "could not find out"
            says "no $act"
            DLM_CANNOT_TELL_EXIT='' hook needs_update/$name
            exits 0
            says "could not find out"
            rm "$APT/$act" "$APT/$act.exit"
        done
    done
}

@test "needs_update: a failed update that apt before 2.1 only warns of" {
    local name
    for name in apt apt-security; do
        offers "$SECURE"
        apt_get update 0 "W: Failed to fetch http://mirror/InRelease  Could not connect"
        hook needs_update/$name
        exits 75
        apt_get update 0 "W: Some index files failed to download. They have been ignored, or old ones used instead."
        hook needs_update/$name
        exits 75
        apt_get update 0 "W: Target Packages is configured multiple times"
        hook needs_update/$name
        exits 1
    done
}

@test "needs_update: no sources at all, or none with security updates: could not find out" {
    offers
    archive Pulp stable
    hook needs_update/apt
    exits 0
    hook needs_update/apt-security
    exits 75
    says "none of apt's sources is a security archive (archives='Debian-Security:* *:*-security' in"
    # apt takes the lines in any order.
    printf '%s\n' "Label: Acme" "SHA256:" " 0 0 Suite: stable" "Suite: stable-security" >"$APT/lists/mirror_InRelease"
    hook needs_update/apt-security
    exits 0
    : >"$APT/indextargets"
    rm "$APT/lists/mirror_InRelease"
    for name in apt apt-security; do
        hook needs_update/$name
        exits 75
        says "could not find out"
    done
    says "none of apt's sources"
    hook needs_update/apt
    says "apt has no sources of packages"
}

@test "needs_update: waits for locked lists" {
    local name
    for name in apt apt-security; do
        offers "$SECURE"
        echo "$LOCKED" >"$APT/update.once"
        hook needs_update/$name
        exits 1
        called "sleep 1"
    done
}

@test "needs_update: lists that stay locked: could not find out, after lock_timeout" {
    local name
    for name in apt apt-security; do
        setting $name lock_timeout=0
        apt_get update 100 "$LOCKED"
        hook needs_update/$name
        exits 75
        refute called "sleep"
    done
}

@test "needs_update: packages that are kept back, held or phased are no update, and are named" {
    offers "The following upgrades have been deferred due to phasing:" "  tzdata" \
        "The following packages have been kept back:" "  linux" \
        "0 upgraded, 0 newly installed, 0 to remove and 2 not upgraded."
    hook needs_update/apt
    exits 0
    says "  tzdata"
    says "  linux"
    refute says "0 upgraded"
}

@test "needs_update: nothing is fetched with download=no, or after an interrupted dpkg" {
    local name
    for name in apt apt-security; do
        offers "$SECURE"
        setting $name download=no
        hook needs_update/$name
        exits 1
        refute called " -d "
        setting $name
        apt_get check 100 "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem."
        hook needs_update/$name
        exits 1
        says "dpkg was interrupted"
        refute called " -d "
        refute called "dpkg "
        rm "$APT"/check*
    done
}

@test "needs_update: no apt-get at all, or a mistake in the settings: could not find out" {
    local name
    for name in apt apt-security; do
        stub apt-get 'exit 127'
        hook needs_update/$name
        exits 75
        setting $name 'lock_timeout=('
        hook needs_update/$name
        exits 75
        setting $name 'lock_timeout=10m'
        hook needs_update/$name
        exits 75
        says "$name: lock_timeout=10m in $BATS_TEST_TMPDIR/etc/hooks.conf.d/$name.conf: use whole seconds"
        setting $name download=true
        hook needs_update/$name
        exits 75
        says "download=true in $BATS_TEST_TMPDIR/etc/hooks.conf.d/$name.conf: use yes or no"
    done
}

@test "needs_update and update: the modes" {
    local mode how
    offers "$SECURE"
    while read -r mode how; do
        : >"$CALLS"
        setting apt "upgrade=$mode"
        hook needs_update/apt
        exits 1
        called " -s $how"
        called " -d $how"
        hook update/apt
        exits 0
        called "--force-confold $how"
    done <<'EOF'
with-new-pkgs -o APT::Get::Upgrade-Allow-New=true upgrade
no-new-pkgs -o APT::Get::Upgrade-Allow-New=false upgrade
full dist-upgrade
EOF
    setting apt upgrade=maybe
    hook needs_update/apt
    exits 75
    hook update/apt
    exits 1
    says "upgrade=maybe"
}

@test "update: never prompts, waits for dpkg, keeps changed configuration files; autoremove as set" {
    hook update/apt
    exits 0
    called "apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0"
    called "-o DPkg::Options::=--force-confdef -o DPkg::Options::=--force-confold"
    refute called auto-remove
    setting apt autoremove=yes lock_timeout=7
    hook update/apt
    exits 0
    called "--force-confold --auto-remove"
    called "DPkg::Lock::Timeout=7"
    setting apt autoremove=kernel
    : >"$CALLS"
    hook needs_update/apt
    exits 75
    says "autoremove=kernel in $BATS_TEST_TMPDIR/etc/hooks.conf.d/apt.conf: use no, yes or kernels"
    hook update/apt
    exits 1
    says "autoremove=kernel in $BATS_TEST_TMPDIR/etc/hooks.conf.d/apt.conf: use no, yes or kernels"
    refute called apt-get
}

@test "update: lists that can't be renewed are a warning; a package that can't be fetched is a failure" {
    apt_get update 100 "E: no mirror"
    hook update/apt
    exits 0
    says "could not be renewed"
    apt_get download 100 "E: no package"
    : >"$CALLS"
    hook update/apt
    exits 1
    says "nothing was installed"
    refute called "Use-Pty"
}

@test "update: waits for locked lists and archives, no longer than lock_timeout" {
    local name
    for name in apt apt-security; do
        offers "$SECURE"
        : >"$CALLS"
        echo "$LOCKED" >"$APT/update.once"
        echo "$LOCKED" >"$APT/download.once"
        hook update/$name
        exits 0
        refute says "could not"
        [[ $(grep -c "^sleep 1" "$CALLS") == 2 ]]
        setting $name lock_timeout=0
        apt_get download 100 "$LOCKED"
        : >"$CALLS"
        hook update/$name
        exits 1
        says "nothing was installed: E: Could not get lock"
        refute called sleep
        rm "$APT"/download*
    done
}

@test "update: an interrupted dpkg is finished first; any other error is a failure" {
    local name
    for name in apt apt-security; do
        : >"$CALLS"
        offers "$SECURE"
        echo "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem." >"$APT/check.once"
        hook update/$name
        exits 0
        [[ $(<"$CALLS") == *"dpkg --force-confdef --force-confold --configure -a"*" --no-remove --fix-broken install"* ]]
        : >"$CALLS"
        apt_get repair 100 "E: Packages need to be removed but remove is disabled."
        echo "E: Unmet dependencies. Try 'apt --fix-broken install' with no packages (or specify a solution)." >"$APT/check.once"
        hook update/$name
        exits 1
        says "could not be finished"
        rm "$APT"/repair*
        : >"$CALLS"
        apt_get check 100 "E: The list of sources could not be read."
        hook update/$name
        exits 1
        says "could not be read"
        refute called "dpkg "
        rm "$APT"/check*
    done
}

@test "apt-security: what counts as a security update" {
    offers 'Inst both [1] (2 Debian:12.1/stable, Debian-Security:12/stable-security [amd64])' \
        'Inst main [1] (2 Debian:12.1/stable [amd64])' \
        'Inst new (2 Debian-Security:12/stable-security [amd64])' "$SECURE" \
        'Inst foreign:i386 [1] (2 Debian-Security:12/stable-security [i386]) [libc6:i386 ]' \
        'Inst ubuntu [1] (2 Ubuntu:22.04/jammy-updates, Ubuntu:22.04/jammy-security [amd64])' \
        'Inst esm [1] (2 UbuntuESM:22.04/jammy-infra-security [amd64])' 'Inst local [1] (2 Acme:/fixes [all])' \
        'Inst insecurity [1] (2 Acme:/insecurity [all])' \
        'Inst updates [1] (2 Ubuntu:22.04/jammy-updates [amd64])'
    hook needs_update/apt-security
    exits 1
    [[ $output == $'both=2\nssl=3.0-1+deb12u1\nforeign:i386=2\nubuntu=2\nesm=2' ]]
    called "--only-upgrade --no-remove install both=2 ssl=3.0-1+deb12u1 foreign:i386=2 ubuntu=2 esm=2"
    hook update/apt-security
    exits 0
    called "--force-confold -o Dir::Etc::Preferences="
    setting apt-security "archives='Acme:fixes'"
    archive Acme fixes
    hook needs_update/apt-security
    exits 1
    [[ $output == local=2 ]]
}

@test "apt-security: packages that were installed as dependencies stay marked so, even if the update fails" {
    # shellcheck disable=SC2016 # not for this shell
    stub apt-mark '[ "$1" != showauto ] || echo ssl'
    offers "$SECURE"
    apt_get install 100 "E: Sub-process /usr/bin/dpkg returned an error code (1)"
    hook update/apt-security
    exits 1
    says "some packages were not installed"
    called "apt-mark showauto ssl"
    called "apt-mark -qq auto ssl"
}

@test "apt-security: no plan, nothing is installed; no security update, nothing to do" {
    apt_get simulate 100 "E: no plan"
    hook update/apt-security
    exits 1
    says "nothing was installed"
    offers
    hook update/apt-security
    exits 0
    says "no security updates"
    refute called "Use-Pty"
}

@test "needs_update keeps the lists by which everything was fetched, and only those" {
    local name
    for name in apt apt-security; do
        offers "$SECURE"
        hook needs_update/$name
        exits 1
        [[ $(cat "$DLM_HOOKS_STATE/$name-lists/mirror_Packages") == "Package: ssl" ]]
        setting $name download=no
        hook needs_update/$name
        exits 1
        [[ ! -e $DLM_HOOKS_STATE/$name-lists ]]
        setting $name
        hook needs_update/$name
        [[ -e $DLM_HOOKS_STATE/$name-lists ]]
        offers
        hook needs_update/$name
        exits 0
        [[ ! -e $DLM_HOOKS_STATE/$name-lists ]]
    done
}

@test "needs_update: lists that can't be kept are a warning" {
    offers "$SECURE"
    stub apt-config 'exit 100'
    hook needs_update/apt
    exits 1
    says "the package lists could not be kept"
    [[ ! -e $DLM_HOOKS_STATE/apt-lists.new ]]
}

@test "update: packages that can't be fetched by the new lists: those of the kept lists are installed" {
    local name
    for name in apt apt-security; do
        offers "$SECURE"
        hook needs_update/$name
        apt_get download 100 "E: Failed to fetch http://mirror/ssl.deb  404  Not Found"
        apt_get kept.download 0
        : >"$CALLS"
        hook update/$name
        exits 0
        says "going on with those that were fetched before: E: Failed to fetch http://mirror/ssl.deb"
        grep -q "Use-Pty=0 .*-o Dir::State::lists=$DLM_HOOKS_STATE/$name-lists " "$CALLS"
        [[ ! -e $DLM_HOOKS_STATE/$name-lists ]]

        hook update/$name # there is none any more
        exits 1
        says "nothing was installed: E: Failed to fetch"
        rm "$APT"/*download*
    done
}

@test "update: neither by the new lists nor by the kept ones: nothing is installed, for the first reason" {
    offers "$SECURE"
    hook needs_update/apt
    apt_get download 100 "E: first"
    apt_get kept.download 100 "E: second"
    : >"$CALLS"
    hook update/apt
    exits 1
    says "nothing was installed: E: first"
    refute called Use-Pty
    [[ -e $DLM_HOOKS_STATE/apt-lists ]]
}

@test "update: if the installation fails, the lists by which it was planned stay for the next try" {
    hook update/apt
    exits 0
    apt_get upgrade 100 "E: Sub-process /usr/bin/dpkg returned an error code (1)"
    echo "Package: newer" >"$APT/lists/mirror_Packages"
    hook update/apt
    exits 1
    [[ $(cat "$DLM_HOOKS_STATE/apt-lists/mirror_Packages") == "Package: newer" ]]
}

# autoremoves PACKAGE...: what apt-get -s autoremove says. installed PACKAGE...: what dpkg-query says.
autoremoves() { apt_get autoremove 0 "$(printf 'Remv %s [1]\n' "$@")"; }
installed() { stub dpkg-query "printf 'installed %s\n' $*"; }

@test "update: autoremove=kernels" {
    setting apt autoremove=kernels
    stub uname 'echo 6.1.0-9-cloud-amd64'
    installed linux-image-6.1.0-8-amd64 linux-image-6.1.0-9-cloud-amd64 linux-image-6.1.0-10-amd64 \
        linux-image-amd64 linux-image-99 bash
    local old=(linux-image-6.1.0-8-amd64 linux-headers-6.1.0-8-common linux-image-unsigned-5.15.0-84-generic
        linux-modules-extra-5.15.0-84-generic proxmox-kernel-6.0.12-4-pve-signed linux-image-6.0.12+deb13-amd64)
    local text="${old[*]}"
    autoremoves extra "${old[@]}" linux-image-6.1.0-9-cloud-amd64 linux-headers-6.1.0-9-common \
        linux-image-6.1.0-10-amd64 linux-headers-6.1.0-10-amd64 linux-libc-dev proxmox-kernel-6.8 \
        linux-headers-generic-hwe-22.04 linux-source-6.1.0 linux-perf-6.1.0
    apt_get remove 0 "$(printf 'Remv %s [1]\n' "${old[@]}")"
    hook update/apt
    exits 0
    says "removing old kernels: $text"
    called "--force-confold remove $text"
    refute called auto-remove

    apt_get remove 0 "$(printf 'Remv %s [1]\n' "${old[@]}" acme-dkms)"
    : >"$CALLS"
    hook update/apt
    exits 0
    says "the old kernels stay, because other packages would go with them"
    refute called "--force-confold remove"
    called "--force-confold -o APT::Get::Upgrade-Allow-New=true upgrade"

    apt_get autoremove 100 "E: no list"
    hook update/apt
    exits 1
    says "nothing was removed or installed: E: no list"
}

@test "update: uncommitted=commit in etckeeper.conf: etckeeper commits first; if it can't, nothing is installed" {
    stub etckeeper
    hook update/apt
    exits 0
    refute called etckeeper
    setting etckeeper uncommitted=commit
    hook update/apt
    exits 0
    [[ $(<"$CALLS") == *"etckeeper unclean"*"etckeeper commit saving uncommitted changes"*"Use-Pty=0"* ]]
    stub etckeeper "[ \$1 != unclean ]"
    : >"$CALLS"
    hook update/apt
    exits 0
    refute called "etckeeper commit"
    stub etckeeper "[ \$1 = unclean ]"
    : >"$CALLS"
    hook update/apt
    exits 1
    says "etckeeper could not commit the changes in /etc, nothing was installed"
    refute called Use-Pty
}

@test "update: apt-listbugs does not run" {
    # shellcheck disable=SC2016 # not for this shell
    stub dpkg 'echo "$APT_LISTBUGS_FRONTEND"'
    echo "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem." >"$APT/check.once"
    hook update/apt
    exits 0
    says none
}

@test "apt-security: security updates that are held back are named, with what holds them, in both stages" {
    offers "The following packages have been kept back:" "  acme held other tls" \
        "0 upgraded, 0 newly installed, 0 to remove and 4 not upgraded."
    apt_get indextargets 0 "Debian:stable|http://mirror stable/main amd64 Packages" \
        "Debian-Security:stable-security|http://mirror stable-security/main amd64 Packages"
    # shellcheck disable=SC2016 # not for this shell
    stub apt-cache 'for package; do :; done
where=stable-security version=2
[ $package != other ] || where=stable
echo "$package:
  Installed: 1
  Candidate: $version
  Version table:
     $version 999
        999 http://mirror $where/main amd64 Packages
 *** 1 500
        500 http://mirror stable/main amd64 Packages
        100 /var/lib/dpkg/status"'
    # shellcheck disable=SC2016 # not for this shell
    stub apt-mark '[ "$1" != showhold ] || echo held'
    local what
    for what in needs_update update; do
        hook $what/apt-security
        exits 0
        says "no security updates to install"
        says "the security update held=2 is held back: it is on hold: apt-mark unhold held"
        says "the security update acme=2 is held back: apt does not say by what"
        says "the security update tls=2 is held back"
        refute says "update other"
    done
}
