#!/bin/sh
# Bolt task: prints `foreman-dlm-updater plan --json`.
# Exit: 0 there is a plan, also if no run would begin now (begins is false then); else the updater's.
# Needs: foreman-dlm-updater, root.
set -eu
code=0
plan=$(foreman-dlm-updater plan --json) || code=$?
[ -z "$plan" ] || printf '%s\n' "$plan"
[ -z "$plan" ] || [ "$code" != 75 ] || code=0
exit "$code"
