#!/bin/sh
# Runs before a removal, by dpkg ("remove") or rpm ("0"). For an upgrade it does nothing. It does not stop a run in
# progress.
set -e
timer=foreman-dlm-updater.timer state=/var/lib/foreman_dlm_updater
case ${1:-} in
remove)
    if [ -d /run/systemd/system ] && systemctl is-active --quiet "$timer"; then
        # The timer stays enabled for a later installation; postinstall.sh reads the mark and starts it again. If the
        # mark's directory is missing or read-only, the removal must not fail.
        deb-systemd-invoke stop "$timer" || true
        { mkdir -p "$state" && touch "$state/timer-was-active"; } || true
    fi
    ;;
0)
    # rpm's own macros do the same. The resume unit is only disabled, because it may be running.
    [ ! -d /run/systemd/system ] || systemctl stop "$timer" || true
    systemctl --no-reload disable "$timer" foreman-dlm-updater-resume.service >/dev/null 2>&1 || true
    ;;
*) exit 0 ;;
esac
case $(foreman-dlm-updater state show 2>/dev/null || echo "exit $?") in
"no run in progress"* | "exit 78" | "exit 127") ;; # 78: the updater is not configured
*)
    echo "foreman-dlm-updater: a run is in progress. If this host holds the lock, no other host updates." >&2
    echo "Services that the run stopped stay down. To go on, install the package again, and run: foreman-dlm-updater" \
        "run. To give up, release the lock (in Foreman: Monitor > Distributed Locks), and start the services." >&2
    ;;
esac
