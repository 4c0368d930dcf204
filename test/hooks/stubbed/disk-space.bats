#!/usr/bin/env bats
# gate/disk-space and pre_update/disk-space. With real file systems: ../real/services/disk-space.bats.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    # The free KiB and inodes of each path; "-" for a file system without inodes (vfat), 0 for btrfs.
    export KIB=2097152 INODES=50000 ALL=100000
    # shellcheck disable=SC2016 # not for this shell
    stub df 'echo "Filesystem blocks Used Available Capacity Mounted on"
        case $1 in
        -k) echo "/dev/vda1 9999999 1 $KIB 1% /" ;;
        -i) echo "/dev/vda1 $ALL 1 $INODES 1% /" ;;
        esac'
    stub apt-get
    setting disk-space "SPACE='/:500:10000'"
}
space() { hook pre_update/disk-space; }

@test "the defaults: enough" {
    rm "$BATS_TEST_TMPDIR/etc/hooks.conf.d/disk-space.conf"
    space
    exits 0
    says "there is enough room (/:500:10000 /usr:500:10000 /var:1000:10000 /boot:200)"
    called "df -k -P -- /usr"
    called "df -i -P -- /var"
}

@test "the defaults: each path is checked" {
    rm "$BATS_TEST_TMPDIR/etc/hooks.conf.d/disk-space.conf"
    KIB=102400 INODES=9000 space
    exits 1
    says "/ has 100 MiB free, 500 are needed: 400 are missing"
    says "/usr has 100 MiB free, 500 are needed"
    says "/var has 100 MiB free, 1000 are needed: 900 are missing"
    says "/var has 9000 inodes free, 10000 are needed: 1000 are missing"
    [[ ! -d /boot ]] || says "/boot has 100 MiB free, 200 are needed"
    says "make room (apt-get clean, apt-get autoremove --purge, journalctl --vacuum-size=100M), and start the updater again"
}

@test "just enough, and one too little" {
    KIB=512000 INODES=10000 space
    exits 0
    KIB=511999 space
    exits 1
    says "/ has 499 MiB free, 500 are needed: 1 are missing"
    INODES=9999 space
    exits 1
    says "/ has 9999 inodes free"
}

@test "inodes only where a number is given, and the file system counts them" {
    INODES=0 ALL=0 space
    exits 0
    INODES=- ALL=- space
    exits 0
    setting disk-space "SPACE=/:500"
    INODES=5 space
    exits 0
}

@test "a path that does not exist is left out, and it says so" {
    setting disk-space "SPACE='/no/such/path:99999999 /:5'"
    space
    exits 0
    refute called /no/such/path
    says "/no/such/path does not exist"
    [[ -z $stderr ]]
}

@test "a wrong setting" {
    local entry
    for entry in / /:0800 /:x /: :5 var:5 /:5:x /:5: /:5:5:5 500; do
        setting disk-space "SPACE='$entry'"
        space
        exits 1
        says "has \"$entry\", which is neither"
    done
    setting disk-space 'SPACE=('
    space
    [[ $status != 0 ]]
}

@test "df that fails" {
    stub df 'echo "df: /: stale" >&2; exit 1'
    space
    exits 1
    says "df -k / failed, so it is unknown how much is free"
}

@test "the hook names the package manager's own commands" {
    stub dnf
    stub zypper
    KIB=1 space
    says "apt-get clean"
    local tool
    rm "$BATS_TEST_TMPDIR/bin/apt-get"
    for tool in sh dirname awk timeout; do ln -s "$(command -v $tool)" "$BATS_TEST_TMPDIR/bin/$tool"; done
    lonely() { KIB=1 DLM_STAGE=pre_update PATH=$BATS_TEST_TMPDIR/bin run "$DLM_HOOKS_DIR/pre_update.d/disk-space"; }
    lonely
    says "make room (dnf clean all, dnf remove --oldinstallonly, journalctl"
    rm "$BATS_TEST_TMPDIR/bin/dnf"
    lonely
    says "make room (zypper clean --all, zypper purge-kernels, journalctl"
    rm "$BATS_TEST_TMPDIR/bin/zypper"
    lonely
    says "make room (remove old packages, kernels, journalctl"
}

@test "gate: enough, or all that is missing in one line; the settings are those of pre_update" {
    hook gate/disk-space
    exits 0
    says "there is enough room (/:500:10000)"
    KIB=102400 INODES=9000 hook gate/disk-space
    not_now "disk-space: / has 100 MiB free, 500 are needed: 400 are missing; / has 9000 inodes free, 10000 are\
 needed: 1000 are missing"
    rm "$BATS_TEST_TMPDIR/etc/hooks.conf.d/disk-space.conf"
    hook gate/disk-space
    says "there is enough room (/:500:10000 /usr:500:10000 /var:1000:10000 /boot:200)"
}

@test "gate: could not find out" {
    setting disk-space SPACE=var:5
    hook gate/disk-space
    not_now "disk-space: SPACE in $BATS_TEST_TMPDIR/etc/hooks.conf.d/disk-space.conf has \"var:5\", which is neither\
 /PATH:MIB nor /PATH:MIB:INODES"
    setting disk-space SPACE=/:5
    stub df 'exit 1'
    hook gate/disk-space
    not_now "disk-space: df -k / failed, so it is unknown how much is free: see above"
    stub df 'echo "Filesystem blocks Used Available Capacity Mounted on"; echo "/dev/vda1 ? ? ? ? /"'
    hook gate/disk-space
    not_now "disk-space: the answer of df -k / was not understood, so it is unknown how much is free"
    stub df
    hook gate/disk-space
    not_now "disk-space: the answer of df -k / was not understood, so it is unknown how much is free"
    setting disk-space SPACE=/:99999999999999999999 # more than the shell can count
    hook gate/disk-space
    says 'has "/:99999999999999999999", which is neither'
    setting disk-space 'SPACE=('
    hook gate/disk-space
    [[ $status != 0 ]]
}

@test "gate: a file system with blanks in its name" {
    setting disk-space SPACE=/:5
    stub df 'echo "Filesystem blocks Used Available Capacity Mounted on"; echo "//nas/my big share 9999999 1 1024 1% /"'
    hook gate/disk-space
    not_now "disk-space: / has 1 MiB free, 5 are needed: 4 are missing"
}
