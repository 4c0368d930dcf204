#!/usr/bin/env bats
# pre_update/haproxy-drain, post_update/haproxy-ready and gate/haproxy, with a stub for socat and a file for each load balancer, one
# server per line. Its answers come from HAProxy 2.6.12 and 3.0.11 (Debian 12 and 13). With the real one:
# ../real/services/haproxy.bats.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    # One file for each load balancer: BACKEND SERVER, operational state, administrative state, sessions; WEIGHT and
    # BACKUP may follow.
    export LB=$BATS_TEST_TMPDIR/lb
    mkdir "$LB"
    printf '%s\n' 'web web1 2 0 0' 'web web2 2 0 7' 'api web1 2 0 0' 'api web2 2 0 0' >"$LB/a"
    stub uname 'echo web1.example.com'
    # shellcheck disable=SC2016 # not for this shell
    stub socat 'for address; do :; done
        file=$LB/${address##*[/:]}
        file=${file%,connect-timeout=10}
        read -r asked
        echo "asked ${file##*/}: $asked" >>"$CALLS"
        [ -e "$file" ] || { echo "2026/11/25 22:38:26 socat[266] E connect(, AF=1 \"$address\", 25): Connection refused" >&2; exit 1; }
        set -- $asked
        [ "$1 $2" != "${MUTE:-}" ] || exit 0
        case $asked in
        "show servers state"*)
            echo 1
            echo "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change"
            awk "{ print 2, \$1, NR, \$2, \"127.0.0.1\", \$3, \$4, (NF > 5 ? \$6 : 1), 1, 2, 6, 3, 4, 6, 0, 0, 0, \"-\", 8001, \"-\", 0, 0, \"-\", \"-\", 0 }" "$file"
            echo ;;
        esac
        case $asked in
        *"show stat -1 4 -1")
            echo "# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,status,weight,act,bck,"
            awk "{ weight = NF > 5 ? \$6 : 1; backup = NF > 6 ? \$7 : 0; status = \$3 == 3 ? \"NOLB\" : \$3 == 0 ? \"DOWN\" : \"UP\"
                if (int(\$4 / 8) % 2) status = \"DRAIN\"
                if (\$4 % 4) status = \"MAINT\"
                if (\$4 == 2) status = \"MAINT (via web/web3)\"
                if (NF > 7) { status = \$8; sub(/_/, \" \", status) }
                print \$1 \",\" \$2 \",0,0,\" \$5 \",0,,0,0,0,,0,,0,0,0,0,\" status \",\" weight \",\" 1 - backup \",\" backup \",\" }" "$file"
            echo ;;
        "set server "*" state "*)
            cp "$DLM_HOOKS_STATE/haproxy-drain" "$LB/../record-at-set" 2>/dev/null
            case ${DENY:-}$5 in drain) bits=8 ;; ready) bits=0 ;; *) printf "Permission denied\n\n" && exit ;; esac
            awk -v server="$3" -v bits="$bits" "\$1 \"/\" \$2 == server { \$4 = bits } { print }" "$file" >"$file.new"
            mv "$file.new" "$file"
            echo ;;
        esac'
    stub sleep
    lbs a
}
# lbs NAME...: sets the load balancers; more settings follow after --.
lbs() {
    local sockets='' more=()
    while [[ $# != 0 ]]; do
        case $1 in --) more=("${@:2}") && break ;; *) sockets+=" /run/$1" && shift ;; esac
    done
    setting haproxy-drain "sockets='$sockets'" drain_timeout=0 "${more[@]}"
    setting haproxy-ready ready_timeout=0
}
# server LB BACKEND SERVER "OP TOLD SESSIONS": sets the server's state from now on.
server() { sed -i "s|^$2 $3 .*|$2 $3 $4|" "$LB/$1"; }
is() { grep -qx "$2 $3 $4" "$LB/$1" || { cat "$LB/$1"; return 1; }; }
gate() { hook gate/haproxy; }
drain() { hook pre_update/haproxy-drain; }
ready() { hook post_update/haproxy-ready; }
refused() { # WHY
    drain
    exits 1
    says "haproxy-drain: "
    says "$1"
    says "nothing was drained"
    says "start the updater again"
    refute called "set server"
    [[ ! -e $DLM_HOOKS_STATE/haproxy-drain ]]
}

@test "drains this host's servers and no others, after recording them; and brings them back" {
    drain
    exits 0
    says "draining web/web1 on /run/a"
    says "drained, 0 sessions are left"
    is a web web1 "2 8 0"
    is a api web1 "2 8 0"
    is a web web2 "2 0 7"
    is a api web2 "2 0 0"
    [[ $(cat "$LB/../record-at-set") == *"/run/a api/web1"* ]]
    ready
    exits 0
    says "web/web1 on /run/a: up"
    says "api/web1 on /run/a: up"
    is a web web1 "2 0 0"
}

@test "the default is the distributions' socket; another host's servers are left alone" {
    setting haproxy-drain drain_timeout=0
    cp "$LB/a" "$LB/admin.sock"
    printf '%s\n' 'web web10 2 0 0' >>"$LB/admin.sock"
    drain
    exits 0
    called "socat -t30 - UNIX-CONNECT:/run/haproxy/admin.sock"
    is admin.sock web web1 "2 8 0"
    is admin.sock web web10 "2 0 0"
}

@test "by TCP; the servers that the settings name" {
    setting haproxy-drain 'sockets=lb.example.com:9999' 'servers="web/web[2-9] none/*"' drain_timeout=0
    mv "$LB/a" "$LB/9999"
    server 9999 web web2 "2 0 0"
    drain
    exits 0
    called "TCP:lb.example.com:9999,connect-timeout=10"
    is 9999 web web2 "2 8 0"
    is 9999 web web1 "2 0 0"
}

@test "again in the same run: nothing changes; ready may run any number of times" {
    drain
    drain
    exits 0
    [[ $(grep -c "set server web/web1 state drain" "$CALLS") == 1 ]]
    ready
    ready
    exits 0
    is a web web1 "2 0 0"
    [[ $(grep -c "state ready" "$CALLS") == 2 ]]
}

@test "a power cut between the record and the drain" {
    mkdir -p "$DLM_HOOKS_STATE"
    printf '%s\n' run-1 '/run/a web/web1' >"$DLM_HOOKS_STATE/haproxy-drain"
    drain
    exits 0
    is a web web1 "2 8 0"
    ready
    exits 0
    is a web web1 "2 0 0"
    is a api web1 "2 0 0"
}

@test "a server that was in drain or maintenance before stays so" {
    server a web web1 "2 8 0"
    server a api web1 "0 1 0"
    drain
    exits 0
    ready
    exits 0
    says "this run drained nothing"
    is a web web1 "2 8 0"
    is a api web1 "0 1 0"
    server a web web1 "0 5 0" # "disabled" in the configuration
    drain
    exits 0
    refute called "set server"
}

@test "another run's record does not count" {
    drain
    DLM_RUN_ID=run-2 ready
    exits 0
    says "this run drained nothing"
    is a web web1 "2 8 0"
}

@test "enough other servers must be up in each backend that this host's server serves" {
    local state why
    while IFS=: read -r state why; do
        server a web web2 "$state"
        refused "too few other servers take sessions on the load balancer at /run/a"
        says "(min_left=1 in $BATS_TEST_TMPDIR/etc/hooks.conf.d/haproxy-drain.conf): web (web2: $why). Bring"
        gate
        not_now "HAProxy: too few other servers take sessions on the load balancer at /run/a (min_left=1 in ${DLM_CONFIG%/*}/hooks.conf.d): web (web2: $why). Bring them back"
    done <<'END'
0 0 0:DOWN
2 8 0:DRAIN
2 8 0 1 0 DRAIN_(agent):DRAIN (agent)
0 1 0:MAINT
0 5 0:MAINT
0 2 0:MAINT (via web/web3)
0 32 0 1 0 MAINT_(resolution):MAINT (resolution)
0 0 0 1 0 DOWN_(agent):DOWN (agent)
3 0 0:NOLB
3 0 0 1 0 UP:not up
2 16 0 1 0 UP:not up
2 0 0 0:weight 0
2 0 0 ?:weight ?
2 0 0 1 1:backup
2 0 0 1 ?:backup
2 0 0 1 0 ASLEEP:ASLEEP
4 0 0:not up
END
    server a web web2 "1 0 0" # being started
    lbs a -- min_left=2
    refused "too few other servers"
    server a web web2 "0 0 0"
    lbs a -- min_left=0
    drain
    exits 0
    is a web web1 "2 8 0"
}

@test "a server that was disabled in the configuration and enabled since serves, here and elsewhere; also with failing checks" {
    server a web web2 "2 4 0 1 0 UP_1/3"
    server a web web1 "2 4 0 1 0 no_check"
    drain
    exits 0
    is a web web1 "2 8 0 1 0 no_check"
}

@test "backup servers: only with backups=yes, and all of them are one" {
    server a web web2 "2 0 0 1 1"
    echo 'web web3 2 0 0 1 1' >>"$LB/a"
    refused ": web (web2: backup, web3: backup). Bring"
    lbs a -- backups=yes min_left=2
    refused "(min_left=2 in $BATS_TEST_TMPDIR/etc/hooks.conf.d/haproxy-drain.conf): "
    refute says "web2: backup"
    lbs a -- backups=yes
    gate
    exits 0
    drain
    exits 0
    is a web web1 "2 8 0"
    lbs a -- backups=maybe
    drain
    exits 1
    says "backups=maybe in $BATS_TEST_TMPDIR/etc/hooks.conf.d/haproxy-drain.conf: use yes or no"
}

@test "gate: yes, no, and settings of its own" {
    gate
    exits 0
    [[ -z $output ]]
    setting haproxy sockets=/run/b
    gate
    says "HAProxy: the load balancer at /run/b could not be asked: 2026/11/25"
    not_now "${stderr##*$'\n'}"
    setting haproxy servers=web/nobody
    gate
    not_now "HAProxy: the load balancer at /run/a has no server web/nobody. Set servers in ${DLM_CONFIG%/*}/hooks.conf.d to this host's BACKEND/SERVER"
    MUTE="show servers" gate
    [[ $status != 0 ]]
    setting haproxy min_left=all
    gate
    not_now "HAProxy: min_left=all in ${DLM_CONFIG%/*}/hooks.conf.d: use a whole number"
    setting haproxy sockets=
    gate
    [[ $status != 0 ]]
    refute called "set server"
}

@test "a server in drain that HAProxy forgot in a reload: said, however often ready runs" {
    drain
    server a web web1 "2 0 0"
    ready
    exits 0
    says "web/web1 on /run/a: up. BUT IT WAS NO LONGER IN DRAIN: HAProxy was reloaded or restarted since"
    says "api/web1 on /run/a: up"
    refute says "api/web1 on /run/a: up. BUT"
    ready
    says "web/web1 on /run/a: up. BUT IT WAS NO LONGER IN DRAIN"
    refute says "api/web1 on /run/a: up. BUT"
    drain # the run began again
    exits 0
    server a api web1 "2 0 0"
    ready
    says "api/web1 on /run/a: up. BUT IT WAS NO LONGER IN DRAIN"
    refute says "web/web1 on /run/a: up. BUT"
}

@test "a backend that this host's server does not serve needs no other server" {
    server a web web1 "0 0 0"
    server a web web2 "0 0 0"
    drain
    exits 0
    is a web web1 "0 8 0"
}

@test "the hook looks at all load balancers before it changes one" {
    lbs a b
    refused 'nothing was drained: the load balancer at /run/b could not be asked: 2026/11/25'
    says "Connection refused"
    printf '%s\n' 'web other 2 0 0' >"$LB/b"
    refused "the load balancer at /run/b has no server */web1"
    cp "$LB/a" "$LB/b"
    drain
    exits 0
    is a web web1 "2 8 0"
    is b api web1 "2 8 0"
    ready
    exits 0
    is b api web1 "2 0 0"
}

@test "a load balancer that is being reloaded prints nothing: that is not an answer" {
    MUTE="show servers" refused "could not be asked: its answer to 'show servers state;show stat -1 4 -1' is ''"
    drain
    exits 0
    MUTE="show servers" ready
    exits 1
    says "could not be asked"
}

@test "a drain that does not hold: an order without an answer, or a reload while sessions end" {
    MUTE="set server" drain # the process that took the connection ended
    exits 1
    says "haproxy-drain: web/web1, api/web1 on /run/a: not in drain, or no longer"
    says "Start the updater again"
    drain
    exits 0
    server a web web1 "2 8 2"
    lbs a -- drain_timeout=60
    # shellcheck disable=SC2016 # not for this shell
    stub sleep 'sed -i "s/^web web1 .*/web web1 2 0 0/" "$LB/a"'
    drain
    exits 1
    says "haproxy-drain: web/web1 on /run/a: not in drain, or no longer"
    drain
    exits 0
    is a web web1 "2 8 0"
}

@test "a socket without level admin" {
    DENY=1 drain
    exits 1
    says "web/web1 on /run/a could not be put into drain: Permission denied"
    says "level admin"
    drain
    DENY=1 ready
    exits 1
    says "not back after 0 s: it could not be taken out of drain: Permission denied"
    is a web web1 "2 8 0"
}

@test "sessions: waited for, too long, cut" {
    server a web web1 "2 0 2"
    server a api web1 "2 0 1"
    drain
    exits 1
    says "3 sessions are left after 0 s; the servers stay in drain"
    is a web web1 "2 8 2"
    lbs a -- leftover=cut
    drain
    exits 0
    says "drained, 3 sessions are left"
    lbs a -- drain_timeout=60
    # shellcheck disable=SC2016 # not for this shell
    stub sleep 'sed -i "s/ [0-9]*$/ 0/" "$LB/a"'
    drain
    exits 0
    says "drained, 0 sessions are left"
    [[ $(grep -c ^sleep "$CALLS") == 1 ]]
}

@test "a load balancer that goes away while sessions end" {
    server a web web1 "2 0 2"
    lbs a -- drain_timeout=60
    # shellcheck disable=SC2016 # not for this shell
    stub sleep 'mv "$LB/a" "$LB/away"'
    drain
    exits 1
    says "the load balancer at /run/a does not answer any more: 2026/11/25"
    mv "$LB/away" "$LB/a"
    ready
    exits 0
    is a web web1 "2 0 2"
}

@test "ready: ends every drain before it waits for one server" {
    drain
    server a web web1 "0 8 0"
    ready
    exits 1
    says "web/web1 on /run/a is not back after 0 s: its health check fails"
    is a web web1 "0 0 0"
    is a api web1 "2 0 0"
    setting haproxy-ready ready_timeout=60
    # shellcheck disable=SC2016 # not for this shell
    stub sleep 'sed -i "s/^web web1 0/web web1 2/" "$LB/a"'
    ready
    exits 0
    [[ $(grep -c ^sleep "$CALLS") == 1 ]]
}

@test "ready: a load balancer that is down, a server that no longer exists, one that somebody put into maintenance" {
    drain
    mv "$LB/a" "$LB/away"
    ready
    exits 1
    says "the load balancer at /run/a could not be asked"
    mv "$LB/away" "$LB/a"
    sed -i /^api/d "$LB/a"
    server a web web1 "0 1 0"
    ready
    exits 0
    says "web/web1 on /run/a: somebody has put it into maintenance, it stays there"
    says "api/web1 on /run/a: the load balancer no longer has it"
    is a web web1 "0 1 0"
}

@test "no socat, or a load balancer that hangs: refused" {
    stub timeout 'exit 124'
    refused "could not be asked: no answer within 30 s"
    stub timeout 'echo "timeout: failed to run command '\''socat'\'': No such file or directory" >&2; exit 127'
    refused "failed to run command 'socat'"
}

@test "wrong settings: nothing is done" {
    local wrong
    for wrong in leftover=keep drain_timeout=5m drain_timeout= min_left=all; do
        lbs a -- "$wrong"
        drain
        exits 1
        says "$wrong in $BATS_TEST_TMPDIR/etc/hooks.conf.d/haproxy-drain.conf: use "
    done
    lbs
    drain
    exits 1
    says "no load balancer: set sockets in"
    setting haproxy-drain 'sockets=('
    drain
    [[ $status != 0 ]]
    setting haproxy-ready ready_timeout=2m
    ready
    exits 1
    says "ready_timeout=2m in $BATS_TEST_TMPDIR/etc/hooks.conf.d/haproxy-ready.conf: use "
    setting haproxy-ready 'ready_timeout=('
    ready
    [[ $status != 0 ]]
    refute called asked
}
