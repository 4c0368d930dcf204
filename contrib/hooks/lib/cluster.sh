# What the hooks for clusters and load balancers share. The library of each reads it: . "$lib/cluster.sh"
# shellcheck shell=sh
: "${hook:?}" # its name

fail() {
    echo "$hook: $*" >&2
    exit 1
}

# numbers FILE NAME=VALUE...: these settings have to be whole numbers. The shell would find out in the middle of the work.
numbers() {
    file=$1
    shift
    for setting in "$@"; do
        case ${setting#*=} in '' | *[!0-9]* | 0?*) fail "$setting in $file: use a whole number" ;; esac
    done
}

# within SECONDS COMMAND...: runs it, and ends it if it takes longer, which is then what it says.
within() {
    timeout "$@" && return
    code=$?
    [ "$code" != 124 ] || echo "no answer within $1 s"
    return "$code"
}
