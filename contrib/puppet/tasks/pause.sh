#!/bin/sh
# Bolt task: `foreman-dlm-updater pause`, or with unpause `unpause`.
# Exit: the updater's. Parameters: reason, for, until, unpause.
# Needs: foreman-dlm-updater, root.
set -eu
[ "${PT_unpause:-false}" != true ] || exec foreman-dlm-updater unpause
set -- # each option with its value is one word, so no value is taken for an option
[ -z "${PT_reason:-}" ] || set -- "$@" "--reason=$PT_reason"
[ -z "${PT_for:-}" ] || set -- "$@" "--for=$PT_for"
[ -z "${PT_until:-}" ] || set -- "$@" "--until=$PT_until"
exec foreman-dlm-updater pause "$@"
