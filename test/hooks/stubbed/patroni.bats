#!/usr/bin/env bats
# The hooks for Patroni, with a stub for curl that answers as the REST API of Patroni 3.0.2 and 4.0.7 does. With a real
# cluster: ../real/patroni/patroni.bats.
load ../hook

prepare() {
    export ANSWERS=$BATS_TEST_TMPDIR/answers REQUESTS=$BATS_TEST_TMPDIR/requests
    mkdir "$ANSWERS"
    : >"$REQUESTS"
    stub uname 'echo a'
    # An answer is a file NAME with the body and the status in the last line; without a file nobody listens. If there is
    # a script then-NAME, it runs afterwards.
    # shellcheck disable=SC2016 # not for this shell
    stub curl 'request=$(cat)
        printf "%s\n\n" "$request" >>"$REQUESTS"
        url=$(printf "%s\n" "$request" | sed -n "s/^url = \"\(.*\)\"$/\1/p")
        case $url in
        http://localhost:8008/*) name=${url##*/} ;;
        http://*.example.com:8008/patroni) name=api-${url#http://} name=${name%%.*} ;;
        *) name=none ;;
        esac
        case $name:$request in switchover:*"request = \"POST\""*) ;; switchover:*) name=none ;; esac
        if [ ! -e "$ANSWERS/$name" ]; then
            host=${url#http://} host=${host%%:*}
            echo "curl: (7) Failed to connect to $host port 8008 after 1 ms: Could not connect to server" >&2
            printf "\n000"
            exit 7
        fi
        cat "$ANSWERS/$name"
        [ ! -e "$ANSWERS/then-$name" ] || sh -eu "$ANSWERS/then-$name"'
    date +%s >"$BATS_TEST_TMPDIR/now" # a second passes with each sleep
    # shellcheck disable=SC2016
    stub sleep 'echo $(($(cat "$BATS_TEST_TMPDIR/now") + $1)) >"$BATS_TEST_TMPDIR/now"
        [ ! -e "$ANSWERS/then-sleep" ] || sh -eu "$ANSWERS/then-sleep"'
    # shellcheck disable=SC2016
    stub date 'case $1 in +%s) cat "$BATS_TEST_TMPDIR/now" ;; *) echo "Sun Nov 29" ;; esac'
    answer config '{"ttl": 30, "loop_wait": 10}'
    leads
}
answer() { printf '%s\n%s' "$2" "${3:-200}" >"$ANSWERS/$1"; } # NAME BODY [CODE]
# member NAME ROLE [STATE [TIMELINE [LAG [MORE]]]]: a member, as /cluster shows it.
member() {
    local lag=", \"lag\": ${5:-0}"
    [[ $2 != *leader ]] || lag=''
    echo "{\"name\": \"$1\", \"role\": \"$2\", \"state\": \"${3:-streaming}\", \"api_url\":" \
        "\"http://$1.example.com:8008/patroni\", \"host\": \"$1\", \"port\": 5432, \"timeline\": ${4:-1}$lag${6:-}}"
}
cluster() { # MEMBER... [, MORE]
    local list='' more=''
    while [[ $# != 0 ]]; do
        case $1 in ,*) more=$1 ;; *) list+=${list:+, }$1 ;; esac
        shift
    done
    answer cluster "{\"members\": [$list]$more}"
}
own() { # ROLE [STATE [MORE]]: what /patroni says
    answer patroni "{\"state\": \"${2:-running}\", \"role\": \"$1\", \"timeline\": 1, \"dcs_last_seen\":\
 $(cat "$BATS_TEST_TMPDIR/now")${3:-}, \"patroni\": {\"version\": \"4.0.7\", \"scope\": \"main\", \"name\": \"a\"}}"
}
leads() { own primary; cluster "$(member a leader running)" "$(member b replica)" "$(member c replica)"; }
follows() {
    own replica running ', "xlog": {"received_location": 67108864, "replayed_location": 67108864, "paused": false}'
    cluster "$(member a replica)" "$(member b leader running)" "$(member c replica)"
}
# The same with Patroni 3.0: members that stream are "running", and only the leader knows more.
old() {
    sed -i 's/"streaming"/"running"/g' "$ANSWERS/cluster"
    sed -i 's/, "name": "a"//; s/"primary"/"master"/' "$ANSWERS/patroni"
}
# api LEADER STANDBY...: what that leader's API says of them.
api() {
    local list='' one
    for one in "${@:2}"; do
        list+="${list:+, }{\"usename\": \"rep\", \"application_name\": \"$one\", \"client_addr\": \"10.0.0.1\",\
 \"state\": \"streaming\", \"sync_state\": \"async\", \"sync_priority\": 0}"
    done
    answer "api-$1" "{\"state\": \"running\", \"role\": \"master\", \"timeline\": 1, \"replication\": [$list]}"
}
conf() { setting patroni "$@"; }
gate() { hook gate/patroni; }
fine() { gate; exits 0; says "Patroni: the cluster can lose this member, a"; }
switchover() { hook pre_update/patroni-switchover; }
ready() { hook post_update/patroni-ready; }
record() { cat "$DLM_HOOKS_STATE/patroni-switchover"; }
fails() { exits 1; says "$1"; }

@test "gate: a leader and a replica, with new and old Patroni" {
    fine
    [[ $(grep -c . "$REQUESTS") == 3 ]]
    follows
    fine
    leads
    old
    api a b c
    fine
    grep -qxF 'url = "http://a.example.com:8008/patroni"' "$REQUESTS"
    follows
    old
    no "could not ask Patroni at http://b.example.com:8008: curl: (7) Failed to connect to b.example.com*"
    api b a
    no "Patroni: c does not stream from the leader"
    api b c
    no "Patroni: this member, a: it does not stream from the leader"
    api b a c
    fine
}

@test "gate: numbers of another kind are no reason for yes" {
    sed -i 's/"dcs_last_seen": [0-9]*/"dcs_last_seen": 1.5e9/' "$ANSWERS/patroni"
    no "Patroni: this member, a: its answer was not understood: 1.5e9"
    follows
    sed -i 's/"replayed_location": 67108864/"replayed_location": 1.5/' "$ANSWERS/patroni"
    no "Patroni: this member, a: its answer was not understood: 1.5"
    sed -i 's/"replayed_location": 1.5/"replayed_location": null/' "$ANSWERS/patroni"
    no "Patroni: this member, a: its answer was not understood: null"
}

@test "gate: a role of its own that nobody knows" {
    follows
    sed -i 's/"role": "replica"/"role": "odd"/' "$ANSWERS/patroni"
    no "Patroni: this member, a: it has the role odd"
}

@test "the environment's proxy does not get what is for localhost, nor the password" {
    mv "$BATS_TEST_TMPDIR/bin/curl" "$BATS_TEST_TMPDIR/bin/curl.real"
    # shellcheck disable=SC2016 # not for this shell
    stub curl 'echo "past: ${no_proxy-$NO_PROXY}" >>"$CALLS"; exec curl.real "$@"'
    http_proxy=http://proxy:3128 fine
    called "past: localhost,127.0.0.1,::1"
    NO_PROXY=.example.com fine
    called "past: localhost,127.0.0.1,::1,.example.com"
    NO_PROXY=.example.com no_proxy=.example.org fine
    called "past: localhost,127.0.0.1,::1,.example.org"
    no_proxy='*' fine
    called "past: *"
}

@test "gate: the answers that Patroni owes" {
    answer cluster '{"members": []}' 503
    no "could not ask Patroni at http://localhost:8008: /cluster is HTTP status 503"
    answer cluster 'Bad gateway' 502
    no "could not ask Patroni at http://localhost:8008: its answer is HTTP status 502 and not JSON"
    answer cluster '{}'
    no "could not ask Patroni at http://localhost:8008: its answer has no members"
    leads
    answer patroni '{}'
    no "could not ask Patroni at http://localhost:8008: its answer has no role of this member"
    rm "$ANSWERS/patroni"
    no "could not ask Patroni at http://localhost:8008: curl: (7) Failed to connect to localhost port 8008*"
    own primary
    rm "$ANSWERS/config"
    no "could not ask Patroni at http://localhost:8008: curl: (7)*"
}

@test "gate: pause, a scheduled switchover, no leader" {
    cluster "$(member a leader running)" "$(member b replica)" ', "pause": true'
    no "Patroni: the cluster is in maintenance mode, so nothing would take over; \`patronictl resume\` ends it"
    cluster "$(member a leader running)" "$(member b replica)" \
        ', "scheduled_switchover": {"at": "2027-01-01T00:00:00+00:00", "from": "a", "to": "b"}'
    no "Patroni: a switchover is scheduled for 2027-01-01T00:00:00+00:00; wait for it, or remove it with*"
    cluster "$(member a replica)" "$(member b replica)"
    no "Patroni: the cluster has no leader"
}

@test "gate: this member" {
    conf member=x
    no "Patroni: this member, x: it is not among the members (a, b, c); set member in $BATS_TEST_TMPDIR/etc/hooks.conf.*"
    conf member=a
    fine
    own primary starting
    no "Patroni: this member, a: its PostgreSQL is starting (primary)"
    own replica
    no "Patroni: this member, a: it says that it is replica, but the leader is a; a failover may be under way"
    follows
    own primary
    no "Patroni: this member, a: it says that it is primary, but the leader is b; a failover may be under way"
    own replica
    cluster "$(member a replica "in archive recovery")" "$(member b leader running)"
    no "Patroni: this member, a: it is in archive recovery"
    follows
    own replica running ', "xlog": {"received_location": 67108864, "replayed_location": 7108864}'
    no "Patroni: this member, a: it has 60000000 bytes yet to replay"
    follows
    echo $(($(cat "$BATS_TEST_TMPDIR/now") + 100)) >"$BATS_TEST_TMPDIR/now"
    no "Patroni: this member, a: it has not reached the cluster's store (etcd, Consul, ...) since Sun Nov 29"
}

@test "gate: other members that are not good ones, or missing" {
    local one why
    api a b
    while IFS='|' read -r one why; do
        cluster "$(member a leader running)" "$(member b replica)" "$(eval "member c $one")"
        no "Patroni: c $why"
        cluster "$(member a leader running)" "$(member b replica)" "$(eval "member 'c' $one")"
        conf "IGNORE='d c'"
        fine
        conf
    done <<'END'
replica stopped 1 '"unknown"'|is stopped
replica 'start failed' 1 '"unknown"'|is start failed
replica running|does not stream from the leader
replica streaming 2|is on timeline 2, the leader on 1
replica streaming '"none"'|is on an unknown timeline
replica streaming 1 '"unknown"'|has an unknown lag
replica streaming 1 16777217|is 16777217 bytes behind the leader
replica streaming 1 0 ', "receive_lag": 0, "replay_lag": 20000000'|is 20000000 bytes behind the leader
uninitialized streaming|has the role uninitialized
END
}

@test "gate: how many others, and how far behind" {
    cluster "$(member a leader running)" "$(member b replica streaming 1 20000)"
    fine
    conf MIN_OTHERS=2
    no "Patroni: without this member, a, good members are left: 1; needed: 2" \
        "(MIN_OTHERS in $BATS_TEST_TMPDIR/etc/hooks.conf.d/patroni.conf)"
    conf MAX_LAG=19kB
    no "Patroni: b is 20000 bytes behind the leader"
    conf MAX_LAG=20kB
    fine
    conf MAX_LAG=20000
    fine
    conf MAX_LAG=1GB
    fine
    cluster "$(member a leader running)"
    no "Patroni: without this member, a, good members are left: 0; needed: 1" \
        "(MIN_OTHERS in $BATS_TEST_TMPDIR/etc/hooks.conf.d/patroni.conf)"
    conf MIN_OTHERS=0
    no "Patroni: this member, a, leads, and no other may take over ()"
}

@test "gate: nobody may take over" {
    cluster "$(member a leader running)" "$(member b replica streaming 1 0 ', "tags": {"nofailover": true}')"
    no "Patroni: this member, a, leads, and no other may take over (b: replica, nofailover)"
    cluster "$(member a leader running)" "$(member b replica streaming 1 0 ', "tags": {"failover_priority": 0}')"
    no "Patroni: this member, a, leads, and no other may take over (b: replica, nofailover)"
    cluster "$(member a leader running)" "$(member b replica streaming 1 0 ', "tags": {"nofailover": false}')"
    fine
    follows # not the leader: its tags do not matter
    cluster "$(member a replica streaming 1 0 ', "tags": {"nofailover": true}')" "$(member b leader running)"
    fine
}

@test "gate: synchronous replication" {
    answer config '{"synchronous_mode": true}'
    no "Patroni: replication is synchronous, and no standby is"
    cluster "$(member a leader running)" "$(member b sync_standby)" "$(member c replica)"
    fine
    cluster "$(member a leader running)" "$(member b sync_standby streaming 1 0 ', "tags": {"nofailover": true}')" \
        "$(member c replica)"
    no "Patroni: this member, a, leads, and no other may take over (b: sync_standby, nofailover, c: replica)"
    answer config '{"synchronous_mode": "quorum", "synchronous_mode_strict": true}'
    cluster "$(member a leader running)" "$(member b quorum_standby)" "$(member c quorum_standby)"
    fine
    cluster "$(member a leader running)" "$(member b quorum_standby)"
    no "Patroni: synchronous_mode_strict: without this member, a, the leader would have too few synchronous standbys*"
    cluster "$(member a leader running)" "$(member b quorum_standby)" \
        "$(member c replica streaming 1 0 ', "tags": {"nosync": true}')"
    no "Patroni: synchronous_mode_strict: *"
    answer config '{"synchronous_mode": false, "synchronous_mode_strict": true}'
    fine
    answer config '{"synchronous_mode": true}' # which a standby cluster ignores
    own standby_leader
    cluster "$(member a standby_leader streaming)" "$(member b replica)"
    fine
}

@test "wrong settings" {
    local conf=$BATS_TEST_TMPDIR/etc/hooks.conf.d/patroni.conf
    conf MIN_OTHERS=some
    no "Patroni: MIN_OTHERS=some in $conf: use a whole number"
    conf MAX_LAG=much
    no "Patroni: MAX_LAG=much in $conf: use a number with kB, MB or GB"
    conf timeout=0
    no "timeout=0 in $conf: use whole seconds, at least 1"
    conf url=https://op:secret@localhost:8008
    no "url in $conf must not contain a password*"
    conf switchover_timeout=1h
    switchover
    fails "patroni-switchover: switchover_timeout=1h in $conf: use a whole number"
    conf ready_timeout=1h
    ready
    fails "patroni-ready: ready_timeout=1h in $conf: use a whole number"
}

@test "switchover: a replica has nothing to do" {
    follows
    switchover
    exits 0
    says "patroni-switchover: b leads the cluster, a is a replica"
    refute grep -q switchover "$REQUESTS"
    rm "$ANSWERS/patroni" # stopped by this run, after a crash
    switchover
    exits 0
    says "Patroni is down on this host, which was a replica when this run stopped it"
    DLM_RUN_ID=run-2 switchover
    fails "could not ask Patroni at http://localhost:8008: curl: (7) Failed to connect to localhost"
    says "Fix it, and start the updater again"
}

@test "switchover: a replica, and nobody leads" {
    follows
    cluster "$(member a replica)" "$(member b replica)"
    switchover
    fails "patroni-switchover: the cluster has no leader. See \`patronictl list\` and the logs; fix it, and start the"
    cluster "$(member a replica)" "$(member b leader starting)"
    switchover
    fails "patroni-switchover: the leader, b, is starting."
    cluster "$(member a replica)" "$(member b leader running)" ', "pause": true'
    switchover
    fails "patroni-switchover: the cluster is in maintenance mode"
    follows
    own demoted
    switchover
    fails "patroni-switchover: a is neither the leader nor a replica, but demoted."
    refute called sleep
}

# switches: /switchover answers as Patroni does, b leads at once, and a follows after three seconds.
switches() {
    answer switchover "${1:-Successfully switched over to \"b\"}" "${2:-200}"
    mkdir -p "$ANSWERS/after"
    local ANSWERS=$ANSWERS/after
    follows
    cluster "$(member a replica streaming 2)" "$(member b leader running 2)" "$(member c replica streaming 2)"
    cp "$ANSWERS/cluster" "$ANSWERS/cluster-3"
    cp "$ANSWERS/patroni" "$ANSWERS/patroni-3"
    own demoted stopped
    cluster "$(member a replica stopped 1 '"unknown"')" "$(member b leader running)" "$(member c replica)"
    echo "cp $ANSWERS/patroni $ANSWERS/cluster ${ANSWERS%/after}/" >"${ANSWERS%/after}/then-switchover"
    # shellcheck disable=SC2016
    echo 'if [ "$(grep -c ^sleep "$CALLS")" = 3 ]; then for f in patroni cluster; do
        cp "$ANSWERS/after/$f-3" "$ANSWERS/$f"; done; fi' >"${ANSWERS%/after}/then-sleep"
}

@test "switchover: the leader hands over, and follows" {
    conf "curl_config='/etc/a b'"
    switches
    switchover
    exits 0
    says "patroni-switchover: switching over from a to b"
    says "patroni-switchover: b leads the cluster, a is a replica"
    [[ $(grep -c ^sleep "$CALLS") == 3 ]]
    grep -qxF 'data = "{\"leader\":\"a\",\"candidate\":\"b\"}"' "$REQUESTS"
    called "curl -q -sS -K /etc/a b -K - --connect-timeout 5 --max-time 301 -w"
    [[ $(record) == $'run-1\ntimeline=1\naway' ]]
    switchover # again
    exits 0
    [[ $(grep -c 'request = "POST"' "$REQUESTS") == 1 ]]
}

@test "switchover: to the one with the highest priority, then the least lag; a synchronous one" {
    to() { answer switchover no 412; switchover; says "switching over from a to $1"; }
    cluster "$(member a leader running)" "$(member b replica streaming 1 900)" "$(member c replica streaming 1 1000)"
    to b
    cluster "$(member a leader running)" "$(member b replica streaming 1 1000)" "$(member c replica streaming 1 900)"
    to c
    cluster "$(member a leader running)" "$(member b replica streaming 1 9 ', "tags": {"failover_priority": 2}')" \
        "$(member c replica)"
    to b
    cluster "$(member a leader running)" "$(member b replica stopped)" "$(member c replica)"
    to c
    answer config '{"synchronous_mode": "on"}'
    cluster "$(member a leader running)" "$(member b replica)" "$(member c sync_standby streaming 1 9)"
    to c
}

@test "switchover: nobody may take over" {
    cluster "$(member a leader running)" "$(member b replica stopped 1 '"unknown"')" \
        "$(member c replica streaming 1 0 ', "tags": {"nofailover": true}')"
    switchover
    fails "no member may take over from a: b: is stopped, c: replica, nofailover. Fix it, and start the updater again"
    cluster "$(member a leader running)" "$(member b replica)" ', "pause": true'
    switchover
    fails "patroni-switchover: the cluster is in maintenance mode, so nothing would take over; \`patronictl resume\` ends"
    refute grep -q POST "$REQUESTS"
}

@test "switchover: Patroni refuses" {
    local code said
    while IFS='|' read -r code said; do
        answer switchover "$said" "$code"
        switchover
        fails "Patroni refused to switch over from a to b: $code $said. Fix it"
        says "or use \`patronictl switchover\`, and start the updater again"
        refute called sleep
    done <<'END'
401|no auth header received
412|switchover is not possible: no good candidates have been found
412|candidate name does not match with sync_standby
503|Switchover failed
503|failed to write switchover key into DCS
END
}

@test "switchover: Patroni does not say what became of it" {
    switches 'Switchover status unknown' 503
    switchover
    exits 0
    leads
    conf switchover_timeout=1
    rm "$ANSWERS/then-switchover" "$ANSWERS/then-sleep"
    switchover
    fails "patroni-switchover: a leads the cluster (1 s after the switchover; Patroni said: 503 Switchover status unknown)"
    switches
    rm "$ANSWERS/switchover" # the connection breaks
    DLM_RUN_ID=run-2 switchover
    fails "a leads the cluster (1 s after the switchover; Patroni said: 000 could not ask Patroni at http://localhost:8008"
}

@test "switchover: this host does not follow" {
    conf switchover_timeout=1
    switches
    rm "$ANSWERS/then-sleep"
    switchover
    fails "patroni-switchover: a: its PostgreSQL is stopped (demoted) (1 s after the switchover; Patroni said: 200 Success"
    own replica
    cluster "$(member a replica)" "$(member b leader running)"
    DLM_RUN_ID=run-1 switchover # again: it streams from a leader that is not yet promoted
    fails "patroni-switchover: b is not yet on a new timeline. See"
    cluster "$(member a replica streaming 1)" "$(member b leader running 2)"
    switchover
    fails "patroni-switchover: a: it is on timeline 1, the leader on 2."
    cluster "$(member a replica streaming 2)" "$(member b leader running 2)"
    switchover
    exits 0
    [[ $(record) == $'run-1\ntimeline=1\naway' ]]
}

@test "switchover: the leader of a standby cluster, whose timeline stays" {
    own standby_leader
    cluster "$(member a standby_leader streaming)" "$(member b replica)"
    answer switchover 'Successfully switched over to "b"'
    cat >"$ANSWERS/then-switchover" <<END
printf '%s\n200' '{"members": [$(member a replica), $(member b standby_leader streaming)]}' >$ANSWERS/cluster
sed -i s/standby_leader/replica/ $ANSWERS/patroni
END
    switchover
    exits 0
}

@test "ready: a leader; a replica that comes back" {
    ready
    exits 0
    says "patroni-ready: a is a good member, a leads the cluster"
    mv "$ANSWERS/patroni" "$ANSWERS/later"
    # shellcheck disable=SC2016
    echo '[ "$(grep -c ^sleep "$CALLS")" != 2 ] || mv "$ANSWERS/later" "$ANSWERS/patroni"' >"$ANSWERS/then-sleep"
    ready
    exits 0
    [[ $(grep -c ^sleep "$CALLS") == 2 ]]
    follows
    ready
    exits 0
    says "patroni-ready: a is a good member, b leads the cluster"
}

@test "ready: it does not become a good member" {
    conf ready_timeout=1
    local end="See \`patronictl list\` and the logs; fix it, and start the updater again; for more time set ready_timeout"
    follows
    cluster "$(member a replica streaming 1)" "$(member b leader running 2)"
    ready
    fails "patroni-ready: after 1 s, a: it is on timeline 1, the leader on 2. $end"
    cluster "$(member a replica streaming 1 99999999)" "$(member b leader running 1)"
    ready
    fails "patroni-ready: after 1 s, a: it is 99999999 bytes behind the leader. $end"
    cluster "$(member a replica)" "$(member b replica)"
    ready
    fails "patroni-ready: after 1 s, the cluster has no leader. $end"
    rm "$ANSWERS/patroni"
    ready
    fails "patroni-ready: after 1 s, could not ask Patroni at http://localhost:8008: curl: (7) Failed to connect"
    own replica stopped
    cluster "$(member a replica stopped)" "$(member b leader running)" ', "pause": true'
    ready
    fails "its PostgreSQL is stopped (replica); the cluster is in maintenance mode, in which Patroni starts nothing:"
    follows
    sed -i 's/}]}$/}], "pause": true}/' "$ANSWERS/cluster" # somebody else's maintenance; the gate of the next host says no
    grep -q pause "$ANSWERS/cluster"
    ready
    exits 0
}
