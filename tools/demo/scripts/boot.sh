#!/bin/sh
# What a demonstration host does at boot: it runs its newest kernel, has a new boot id, and starts the boot unit's
# command.
# Exit: the updater's. Needs: DEMO_DIR, DEMO_UPDATER.
set -eu
# shellcheck source-path=SCRIPTDIR source=ledger.sh
. "$DEMO_DIR/ledger.sh"
cp "$DEMO_DIR/installed/kernel" "$DEMO_DIR/running_kernel"
echo "$DEMO_HOST-boot-$$" >"$DEMO_DIR/boot_id"
record reboot end "is up: its boot unit runs --after-reboot"
exec "$DEMO_UPDATER" --config "$DEMO_DIR/config.ini" run --after-reboot
