#!/bin/sh
# Runs after an installation, upgrade or downgrade, by dpkg or rpm. It enables nothing, and starts nothing except a
# timer that a removal stopped. It never touches the service, which may be running this upgrade.
set -e
was_active=/var/lib/foreman_dlm_updater/timer-was-active # from preremove.sh
if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    if [ -e "$was_active" ]; then
        deb-systemd-invoke start foreman-dlm-updater.timer || true
    fi
fi
rm -f "$was_active" || true
