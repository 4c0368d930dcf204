#!/usr/bin/env bats
# haproxy-drain and haproxy-ready with Debian's HAProxy, by its UNIX socket and by TCP. Two servers answer, and sessions
# last.
# Debian: 12 13
load ../../hook
load ../../set

prepare() {
    hostname haproxy
    cat >/etc/haproxy/haproxy.cfg <<'EOF'
global
  stats socket /run/haproxy/admin.sock mode 660 level admin
  stats socket ipv4@127.0.0.1:9999 level admin
  stats socket /run/haproxy/user.sock level user
defaults
  timeout connect 2s
  timeout client 60s
  timeout server 60s
listen web
  bind 127.0.0.1:8000
  server haproxy 127.0.0.1:8001 check inter 100ms
  server other 127.0.0.1:8002 check inter 100ms
backend api
  server haproxy 127.0.0.1:8001
  server other 127.0.0.1:8002
EOF
    local port
    for port in 8001 8002; do server "$port"; done
    agent 8010 drain
    agent 8011 0%
    agent 8012 down
    systemctl reset-failed haproxy # the tests start it more often than systemd allows
    systemctl restart haproxy
    until_state web/haproxy '2 0'
    until_state web/other '2 0'
}
teardown() { systemctl stop server-{8001,8002,8010,8011,8012} session 2>/dev/null || :; }

# Each connection lasts until the client ends it.
server() { systemd-run -q --collect -u "server-$1" socat "TCP-LISTEN:$1,fork,reuseaddr,bind=127.0.0.1" PIPE; }
agent() { systemd-run -q --collect -u "server-$1" socat "TCP-LISTEN:$1,fork,reuseaddr,bind=127.0.0.1" SYSTEM:"echo $2"; }
session() { systemd-run -q --collect -u session socat -u TCP:127.0.0.1:"$1" EXEC:'cat'; }
lb() { echo "$*" | socat -t5 - UNIX-CONNECT:/run/haproxy/admin.sock; }
state() { lb show servers state | awk -v server="$1" '$2 "/" $4 == server { print $6, $7 }'; }
sessions() { lb show stat -1 4 -1 | awk -F, -v server="$1" '$1 "/" $2 == server { print $5 }'; }
until_state() { # SERVER "OP TOLD"
    local n
    for n in {1..3000}; do
        [[ $(state "$1") != "$2" ]] || return 0
        sleep 0.1
    done
    echo "$1 is $(state "$1"), want $2 ($n looks)"
    return 1
}

@test "all of this host's servers are drained, and come back, by default" {
    [[ $(uname -n) == haproxy ]]
    hook pre_update/haproxy-drain
    exits 0
    says "draining web/haproxy on /run/haproxy/admin.sock"
    [[ "$(state web/haproxy) $(state api/haproxy) $(state web/other) $(state api/other)" == "2 8 2 8 2 0 2 0" ]]
    hook pre_update/haproxy-drain # again, as after a failed hook
    exits 0
    hook post_update/haproxy-ready
    exits 0
    says "api/haproxy on /run/haproxy/admin.sock: up"
    [[ "$(state web/haproxy) $(state api/haproxy)" == "2 0 2 0" ]]
    hook post_update/haproxy-ready
    exits 0
}

@test "no new session comes, and the hook waits for the existing ones" {
    setting haproxy-drain 'servers=web/haproxy' 'drain_timeout=2'
    lb set server web/other state maint
    session 8000
    for _ in {1..3000}; do [[ $(sessions web/haproxy) != 1 ]] || break; sleep 0.1; done
    [[ $(sessions web/haproxy) == 1 ]]
    lb set server web/other state ready
    until_state web/other '2 0'
    hook pre_update/haproxy-drain
    exits 1
    says "1 sessions are left after 2 s; the servers stay in drain"
    [[ $(state web/haproxy) == "2 8" ]]
    setting haproxy-drain 'servers=web/haproxy' 'drain_timeout=0' 'leftover=cut'
    hook pre_update/haproxy-drain
    exits 0
    says "1 sessions are left"
    setting haproxy-drain 'servers=web/haproxy' 'drain_timeout=60'
    systemd-run -q --on-active=2 systemctl stop session
    hook pre_update/haproxy-drain
    exits 0
    says "drained, 0 sessions are left"
    [[ $SECONDS -ge 2 && $(sessions web/haproxy) == 0 ]]
}

@test "a server that was in drain or maintenance before stays so" {
    lb set server web/haproxy state drain
    lb set server api/haproxy state maint
    hook pre_update/haproxy-drain
    exits 0
    hook post_update/haproxy-ready
    exits 0
    [[ "$(state web/haproxy) $(state api/haproxy)" == "2 8 0 1" ]]
}

@test "another server of the backend must be up" {
    lb set server web/other state drain
    hook pre_update/haproxy-drain
    exits 1
    says "nothing was drained: too few other servers take sessions on the load balancer at /run/haproxy/admin.sock"
    says ": web (other: DRAIN). Bring"
    [[ "$(state web/haproxy) $(state api/haproxy)" == "2 0 2 0" ]]
    setting haproxy-drain 'min_left=0'
    hook pre_update/haproxy-drain
    exits 0
    [[ $(state web/haproxy) == "2 8" ]]
}

@test "by TCP; the hook looks at all load balancers before it changes one" {
    setting haproxy-drain 'sockets="127.0.0.1:9999 127.0.0.1:9998"' 'servers="web/h* nothing/*"'
    hook pre_update/haproxy-drain
    exits 1
    says "nothing was drained: the load balancer at 127.0.0.1:9998 could not be asked"
    says "refused"
    [[ $(state web/haproxy) == "2 0" ]]
    setting haproxy-drain 'sockets="127.0.0.1:9999"' 'servers="web/h* nothing/*"'
    hook pre_update/haproxy-drain
    exits 0
    [[ "$(state web/haproxy) $(state api/haproxy)" == "2 8 2 0" ]]
    hook post_update/haproxy-ready
    exits 0
    [[ $(state web/haproxy) == "2 0" ]]
}

@test "refused: no such server, a socket without the rights" {
    setting haproxy-drain 'servers=web/nobody'
    hook pre_update/haproxy-drain
    exits 1
    says "nothing was drained: the load balancer at /run/haproxy/admin.sock has no server web/nobody"
    setting haproxy-drain 'sockets=/run/haproxy/user.sock'
    hook pre_update/haproxy-drain
    exits 1
    says "Permission denied"
    [[ $(state web/haproxy) == "2 0" ]]
}

@test "the hook waits until HAProxy sees the server up" {
    hook pre_update/haproxy-drain
    exits 0
    systemctl stop server-8001 # as a host that reboots
    until_state web/haproxy '0 8'
    setting haproxy-ready 'ready_timeout=2'
    hook post_update/haproxy-ready
    exits 1
    says "web/haproxy on /run/haproxy/admin.sock is not back after 2 s: its health check fails"
    [[ $(state web/haproxy) == "0 0" ]]
    server 8001
    setting haproxy-ready 'ready_timeout=60'
    hook post_update/haproxy-ready
    exits 0
    [[ $(state web/haproxy) == "2 0" ]]
}

@test "ready: a load balancer that is down, a server that no longer exists, one that somebody put into maintenance" {
    hook pre_update/haproxy-drain
    exits 0
    systemctl stop haproxy
    setting haproxy-ready 'ready_timeout=1'
    hook post_update/haproxy-ready
    exits 1
    says "the load balancer at /run/haproxy/admin.sock could not be asked"
    sed -i '/backend api/,$ s/server haproxy/server renamed/' /etc/haproxy/haproxy.cfg
    systemctl start haproxy
    lb set server web/haproxy state maint
    setting haproxy-ready 'ready_timeout=60'
    hook post_update/haproxy-ready
    exits 0
    says "web/haproxy on /run/haproxy/admin.sock: somebody has put it into maintenance, it stays there"
    says "api/haproxy on /run/haproxy/admin.sock: the load balancer no longer has it"
    [[ $(state web/haproxy) == "0 1" ]]
}

@test "only servers count that take new sessions: weight, maintenance, agent, tracking, names, backup" {
    local line want
    while IFS='|' read -r line want; do
        sed -i "/server other/s|.*|  server other 127.0.0.1:8002 $line|" /etc/haproxy/haproxy.cfg
        sed -i "/^backend tracked/,\$d; /^resolvers/,\$d" /etc/haproxy/haproxy.cfg
        printf '%s\n' 'resolvers none' '  nameserver none 127.0.0.1:53' 'backend tracked' \
            '  server away 127.0.0.1:8003 check inter 100ms disabled' >>/etc/haproxy/haproxy.cfg
        systemctl reset-failed haproxy
        systemctl restart haproxy
        until_state web/haproxy '2 0'
        [[ -z $want ]] || for _ in {1..300}; do
            hook gate/haproxy
            [[ $output != *"(other: $want)"* ]] || break
            sleep 0.1
        done
        hook gate/haproxy
        [[ -n $want ]] || { exits 0 && continue; }
        says "HAProxy: too few other servers take sessions on the load balancer at /run/haproxy/admin.sock (min_left=1 in "
        says "web (other: $want)"
    done <<'END'
check inter 100ms|
check inter 100ms weight 0|weight 0
check inter 100ms backup|backup
check inter 100ms disabled|MAINT
track tracked/away|MAINT (via tracked/away)
check inter 100ms agent-check agent-port 8010 agent-inter 100ms|DRAIN (agent)
check inter 100ms agent-check agent-port 8011 agent-inter 100ms|weight 0
check inter 100ms agent-check agent-port 8012 agent-inter 100ms|DOWN (agent)
END
}

@test "a server that was disabled in the configuration, and enabled since, serves: drained" {
    sed -i '/server haproxy/s/$/ disabled/; /server other/s/$/ disabled/' /etc/haproxy/haproxy.cfg
    systemctl reset-failed haproxy
    systemctl restart haproxy
    local server
    for server in web/haproxy web/other api/haproxy api/other; do lb set server $server state ready; done
    until_state web/haproxy '2 4'
    until_state web/other '2 4'
    hook pre_update/haproxy-drain
    exits 0
    [[ "$(state web/haproxy) $(state api/haproxy) $(state web/other)" == "2 12 2 12 2 4" ]]
    hook post_update/haproxy-ready
    exits 0
    says "web/haproxy on /run/haproxy/admin.sock: up"
    [[ $(state web/haproxy) == "2 4" ]]
}

@test "a reload forgets the drain, and haproxy-ready says so; with the servers' state in a file it does not" {
    [[ -x /bin/kill ]] || install -m 755 /dev/stdin /bin/kill <<<$'#!/bin/sh\nkill "$@"' # for ExecReload; from procps
    hook pre_update/haproxy-drain
    exits 0
    systemctl reload haproxy
    until_state web/haproxy '2 0'
    hook post_update/haproxy-ready
    exits 0
    says "web/haproxy on /run/haproxy/admin.sock: up. BUT IT WAS NO LONGER IN DRAIN"
    # What the documentation says:
    sed -i 's|^global|&\n  server-state-file /var/lib/haproxy/server-state|; s|^defaults|&\n  load-server-state-from-file global|' \
        /etc/haproxy/haproxy.cfg
    mkdir -p /etc/systemd/system/haproxy.service.d
    awk '/^```ini/ { ini = 1; next } /^```/ { ini = 0 } ini' /docs/bundled-hooks/load-balancers.md \
        >/etc/systemd/system/haproxy.service.d/server-state.conf
    systemctl daemon-reload
    systemctl reset-failed haproxy
    systemctl restart haproxy
    until_state web/haproxy '2 0'
    hook pre_update/haproxy-drain
    exits 0
    local how
    for how in reload restart; do
        systemctl reset-failed haproxy
        systemctl $how haproxy
        until_state web/haproxy '2 8'
        [[ "$(state api/haproxy)" == "2 8" ]]
    done
    hook post_update/haproxy-ready
    exits 0
    refute says "NO LONGER"
    rm -r /etc/systemd/system/haproxy.service.d
    systemctl daemon-reload
}

@test "the documented hooks of a web server: drained, stopped, updated, started, ready" {
    { cat /etc/hosts && printf '127.0.0.1 lb%s.example.com\n' 1 2; } >/run/hosts
    mount --bind /run/hosts /etc/hosts # all hosts of the lab have one file
    printf '[Service]\nExecStart=/bin/sleep infinity\n' >/etc/systemd/system/apache2.service
    systemctl daemon-reload
    systemctl start apache2
    documented_hooks load-balancers
    whole_run
    [[ $output == *"draining web/haproxy on lb1.example.com:9999"*"web/haproxy on lb2.example.com:9999: up"* ]]
    systemctl is-active apache2
    [[ "$(state web/haproxy) $(state api/haproxy)" == "2 0 2 0" ]]
    systemctl stop apache2
}

@test "the example of the index: a PostgreSQL host behind a load balancer" {
    documented_hooks ../bundled-hooks "Enabling hooks"
    whole_run
    [[ $output == *"draining web/haproxy on /run/haproxy/admin.sock"*"postgresql@"*"-main.service accepts connections"* ]]
    [[ $output == *"api/haproxy on /run/haproxy/admin.sock: up"* ]]
    [[ "$(state web/haproxy) $(state api/haproxy)" == "2 0 2 0" ]]
}
