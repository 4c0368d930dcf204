#!/usr/bin/env bats
# Debian: 12 13
# needs_update/reboot-pending with Debian's flag file and the real needrestart. The host is not rebooted: the record of
# another boot stands for that.
load ../../hook

prepare() {
    etc=/etc/foreman_dlm_updater
    rm -rf /run/reboot-required* "$etc" /opt/acme
    mkdir -p "$etc"/needs_reboot.d /opt/acme
    for name in reboot-required needrestart kernel-changed; do
        ln -s "$DLM_HOOKS_DIR/needs_reboot.d/$name" "$etc/needs_reboot.d/50-$name"
    done
}
teardown() {
    systemctl stop acme.service 2>/dev/null || true
    rm -rf /run/reboot-required* /etc/foreman_dlm_updater
}
answers() { hook needs_update/reboot-pending && exits "$1"; }

@test "the flag file that packages leave" {
    answers 0
    echo '*** System restart required ***' >/run/reboot-required
    echo linux-image-6.12.117+deb13-amd64 >/run/reboot-required.pkgs
    answers 1
    says "left by: linux-image-6.12.117+deb13-amd64"
    answers 1
    sed -i '1s/.*/another-boot 7/' "$DLM_HOOKS_STATE/reboot-pending"
    answers 0
    says "did not change this"
    rm /run/reboot-required*
    answers 0
    says "no reboot is pending"
    [[ ! -e $DLM_HOOKS_STATE/reboot-pending ]]
}

@test "a service that runs a replaced library" {
    cp /lib/*-linux-gnu/libz.so.1 /opt/acme/
    cp /usr/bin/sleep /opt/acme/acmed
    systemd-run --quiet --collect --unit=acme.service --property=Environment=LD_PRELOAD=/opt/acme/libz.so.1 \
        /opt/acme/acmed 1000
    until grep -q /opt/acme/libz "/proc/$(systemctl show -P MainPID acme.service)/maps"; do :; done
    answers 0
    cp /opt/acme/libz.so.1 /opt/acme/new
    mv /opt/acme/new /opt/acme/libz.so.1
    answers 1
    says "needrestart: reboot needed: acme.service"
}
