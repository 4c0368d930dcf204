# What the hooks for Alertmanager share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/alertmanager.sh"
# shellcheck shell=sh
: "${hook:?}" "${lib:?}" "${url:?}" "${strict:?}" "${curl_config=}" # its name, the libraries' folder, its settings

# shellcheck source=cluster.sh
. "$lib/cluster.sh"
case $strict in yes | no) ;; *) fail "strict=$strict: use yes or no" ;; esac
case $url in *//*@*) fail "url must not contain a password, which every user could see in the list of processes: put it into the file that" \
    "curl_config names (user = \"NAME:PASSWORD\")" ;; esac

# trouble TEXT: alerts about a host that is known to be down do no harm, updates that are not installed do. Strict says otherwise.
trouble() {
    [ "$strict" = no ] || fail "$*. Mend it, and start the updater again (or set strict=no)"
    echo "$hook: $*. Going on (strict=no)" >&2
    exit 0
}

# api METHOD PATH: sends standard input; the answer is in $answer, or curl's error, and the HTTP status in $code (000: none).
api() {
    answer=$(curl -q -sS ${curl_config:+-K "$curl_config"} --connect-timeout 10 --max-time 30 -X "$1" -H 'Content-Type: application/json' \
        --data-binary @- -w '\n%{http_code}' "${url%/}/api/v2/$2" 2>&1) || :
    code=$(printf '%s\n' "$answer" | tail -n 1)
    answer=$(printf '%s\n' "$answer" | sed '$d')
    [ "$code" = 200 ]
}
