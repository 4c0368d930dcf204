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
    [ "$strict" = no ] || fail "$*. Fix it, and start the updater again (or set strict=no)"
    echo "$hook: $*. Going on (strict=no)" >&2
    exit 0
}

# api METHOD PATH: sends standard input; the answer is in $answer, or curl's error, and the HTTP status in $code (000: none).
api() {
    answer=$(curl -q -sS ${curl_config:+-K "$curl_config"} --connect-timeout 10 --max-time "${max_time:-30}" -X "$1" -H 'Content-Type: application/json' \
        --data-binary @- -w '\n%{http_code}' "${url%/}/api/v2/$2" 2>&1) || :
    code=$(printf '%s\n' "$answer" | tail -n 1)
    answer=$(printf '%s\n' "$answer" | sed '$d')
    [ "$code" = 200 ]
}

quoted() { printf '%s' "$1" | sed 's/[\\"]/\\&/g; 1s/^/"/; $s/$/"/'; }
at() { date -u -d "@$1" +%Y-%m-%dT%H:%M:%SZ; }

# read_matchers: those of the settings, as JSON in $list.
read_matchers() {
    list=''
    while IFS= read -r line; do
        [ -n "$line" ] || continue
        label=${line%%[=!]*} regex=false equal=true
        value=${line#"$label"}
        case $value in =~* | !~*) regex=true ;; esac
        case $value in !*) equal=false ;; esac
        case $value in =~* | !~* | !=*) value=${value#??} ;; =*) value=${value#?} ;; *) label='' ;; esac
        case $label in '' | [0-9]* | *[!A-Za-z0-9_]*) fail "in ${conf:?}: no matcher: $line" ;; esac
        list="$list,{\"name\":\"$label\",\"value\":$(quoted "$value"),\"isRegex\":$regex,\"isEqual\":$equal}"
    done <<END
${matchers:-}
END
    [ -n "$list" ] || fail "in $conf: no matchers, which would silence nothing"
}

# silence [ID BEGAN]: sets it for $duration seconds, or prolongs that one. Its id is in $id: another if BEGAN is not what Alertmanager knows.
silence() {
    now=$(date +%s) id=''
    api POST silences <<END || return
{${1:+"\"id\":$(quoted "$1"),"}"matchers":[${list#,}],"startsAt":"$(at "${2:-$now}")","endsAt":"$(at $((now + ${duration:?})))",
"createdBy":"foreman-dlm-updater","comment":$(quoted "updates of ${host:?}, run ${DLM_RUN_ID:-by-hand}")}
END
    id=$(printf '%s\n' "$answer" | sed -n 's/.*"silenceID":"\([^"]*\)".*/\1/p')
    [ -n "$id" ]
}

# unsilence ID: ends it.
unsilence() {
    # "not found" in a status of its own, or not, and "expired" only in some versions: it has ended. Any other 404 is not Alertmanager's.
    api DELETE "silence/$1" </dev/null || case $code:$answer in 404: | *"silence not found"* | *"already expired"*) ;; *) return 1 ;; esac
}
