#!/bin/sh
# What a demonstration host has for /usr/sbin/reboot: says so, and the demonstration does the rest.
# Exit: 0. Needs: DEMO_DIR.
set -eu
# shellcheck source-path=SCRIPTDIR source=ledger.sh
. "$DEMO_DIR/ledger.sh"
record reboot begin "goes down, and keeps its slot"
