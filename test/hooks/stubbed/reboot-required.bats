#!/usr/bin/env bats
# needs_reboot/reboot-required. It needs no tool, only a file.
load ../hook

prepare() {
    FLAG=$BATS_TEST_TMPDIR/reboot-required
    setting reboot-required "flag=$FLAG"
}

@test "no flag: no" {
    echo linux-image-amd64 >"$FLAG.pkgs"
    hook needs_reboot/reboot-required
    exits 0
    says "no $FLAG"
}

@test "a flag: yes, with the packages that asked, each once" {
    : >"$FLAG"
    printf '%s\n' libc6 dbus libc6 >"$FLAG.pkgs"
    hook needs_reboot/reboot-required
    exits 1
    says "left by: dbus libc6"
    refute says "libc6 libc6"
}

@test "a flag without a list of packages: yes" {
    : >"$FLAG"
    hook needs_reboot/reboot-required
    exits 1
    says "it does not say"
    [[ -z $stderr ]]
}

@test "the default is Debian's flag" {
    rm "$BATS_TEST_TMPDIR/etc/hooks.conf.d/reboot-required.conf"
    hook needs_reboot/reboot-required
    [[ $status == "$([[ ! -e /run/reboot-required ]]; echo $?)" ]]
    says /run/reboot-required
}

@test "a mistake in the settings does not count as yes" {
    : >"$FLAG"
    setting reboot-required 'flag=('
    hook needs_reboot/reboot-required
    exits 75
    unset DLM_CANNOT_TELL_EXIT
    hook needs_reboot/reboot-required
    exits 0
}
