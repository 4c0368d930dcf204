#!/usr/bin/env bats
# icinga2 with the API of Debian's Icinga 2 and real downtimes.
load ../../hook

prepare() {
    if [[ ! -e /etc/icinga2/features-enabled/api.conf ]]; then
        icinga2 api setup --cn localhost >/dev/null
        cat >/etc/icinga2/conf.d/dlm.conf <<'END'
object ApiUser "dlm" {
  password = "secret"
  permissions = [ "actions/schedule-downtime", "actions/remove-downtime" ]
}
object ApiUser "test" {
  password = "test"
  permissions = [ "*" ]
}
object Host "web1.example.com" { check_command = "dummy" }
object Host "web2.example.com" { check_command = "dummy" }
object Service "http" { host_name = "web1.example.com", check_command = "dummy" }
END
        systemctl restart icinga2
    fi
    until curl -fsSk -u test:test https://localhost:5665/v1 >/dev/null 2>&1; do sleep 0.2; done
    printf '%s\n' 'user = "dlm:secret"' 'cacert = "/var/lib/icinga2/certs/ca.crt"' >"$BATS_TEST_TMPDIR/curl"
    settings icinga_host=web1.example.com
    local name
    for name in $(downtimes __name); do # a host's downtime takes its services' with it
        curl -sSk -u test:test -H 'Accept: application/json' -X POST \
            "https://localhost:5665/v1/actions/remove-downtime?downtime=$name" >/dev/null
    done
    [[ -z $(downtimes __name) ]]
}
settings() { setting icinga2 "curl_config=$BATS_TEST_TMPDIR/curl" "$@"; }
# downtimes FIELD: prints a field of each downtime of web1 and web2 (Debian's configuration has one for localhost).
downtimes() {
    curl -fsSk -u test:test https://localhost:5665/v1/objects/downtimes |
        python3 -c 'import json, sys
for d in json.load(sys.stdin)["results"]:
    if d["attrs"]["host_name"].startswith("web"): print(d["attrs"][sys.argv[1]])' "$1" | sort
}
tell() { DLM_EVENT=$1 DLM_STAGE=${2:-update} run "$DLM_HOOKS_DIR/notify.d/icinga2" <<<'{}'; }
of_others() { # a downtime that an administrator scheduled
    curl -fsSk -u test:test -H 'Accept: application/json' -X POST https://localhost:5665/v1/actions/schedule-downtime \
        -d '{"type":"Host",
        "filter":"host.name==\"web1.example.com\"","author":"admin","comment":"x","start_time":1,"end_time":4000000000,"fixed":true}' >/dev/null
}

@test "through a run: the host and its services, renewed, and removed; others' downtimes stay" {
    of_others
    tell acquired pre_update
    exits 0
    says "icinga2: downtime of web1.example.com until"
    [[ $(downtimes author | grep -c foreman-dlm-updater) == 2 && $(downtimes service_name | grep -c http) == 1 ]]
    [[ $(downtimes host_name | sort -u) == web1.example.com ]]
    [[ $(downtimes comment | sort -u | tail -n 1) == "x" && $(downtimes comment) == *"updates, run run-1"* ]]
    local before
    before=$(downtimes __name)
    tell alive
    exits 0
    [[ $(downtimes __name) == "$before" ]] # it is still long enough
    settings icinga_host=web1.example.com duration=7400
    tell alive # less than half of the time is left
    exits 0
    [[ $(downtimes author | grep -c foreman-dlm-updater) == 2 && $(downtimes __name) != "$before" ]]
    tell finished lock_release
    exits 0
    says "the downtime of web1.example.com has ended"
    [[ $(downtimes author) == admin ]]
}

@test "ended when the run fails; after a crash it ends by itself" {
    tell acquired pre_update
    tell failed
    exits 0
    [[ -z $(downtimes __name) ]]
    settings icinga_host=web1.example.com duration=2
    tell resumed
    exits 0
    [[ -n $(downtimes __name) ]]
    for _ in {1..300}; do # Icinga checks every minute
        [[ -n $(downtimes __name) ]] || break
        sleep 1
    done
    [[ -z $(downtimes __name) ]]
}

@test "a host that Icinga does not know, a wrong password, a server that is away" {
    settings icinga_host=web3.example.com
    tell acquired pre_update
    exits 1
    says "Icinga at https://localhost:5665 has no host web3.example.com: set icinga_host in"
    settings icinga_host=web1.example.com
    sed -i s/secret/wrong/ "$BATS_TEST_TMPDIR/curl"
    tell acquired pre_update
    exits 1
    says "could be scheduled at https://localhost:5665: 401"
    settings icinga_host=web1.example.com url=https://localhost:5666
    tell acquired pre_update
    exits 1
    says "could be scheduled at https://localhost:5666: 000"
}
