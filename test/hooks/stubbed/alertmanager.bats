#!/usr/bin/env bats
# pre_update/alertmanager-silence and post_update/alertmanager-unsilence, with a stub for curl and a directory with a
# file for each silence. Its answers come from Debian 12's Alertmanager 0.25.0. With the real one:
# ../real/services/silence.bats.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    export SILENCES=$BATS_TEST_TMPDIR/silences # one file for each, with the request; NAME.ended: it has ended
    mkdir "$SILENCES"
    stub uname 'echo web1'
    stub hostname 'echo web1.example.com'
    # shellcheck disable=SC2016 # not for this shell
    stub curl 'for url; do :; done
        case "$*" in *"-X POST"*) method=POST ;; *"-X DELETE"*) method=DELETE ;; esac
        sent=$(cat)
        answers() { printf "%s\n\n%s" "$1" "$2" && exit 0; }
        [ -z "${AWAY:-}" ] || { echo "curl: (7) Failed to connect to localhost port 9093 after 0 ms: Couldn'\''t connect to server" >&2; printf "\n000"; exit 7; }
        [ -z "${ANSWER:-}" ] || answers "${ANSWER#* }" "${ANSWER%% *}"
        case $method:$url in
        POST:http://localhost:9093/api/v2/silences)
            id=$(printf "%s\n" "$sent" | sed -n "s/^{\"id\":\"\([^\"]*\)\".*/\1/p")
            [ -z "$id" ] || [ -e "$SILENCES/$id" ] || answers "\"silence not found\"" 404
            [ -z "$id" ] || : >"$SILENCES/$id.ended" # a silence with another start replaces it
            id=$(ls "$SILENCES" | grep -vc ended)-a-uuid
            printf "%s\n" "$sent" >"$SILENCES/$id"
            answers "{\"silenceID\":\"$id\"}" 200 ;;
        DELETE:http://localhost:9093/api/v2/silence/*)
            id=${url##*/}
            [ -e "$SILENCES/$id" ] || answers "\"silence not found\"" 500
            : >"$SILENCES/$id.ended"
            answers "" 200 ;;
        *) answers "{\"code\":404,\"message\":\"path ${url#*9093} was not found\"}" 404 ;;
        esac'
}
active() { local id; for id in "$SILENCES"/*uuid; do [[ ! -e $id || -e $id.ended ]] || echo "${id##*/}"; done; }
sent() { tr -d '\n' <"$SILENCES/$1"; }
silence() { hook pre_update/alertmanager-silence; }
unsilence() { hook post_update/alertmanager-unsilence; }
# goes_on HOOK WHY: checks that the hook goes on, but not with strict=yes.
goes_on() {
    setting alertmanager-silence "${SETTING:-}"
    "$1"
    exits 0
    says "$2"
    says "Going on (strict=no)"
    setting alertmanager-silence "${SETTING:-}" strict=yes
    "$1"
    exits 1
    says "$2"
    says "Fix it, and start the updater again (or set strict=no)"
}

@test "this host's alerts are silenced for two hours, on record; then sent again" {
    silence
    exits 0
    says "silence 0-a-uuid is set for 7200 s"
    [[ $(sent 0-a-uuid) == *'"matchers":[{"name":"instance","value":"(web1|web1\\.example\\.com)(:[0-9]+)?","isRegex":true,"isEqual":true}]'* ]]
    [[ $(sent 0-a-uuid) == *'"createdBy":"foreman-dlm-updater","comment":"updates of web1, run run-1"}' ]]
    local from to
    from=$(date -d "$(sent 0-a-uuid | sed 's/.*"startsAt":"//; s/".*//')" +%s)
    to=$(date -d "$(sent 0-a-uuid | sed 's/.*"endsAt":"//; s/".*//')" +%s)
    [[ $((to - from)) -ge 7200 && $((to - from)) -le 7201 && $((from - EPOCHSECONDS)) -ge -60 ]]
    [[ $(tr '\n' ' ' <"$DLM_HOOKS_STATE/alertmanager-silence") == "run-1 0-a-uuid " ]]
    unsilence
    exits 0
    says "silence 0-a-uuid has ended"
    [[ -z $(active) ]]
    unsilence
    exits 0
}

@test "the request: it has an end, ignores curl's own settings, and takes secrets from a file" {
    silence
    called "curl -q -sS --connect-timeout 10 --max-time 30 -X POST"
    setting alertmanager-silence "curl_config='/etc/a b'"
    silence
    called "curl -q -sS -K /etc/a b --connect-timeout 10"
    unsilence # reads that file too
    [[ $(grep -c -- "-K /etc/a b .* -X DELETE" "$CALLS") == 2 ]]
}

@test "the environment's proxy does not get what is for localhost" {
    mv "$BATS_TEST_TMPDIR/bin/curl" "$BATS_TEST_TMPDIR/bin/curl.real"
    # shellcheck disable=SC2016 # not for this shell
    stub curl 'echo "past: $no_proxy" >>"$CALLS"; exec curl.real "$@"'
    http_proxy=http://proxy:3128 silence
    called "past: localhost,127.0.0.1,::1"
}

@test "again in the same run: one silence, with a new end" {
    silence
    silence
    exits 0
    [[ $(active) == 1-a-uuid ]]
    unsilence
    exits 0
    says "silence 0-a-uuid has ended"
    says "silence 1-a-uuid has ended"
    [[ -z $(active) ]]
}

@test "again after Alertmanager has forgotten the silence: a new one; somebody ended it: no error" {
    silence
    rm "$SILENCES/0-a-uuid"
    silence
    exits 0
    [[ $(active) == 0-a-uuid ]]
    rm "$SILENCES/0-a-uuid"
    unsilence
    exits 0
    says "silence 0-a-uuid has ended"
    local answer
    for answer in '404 ' '500 "silence 0-a-uuid already expired"'; do # from other versions
        ANSWER=$answer unsilence
        exits 0
        refute says "could not"
    done
}

@test "Grafana's Alertmanager: 202 with the id, and messages (read in its source)" {
    local answer
    for answer in '202 {"silenceID":"graf-1"}' '202 {"id":"graf-1","message":"silence created"}' '201 { "silenceID": "graf-1" }'; do
        setting alertmanager-silence url=https://grafana.example.com/api/alertmanager/grafana strict=yes
        ANSWER=$answer silence
        exits 0
        says "silence graf-1 is set for 7200 s"
        for answer in '200 {"message":"silence deleted"}' '404 {"message":"silence not found"}' \
            '404 {"message":"Not found","messageId":"alerting.notifications.silences.notFound","statusCode":404,"traceID":""}'; do
            ANSWER=$answer unsilence
            exits 0
            says "silence graf-1 has ended"
        done
    done
    ANSWER='202 {"message":"accepted"}' silence
    exits 1
    says 'could not be silenced at https://grafana.example.com/api/alertmanager/grafana: 202 {"message":"accepted"}'
    ANSWER='404 {"message":"Not found"}' unsilence
    exits 1
    ANSWER='302 {"silenceID":"graf-1"}' silence
    exits 1
}

@test "another run's silence does not count" {
    DLM_RUN_ID=run-0 silence
    unsilence
    exits 0
    says "this run set no silence"
    [[ -n $(active) ]]
    silence
    [[ $(active | wc -l) == 2 ]]
}

@test "matchers of all four kinds, with characters that JSON quotes" {
    setting alertmanager-silence "matchers='instance=~web\\d+\"x
severity!=page

job!~a|b
env=prod test'" duration=60
    silence
    exits 0
    [[ $(sent 0-a-uuid) == *'"matchers":[{"name":"instance","value":"web\\d+\"x","isRegex":true,"isEqual":true},{"name":"severity","value":"page",'* ]]
    [[ $(sent 0-a-uuid) == *'"value":"page","isRegex":false,"isEqual":false},{"name":"job","value":"a|b","isRegex":true,"isEqual":false},'* ]]
    [[ $(sent 0-a-uuid) == *'{"name":"env","value":"prod test","isRegex":false,"isEqual":true}]'* ]]
}

@test "Alertmanager is down, refuses, or is another program: the update goes on, unless strict=yes" {
    AWAY=1 goes_on silence "could not be silenced at http://localhost:9093: 000 curl: (7) Failed to connect"
    ANSWER='400 "silence invalid"' goes_on silence 'at http://localhost:9093: 400 "silence invalid"'
    ANSWER='200 <html>Log in</html>' goes_on silence "at http://localhost:9093: 200 <html>Log in</html>"
    SETTING=url=http://localhost:9093/prefix/ goes_on silence "404 {\"code\":404,\"message\":\"path /prefix/api/v2/silences was not found\"}"
    [[ ! -e $DLM_HOOKS_STATE/alertmanager-silence ]]
}

@test "unsilence: Alertmanager is down, refuses, or is another program: goes on, unless strict=yes" {
    silence
    AWAY=1 goes_on unsilence "silence 0-a-uuid could not be ended at http://localhost:9093: 000 curl: (7) Failed to connect"
    ANSWER='403 no' goes_on unsilence "could not be ended at http://localhost:9093: 403 no"
    SETTING=url=http://localhost:9093/prefix goes_on unsilence "could not be ended at http://localhost:9093/prefix: 404"
    [[ -n $(active) ]]
}

@test "no curl" {
    mkdir "$BATS_TEST_TMPDIR/tools"
    local tool
    for tool in dirname date sed tail mkdir awk sync mv cat sh mktemp rm; do ln -s "$(command -v $tool)" "$BATS_TEST_TMPDIR/tools"; done
    rm "$BATS_TEST_TMPDIR/bin/curl"
    PATH=$BATS_TEST_TMPDIR/tools goes_on silence "curl"
}

@test "wrong settings: no request is sent" {
    local wrong
    for wrong in strict=maybe duration=2h duration= 'matchers=" "' matchers=instance 'matchers="1a=b"' \
        'matchers="a-b=c"' 'matchers="a>b"' matchers= \
        url=http://me:secret@localhost:9093; do
        setting alertmanager-silence "$wrong"
        silence
        exits 1
        says "alertmanager-silence: "
        refute says secret
    done
    setting alertmanager-silence duration=2h
    silence
    says "duration=2h in $BATS_TEST_TMPDIR/etc/hooks.conf.d/alertmanager-silence.conf: use "
    setting alertmanager-silence 'matchers=('
    silence
    [[ $status != 0 ]]
    unsilence
    [[ $status != 0 ]]
    setting alertmanager-silence
    setting alertmanager-unsilence strict=maybe
    unsilence
    exits 1
    says "strict=maybe: use yes or no"
    refute called curl
}
