#!/bin/sh
# What a host under test has for /usr/sbin/reboot: says so in the ledger, and the test does the rest.
# Exit: 0. Needs: CHAOS_HOST, CHAOS_LEDGER.
set -eu
printf '{"kind":"asked","host":"%s"}\n' "$CHAOS_HOST" >>"$CHAOS_LEDGER"
