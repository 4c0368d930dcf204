#!/usr/bin/env bats
# pre_update/haproxy-drain and post_update/haproxy-ready, with a stub for socat and a file for each load balancer, one
# server per line. Its answers come from Debian 12's HAProxy 2.6.12. With the real one: ../real/services/haproxy.bats.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    # One file for each load balancer: BACKEND SERVER, operational state, administrative state, sessions.
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
        "show servers state")
            echo 1
            echo "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change"
            awk "{ print 2, \$1, NR, \$2, \"127.0.0.1\", \$3, \$4, 1, 1, 2, 6, 3, 4, 6, 0, 0, 0, \"-\", 8001, \"-\", 0, 0, \"-\", \"-\", 0 }" "$file"
            echo ;;
        "show stat -1 4 -1")
            echo "# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,status,weight,act,bck,"
            awk "{ print \$1 \",\" \$2 \",0,0,\" \$5 \",0,,0,0,0,,0,,0,0,0,0,UP,1,1,0,\" }" "$file"
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
server() { sed -i "s/^$2 $3 .*/$2 $3 $4/" "$LB/$1"; }
is() { grep -qx "$2 $3 $4" "$LB/$1" || { cat "$LB/$1"; return 1; }; }
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
    local state
    for state in '0 0 0' '2 8 0' '2 1 0' '0 5 0' '3 0 0'; do
        server a web web2 "$state"
        refused "too few other servers are up on the load balancer at /run/a"
        says "(min_left=1 in $BATS_TEST_TMPDIR/etc/hooks.conf.d/haproxy-drain.conf): web. Bring"
    done
    server a web web2 "1 0 0" # being started
    lbs a -- min_left=2
    refused "too few other servers"
    server a web web2 "0 0 0"
    lbs a -- min_left=0
    drain
    exits 0
    is a web web1 "2 8 0"
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
    refused 'the load balancer at /run/b could not be asked, nothing was drained: 2026/11/25'
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
    MUTE="show servers" refused "could not be asked, nothing was drained: its answer to 'show servers state' is ''"
    MUTE="show stat" drain
    exits 1
    says "the load balancer at /run/a does not answer any more: its answer to 'show stat -1 4 -1' is ''"
    drain
    exits 0
    MUTE="show servers" ready
    exits 1
    says "could not be asked"
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
    refused "could not be asked, nothing was drained: no answer within 30 s"
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
