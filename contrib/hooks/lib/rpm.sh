# What the update hooks for dnf and zypper share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/rpm.sh"
# shellcheck shell=sh
: "${name:?}" "${lock_timeout:=600}" # the hook's name and setting

export LC_ALL=C # hooks search the output of rpm, dnf and zypper

fail() {
    echo "$name: $*" >&2
    exit 1
}

# patient COMMAND...: runs the command, and again while another program has rpm's own lock, for which rpm, dnf and
# zypper don't wait. Its errors are printed when it has ended. They go through a file, because a daemon that a package
# starts would keep a pipe open.
patient() {
    end=$(($(date +%s) + lock_timeout)) errors=$(mktemp)
    while :; do
        "$@" 2>"$errors" && code=0 || code=$?
        sed 's,://[^/[:space:]]*@,://***@,g' "$errors" >&2 # no passwords of URLs
        if [ "$code" = 0 ] || ! grep -q 'transaction lock' "$errors" || [ "$(date +%s)" -ge "$end" ]; then break; fi
        echo "$name: another program has rpm's lock, waiting for it"
        sleep 5
    done
    rm -f "$errors"
    return "$code"
}
