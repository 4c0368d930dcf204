#!/bin/sh
# Stands in for /usr/sbin/reboot on a host under test: it writes to the ledger, and the test does the rest.
# Exit: 0. Needs: CHAOS_HOST, CHAOS_LEDGER.
set -eu
printf '{"kind":"asked","host":"%s"}\n' "$CHAOS_HOST" >>"$CHAOS_LEDGER"
