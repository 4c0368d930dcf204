# The deb, with apt and dpkg. See life.bash.
load life

source_is() { # VERSION: the repository that apt knows
    echo "deb [signed-by=${2:-/packages/$1/repo/apt/foreman-dlm-updater.asc}] file:/packages/$1/repo/apt ./" >/etc/apt/sources.list
    apt-get -q -o APT::Update::Error-Mode=any update
}
apt() { DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@"; }

@test "apt refuses a repository that somebody else has signed" {
    files >/root/before
    run source_is 1.0.0 /packages/somebody.asc
    [[ $status != 0 && $output == *NO_PUBKEY* ]]
    run apt install foreman-dlm-updater
    [[ $status != 0 ]]
}

@test "install: nothing is enabled" {
    source_is 1.0.0
    apt install foreman-dlm-updater
    version 1.0.0
    nothing_enabled
    reloaded
}

@test "needrestart leaves the units alone" {
    matches() { perl -e 'our %nrconf; do "/etc/needrestart/needrestart.conf"; die $@ if $@;
        exit !grep { $ARGV[0] =~ $_ } @{$nrconf{blacklist_rc}}' "$1"; }
    matches "$service"
    matches "$resume"
    run matches ssh.service
    is "$status" 1
}

@test "upgrade and downgrade in the middle of a run: run, configuration and timer are as before" {
    administrator
    was=$(property "$timer" InvocationID)
    source_is 1.1.0
    apt upgrade
    version 1.1.0
    untouched
    reloaded
    timer_is enabled active
    source_is 1.0.0
    apt install --allow-downgrades foreman-dlm-updater=1.0.0-1
    version 1.0.0
    untouched
    reloaded
    timer_is enabled active
    is "$(property "$timer" InvocationID)" "$was"
}

@test "a timer that was stopped, or disabled, stays so over an upgrade" {
    systemctl stop "$timer"
    source_is 1.1.0
    apt upgrade
    timer_is enabled inactive
    systemctl disable "$timer"
    apt install --reinstall foreman-dlm-updater
    timer_is disabled inactive
    untouched
    systemctl enable --now "$timer"
}

@test "remove and install again in the middle of a run" {
    apt remove foreman-dlm-updater
    [[ ! -e /usr/bin/foreman-dlm-updater ]]
    untouched
    is "$(systemctl is-active "$timer")" inactive
    apt install foreman-dlm-updater
    untouched
    reloaded
    timer_is enabled active
    systemctl stop "$timer"
    apt remove foreman-dlm-updater
    apt install foreman-dlm-updater
    timer_is enabled inactive
    ends
}

@test "remove says that the lock may be held" {
    run apt remove foreman-dlm-updater
    [[ $status == 0 && $output != *"a run is in progress"* ]]
    apt install foreman-dlm-updater
    echo post_update >/var/lib/foreman_dlm_updater/state
    run apt remove foreman-dlm-updater
    [[ $status == 0 && $output == *"a run is in progress"* ]]
    [[ -e /var/lib/foreman_dlm_updater/state ]]
}

@test "purge leaves nothing behind but an administrator's own hook, and names that" {
    apt install foreman-dlm-updater
    systemctl start "$timer" # which leaves a stamp
    run apt purge foreman-dlm-updater
    [[ $status == 0 && $output == *"are kept"*"$etc/needs_update.d/10-own"* ]]
    is "$(find "$etc" ! -type d)" "$etc/needs_update.d/10-own"
    rm -r "$etc"
    diff /root/before <(files)
    is "$(systemctl list-unit-files --no-legend 'foreman*')" ""
}

@test "purge of a package that is installed, with nothing of an administrator's" {
    apt install foreman-dlm-updater
    nothing_enabled
    apt purge foreman-dlm-updater
    diff /root/before <(files)
}

@test "the configuration of the original is kept" {
    mkdir "$etc"
    echo '[main]' >"$etc/config.ini"
    apt -o Dpkg::Options::=--force-confold install foreman-dlm-updater
    is "$(cat "$etc/config.ini")" '[main]'
}
