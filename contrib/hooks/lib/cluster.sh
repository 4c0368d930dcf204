# What the hooks for clusters and load balancers, and the gates, share: . "$lib/cluster.sh"
# shellcheck shell=sh
: "${hook:?}" # the hook's name

fail() {
    printf '%s\n' "$hook: $*" >&2 # dash's echo would change a \ in a name
    exit 1
}

# numbers FILE NAME=VALUE...: fails if one of these settings is not a whole number. The shell would only notice in the
# middle of the work.
numbers() {
    file=$1
    shift
    for setting in "$@"; do
        case ${setting#*=} in '' | *[!0-9]* | 0?*) fail "$setting in $file: use a whole number" ;; esac
    done
}

# within SECONDS COMMAND...: runs the command. If it takes longer, ends it and says so.
within() {
    timeout "$@" && return
    code=$?
    [ "$code" != 124 ] || echo "no answer within $1 s"
    return "$code"
}
