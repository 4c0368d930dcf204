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

@test "no kernels at all, or none with the running one's flavour: no" {
    answers 0 6.1.0-9-amd64
    debian 6.1.0-9-amd64
    answers 0 6.18.44-fc
    says "not booted from this disk"
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
