#!/bin/sh
# Runs after a removal, by dpkg or rpm. dpkg's purge removes the files of the package and its hooks, and the links made
# by `systemctl enable` and `hooks enable`. It keeps the administrator's own hooks, and everything that a run needs to
# go on.
set -e
lib=/var/lib/foreman_dlm_updater etc=/etc/foreman_dlm_updater

# run_on_record: sets $stage to the stage of the run in progress, which is the first line of a state file. False if
# there is none. Any word counts but needs_update, which means no run: other versions may have other stages.
run_on_record() {
    for file in "$lib"/*; do
        stage=''
        [ ! -f "$file" ] || read -r stage <"$file" || true
        case $stage in '' | needs_update | *[!a-z_]*) ;; *) return 0 ;; esac
    done
    return 1
}

if [ "${1:-}" = purge ]; then
    rm -f /etc/systemd/system/timers.target.wants/foreman-dlm-updater.timer \
        /etc/systemd/system/multi-user.target.wants/foreman-dlm-updater-resume.service \
        /var/lib/systemd/timers/stamp-foreman-dlm-updater.timer
    if run_on_record; then
        rm -f "$lib/timer-was-active" || true
        {
            echo "foreman-dlm-updater: a run is on record (stage $stage): services may be down, and this host may"
            echo "hold the lock. So $lib is kept, with the hooks and settings in $etc."
            echo "To go on, install the package again, restore $etc/config.ini, which dpkg has"
            echo "removed, and run: foreman-dlm-updater run. To give up, release the lock (in Foreman: Monitor >"
            echo "Distributed Locks), start the services, and remove both directories."
        } >&2
    else
        # Each of these, and $etc, may be a mount point, which rm can only empty.
        rm -rf "$lib" /var/log/foreman_dlm_updater "$etc/hooks.conf.d" || true
        if [ -d "$etc" ]; then
            find "$etc" -type l -lname '*/usr/share/foreman-dlm-updater/hooks/*' -delete || true
            find "$etc" -depth -type d -empty -delete || true
        fi
        if [ -n "$(find "$etc" ! -type d 2>/dev/null)" ]; then
            echo "foreman-dlm-updater: these are kept, because the package did not install them; remove them if you" \
                "don't need them:" >&2
            find "$etc" ! -type d >&2
        fi
    fi
fi
if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
fi
