#!/usr/bin/env bats
# gate/disk-space and pre_update/disk-space with real file systems.
load ../../hook
bats_require_minimum_version 1.5.0

prepare() {
    mkdir -p /run/small
    mount -t tmpfs -o size=20m,nr_inodes=1000 small /run/small
}
teardown() { umount /run/small; }
space() { hook pre_update/disk-space; }

@test "the defaults, on this host" {
    space
    exits 0
    says "there is enough room"
    hook gate/disk-space
    exits 0
}

@test "enough until it is filled" {
    setting disk-space "SPACE='/run/small:10:500 /no/such:99999'"
    space
    exits 0
    head -c 15M /dev/zero >/run/small/file
    space
    exits 1
    says "/run/small has 5 MiB free, 10 are needed: 5 are missing"
    says "apt-get clean"
    refute says inodes
    hook gate/disk-space
    not_now "disk-space: /run/small has 5 MiB free, 10 are needed: 5 are missing"
}

@test "enough until there are too many files" {
    setting disk-space "SPACE='/run/small:10:500'"
    (cd /run/small && seq 600 | xargs touch)
    space
    exits 1
    says "inodes free, 500 are needed"
    refute says MiB\ free
}
