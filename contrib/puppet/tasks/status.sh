#!/bin/sh
# Bolt task: what `foreman-dlm-updater status --json` prints.
# Exit: the updater's. Parameter: offline.
# Needs: foreman-dlm-updater, root.
set -eu
set -- --json
[ "${PT_offline:-false}" != true ] || set -- "$@" --offline
exec foreman-dlm-updater status "$@"
