# For the tests of a package's life on a booted host. The tests of one file build on each other, on the same host.
# shellcheck shell=bash

timer=foreman-dlm-updater.timer service=foreman-dlm-updater.service resume=foreman-dlm-updater-resume.service
etc=/etc/foreman_dlm_updater

is() { [[ $1 == "$2" ]] || { printf 'got %q, want %q\n' "$1" "$2"; return 1; }; }
property() { systemctl show --property="$2" --value "$1"; }
version() { is "$(foreman-dlm-updater version | cut -d' ' -f2)" "$1"; }

# eventually COMMAND...: fails unless the command succeeds within five minutes (on a busy machine).
eventually() {
    local end=$((SECONDS + 300))
    until "$@"; do
        ((SECONDS < end)) || { echo "not within five minutes: $*"; return 1; }
        sleep 0.1
    done
}

# timer_is ENABLED ACTIVE: fails unless the timer has these states, and the resume unit is enabled like the timer.
timer_is() {
    is "$(systemctl is-enabled "$timer" "$resume" | xargs)" "$1 $1"
    is "$(systemctl is-active "$timer")" "$2"
}

# written: prints the files and links in /etc. (Removing the package removes empty directories too.)
written() { (cd "$etc" && { find . -type f -exec grep -H '' {} +; find . -type l -printf '%p -> %l\n'; } | sort); }

# administrator: does what an administrator does with configuration, hooks and the timer, and starts a run that lasts,
# because the administrator's own hook waits.
administrator() {
    cat >>"$etc/config.ini" <<'END'
lock_name = web
foreman_url = https://localhost:1
client_crt = /etc/ssl/host.pem
client_key = /etc/ssl/host.key
END
    ln -s /usr/share/foreman-dlm-updater/hooks/update.d/apt "$etc/update.d/50-apt"
    ln -s ../../../usr/share/foreman-dlm-updater/hooks/needs_reboot.d/kernel-changed \
        "$etc/needs_reboot.d/50-kernel-changed"
    echo KEEP=1 >"$etc/hooks.conf.d/apt.conf"
    printf '%s\n' '#!/bin/sh' 'touch /run/hook-runs' 'until test -e /run/hook-may-end; do sleep 0.1; done' \
        'touch /run/hook-has-ended' >"$etc/needs_update.d/10-own"
    chmod +x "$etc/needs_update.d/10-own"
    written >/root/written
    systemctl enable --now "$timer"
    systemctl start --no-block "$service"
    eventually test -e /run/hook-runs
    property "$service" MainPID >/run/main-pid
    property "$service" InvocationID >/run/invocation
}

# untouched: fails unless the run goes on in the same process, and the administrator's changes still exist.
untouched() {
    is "$(property "$service" MainPID)" "$(cat /run/main-pid)"
    is "$(property "$service" InvocationID)" "$(cat /run/invocation)"
    is "$(property "$service" ActiveState)" active
    [[ ! -e /run/hook-has-ended ]]
    diff /root/written <(written)
}

# reloaded: fails unless systemd has read the units that are installed now.
reloaded() {
    for unit in "$timer" "$service" "$resume"; do
        is "$(property "$unit" NeedDaemonReload)" no
    done
}

ended() { [[ $(property "$service" ActiveState) != active ]]; }

# ends: lets the run end, and fails unless it ends well.
ends() {
    touch /run/hook-may-end
    eventually ended
    is "$(property "$service" ActiveState) $(property "$service" Result)" "inactive success"
    [[ -e /run/hook-has-ended ]]
}

# nothing_enabled: checks the state after an installation.
nothing_enabled() {
    timer_is disabled inactive
    is "$(systemctl is-active "$service" "$resume" | xargs)" "inactive inactive"
    is "$(find /etc/systemd -name '*foreman*')" ""
    is "$(find "$etc" -mindepth 1 ! -type d)" "$etc/config.ini"
    is "$(systemd-analyze verify --man=no "$timer" "$service" "$resume" 2>&1)" ""
    systemctl preset "$timer" "$resume" # the first boot of an image may do this to all units
    timer_is disabled inactive
    run foreman-dlm-updater config check --offline
    is "$status" 78
    for key in lock_name foreman_url client_crt client_key; do
        [[ $output == *"$key: is missing"* ]]
    done
    [[ $output == *"warning: units: $timer is disabled: "*"; fix it with: systemctl enable --now $timer"* ]]
}

# files: prints the files on the disk that might belong to the package.
files() {
    find /etc /usr /var -xdev -not -path '/var/lib/dpkg/*' -not -path '/var/lib/apt/*' \
        -not -path '/var/cache/*' -not -path '/var/log/*.log' -not -path '/var/log/apt*' \
        -not -path '/var/log/journal/*' -not -path '/var/lib/rpm/*' -not -path '/var/lib/dnf/*' \
        -not -path '/var/tmp/*' | sort
}
