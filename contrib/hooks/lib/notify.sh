# What the notifiers share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/notify.sh"
# shellcheck shell=sh
: "${hook:?}" "${curl_config=}" # the notifier's name and setting
# shellcheck source=no-proxy.sh
. "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/no-proxy.sh"

fail() {
    echo "$hook: $*" >&2
    exit 1
}

# only EVENTS: ends the notifier unless the event is one of these.
only() { case " $1 " in *" ${DLM_EVENT:?} "*) ;; *) exit 0 ;; esac }

# phase: prints what the event means for a silence or a downtime of this host: begin, extend, end, or nothing. After
# gave-up it expires by itself.
phase() {
    case ${DLM_EVENT:?}:${DLM_STAGE:-} in
    resumed:needs_update | resumed:lock_get) ;;
    acquired:* | resumed:*) echo begin ;;
    rebooting:* | alive:*) echo extend ;;
    waiting:* | failed:* | finished:*) echo end ;;
    esac
}

# json TEXT: prints the text as a JSON string.
json() {
    printf '"%s"' "$(printf %s "$1" | tr '\t' ' ' | tr -d '\001-\011\013-\037\177' |
        sed 's/[\\"]/\\&/g; $!s/$/\\n/' | tr -d '\n')"
}

# about: prints what happened, for people: one line, then the last lines of a failed hook.
about() {
    printf '%s: %s: %s\n' "${DLM_HOST:-$(uname -n)}" "$DLM_EVENT" "${DLM_SENTENCE:-}"
    [ -z "${DLM_OUTPUT:-}" ] || printf '\nThe last lines of %s:\n%s\n' "${DLM_HOOK:-the output}" "$DLM_OUTPUT"
}

# request METHOD URL [LINE...]: sends standard input. Sets $answer to the answer or curl's error, and $code to the HTTP
# status (000 if there is none). curl reads the URL, and further LINEs of configuration, from a file: they may contain a
# secret, and every user can see the list of processes.
request() {
    address=$(printf %s "$2" | sed 's/[\\"]/\\&/g') method=$1
    shift 2
    answer=$(curl -q -sS ${curl_config:+-K "$curl_config"} -K /dev/fd/3 --connect-timeout 5 --max-time 12 -X "$method" \
        -H 'Content-Type: application/json' -H 'Accept: application/json' \
        --data-binary @- -w '\n%{http_code}' 3<<END 2>&1
url = "$address"
$(printf '%s\n' "$@")
END
    ) || :
    code=$(printf '%s\n' "$answer" | tail -n 1)
    answer=$(printf '%s\n' "$answer" | sed '$d' | cut -c 1-300)
    case $code in 2??) ;; *) return 1 ;; esac
}

# site URL: prints the part of the URL that is not secret.
site() { printf '%s\n' "$1" | sed 's|^\([a-z]*://\)\([^/]*@\)*\([^/]*\).*|\1\3|'; }
