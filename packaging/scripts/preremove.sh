#!/bin/sh
# Before a removal; for dpkg ("remove") and rpm ("0"). An upgrade has nothing to do here. A run in progress is not stopped.
set -e
timer=foreman-dlm-updater.timer state=/var/lib/foreman_dlm_updater
case ${1:-} in
remove)
    if [ -d /run/systemd/system ] && systemctl is-active --quiet "$timer"; then
        # It stays enabled, so that a later installation finds it as it was left. The mark is for postinstall.sh. Its
        # directory may be gone, or read-only, and that must not make the removal fail.
        deb-systemd-invoke stop "$timer" || true
        { mkdir -p "$state" && touch "$state/timer-was-active"; } || true
    fi
    ;;
0)
    # As rpm's own macros do. The resume unit is just disabled: it may be running.
    [ ! -d /run/systemd/system ] || systemctl stop "$timer" || true
    systemctl --no-reload disable "$timer" foreman-dlm-updater-resume.service >/dev/null 2>&1 || true
    ;;
*) exit 0 ;;
esac
case $(foreman-dlm-updater state show 2>/dev/null || echo "exit $?") in
"no run in progress"* | "exit 78" | "exit 127") ;; # 78: it is not configured
*)
    echo "foreman-dlm-updater: a run is in progress, and Foreman's lock may be this host's: then no other host updates." >&2
    echo "Services that it has stopped stay down. To go on, install the package again and do: foreman-dlm-updater run." >&2
    echo "To give up without it: free the lock in Foreman (Monitor > Distributed Locks), and start the services." >&2
    ;;
esac
