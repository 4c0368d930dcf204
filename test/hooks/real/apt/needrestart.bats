#!/usr/bin/env bats
# Debian: 12 13
# needs_reboot/needrestart and needs_reboot/reboot-required on a booted host. The lab's hosts are containers, where
# needrestart does not check the kernel: ../../stubbed/needrestart.bats tests that. The real thing here is a service
# that runs a deleted library.
load ../../hook
bats_require_minimum_version 1.5.0

prepare() {
    systemctl stop 'acme*' 2>/dev/null || true
    rm -rf /opt/acme
    mkdir -p /opt/acme
    cp /lib/x86_64-linux-gnu/libz.so.1 /opt/acme/libz.so.1 2>/dev/null || cp /lib/*-linux-gnu/libz.so.1 /opt/acme/
    cp /usr/bin/sleep /opt/acme/acmed
}
teardown() { systemctl stop 'acme*' 'foreman-dlm-updater*' 2>/dev/null || true; }

# service NAME: runs with its own library. reinstall: replaces the library as dpkg does.
service() {
    systemd-run --quiet --collect --unit="$1" --property=Environment=LD_PRELOAD=/opt/acme/libz.so.1 /opt/acme/acmed 1000
    until grep -q /opt/acme/libz "/proc/$(systemctl show -P MainPID "$1")/maps"; do :; done
}
reinstall() {
    cp /opt/acme/libz.so.1 /opt/acme/new
    mv /opt/acme/new /opt/acme/libz.so.1
}
asked() { hook needs_reboot/needrestart; }

@test "a service that runs the installed library: no" {
    service acme.service
    asked
    exits 0
    says "nothing runs an old version"
}

@test "a service that runs a replaced library: yes, and it is left running" {
    service acme.service
    local pid; pid=$(systemctl show -P MainPID acme.service)
    reinstall
    NEEDRESTART_MODE=a asked
    exits 1
    says acme.service
    [[ $(systemctl show -P MainPID acme.service) == "$pid" ]]
    systemctl restart acme.service
    asked
    exits 0
}

@test "needrestart configured to restart by itself, in easy mode, or for Debian's own front end: it still answers" {
    # shellcheck disable=SC2016 # not for this shell
    printf '%s\n' '$nrconf{restart} = "a";' '$nrconf{ui_mode} = "e";' >/etc/needrestart/conf.d/test.conf
    service acme.service
    local pid; pid=$(systemctl show -P MainPID acme.service)
    reinstall
    asked
    rm /etc/needrestart/conf.d/test.conf
    exits 1
    says acme.service
    [[ $(systemctl show -P MainPID acme.service) == "$pid" ]]
}

@test "services that don't count" {
    service acme.service
    reinstall
    setting needrestart "ignore='acme*'"
    asked
    exits 0
    setting needrestart services=no
    asked
    exits 0
}

@test "the updater's own units don't count" {
    service foreman-dlm-updater.service
    reinstall
    asked
    exits 0
}

@test "a broken configuration of needrestart: could not find out" {
    # shellcheck disable=SC2016 # not for this shell
    echo '$nrconf{' >/etc/needrestart/conf.d/test.conf
    asked
    rm /etc/needrestart/conf.d/test.conf
    exits 75
    says "could not find out"
}

@test "needrestart hangs: could not find out" {
    echo 'system("sleep 1000");' >/etc/needrestart/conf.d/test.conf
    setting needrestart timeout=2
    SECONDS=0
    asked
    rm /etc/needrestart/conf.d/test.conf
    exits 75
    says "no answer within 2 s"
    ((SECONDS < 60))
    refute pgrep -f '^sleep 1000'
}

@test "without needrestart: could not find out, with and without an exit code for it" {
    chmod -x /usr/sbin/needrestart
    asked
    [[ $status == 75 ]] || { chmod +x /usr/sbin/needrestart; false; }
    unset DLM_CANNOT_TELL_EXIT
    asked
    chmod +x /usr/sbin/needrestart
    exits 0
    says "install it"
}

@test "reboot-required: no, and yes with the flag that packages leave" {
    rm -f /run/reboot-required /run/reboot-required.pkgs
    hook needs_reboot/reboot-required
    exits 0
    echo '*** System restart required ***' >/run/reboot-required
    printf '%s\n' libc6 dbus libc6 >/run/reboot-required.pkgs
    hook needs_reboot/reboot-required
    exits 1
    says "dbus libc6"
    rm /run/reboot-required /run/reboot-required.pkgs
}

@test "kernel-changed: a container has no kernel of its own" {
    mkdir -p /lib/modules/99.0-1-test
    echo image >/lib/modules/99.0-1-test/vmlinuz
    hook needs_reboot/kernel-changed
    rm -r /lib/modules/99.0-1-test
    exits 0
    says container
}
