# What the notifiers share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/notify.sh"
# shellcheck shell=sh
: "${hook:?}" "${curl_config=}" # its name and settings

fail() {
    echo "$hook: $*" >&2
    exit 1
}

# only EVENTS: ends here unless it is one of them.
only() { case " $1 " in *" ${DLM_EVENT:?} "*) ;; *) exit 0 ;; esac }

# phase: what the event means for something that covers the work on this host: begin, extend, end, or nothing. After gave-up it runs out.
phase() {
    case ${DLM_EVENT:?}:${DLM_STAGE:-} in
    resumed:needs_update | resumed:lock_get) ;;
    acquired:* | resumed:*) echo begin ;;
    rebooting:* | alive:*) echo extend ;;
    waiting:* | failed:* | finished:*) echo end ;;
    esac
}

# json TEXT: a string of JSON.
json() { printf '"%s"' "$(printf %s "$1" | tr '\t' ' ' | tr -d '\001-\011\013-\037\177' | sed 's/[\\"]/\\&/g; $!s/$/\\n/' | tr -d '\n')"; }

# about: what happened, for people: a line, and behind it the last that a failed hook wrote.
about() {
    printf '%s: %s: %s\n' "${DLM_HOST:-$(uname -n)}" "$DLM_EVENT" "${DLM_SENTENCE:-}"
    [ -z "${DLM_OUTPUT:-}" ] || printf '\n%s wrote last:\n%s\n' "${DLM_HOOK:-it}" "$DLM_OUTPUT"
}

# request METHOD URL [LINE...]: sends standard input; the answer is in $answer, or curl's error, and the HTTP status in $code (000: none). curl
# reads the URL and more LINEs of its configuration from a file: they may have a secret in them, and the list of processes is everybody's.
request() {
    address=$(printf %s "$2" | sed 's/[\\"]/\\&/g') method=$1
    shift 2
    answer=$(curl -q -sS ${curl_config:+-K "$curl_config"} -K /dev/fd/3 --connect-timeout 5 --max-time 12 -X "$method" \
        -H 'Content-Type: application/json' -H 'Accept: application/json' --data-binary @- -w '\n%{http_code}' 3<<END 2>&1
url = "$address"
$(printf '%s\n' "$@")
END
    ) || :
    code=$(printf '%s\n' "$answer" | tail -n 1)
    answer=$(printf '%s\n' "$answer" | sed '$d' | cut -c 1-300)
    case $code in 2??) ;; *) return 1 ;; esac
}

# site URL: the part of it that is no secret.
site() { printf '%s\n' "$1" | sed 's|^\([a-z]*://\)\([^/]*@\)*\([^/]*\).*|\1\3|'; }
