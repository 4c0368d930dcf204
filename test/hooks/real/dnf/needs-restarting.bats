#!/usr/bin/env bats
# needs_reboot/dnf-needs-restarting with Debian's dnf 4 and its plugin. A container can't test that a reboot turns yes
# into no.
# Debian: 13
# Also on Debian: 12
load dnf

prepare() {
    export LANGUAGE=de # the hook searches dnf's English
    fresh
    repository main
    mkdir -p /etc/dnf/plugins/needs-restarting.d
    echo acme >/etc/dnf/plugins/needs-restarting.d/test.conf
    package /srv/main lib 1
    offer acme 1
}
teardown() {
    rm -r /etc/dnf/plugins/needs-restarting.d
    [[ ! -e /usr/bin/away ]] || mv /usr/bin/away /usr/bin/dnf
    fresh
}
asked() { hook needs_reboot/dnf-needs-restarting; }

@test "no, for a package that needs none; yes, for one that does" {
    installing lib
    asked
    exits 0
    says "Reboot should not be necessary"
    installing acme
    asked
    exits 1
    says "  * acme"
    unset DLM_CANNOT_TELL_EXIT
    asked
    exits 1
}

@test "mirrors that are down do not matter" {
    installing acme
    rm -rf /srv/main /var/cache/dnf
    asked
    exits 1
}

@test "no plugin: could not find out" {
    installing acme
    local plugin=/usr/lib/python3/dist-packages/dnf-plugins/needs_restarting.py
    mv "$plugin" /srv/
    rm -rf "${plugin%/*}/__pycache__/needs_restarting"*
    could_not_find_out "No such command: needs-restarting" asked
    says "install the package dnf-plugins-core"
    mv /srv/needs_restarting.py "$plugin"
}

@test "no dnf: could not find out" {
    mv /usr/bin/dnf /usr/bin/away
    could_not_find_out "failed (127)" asked
}
