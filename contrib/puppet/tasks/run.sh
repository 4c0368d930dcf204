#!/bin/sh
# Bolt task: starts the unit that the timer starts, so that the run does not depend on this connection, and says where
# the host stands.
# Exit: 0 started (with wait: ended well, or not now); else it could not be started (with wait: it failed).
# Parameter: wait.
# Needs: systemd, foreman-dlm-updater, root.
set -eu
unit=foreman-dlm-updater.service
if [ "${PT_wait:-false}" = true ]; then
    systemctl start --wait "$unit"
else
    systemctl start --no-block "$unit"
fi
exec foreman-dlm-updater status --offline --json
