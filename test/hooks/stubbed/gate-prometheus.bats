#!/usr/bin/env bats
# gate/prometheus, with a stub for curl. Its answers have the shape of Prometheus 2.42. With the real one:
# ../real/notify/gate-prometheus.bats.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    export REQUEST=$BATS_TEST_TMPDIR/request CODE=200
    # shellcheck disable=SC2016 # not for this shell
    stub curl 'cat >>"$REQUEST"
        [ -z "${FAILS:-}" ] || { echo "$FAILS" >&2; printf "\n000"; exit 7; }
        [ ! -e "$REQUEST.answer" ] || ANSWER=$(cat "$REQUEST.answer")
        printf "%s\n%s" "$ANSWER" "$CODE"'
    conf=$BATS_TEST_TMPDIR/etc/hooks.conf.d/prometheus.conf
    setting prometheus "ALERTS='severity=\"critical\"'"
    vector
}
# vector [SERIES...]: sets $ANSWER to a vector of these, each the inside of "metric".
vector() {
    local one list=
    for one in "$@"; do list+=",{\"metric\":{$one},\"value\":[1795896335.257,\"1\"]}"; done
    export ANSWER="{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[${list#,}]}${MORE:+,$MORE}}"
}
alert() { # NAME [INSTANCE]
    echo "\"__name__\":\"ALERTS\",\"alertname\":\"$1\",\"alertstate\":\"firing\"${2:+,\"instance\":\"$2\"}"
}
gate() { hook gate/prometheus; }
unknown() { no "could not ask Prometheus at http://localhost:9090: $1"; }

@test "no alert; one, some, and many, always in the same order" {
    yes
    vector "$(alert HighErrorRate web3:9100)"
    no "alert HighErrorRate is firing on web3"
    vector "$(alert Broken)"
    no "alert Broken is firing"
    vector "$(alert B web2:9100)" "$(alert A web1)" "$(alert B web2:9200)"
    no "alert A is firing on web1, alert B is firing on web2"
    vector "$(alert E)" "$(alert D)" "$(alert B)" "$(alert A)" "$(alert C '[::1]:9100')"
    no "alert A is firing, alert B is firing, alert C is firing on [::1] and 2 more"
}

@test "the request: its end, its quotes, and no secret in its arguments" {
    setting prometheus "ALERTS='severity=~\"a\\\\.b\"'" url=http://localhost:9090/prefix/ "curl_config='/etc/a b'"
    yes
    [[ $(head -n 1 "$CALLS") == 'curl -q -sS -K /etc/a b -K - --connect-timeout 5 --max-time 10 -w '* ]]
    [[ $(cat "$REQUEST") == 'url = "http://localhost:9090/prefix/api/v1/query"
get
data-urlencode = "query=ALERTS{alertstate=\"firing\",severity=~\"a\\\\.b\"}"' ]]
    rm "$REQUEST"
    setting prometheus "QUERY='up # a comment
== 0'" timeout=3
    yes
    called "--max-time 3"
    [[ $(tail -n 1 "$REQUEST") == 'data-urlencode = "query=up # a comment\n== 0"' ]]
}

@test "a query: any series means no, whatever its value" {
    setting prometheus QUERY=up
    yes
    vector '"__name__":"up","instance":"web3:9100","job":"node"'
    no 'the query returns up{instance="web3",job="node"}'
    vector '"__name__":"alertmanager_up"'
    no 'the query returns alertmanager_up{}'
    vector ''
    no 'the query returns a value'
    vector '"a.b":"x.metric.y\tz\n\u0041\u003c\u00e9é \"\\"' '"__name__":"alert"'
    no 'the query returns alert{}, {a.b="x.metric.y z A<?é "\"}'
}

@test "both are asked" {
    setting prometheus "ALERTS='a=\"b\"'" QUERY=up
    yes
    [[ $(grep -c data-urlencode "$REQUEST") == 2 ]]
}

@test "nothing is set, or only blanks" {
    for setting in '' "ALERTS=' '" "QUERY='
'"; do
        setting prometheus "$setting"
        no "neither ALERTS nor QUERY is set in $conf, so there is nothing to ask"
    done
    refute called curl
}

@test "a warning or a partial answer: no, unless there is something; an info does not matter" {
    MORE='"warnings":["remote_read: down"]' vector
    unknown "nothing was found, with a warning: remote_read: down"
    MORE='"warnings":["remote_read: down"]' vector "$(alert A)"
    no "alert A is firing"
    MORE='"isPartial":true' vector
    unknown "its answer is partial"
    MORE='"isPartial":false' vector
    yes
    MORE='"warnings":[],"infos":["PromQL info: metric might not be a counter"]' vector
    yes
}

@test "a scalar, a string, a range" {
    setting prometheus QUERY=1
    local type
    for type in scalar string matrix; do
        ANSWER="{\"status\":\"success\",\"data\":{\"resultType\":\"$type\",\"result\":[]}}" \
            no "QUERY in $conf returns a $type: use one that returns only what is bad, such as up == 0"
    done
}

@test "errors, and answers of other programs" {
    CODE=400 ANSWER='{"status":"error","errorType":"bad_data","error":"invalid \"query\": 1:4:\nparse error"}' \
        unknown '400 bad_data: invalid "query": 1:4: parse error'
    ANSWER='{"status":"error","errorType":"execution","error":"x"}' unknown "200 execution: x"
    CODE=503 unknown "its answer is HTTP status 503 and has no result"
    CODE=503 ANSWER='Service Unavailable' unknown "its answer is HTTP status 503 and not JSON"
    CODE=302 ANSWER='<a href="https://sso.example.com/">Found</a>' unknown "its answer is HTTP status 302 and not JSON"
    ANSWER='' unknown "its answer is HTTP status 200 and not JSON"
    ANSWER='{}' unknown "its answer is HTTP status 200 and has no result"
    ANSWER='[]' unknown "its answer is HTTP status 200 and has no result"
    ANSWER='{"status":"success"}' unknown "its answer has no result"
    ANSWER='{"status":"success","data":{"resultType":"vector"}}' unknown "its answer has no result"
    ANSWER='{"status":"success","data":{"resultType":"vector","result":"0"}}' unknown "its answer has no result"
    ANSWER='{"status":"success","data":{"resultType":"vector","result":null}}' unknown "its answer has no result"
    ANSWER='{"status":"success","data":{"resultType":"other","result":[]}}' unknown "its answer has no result"
}

@test "what is not JSON is no answer" {
    vector
    local whole=$ANSWER bad
    for bad in "${whole%\}}" "$whole}" "$whole $whole" "${whole/:/ }" "${whole/\[\]/[,]}" "${whole/\[\]/[1,]}" \
        "${whole/\[\]/[nul]}" "${whole/\[\]/[\"\\x\"]}" "${whole/\[\]/[\"\\u12\"]}" \
        "${whole/\"success\"/success}" "${whole/\[\]/}"; do
        ANSWER=$bad unknown "its answer is HTTP status 200 and not JSON"
    done
    ANSWER=$(sed 's/[][{}:,]/ & /g' <<<"$whole" | tr ' ' '\n') yes # blanks and lines do not matter
}

@test "an answer of 2,000 series is read in time" {
    local list
    list=$(for i in {1000..2999}; do printf ',{"metric":{%s},"value":[1,"1"]}' "$(alert A "web$i:9100")"; done)
    echo "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[${list#,}]}}" >"$REQUEST.answer"
    local began=$SECONDS
    no "alert A is firing on web1000, alert A is firing on web1001, alert A is firing on web1002 and 1997 more"
    [[ $((SECONDS - began)) -lt 20 ]]
}

@test "Prometheus is away, or there is no curl" {
    FAILS="curl: (28) Operation timed out after 10001 milliseconds with 0 bytes received" \
        unknown "curl: (28) Operation timed out after 10001 milliseconds with 0 bytes received"
    FAILS="killed" unknown "curl has failed"
    setting prometheus QUERY=up curl_config=/none
    FAILS="curl: option -K: error encountered when reading a file
curl: try 'curl --help' or 'curl --manual' for more information" unknown "curl_config=/none in $conf can't be read"
    mkdir "$BATS_TEST_TMPDIR/tools"
    local tool
    for tool in dirname tr awk sh mktemp rm cat; do ln -s "$(command -v $tool)" "$BATS_TEST_TMPDIR/tools"; done
    rm "$BATS_TEST_TMPDIR/bin/curl"
    PATH=$BATS_TEST_TMPDIR/tools unknown "curl is not installed"
}

@test "wrong settings: nothing is asked" {
    setting prometheus QUERY=up url=http://me:secret@localhost:9090
    no "url in $conf must not contain a password: put it into the file that curl_config names" \
        '(user = "NAME:PASSWORD")'
    refute says secret
    local wrong
    for wrong in 0 00 -1 10s ''; do
        setting prometheus QUERY=up "timeout=$wrong"
        no "timeout=$wrong in $conf: use whole seconds, at least 1"
    done
    setting prometheus 'QUERY=('
    gate
    [[ $status != 0 ]]
    refute called curl
}
