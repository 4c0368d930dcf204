# The rpm, with dnf and rpm. systemd is Debian's, because there is no Red Hat or SUSE system here. See life.bash.
load life

repository_is() { # VERSION [KEY]
    sed -i 's,^enabled.*,enabled = false,' /etc/dnf/plugins/local.conf # Debian's; it fails with gpgcheck
    mkdir -p /etc/yum.repos.d
    echo 9 >/etc/dnf/vars/releasever
    rm -f /etc/yum.repos.d/*
    cat >/etc/yum.repos.d/foreman-dlm-updater.repo <<END
[foreman-dlm-updater]
name=foreman-dlm-updater
baseurl=file:///packages/$1/repo/rpm
gpgcheck=1
repo_gpgcheck=1
gpgkey=file://${2:-/packages/$1/repo/rpm/foreman-dlm-updater.asc}
skip_if_unavailable=0
END
}
dnf() { command dnf -q -y --refresh "$@" </dev/null; }

@test "dnf refuses a repository, and a package, that somebody else signed" {
    repository_is 1.0.0 /packages/somebody.asc
    run dnf install foreman-dlm-updater
    [[ $status != 0 && $output == *[Ss]ignature* ]]
    sed -i s,repo_gpgcheck=1,repo_gpgcheck=0, /etc/yum.repos.d/*
    run dnf install foreman-dlm-updater
    [[ $status != 0 && $output == *key* ]]
    rpm --import /packages/1.0.0/repo/rpm/foreman-dlm-updater.asc
    run rpm --checksig /packages/1.0.0/repo/rpm/*.rpm
    [[ $status == 0 && $output == *"signatures OK"* ]]
    rpm --erase --allmatches gpg-pubkey
}

@test "install: nothing is enabled" {
    repository_is 1.0.0
    dnf install foreman-dlm-updater
    version 1.0.0
    rpm --verify foreman-dlm-updater
    nothing_enabled
    reloaded
}

@test "upgrade and downgrade in the middle of a run: run, configuration and timer are as before" {
    administrator
    was=$(property "$timer" InvocationID)
    repository_is 1.1.0
    dnf upgrade
    version 1.1.0
    untouched
    reloaded
    timer_is enabled active
    repository_is 1.0.0
    dnf downgrade foreman-dlm-updater
    version 1.0.0
    untouched
    reloaded
    timer_is enabled active
    is "$(property "$timer" InvocationID)" "$was"
}

@test "a timer that was stopped or disabled stays so during an upgrade" {
    systemctl stop "$timer"
    repository_is 1.1.0
    dnf upgrade
    timer_is enabled inactive
    systemctl disable "$timer"
    dnf reinstall foreman-dlm-updater
    timer_is disabled inactive
    untouched
    systemctl enable --now "$timer"
}

@test "remove in the middle of a run: the timer is stopped and disabled, configuration and hooks are kept" {
    dnf remove foreman-dlm-updater
    [[ ! -e /usr/bin/foreman-dlm-updater ]]
    is "$(systemctl is-active "$timer")" inactive
    is "$(find /etc/systemd -name '*foreman*')" ""
    mv "$etc/config.ini.rpmsave" "$etc/config.ini"
    untouched
}

@test "install again: nothing is enabled, and the configuration is kept" {
    dnf install foreman-dlm-updater
    timer_is disabled inactive
    rm -f "$etc/config.ini.rpmnew"
    untouched
    reloaded
    ends
}

@test "remove without the state's directory" {
    rm -r /var/lib/foreman_dlm_updater
    dnf remove foreman-dlm-updater
    mv "$etc/config.ini.rpmsave" "$etc/config.ini"
    dnf install foreman-dlm-updater
}

@test "remove says that the lock may be held" {
    echo post_update >/var/lib/foreman_dlm_updater/state
    run rpm --erase foreman-dlm-updater # dnf -q does not show it
    [[ $status == 0 && $output == *"a run is in progress"* ]]
    [[ -e /var/lib/foreman_dlm_updater/state ]]
}
