#!/bin/sh
# After a removal; for dpkg and rpm. dpkg's purge removes what the package, its hooks and its administrator's
# `systemctl enable` and `hooks enable` have left, but no hook that somebody wrote himself.
set -e
if [ "${1:-}" = purge ]; then
    etc=/etc/foreman_dlm_updater
    # Each of these, and $etc, may be a mount point: it is emptied, and stays.
    rm -rf /var/lib/foreman_dlm_updater /var/log/foreman_dlm_updater "$etc/hooks.conf.d" || true
    rm -f /etc/systemd/system/timers.target.wants/foreman-dlm-updater.timer \
        /etc/systemd/system/multi-user.target.wants/foreman-dlm-updater-resume.service \
        /var/lib/systemd/timers/stamp-foreman-dlm-updater.timer
    if [ -d "$etc" ]; then
        find "$etc" -type l -lname '*/usr/share/foreman-dlm-updater/hooks/*' -delete || true
        find "$etc" -depth -type d -empty -delete || true
    fi
    if [ -n "$(find "$etc" ! -type d 2>/dev/null)" ]; then
        echo "foreman-dlm-updater: these are not the package's, and are kept; remove them if you don't need them:" >&2
        find "$etc" ! -type d >&2
    fi
fi
if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
fi
