#!/bin/sh
# Bolt task: prints `foreman-dlm-updater status --json`.
# Exit: the updater's. Parameter: offline.
# Needs: foreman-dlm-updater, root.
set -eu
set -- --json
[ "${PT_offline:-false}" != true ] || set -- "$@" --offline
exec foreman-dlm-updater status "$@"
