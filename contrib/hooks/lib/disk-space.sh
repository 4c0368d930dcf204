# What the hooks disk-space share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/disk-space.sh"
# shellcheck shell=sh
: "${hook:?}" "${lib:?}" "${conf:?}" "${SPACE?}" # the hook's name, this directory, its settings

# shellcheck source=cluster.sh
. "$lib/cluster.sh"

wrong() { fail "SPACE in $conf has \"$entry\", which is neither /PATH:MIB nor /PATH:MIB:INODES"; }

# enough WHAT OPTION PATH NEEDED DIVISOR: adds a line to $short if there is too little. A file system that does not
# count inodes (btrfs, vfat) has enough of them.
enough() {
    said=$(LC_ALL=C timeout 60 df "$2" -P -- "$3") ||
        fail "df $2 $3 failed, so it is unknown how much is free: see above"
    # Blocks, used, available, percent, path. The name of the file system comes before them, and may have blanks.
    free=$(printf '%s\n' "$said" | awk -v by="$5" '
        NR == 2 && match($0, / ([0-9]+|-) +(-?[0-9]+|-) +(-?[0-9]+|-) +([0-9]+%|-) +\//) {
            split(substr($0, RSTART, RLENGTH), is)
            print (is[1] + 0 > 0 ? int(is[3] / by) : "uncounted")
        }')
    [ -n "$free" ] || fail "the answer of df $2 $3 was not understood, so it is unknown how much is free"
    if [ "$free" != uncounted ] && [ "$free" -lt "$4" ]; then
        short="$short${short:+
}$3 has $free $1 free, $4 are needed: $(($4 - free)) are missing"
    fi
}

# look: sets $short to what is missing, a line each. It is empty if there is enough.
look() {
    short=
    for entry in $SPACE; do
        path=${entry%%:*} mib=${entry#*:} inodes=0
        case $mib in *:*) inodes=${mib#*:} mib=${mib%%:*} ;; esac
        case $path in /*) ;; *) wrong ;; esac
        for number in "$mib" "$inodes"; do case $number in '' | *[!0-9]* | 0?* | ????????????????*) wrong ;; esac; done
        if [ ! -e "$path" ]; then
            echo "$hook: $path does not exist, left out"
            continue
        fi
        enough MiB -k "$path" "$mib" 1024
        enough inodes -i "$path" "$inodes" 1
    done
}
