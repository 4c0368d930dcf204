# What the hooks for Alertmanager share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/alertmanager.sh"
# shellcheck shell=sh
: "${hook:?}" "${lib:?}" "${url:?}" "${strict:?}" "${curl_config=}" # the hook's name, this directory, its settings

# shellcheck source=cluster.sh
. "$lib/cluster.sh"
# shellcheck source=no-proxy.sh
. "$lib/no-proxy.sh"
case $strict in yes | no) ;; *) fail "strict=$strict: use yes or no" ;; esac
case $url in *//*@*) fail "url must not contain a password, which every user could see in the list of processes:" \
    "put it into the file that curl_config names (user = \"NAME:PASSWORD\")" ;; esac

# trouble TEXT: warns and ends the hook well. An alert about a host that is known to be down does no harm; an update
# that is not installed does. With strict=yes it fails instead.
trouble() {
    [ "$strict" = no ] || fail "$*. Fix it, and start the updater again (or set strict=no)"
    echo "$hook: $*. Going on (strict=no)" >&2
    exit 0
}

# api METHOD PATH: sends standard input. Sets $answer to the answer or curl's error, and $code to the HTTP status (000
# if there is none).
api() {
    answer=$(curl -q -sS ${curl_config:+-K "$curl_config"} --connect-timeout 10 --max-time "${max_time:-30}" \
        -X "$1" -H 'Content-Type: application/json' \
        --data-binary @- -w '\n%{http_code}' "${url%/}/api/v2/$2" 2>&1) || :
    code=$(printf '%s\n' "$answer" | tail -n 1)
    answer=$(printf '%s\n' "$answer" | sed '$d')
    case $code in 200 | 201 | 202) ;; *) return 1 ;; esac # Grafana's Alertmanager answers 202
}

quoted() { printf '%s' "$1" | sed 's/[\\"]/\\&/g; 1s/^/"/; $s/$/"/'; }
at() { date -u -d "@$1" +%Y-%m-%dT%H:%M:%SZ; }

# read_matchers: sets $list to the matchers of the settings, as JSON.
read_matchers() {
    list=''
    while IFS= read -r line; do
        [ -n "$line" ] || continue
        label=${line%%[=!]*} regex=false equal=true
        value=${line#"$label"}
        case $value in =~* | !~*) regex=true ;; esac
        case $value in !*) equal=false ;; esac
        case $value in =~* | !~* | !=*) value=${value#??} ;; =*) value=${value#?} ;; *) label='' ;; esac
        case $label in '' | [0-9]* | *[!A-Za-z0-9_]*) fail "in ${conf:?}: this is not a matcher: $line" ;; esac
        list="$list,{\"name\":\"$label\",\"value\":$(quoted "$value"),\"isRegex\":$regex,\"isEqual\":$equal}"
    done <<END
${matchers:-}
END
    [ -n "$list" ] || fail "in $conf: no matchers, which would silence nothing"
}

# silence [ID BEGAN]: sets a silence for $duration seconds, or prolongs silence ID. Sets $id to its id, which is a new
# one if Alertmanager knows another beginning than BEGAN.
silence() {
    now=$(date +%s) id=''
    api POST silences <<END || return
{${1:+"\"id\":$(quoted "$1"),"}"matchers":[${list#,}],
"startsAt":"$(at "${2:-$now}")","endsAt":"$(at $((now + ${duration:?})))",
"createdBy":"foreman-dlm-updater","comment":$(quoted "updates of ${host:?}, run ${DLM_RUN_ID:-by-hand}")}
END
    # Grafana 8 calls it "id".
    id=$(printf '%s\n' "$answer" | sed -nE 's/.*"(silenceID|id)" *: *"([^"]*)".*/\2/p' | tail -n 1)
    [ -n "$id" ]
}

# unsilence ID: ends silence ID.
unsilence() {
    # How Alertmanager says that the silence is over differs between versions: 404 with an empty body, "not found" with
    # some status, Grafana's "silences.notFound", or "expired". Any other 404 comes from something else at that address.
    api DELETE "silence/$1" </dev/null ||
        case $code:$answer in
        404: | *"silence not found"* | 404:*silences.notFound* | *"already expired"*) ;;
        *) return 1 ;;
        esac
}
