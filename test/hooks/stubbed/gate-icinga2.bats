#!/usr/bin/env bats
# gate/icinga2, with a stub for curl that answers the three questions in turn. Its answers have the shape of Icinga
# 2.13.6. What its filters do is tested with the real one: ../real/notify/gate-icinga2.bats.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    export ANSWERS=$BATS_TEST_TMPDIR/answers REQUEST=$BATS_TEST_TMPDIR/request
    mkdir "$ANSWERS"
    stub hostname 'echo web1.example.com'
    # shellcheck disable=SC2016 # not for this shell
    stub curl 'cat >"$REQUEST"
        n=$(grep -c "^curl" "$CALLS")
        cat "$REQUEST" >"$REQUEST.$n"
        [ -z "${FAILS:-}" ] || { echo "$FAILS" >&2; printf "\n000"; exit 7; }
        cat "$ANSWERS/$n"'
    conf=$BATS_TEST_TMPDIR/etc/hooks.conf.d/icinga2.conf
    setting icinga2 HOSTGROUP=web
    answers "$(host web1),$(host web2)" '' ''
}
# answers MEMBERS HOSTS SERVICES: what Icinga answers from now on.
answers() {
    local n
    for n in 1 2 3; do
        printf '{"results":[%s]}\n200' "${!n}" >"$ANSWERS/$n"
    done
}
answer() { printf '%s\n%s' "$3" "$2" >"$ANSWERS/$1"; } # N CODE BODY
object() { echo "{\"attrs\":{$1},\"joins\":{},\"meta\":{},\"name\":\"x\",\"type\":\"X\"}"; }
host() { object "\"last_check\":${3:-1795896335.257323},\"name\":\"$1\",\"state\":${2:-0}"; }
service() { object "\"host_name\":\"$1\",\"last_check\":${3:-1795896335.257323},\"name\":\"http\",\"state\":${2:-0}"; }
gate() { : >"$CALLS"; hook gate/icinga2; }
unknown() { no "could not ask Icinga at https://localhost:5665: $1"; }

@test "no problem, and what counts as one" {
    yes
    answers "$(host web2)" "$(host web3 1.0),$(host web2 1),$(host web4 0),$(host web5 1 -1)" ''
    no "in host group web: web2 is DOWN, web3 is DOWN, web4 has no recent check and 1 more"
    answers "$(host web2)" "$(host web2 1 -1)" ''
    no "in host group web: web2 was never checked"
    answers "$(host web2)" '' "$(service web2 1),$(service web3 2.0),$(service web4 3)"
    no "in host group web: http on web2 is WARNING, http on web3 is CRITICAL, http on web4 is UNKNOWN"
    answers "$(host web2)" '' "$(service web2 3 -1)"
    no "in host group web: http on web2 was never checked"
}

@test "the requests" {
    setting icinga2 'HOSTGROUP="a \"b\""' "curl_config='/etc/a b'" timeout=4
    yes
    [[ $(grep -cxF 'curl -q -sS -K /etc/a b -K - --connect-timeout 5 --max-time 4 -w ' "$CALLS") == 3 ]]
    grep -qxF 'url = "https://localhost:5665/v1/objects/hosts"' "$REQUEST.1"
    grep -qxF 'url = "https://localhost:5665/v1/objects/hosts"' "$REQUEST.2"
    grep -qxF 'url = "https://localhost:5665/v1/objects/services"' "$REQUEST.3"
    grep -qF 'group in host.groups && (true)' "$REQUEST.1"
    local which=' && !host.acknowledgement && !ONE.acknowledgement && !host.downtime_depth && !ONE.downtime_depth'
    which="$which && host.name != self)"
    local late='host.enable_active_checks && host.next_update < now'
    grep -qF "((host.last_check < 0 || host.state != 0 || $late)${which//ONE/host}" "$REQUEST.2"
    local those='service.last_check < 0 && pending || service.last_check >= 0 && service.state in states'
    grep -qF "(($those)${which//ONE/service}" "$REQUEST.3"
    grep -qF '\"group\":\"a \\\"b\\\"\",\"self\":\"web1.example.com\"' "$REQUEST.3"
    grep -qF '\"states\":[2,3],\"pending\":true' "$REQUEST.3"
    setting icinga2 HOSTGROUP=web INCLUDE= SERVICES=WARNING icinga_host=me
    yes
    grep -qF 'host.state != 0 && host.state_type == 1 ||' "$REQUEST.2"
    grep -qF 'service.state in states && service.state_type == 1)' "$REQUEST.3"
    grep -qF '\"self\":\"me\"' "$REQUEST.3"
    grep -qF '\"states\":[1],\"pending\":false' "$REQUEST.3"
    setting icinga2 HOSTGROUP=web "INCLUDE='self downtime acknowledged soft'" SERVICES=
    yes
    grep -qF "group in host.groups && ((host.last_check < 0 || host.state != 0 || $late))" "$REQUEST.2"
    [[ $(grep -c '^curl' "$CALLS") == 2 ]]
}

@test "a group without hosts, or unknown" {
    answers '' '' ''
    unknown "it knows no host in the group web, or shows none to this API user"
}

@test "errors, in each answer" {
    local n what=hosts
    for n in 1 2 3; do
        [[ $n != 3 ]] || what=services
        answers "$(host web2)" '' ''
        answer $n 404 '{"error":404.0,"status":"No objects found."}'
        unknown "404 No objects found, when asked for $what: see the permissions of the API user"
        answer $n 200 '{"results":null}'
        unknown "its answer has no results"
    done
    answer 1 401 '{"error":401,"status":"Unauthorized. Please check your user credentials."}'
    unknown "401 Unauthorized. Please check your user credentials."
    answer 1 403 '{"error":403,"status":"Missing permission: objects/query/Host"}'
    unknown "403 Missing permission: objects/query/Host, when asked for hosts: see the permissions of the API user"
    answer 1 503 '{"error":503,"status":"Icinga is reloading."}'
    unknown "503 Icinga is reloading."
    answer 1 200 '<h1>Hello</h1>'
    unknown "its answer is HTTP status 200 and not JSON"
    answer 1 200 '{"results":[}'
    unknown "its answer is HTTP status 200 and not JSON"
    FAILS="curl: (7) Failed to connect" unknown "curl: (7) Failed to connect"
}

@test "wrong settings: nothing is asked" {
    setting icinga2
    no "HOSTGROUP is not set in $conf, so there is nothing to ask"
    setting icinga2 HOSTGROUP=web "SERVICES='CRITICAL DOWN'"
    no "SERVICES=CRITICAL DOWN in $conf: use WARNING, CRITICAL, UNKNOWN and PENDING"
    setting icinga2 HOSTGROUP=web "INCLUDE='soft *'"
    no "INCLUDE=soft * in $conf: use soft, acknowledged, downtime and self"
    setting icinga2 HOSTGROUP=web timeout=0
    no "timeout=0 in $conf: use whole seconds, at least 1"
    setting icinga2 HOSTGROUP=web url=https://me:secret@localhost:5665
    no "url in $conf must not contain a password: put it into the file that curl_config names" \
        '(user = "NAME:PASSWORD")'
    refute says secret
    refute called curl
}
