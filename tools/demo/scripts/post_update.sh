#!/bin/sh
# Brings the host's service back.
# Stage: post_update. Exit: 0. Needs: DEMO_DIR, and a sleep that takes fractions (GNU, busybox).
set -eu
# shellcheck source-path=SCRIPTDIR source=ledger.sh
. "$DEMO_DIR/ledger.sh"
read -r version <"$DEMO_DIR/installed/version"
record post_update begin "starts its service, in version $version"
sleep 0.8
echo "$version" >"$DEMO_DIR/service.running"
record post_update end
