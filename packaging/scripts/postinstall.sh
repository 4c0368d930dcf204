#!/bin/sh
# After an installation, upgrade or downgrade; for dpkg and rpm. Nothing is enabled, and nothing started but a timer that the
# removal stopped. The service is left alone, always: it may be what runs this upgrade.
set -e
was_active=/var/lib/foreman_dlm_updater/timer-was-active # from preremove.sh
if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    if [ -e "$was_active" ]; then
        deb-systemd-invoke start foreman-dlm-updater.timer || true
    fi
fi
rm -f "$was_active" || true
