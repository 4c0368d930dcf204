#!/usr/bin/env bats
# needs_reboot/kernel-changed with directories in place of /boot and /lib/modules. There is no test on a booted host:
# the lab's hosts share the machine's kernel.
load ../hook

prepare() {
    ROOT=$BATS_TEST_TMPDIR/root
    mkdir -p "$ROOT/boot" "$ROOT/lib/modules"
    setting kernel-changed "root=$ROOT"
    stub systemd-detect-virt 'exit 1'
}

# running RELEASE [BUILD]: sets the running kernel.
running() { stub uname "[ \"\$1\" = -v ] && echo '${2:-#1 SMP Debian 6.1.119-1}' || echo '$1'"; }

# debian VERSION [BUILD], el VERSION: install a kernel in the distribution's layout.
debian() {
    mkdir -p "$ROOT/lib/modules/$1"
    printf 'MZ\0HdrS\0%s (builder@debian.org) %s\0\377' "$1" "${2:-#1 SMP Debian 6.1.119-1}" >"$ROOT/boot/vmlinuz-$1"
}
el() {
    mkdir -p "$ROOT/lib/modules/$1"
    echo image >"$ROOT/lib/modules/$1/vmlinuz"
    echo image >"$ROOT/boot/vmlinuz-$1"
}
answers() { # CODE RUNNING
    running "$2"
    hook needs_reboot/kernel-changed
    exits "$1"
}

@test "the newest kernel runs: no" {
    debian 6.1.0-9-amd64
    debian 6.1.0-10-amd64
    answers 0 6.1.0-10-amd64
    says "6.1.0-10-amd64 is the newest"
}

@test "a newer one is installed: yes" {
    debian 6.1.0-9-amd64
    debian 6.1.0-10-amd64
    answers 1 6.1.0-9-amd64
    says "kernel 6.1.0-9-amd64 runs, 6.1.0-10-amd64 is installed"
}

@test "the running one was removed: yes" {
    debian 6.1.0-9-amd64
    answers 1 6.1.0-10-amd64
}

@test "a newer kernel of another flavour does not count" {
    debian 6.1.0-9-amd64
    debian 6.1.0-10-cloud-amd64
    debian 6.1.0-11-rt-amd64
    answers 0 6.1.0-9-amd64
    answers 1 6.1.0-9-cloud-amd64
    answers 1 6.1.0-9-rt-amd64
}

@test "flavours on Ubuntu, SUSE, Raspberry Pi" {
    debian 5.15.0-91-generic
    debian 5.15.0-99-lowlatency
    answers 0 5.15.0-91-generic
    answers 1 5.15.0-90-generic
    debian 5.14.21-150500.55.39-default
    debian 5.14.21-150500.55.40-rt
    answers 0 5.14.21-150500.55.39-default
    answers 1 5.14.21-150500.55.7-default
    debian 6.6.31+rpt-rpi-v8
    debian 6.6.62+rpt-rpi-2712
    answers 0 6.6.31+rpt-rpi-v8
    answers 1 6.6.31+rpt-rpi-2712
}

@test "the distribution's release is not part of the flavour" {
    debian 6.1.0-28-amd64
    debian 6.12.48+deb13-amd64
    answers 1 6.1.0-28-amd64
    debian 6.13.2+bpo-amd64
    answers 1 6.12.48+deb13-amd64
    answers 0 6.13.2+bpo-amd64
}

@test "Enterprise Linux: its images, its order of versions, its flavours, its rescue image" {
    el 5.14.0-427.el9.x86_64
    el 5.14.0-427.13.1.el9_4.x86_64
    el 5.14.0-500.el9.x86_64+rt
    echo image >"$ROOT/boot/vmlinuz-0-rescue-0123456789abcdef"
    answers 0 5.14.0-427.13.1.el9_4.x86_64
    answers 1 5.14.0-427.el9.x86_64
    says "5.14.0-427.13.1.el9_4.x86_64 is installed"
    answers 0 5.14.0-500.el9.x86_64+rt
}

@test "an image in /lib/modules alone is enough" {
    mkdir -p "$ROOT/lib/modules/6.9.1-1-default"
    echo image >"$ROOT/lib/modules/6.9.1-1-default/vmlinuz"
    answers 1 6.8.7-1-default
}

@test "a release candidate is older than its release" {
    debian 6.7-rc5-amd64
    debian 6.7-amd64
    answers 0 6.7-amd64
    answers 1 6.7-rc5-amd64
    debian 6.8~rc1-amd64
    debian 6.8-amd64
    answers 0 6.8-amd64
}

@test "leftovers of a removed kernel do not count: modules without an image, an image without modules, an empty image" {
    debian 6.1.0-9-amd64
    mkdir "$ROOT/lib/modules/6.1.0-10-amd64" "$ROOT/lib/modules/6.1.0-12-amd64"
    echo image >"$ROOT/boot/vmlinuz-6.1.0-11-amd64"
    : >"$ROOT/boot/vmlinuz-6.1.0-12-amd64"
    answers 0 6.1.0-9-amd64
}

@test "rebuilt under the same version: yes" {
    debian 6.1.0-9-amd64 '#1 SMP Debian 6.1.120-1'
    answers 1 6.1.0-9-amd64
    says "not the build that runs"
}

@test "an image that does not say what it is counts by its name" {
    el 6.1.0-9-amd64
    answers 0 6.1.0-9-amd64
}

@test "ignored kernels do not count" {
    debian 6.1.0-9-amd64
    debian 6.12.1-amd64
    setting kernel-changed "root=$ROOT" "ignore='5.* 6.12.*-amd64'"
    cd "$BATS_TEST_TMPDIR"
    : >6.12.9-amd64 # the pattern must not match file names
    answers 0 6.1.0-9-amd64
    setting kernel-changed "root=$ROOT" "ignore=5.*"
    answers 1 6.1.0-9-amd64
}

@test "no kernels at all: no" {
    answers 0 6.1.0-9-amd64
    says "no kernel is installed"
}

@test "modules of the running kernel, and no image that is known (a UKI, /boot is not mounted): could not find out" {
    mkdir "$ROOT/lib/modules/5.14.0-503.11.1.el9_5.x86_64"
    : >"$ROOT/lib/modules/5.14.0-503.11.1.el9_5.x86_64/vmlinuz-virt.efi"
    answers 75 5.14.0-503.11.1.el9_5.x86_64
    says "no image of a kernel is found"
    answers 0 6.1.0-9-amd64 # it comes from elsewhere
    setting kernel-changed "root=$ROOT" "ignore='*'"
    answers 0 5.14.0-503.11.1.el9_5.x86_64
}

@test "none that is certainly of the running one's flavour: could not find out" {
    debian 6.1.0-9-amd64
    answers 75 6.18.44-fc
    says "6.1.0-9-amd64"
    says "ignore='*'"
    answers 75 6.1.0-9-cloud-amd64
    setting kernel-changed "root=$ROOT" "ignore='*'"
    answers 0 6.18.44-fc
}

# pairs CODE OLD NEW: both are installed, OLD runs.
pairs() {
    rm -rf "${ROOT:?}"/{boot,lib}
    mkdir -p "$ROOT/boot" "$ROOT/lib/modules"
    debian "$2"
    debian "$3"
    answers "$1" "$2" || { printf 'running %s, installed %s\n' "$2" "$3"; return 1; }
    [[ $1 != 1 ]] || { answers 0 "$3" || { printf 'running %s, installed %s\n' "$3" "$2"; return 1; }; }
}

@test "names of kernels as distributions give them: a newer one of the same flavour" {
    while read -r old new; do
        pairs 1 "$old" "$new"
    done <<'END'
6.1.0-9-amd64 6.1.0-10-amd64
6.1.0-47-cloud-amd64 6.1.0-50-cloud-amd64
6.1.0-47-rt-amd64 6.1.0-50-rt-amd64
6.1.0-28-686 6.1.0-31-686
6.1.0-28-686-pae 6.1.0-31-686-pae
6.1.0-28-amd64 6.12.43+deb12-amd64
6.12.90+deb12-amd64 6.12.90+deb12.1-amd64
6.12.90+deb12.1-cloud-amd64 6.12.94+deb12-cloud-amd64
6.12.73+deb13-amd64 6.12.74+deb13+1-amd64
6.12.74+deb13-amd64 6.12.74+deb13+1-amd64
6.12.74+deb13+1-amd64 6.12.74+deb13+2-amd64
6.12.74+deb13+1-amd64 6.12.107+deb13-amd64
6.12.74+deb13+1-rt-amd64 6.12.107+deb13-rt-amd64
6.12.107+deb13-arm64-16k 6.12.117+deb13-arm64-16k
6.12.95+deb12-amd64-unsigned 6.12.107+deb12-amd64-unsigned
5.10.0-0.deb10.16-amd64 5.10.0-0.deb10.30-amd64
4.19.0-0.bpo.19-amd64 5.10.0-0.bpo.9-amd64
6.10.11-amd64 6.11.2-amd64
5.15.0-91-generic 5.15.0-119-generic
6.5.0-45-generic 6.8.0-40-generic
5.15.0-118-lowlatency 5.15.0-119-lowlatency
6.8.0-1009-aws 6.8.0-1012-aws
6.8.0-40-generic 6.9.3-060903-generic
6.2.16-4-bpo11-pve 6.5.13-1-pve
6.5.13-1-pve 6.8.4-2-pve
6.8.4-2-pve 6.8.12-4-pve
6.8.12-4-pve 6.14.8-2-bpo12-pve
6.14.8-1-bpo12-pve 6.14.8-2-bpo12-pve
5.14.0-427.el9.x86_64 5.14.0-427.13.1.el9_4.x86_64
5.14.0-427.13.1.el9_4.x86_64+rt 5.14.0-503.11.1.el9_5.x86_64+rt
5.14.0-427.13.1.el9_4.aarch64+64k 5.14.0-503.11.1.el9_5.aarch64+64k
5.15.0-205.149.5.1.el9uek.x86_64 5.15.0-206.153.7.el9uek.x86_64
4.18.0-553.rt7.342.el8_10.x86_64 4.18.0-553.5.1.rt7.346.el8_10.x86_64
3.10.0-1160.el7.x86_64 3.10.0-1160.119.1.el7.x86_64
6.8.5-301.fc40.x86_64 6.9.5-200.fc40.x86_64
6.1.94-99.176.amzn2023.x86_64 6.1.102-108.177.amzn2023.x86_64
5.14.21-150500.55.7-default 6.4.0-150600.23.7-default
6.4.0-150600.8-rt 6.4.0-150600.10.5-rt
6.9.1-1-default 6.9.3-1-default
6.9.1-arch1-1 6.9.2-arch1-2
6.6.31-1-lts 6.6.32-1-lts
6.6.31+rpt-rpi-v8 6.6.62+rpt-rpi-v8
6.9.3 6.9.4
6.9.3-web 6.9.4-web
6.9.3-x64v3-xanmod1 6.9.4-x64v3-xanmod1
END
}

@test "two flavours that are known: the newer kernel of the other one does not count" {
    while read -r old new; do
        pairs 0 "$old" "$new"
    done <<'END'
6.1.0-9-amd64 6.1.0-10-cloud-amd64
6.1.0-9-amd64 6.12.74+deb13+1-rt-amd64
6.12.74+deb13+1-amd64 6.12.107+deb13-cloud-amd64
6.1.0-28-686 6.1.0-31-686-pae
5.15.0-91-generic 5.15.0-99-lowlatency
6.8.0-40-generic 6.8.0-1012-aws
6.1.0-28-amd64 6.8.12-4-pve
5.14.0-427.el9.x86_64 5.14.0-500.el9.x86_64+debug
5.14.0-427.el9.x86_64 5.15.0-206.153.7.el9uek.x86_64
5.14.21-150500.55.39-default 5.14.21-150500.55.40-rt
END
}

@test "a newer kernel with a name that is not understood: could not find out, and never no" {
    while read -r old new; do
        pairs 75 "$old" "$new"
        says "$new"
        says "could not find out"
    done <<'END'
6.12.74+deb13+1-amd64 6.12.75+deb13u2-amd64
6.8.12-4-pve 6.14.8-2-trixie13-pve
6.1.0-28-amd64 6.9.3
6.1.0-28-amd64 6.9.3-web
6.9.3-web 6.9.4-db
6.9.3-web 6.12.74+deb13+1-amd64
END
    setting kernel-changed "root=$ROOT" "ignore='6.12.*'"
    answers 0 6.9.3-web
}

dpkg_has() { # RELEASE PACKAGE VERSION...: sets what dpkg's database knows of images
    mkdir -p "$ROOT/var/lib/dpkg"
    : >"$ROOT/var/lib/dpkg/status"
    # shellcheck disable=SC2016 # the stub expands them
    stub dpkg-query 'case "$*" in
*" -S "*)
    code=0
    shift 2
    for file; do
        awk -v f="$file" '"'"'f ~ "^/boot/vmlinuz-" $1 "$" { print $2 ": " f; found = 1 } END { exit !found }'"'"' \
            "$OWNERS" || { echo "dpkg-query: no path found matching pattern $file" >&2; code=1; }
    done
    exit $code ;;
*) for last; do :; done; awk -v p="$last" '"'"'$2 == p { printf "%s\n", $3 }'"'"' "$OWNERS" ;;
esac'
    export OWNERS=$BATS_TEST_TMPDIR/owners
    while [[ $# != 0 ]]; do
        echo "$1 $2 $3"
        shift 3
    done >"$OWNERS"
}

@test "the order comes from the packages' versions" {
    debian 6.1.0-9-amd64
    debian 6.1.0-10-amd64
    dpkg_has 6.1.0-9-amd64 linux-image-6.1.0-9-amd64 6.1.119-1 6.1.0-10-amd64 linux-image-6.1.0-10-amd64 6.1.38-1
    answers 0 6.1.0-9-amd64
    dpkg_has 6.1.0-9-amd64 linux-image-6.1.0-9-amd64 6.1.119-1 6.1.0-10-amd64 linux-image-6.1.0-10-amd64 6.1.120-1
    answers 1 6.1.0-9-amd64
}

@test "the package has another version than the kernel that runs: rebuilt" {
    el 6.1.0-9-arm64 # the image does not say what it is
    dpkg_has 6.1.0-9-arm64 linux-image-6.1.0-9-arm64 6.1.120-1
    answers 1 6.1.0-9-arm64
    says "6.1.120-1"
    dpkg_has 6.1.0-9-arm64 linux-image-6.1.0-9-arm64 6.1.119-1
    answers 0 6.1.0-9-arm64
}

@test "dpkg or rpm that fails: could not find out" {
    debian 6.1.0-9-amd64
    debian 6.1.0-10-amd64
    mkdir -p "$ROOT/var/lib/dpkg"
    : >"$ROOT/var/lib/dpkg/status"
    stub dpkg-query 'echo "dpkg-query: error: parsing file /var/lib/dpkg/status near line 1" >&2; exit 2'
    answers 75 6.1.0-9-amd64
    says "parsing file"
    rm "$BATS_TEST_TMPDIR/bin/dpkg-query" "$ROOT/var/lib/dpkg/status"
    stub rpm 'echo "error: cannot open Packages database in /var/lib/rpm"; exit 1'
    answers 75 6.1.0-9-amd64
    says "cannot open Packages"
}

@test "rpm that warns (a database that was converted, a lock): its answer counts, not the warning" {
    el 5.14.0-427.el9.x86_64
    el 5.14.0-503.el9.x86_64
    el 5.14.0-611.el9.x86_64+debug
    # shellcheck disable=SC2016 # the stub expands them
    stub rpm 'for last; do :; done
case "$*" in
*--eval*503*427*) echo 1 ;;
*--eval*backend*) echo 0 ;;
*--eval*) echo -1 ;;
*) echo "warning: Found bdb_ro Packages database while attempting sqlite backend: using bdb_ro backend." >&2
    release=${last#"${last%5.14.0*}"} release=${release%%/*} flavour=core
    case $release in *debug) flavour=debug-core ;; esac
    format=; for word; do [ "$before" != --qf ] || format=$word; before=$word; done
    printf "%s\n" "$format" | sed "s/%{NAME}/kernel-$flavour/; s/%|.*/${release%.x86*}/" ;;
esac'
    answers 1 5.14.0-427.el9.x86_64
    says "5.14.0-503.el9.x86_64 is installed"
    answers 0 5.14.0-503.el9.x86_64
}

@test "Arch Linux: the kernel's own file says its flavour" {
    for one in 6.9.2-arch1-2:linux 6.6.32-1-lts:linux-lts 6.9.9-foo:linux-foo; do
        mkdir -p "$ROOT/lib/modules/${one%:*}"
        echo image >"$ROOT/lib/modules/${one%:*}/vmlinuz"
        echo "${one#*:}" >"$ROOT/lib/modules/${one%:*}/pkgbase"
    done
    answers 0 6.9.2-arch1-2
    answers 1 6.9.1-arch1-1
    says "6.9.2-arch1-2 is installed"
}

@test "in a container: no, whatever is installed" {
    debian 6.1.0-10-amd64
    stub systemd-detect-virt 'exit 0'
    answers 0 6.1.0-9-amd64
    called "systemd-detect-virt -cq"
}

@test "a mistake in the settings does not count as yes" {
    debian 6.1.0-10-amd64
    setting kernel-changed 'root=('
    answers 75 6.1.0-9-amd64
    setting kernel-changed 'false'
    answers 75 6.1.0-9-amd64
    unset DLM_CANNOT_TELL_EXIT
    answers 0 6.1.0-9-amd64
}
