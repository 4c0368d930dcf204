#!/bin/sh
# Bolt task: `foreman-dlm-updater lock release`, and with forget_run `state clear`.
# Exit: the updater's: 0 the lock is free, or was not this host's by then. Parameter: forget_run.
# Needs: foreman-dlm-updater, root.
set -eu
# The lock is that of the run on record: it goes first.
foreman-dlm-updater lock release
[ "${PT_forget_run:-false}" != true ] || foreman-dlm-updater state clear
