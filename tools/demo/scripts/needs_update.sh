#!/bin/sh
# Compares the installed version with the one that is offered.
# Stage: needs_update. Exit: 1 an update is due, 0 none is. Needs: DEMO_DIR.
set -eu
# shellcheck source-path=SCRIPTDIR source=ledger.sh
. "$DEMO_DIR/ledger.sh"
record needs_update begin
read -r installed <"$DEMO_DIR/installed/version"
read -r offered <"$DEMO_DIR/offered/version"
if [ "$installed" = "$offered" ]; then
	record needs_update end "has $installed, and nothing newer is offered"
	exit 0
fi
record needs_update end
exit 1
