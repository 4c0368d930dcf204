#!/bin/sh
# Takes the host's service down.
# Stage: pre_update. Exit: 0. Needs: DEMO_DIR, and a sleep that takes fractions (GNU, busybox).
set -eu
# shellcheck source-path=SCRIPTDIR source=ledger.sh
. "$DEMO_DIR/ledger.sh"
record pre_update begin "stops its service"
sleep 0.8
rm -f "$DEMO_DIR/service.running"
record pre_update end
