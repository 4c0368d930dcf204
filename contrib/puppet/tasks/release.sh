#!/bin/sh
# Bolt task: `foreman-dlm-updater lock release`, and with forget_run `state clear`.
# Exit: the updater's: 0 the lock is free, or this host no longer held it. Parameter: forget_run.
# Needs: foreman-dlm-updater, root.
set -eu
# First the lock: it belongs to the run on record.
foreman-dlm-updater lock release
[ "${PT_forget_run:-false}" != true ] || foreman-dlm-updater state clear
