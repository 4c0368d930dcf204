#!/usr/bin/env bats
# Debian: 12 13
# needs_reboot/kernel-changed with dpkg's own database, and packages with the names and versions of real kernels.
# uname says which kernel runs: the lab's hosts share the machine's.
load ../../hook

prepare() {
    stub systemd-detect-virt 'exit 1'
    purge
}
teardown() { purge; }
purge() {
    dpkg-query -W -f '${Package}\n' 'linux-*' 'proxmox-kernel-*' 2>/dev/null | grep -E '[0-9]\.[0-9]' |
        xargs -r dpkg --purge --force-depends >/dev/null 2>&1
    rm -rf /boot/vmlinuz-* /lib/modules/*
}

# kernel PACKAGE VERSION RELEASE [FILE]: builds and installs a package with a kernel's files.
kernel() {
    local dir=$BATS_TEST_TMPDIR/deb image=${4:-boot/vmlinuz-$3}
    rm -rf "$dir"
    mkdir -p "$dir/DEBIAN" "$dir/$(dirname "$image")" "$dir/usr/lib/modules/$3"
    echo image >"$dir/$image"
    echo >"$dir/usr/lib/modules/$3/modules.builtin"
    printf '%s\n' "Package: $1" "Version: $2" "Architecture: $(dpkg --print-architecture)" "Maintainer: t <t@t>" \
        "Description: t" >"$dir/DEBIAN/control"
    dpkg-deb -Znone -b "$dir" "$BATS_TEST_TMPDIR/x.deb" >/dev/null
    dpkg -i "$BATS_TEST_TMPDIR/x.deb" >/dev/null
}
answers() { # CODE RUNNING [BUILD]
    stub uname "[ \"\$1\" = -v ] && echo '${3:-#1 SMP}' || echo '$2'"
    hook needs_reboot/kernel-changed
    exits "$1"
}

@test "the packages' versions decide, whatever the names look like" {
    kernel linux-image-6.12.74+deb13+1-amd64 6.12.74-2 6.12.74+deb13+1-amd64
    answers 0 6.12.74+deb13+1-amd64
    kernel linux-image-6.12.107+deb13-amd64 6.12.107-1 6.12.107+deb13-amd64
    answers 1 6.12.74+deb13+1-amd64
    says "6.12.107+deb13-amd64 is installed"
    answers 0 6.12.107+deb13-amd64
    # The release 6.1.0-50 is Linux 6.1.170: newer than the mainline build 6.1.169 that names itself the same way.
    purge
    kernel linux-image-6.1.0-50-amd64 6.1.170-1 6.1.0-50-amd64
    kernel linux-image-6.1.169-amd64 6.1.169-1 6.1.169-amd64
    answers 0 6.1.0-50-amd64
    answers 1 6.1.169-amd64
}

@test "the image belongs to a package with another name (Debian's kernels since 7.3; Proxmox's signed ones)" {
    kernel linux-binary-7.3.4+deb13-amd64 7.3.4-1~bpo13+1 7.3.4+deb13-amd64
    kernel linux-image-6.12.117+deb13-amd64 6.12.117-1 6.12.117+deb13-amd64
    answers 1 6.12.117+deb13-amd64
    kernel proxmox-kernel-6.8.12-4-pve-signed 6.8.12-4 6.8.12-4-pve
    kernel proxmox-kernel-6.14.8-2-bpo12-pve-signed 6.14.8-2~bpo12+1 6.14.8-2-bpo12-pve \
        usr/lib/modules/6.14.8-2-bpo12-pve/vmlinuz
    answers 1 6.8.12-4-pve
    answers 0 6.14.8-2-bpo12-pve
}

@test "rebuilt under the same name" {
    kernel linux-image-6.1.0-50-arm64 6.1.171-1 6.1.0-50-arm64
    answers 1 6.1.0-50-arm64 '#1 SMP Debian 6.1.170-1 (2026-01-01)'
    answers 0 6.1.0-50-arm64 '#1 SMP Debian 6.1.171-1 (2026-02-01)'
}

@test "a newer kernel with an unknown name, and without a package: could not find out" {
    kernel linux-image-6.12.117+deb13-amd64 6.12.117-1 6.12.117+deb13-amd64
    kernel linux-image-6.12.118+debian13u1-amd64 6.12.118-1 6.12.118+debian13u1-amd64
    answers 75 6.12.117+deb13-amd64
    says "6.12.118+debian13u1-amd64"
    dpkg --purge linux-image-6.12.118+debian13u1-amd64
    answers 0 6.12.117+deb13-amd64
    mkdir -p /lib/modules/6.13.1-self
    echo image >/boot/vmlinuz-6.13.1-self
    answers 75 6.12.117+deb13-amd64
}

@test "this host is a container: no" {
    rm "$BATS_TEST_TMPDIR/bin/systemd-detect-virt"
    kernel linux-image-6.12.117+deb13-amd64 6.12.117-1 6.12.117+deb13-amd64
    answers 0 6.12.74+deb13+1-amd64
    says container
}
