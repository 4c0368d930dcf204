# What the hooks for transactional-update share:
# . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/transactional-update.sh"
# shellcheck shell=sh

# snapshots: sets $running and $next to the numbers of the snapshots from which the host runs and will boot next. Fails
# and sets $why if one of them is not known.
# shellcheck disable=SC2034 # they are for the hooks
snapshots() {
    here=$(LC_ALL=C timeout 60 findmnt -n -o FSROOT / 2>&1) || { why="findmnt / failed: $here" && return 1; }
    running=$(snapshot "$here") || { why="/ is no snapshot of snapper: $here" && return 1; }
    # It prints "ID 265 gen 93 top level 264 path @/.snapshots/2/snapshot".
    default=$(LC_ALL=C timeout 60 btrfs subvolume get-default / 2>&1) ||
        { why="btrfs subvolume get-default / failed: $default" && return 1; }
    next=$(snapshot "$default") || { why="the default subvolume is no snapshot of snapper: $default" && return 1; }
}

# snapshot TEXT: prints the number of the snapshot whose path ends TEXT.
snapshot() { printf '%s\n' "$1" | sed -n 's|.*/\.snapshots/\([0-9]\{1,\}\)/snapshot$|\1|p' | grep .; }
