#!/usr/bin/env bats
# needs_reboot/zypper-needs-rebooting with Debian's zypper 1.14.
# Debian: 13
# Also on Debian: 12
load ../../hook
load ../rpm
bats_require_minimum_version 1.5.0

prepare() {
    rm -rf /srv/* /etc/zypp/repos.d/* /run/reboot-needed
    echo kernel-acme >/etc/zypp/needreboot
    package /srv/main lib 1
    package /srv/main kernel-acme 1
    publish /srv/main
    quietly zypper -n addrepo --no-gpgcheck dir:///srv/main main
}
asked() { hook needs_reboot/zypper-needs-rebooting; }

@test "no, for a package that needs none; yes, for one that does" {
    quietly zypper -n install lib
    asked
    exits 0
    says "probably not necessary"
    zypper -n install kernel-acme # exits 102
    asked
    exits 1
    says "Reboot is " # required (1.14.42), suggested (1.14.89)
    unset DLM_CANNOT_TELL_EXIT
    asked
    exits 1
}

@test "no zypper: could not find out" {
    mv /usr/bin/zypper /usr/bin/away
    could_not_find_out "(127)" asked
    mv /usr/bin/away /usr/bin/zypper
}
