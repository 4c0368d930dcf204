# The deb, with apt and dpkg. See life.bash.
load life

source_is() { # VERSION: sets the repository that apt uses
    echo "deb [signed-by=${2:-/packages/$1/repo/apt/foreman-dlm-updater.asc}] file:/packages/$1/repo/apt ./" \
        >/etc/apt/sources.list
    apt-get -q -o APT::Update::Error-Mode=any update
}
apt() { DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@"; }

@test "apt refuses a repository that somebody else signed" {
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
    matches foreman-dlm-updater-weekly.service
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

@test "a timer that was stopped or disabled stays so during an upgrade" {
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

@test "purge keeps what a run on record needs, and says so" {
    apt install foreman-dlm-updater
    run apt purge foreman-dlm-updater
    [[ $status == 0 && $output == *"a run is on record (stage post_update)"*"/var/lib/foreman_dlm_updater is kept"* ]]
    is "$(cat /var/lib/foreman_dlm_updater/state)" post_update
    [[ -L $etc/update.d/50-apt && -e $etc/hooks.conf.d/apt.conf && ! -e $etc/config.ini ]]
    is "$(find /etc/systemd -name '*foreman*')" ""
    apt install foreman-dlm-updater
    rm /var/lib/foreman_dlm_updater/state
    apt remove foreman-dlm-updater
}

@test "purge leaves only the administrator's own hook, and names it" {
    apt install foreman-dlm-updater
    systemctl start "$timer" # which leaves a stamp
    run apt purge foreman-dlm-updater
    [[ $status == 0 && $output == *"are kept"*"$etc/needs_update.d/10-own"* ]]
    is "$(find "$etc" ! -type d)" "$etc/needs_update.d/10-own"
    rm -r "$etc"
    diff /root/before <(files)
    is "$(systemctl list-unit-files --no-legend 'foreman*')" ""
}

@test "purge of an installed package without changes by an administrator" {
    apt install foreman-dlm-updater
    nothing_enabled
    apt purge foreman-dlm-updater
    diff /root/before <(files)
}

@test "directories that are missing or mount points: neither removal nor purge fails" {
    apt install foreman-dlm-updater
    systemctl enable --now "$timer"
    rm -r /var/lib/foreman_dlm_updater
    apt remove foreman-dlm-updater
    is "$(systemctl is-active "$timer")" inactive
    apt install foreman-dlm-updater
    timer_is enabled active
    for dir in /var/lib/foreman_dlm_updater /var/log/foreman_dlm_updater "$etc"; do
        mount --bind "$(mktemp -d)" "$dir"
        touch "$dir/file"
    done
    rm "$etc/file"
    run apt purge foreman-dlm-updater
    [[ $status == 0 && $output != *"are kept"* ]]
    is "$(find /var/lib/foreman_dlm_updater /var/log/foreman_dlm_updater "$etc" ! -type d)" ""
    umount /var/lib/foreman_dlm_updater /var/log/foreman_dlm_updater "$etc"
    rm -rf /var/lib/foreman_dlm_updater /var/log/foreman_dlm_updater "$etc"
}

@test "the configuration of the original is kept" {
    mkdir "$etc"
    echo '[main]' >"$etc/config.ini"
    apt -o Dpkg::Options::=--force-confold install foreman-dlm-updater
    is "$(cat "$etc/config.ini")" '[main]'
}

@test "config check finds nothing after the steps in docs/install.md; it finds what is undone, and its command fixes it" {
    apt purge foreman-dlm-updater
    rm -rf "$etc"
    source_is 1.1.0
    apt install foreman-dlm-updater
    { echo 'lock_name = web'; cat /packages/host.ini; } >>"$etc/config.ini"
    for hook in needs_update/apt pre_update/services-stop update/apt needs_reboot/kernel-changed \
        post_update/services-start post_update/systemd-healthy; do
        foreman-dlm-updater hooks enable "$hook"
    done
    run foreman-dlm-updater config check --offline
    [[ $status == 78 && $output == *"50-services-stop has no SERVICES"* ]]
    echo 'SERVICES=cron.service' >"$etc/hooks.conf.d/services-stop.conf"
    check() { run foreman-dlm-updater config check --offline; is "$status" 0; }
    healthy() { check; [[ $output == *"config.ini is fine" && $output != *"warning: "* ]]; }
    check
    [[ $output == *"warning: units: $timer is disabled: "*"warning: units: $resume is disabled: "*"config.ini is fine, with 2 warnings" ]]
    systemctl enable --now "$timer"
    healthy

    # ill WHAT [N]: there are N findings (default 1), the first is WHAT, and its command clears all of them.
    ill() {
        check
        mapfile -t found < <(grep 'warning: ' <<<"$output")
        is "${#found[@]}" "${2:-1}"
        [[ ${found[0]} == *"warning: $1"*"; fix it with: "* ]]
        bash -euc "${found[0]##*; fix it with: }"
        healthy
    }
    systemctl stop "$timer"
    ill "units: $timer is enabled, but inactive"
    systemctl disable "$timer" # which takes the resume unit with it
    ill "units: $timer is active, but not enabled" 2
    systemctl disable "$resume"
    ill "units: $resume is disabled"
    systemctl mask --now "$timer"
    ill "units: $timer is masked"
    systemctl mask "$resume"
    ill "units: $resume is masked"

    ln -s /bin/true /usr/local/bin/unattended-upgrade
    healthy # installed, but not enabled
    echo 'APT::Periodic::Unattended-Upgrade "1";' >/etc/apt/apt.conf.d/20auto-upgrades
    systemctl enable --now apt-daily-upgrade.timer
    ill "other updaters: unattended-upgrades installs updates without the lock"
    printf '[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n' >/etc/systemd/system/os-update.timer
    cp /lib/systemd/system/apt-daily.service /etc/systemd/system/os-update.service
    systemctl enable os-update.timer
    ill "other updaters: os-update installs updates and reboots without the lock"

    foreman-dlm-updater hooks disable post_update/services-start
    ill "stages: pre_update/services-stop is enabled without post_update/services-start"
    foreman-dlm-updater hooks disable needs_reboot/kernel-changed
    ill "stages: no hook is enabled in $etc/needs_reboot.d: each update ends with a reboot"
    foreman-dlm-updater hooks enable needs_reboot/reboot-required
    foreman-dlm-updater hooks disable needs_reboot/kernel-changed
    ill "stages: needs_reboot/reboot-required is the only hook of its stage, and nothing on this host writes the flag"
    foreman-dlm-updater hooks disable post_update/systemd-healthy
    foreman-dlm-updater hooks enable post_update/20-systemd-healthy
    ill "stages: 20-systemd-healthy runs before 50-services-start, which has to come first in post_update"
    [[ -e $etc/post_update.d/55-systemd-healthy ]]
    printf '#!/bin/sh\r\nexit 0\r\n' >"$etc/update.d/60-own"
    chmod +x "$etc/update.d/60-own"
    run foreman-dlm-updater config check --offline # more than a finding: no run would begin
    is "$status" 78
    [[ $output == *"$etc/update.d/60-own: the file has DOS line endings; fix it with: sed "* ]]
    sed -i 's/\r$//' "$etc/update.d/60-own"
    healthy

    # A bus that does not answer delays nothing for long.
    kill -STOP "$(pidof dbus-daemon)"
    began=$SECONDS
    check
    kill -CONT "$(pidof dbus-daemon)"
    ((SECONDS - began < 20))
    # What there is no answer to, the connection or the question, depends on how far it has come.
    [[ $output == *"warning: units: it is not known whether $timer is enabled: connect to systemd: "* ||
        $output == *"warning: units: it is not known whether $timer is enabled: ask systemd for $timer: "* ||
        $output == *"warning: units: no answer within 10s"* ]] || { echo "$output"; false; }
}
