#!/bin/sh
# Compares the kernel that runs with the one that is installed now.
# Stage: needs_reboot. Exit: 1 a reboot is needed, 0 none is. Needs: DEMO_DIR, and a sleep that takes fractions.
set -eu
# shellcheck source-path=SCRIPTDIR source=ledger.sh
. "$DEMO_DIR/ledger.sh"
record needs_reboot begin
sleep 0.6
read -r running <"$DEMO_DIR/running_kernel"
read -r installed <"$DEMO_DIR/installed/kernel"
if [ "$running" = "$installed" ]; then
	record needs_reboot end "runs the kernel that it has: no reboot"
	exit 0
fi
record needs_reboot end "has a new kernel: a reboot is due"
exit 1
