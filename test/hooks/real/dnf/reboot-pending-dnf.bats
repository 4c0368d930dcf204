#!/usr/bin/env bats
# needs_update/reboot-pending with dnf's own needs-restarting. The host is not rebooted: the record of another boot
# stands for that.
# Debian: 13
# Also on Debian: 12
load dnf

prepare() {
    fresh
    repository main
    mkdir -p /etc/dnf/plugins/needs-restarting.d
    echo acme >/etc/dnf/plugins/needs-restarting.d/test.conf
    offer acme 1
    mkdir -p "$BATS_TEST_TMPDIR/etc/needs_reboot.d"
    echo "needs_reboot.d = $BATS_TEST_TMPDIR/etc/needs_reboot.d" >"$DLM_CONFIG"
    ln -s "$DLM_HOOKS_DIR/needs_reboot.d/dnf-needs-restarting" "$BATS_TEST_TMPDIR/etc/needs_reboot.d/50-dnf"
}
teardown() {
    rm -r /etc/dnf/plugins/needs-restarting.d
    fresh
}

@test "a package that needs a reboot: yes, until a reboot did not help" {
    hook needs_update/reboot-pending
    exits 0
    installing acme
    hook needs_update/reboot-pending
    exits 1
    says "dnf-needs-restarting: "
    says "* acme"
    sed -i '1s/.*/another-boot 7/' "$DLM_HOOKS_STATE/reboot-pending"
    hook needs_update/reboot-pending
    exits 0
    says "did not change this"
}
