#!/usr/bin/env bats
# gate/icinga2 with the API of Debian's Icinga 2: a group of three hosts, whose check results come from here.
load ../../hook

API=https://localhost:5665/v1

setup_file() {
    icinga2 api setup --cn localhost >/dev/null
    cat >/etc/icinga2/conf.d/gate.conf <<'END'
object ApiUser "dlm" {
  password = "secret"
  permissions = [ "objects/query/Host", "objects/query/Service" ]
}
object ApiUser "dlm-cert" {
  client_cn = "localhost"
  permissions = [ "objects/query/Host", "objects/query/Service" ]
}
object ApiUser "hosts" {
  password = "secret"
  permissions = [ "objects/query/Host" ]
}
object ApiUser "test" {
  password = "test"
  permissions = [ "*" ]
}
object HostGroup "web" {}
object HostGroup "nobody" {}
template Host "member" {
  check_command = "passive"
  enable_active_checks = false
  groups = [ "web" ]
}
object Host "web1.example.com" { import "member" }
object Host "web2.example.com" { import "member" }
object Host "web3.example.com" { import "member" }
object Host "db1.example.com" { check_command = "passive", enable_active_checks = false }
apply Service "http" {
  check_command = "passive"
  enable_active_checks = false
  max_check_attempts = 2
  assign where host.check_command == "passive"
}
END
    # Nothing else is checked, and no check changes what this file sets.
    rm -f /etc/icinga2/conf.d/hosts.conf /etc/icinga2/features-enabled/checker.conf
    systemctl restart icinga2
    until curl -fsSk -u test:test "$API" >/dev/null 2>&1; do sleep 0.2; done
}
prepare() {
    printf '%s\n' 'user = "dlm:secret"' 'cacert = "/var/lib/icinga2/certs/ca.crt"' >"$BATS_TEST_TMPDIR/curl"
    settings
    [[ ${BATS_TEST_DESCRIPTION} != "never checked"* ]] || return 0
    result Host web 0 && result Host db 1
    result Service web 0 && result Service db 2
}
settings() { setting icinga2 HOSTGROUP=web "curl_config=$BATS_TEST_TMPDIR/curl" icinga_host=web1.example.com "$@"; }
# post ACTION TYPE HOSTS [JSON]: an action on the objects of that type whose host's name begins so.
post() {
    curl -fsSk -u test:test -H 'Accept: application/json' "$API/actions/$1" \
        -d "{\"type\":\"$2\",\"filter\":\"match(\\\"$3*\\\", host.name)\"${4:+,$4}}" >/dev/null
}
result() { post process-check-result "$1" "$2" "\"exit_status\":$3,\"plugin_output\":\"x\""; }
gate() { hook gate/icinga2; }

@test "never checked: no; then all is well" {
    no "in host group web: web2.example.com was never checked, web3.example.com was never checked"
    result Host web 0
    no "in host group web: http on web2.example.com was never checked, http on web3.example.com was never checked"
    settings "SERVICES='CRITICAL UNKNOWN'"
    yes
    settings
    result Service web 0
    yes
}

@test "hosts of the group that are down, but not this one and no others" {
    result Host web3 1
    no "in host group web: web3.example.com is DOWN"
    result Host web2 1
    no "in host group web: web2.example.com is DOWN, web3.example.com is DOWN"
    result Host web 0
    yes
    result Host web1 1
    yes
    settings INCLUDE=self # not yet confirmed
    yes
    settings "INCLUDE='self soft'"
    no "in host group web: web1.example.com is DOWN"
}

@test "services: states, those not yet confirmed, this host's" {
    result Service web2 2
    no "in host group web: http on web2.example.com is CRITICAL"
    settings INCLUDE=
    yes
    result Service web2 2 # again: now it is sure
    no "in host group web: http on web2.example.com is CRITICAL"
    settings SERVICES=
    yes
    settings
    result Service web2 1
    yes
    settings SERVICES=WARNING
    no "in host group web: http on web2.example.com is WARNING"
    settings
    result Service web2 3
    no "in host group web: http on web2.example.com is UNKNOWN"
    result Service web2 0
    result Service web1 2
    yes
    settings INCLUDE=self
    yes
    result Service web1 2
    no "in host group web: http on web1.example.com is CRITICAL"
}

@test "problems of which somebody knows: acknowledged, or in a downtime" {
    result Service web2 2
    result Host web3 1
    post acknowledge-problem Service web2 '"author":"me","comment":"x"'
    no "in host group web: web3.example.com is DOWN"
    post schedule-downtime Host web3 \
        "\"author\":\"me\",\"comment\":\"x\",\"fixed\":true,\"start_time\":1,\"end_time\":$((EPOCHSECONDS + 600))"
    result Service web3 2 # its host is in a downtime
    result Service web3 2
    until yes; do sleep 0.2; done # a downtime begins within seconds
    settings INCLUDE=downtime
    no "in host group web: http on web3.example.com is CRITICAL"
    settings "INCLUDE='downtime soft'"
    no "in host group web: web3.example.com is DOWN"
    settings "INCLUDE='soft acknowledged'"
    no "in host group web: http on web2.example.com is CRITICAL"
    post remove-downtime Host web3
    result Host web 0
}

@test "a host whose checks are overdue" {
    post process-check-result Host web2 \
        '"exit_status":0,"plugin_output":"x","execution_start":1000,"execution_end":1001'
    yes # Icinga does not check it itself: it may say nothing for long
    active() {
        curl -fsSk -u test:test -H 'Accept: application/json' "$API/objects/hosts/web2.example.com" \
            -d "{\"attrs\":{\"enable_active_checks\":$1,\"next_check\":1000}}" >/dev/null
    }
    active true # nothing checks here, as if a satellite were cut off
    no "in host group web: web2.example.com has no recent check"
    active false
    yes
}

@test "a group that does not exist, or has no hosts" {
    settings HOSTGROUP=wbe
    no "could not ask Icinga at https://localhost:5665: it knows no host in the group wbe, or shows none*"
    settings HOSTGROUP=nobody
    no "could not ask Icinga at https://localhost:5665: it knows no host in the group nobody, or shows none*"
    settings "HOSTGROUP='a\"b\\c'"
    no "could not ask Icinga at https://localhost:5665: it knows no host in the group a\"b\\c, or shows none*"
}

@test "the host's certificate; a wrong password, too few permissions, an unknown authority; Icinga is away" {
    printf '%s\n' 'cert = "/var/lib/icinga2/certs/localhost.crt"' 'key = "/var/lib/icinga2/certs/localhost.key"' \
        'cacert = "/var/lib/icinga2/certs/ca.crt"' >"$BATS_TEST_TMPDIR/curl"
    yes
    printf '%s\n' 'user = "dlm:wrong"' 'cacert = "/var/lib/icinga2/certs/ca.crt"' >"$BATS_TEST_TMPDIR/curl"
    no "could not ask Icinga at https://localhost:5665: 401 Unauthorized*"
    refute says wrong
    sed -i 's/dlm:wrong/hosts:secret/' "$BATS_TEST_TMPDIR/curl"
    no "could not ask Icinga at https://localhost:5665: 404 No objects found, when asked for services: see*"
    settings SERVICES=
    yes
    settings
    sed -i /cacert/d "$BATS_TEST_TMPDIR/curl"
    no "could not ask Icinga at https://localhost:5665: curl: (*"
    settings url=https://localhost:5666
    no "could not ask Icinga at https://localhost:5666: curl: (7)*"
}
