#!/usr/bin/env bats
# gate/prometheus with Debian's Prometheus: a rule that fires at once, and a target that is Prometheus itself.
load ../../hook

HASH='$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a' # bcrypt of "secret"

setup_file() { serve; }
prepare() {
    stop_hanging=
    setting prometheus "ALERTS='severity=\"critical\"'"
}
teardown() { [[ -z $stop_hanging ]] || kill "$stop_hanging"; }
# serve [LINE...]: starts Prometheus with further lines of configuration, and waits until its rule has fired.
serve() {
    cat >/etc/prometheus/rules.yml <<'END'
groups:
  - name: test
    interval: 200ms
    rules:
      - alert: HighErrorRate
        expr: vector(1)
        labels: { severity: critical, cluster: web, instance: 'web3:9100' }
      - alert: Quiet
        expr: vector(1) > 1
        labels: { severity: quiet }
      - alert: Pending
        expr: vector(1)
        for: 1h
        labels: { severity: pending }
END
    printf '%s\n' 'global: { scrape_interval: 200ms, scrape_timeout: 200ms }' 'rule_files: [ rules.yml ]' \
        'scrape_configs: [ { job_name: web, static_configs: [ { targets: [ "localhost:9090" ] } ] } ]' \
        "$@" >/etc/prometheus/dlm.yml
    echo "ARGS='--config.file=/etc/prometheus/dlm.yml $ARGS'" >/etc/default/prometheus
    systemctl restart prometheus
    until asked 'ALERTS{alertstate="firing"}' && asked 'ALERTS{alertstate="pending"}' &&
        asked 'up{job="web"} == 1'; do sleep 0.1; done
}
asked() { # QUERY: true if it returns something
    curl -fsSk -u dlm:secret "http${TLS:+s}://localhost:9090/api/v1/query" --data-urlencode "query=$1" 2>/dev/null |
        grep -q '"value"'
}
gate() { hook gate/prometheus; }

@test "alerts: one that fires and matches, one that does not fire, one that is pending, none" {
    no "alert HighErrorRate is firing on web3"
    setting prometheus "ALERTS='severity=\"critical\",cluster=~\"web|db\"'"
    no "alert HighErrorRate is firing on web3"
    local matchers
    for matchers in 'severity="quiet"' 'severity="pending"' 'severity="critical",cluster="db"' 'alertname="None"'; do
        setting prometheus "ALERTS='$matchers'"
        yes
    done
}

@test "a query: series, none, and what is missing" {
    setting prometheus "QUERY='up{job=\"web\"} == 0'"
    yes
    setting prometheus "QUERY='up{job=\"web\"} == 1'"
    no 'the query returns up{instance="localhost",job="web"}'
    setting prometheus "QUERY='up{job=\"web\"} # NaN is a value, too
/ 0 - up / 0'"
    no 'the query returns {instance="localhost",job="web"}'
    setting prometheus "QUERY='no_such_metric > 1'"
    yes # this is why the documentation says how to write it
    setting prometheus "QUERY='no_such_metric > 1 or absent(no_such_metric)'"
    no 'the query returns a value'
    setting prometheus "QUERY='count(up{job=\"none\"} == 1) < 3'"
    yes
    setting prometheus "QUERY='(count(up{job=\"none\"} == 1) or vector(0)) < 3'"
    no 'the query returns a value'
}

@test "an alert that always fires: its absence means that no rules are evaluated" {
    setting prometheus "QUERY='absent(ALERTS{alertname=\"HighErrorRate\"})'"
    yes
    setting prometheus "QUERY='absent(ALERTS{alertname=\"Watchdog\"})'"
    no 'the query returns {alertname="Watchdog"}'
}

@test "both: either is enough" {
    setting prometheus "QUERY='up{job=\"web\"} == 0'" "ALERTS='severity=\"critical\"'"
    no "alert HighErrorRate is firing on web3"
    setting prometheus "QUERY='up{job=\"web\"} == 1'" "ALERTS='severity=\"quiet\"'"
    no "the query returns up*"
    setting prometheus "QUERY='up{job=\"web\"} == 0'" "ALERTS='severity=\"quiet\"'"
    yes
}

@test "a question that cannot be answered" {
    setting prometheus "QUERY='1 > bool 0'"
    no "QUERY in $BATS_TEST_TMPDIR/etc/hooks.conf.d/prometheus.conf returns a scalar: use one*"
    setting prometheus "QUERY='up[5m]'"
    no "QUERY in $BATS_TEST_TMPDIR/etc/hooks.conf.d/prometheus.conf returns a matrix: use one*"
    setting prometheus "QUERY='up =='"
    no 'could not ask Prometheus at http://localhost:9090: 400 bad_data: invalid parameter "query"*'
    setting prometheus "ALERTS='severity=critical'"
    no 'could not ask Prometheus at http://localhost:9090: 400 bad_data: invalid parameter "query"*'
    setting prometheus "QUERY='up{job=\"web\"} * on() group_left() {__name__=~\".+\"}'"
    no 'could not ask Prometheus at http://localhost:9090: 422 execution: *'
    setting prometheus url=http://localhost:9090/prefix "QUERY='up'"
    no 'could not ask Prometheus at http://localhost:9090/prefix: its answer is HTTP status 404 and not JSON'
}

@test "data may be missing: a remote store is away" {
    serve 'remote_read: [ { url: "http://localhost:1/read", read_recent: true } ]'
    setting prometheus "QUERY='up{job=\"web\"} == 0'"
    no 'could not ask Prometheus at http://localhost:9090: nothing was found, with a warning: remote_read: *'
    setting prometheus "QUERY='up{job=\"web\"} == 1'"
    no 'the query returns up*'
}

@test "a password and TLS; no password, a wrong one, an unknown authority" {
    [[ -e /etc/prometheus/key ]] || openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2 \
        -addext subjectAltName=DNS:localhost -keyout /etc/prometheus/key -out /etc/prometheus/crt 2>/dev/null
    chown prometheus /etc/prometheus/key
    printf '%s\n' 'tls_server_config: { cert_file: crt, key_file: key }' \
        "basic_auth_users: { dlm: '$HASH' }" >/etc/prometheus/web.yml
    TLS=1 ARGS=--web.config.file=/etc/prometheus/web.yml serve
    printf '%s\n' 'user = "dlm:secret"' 'cacert = "/etc/prometheus/crt"' >"$BATS_TEST_TMPDIR/curl"
    settings() {
        setting prometheus url=https://localhost:9090 "ALERTS='severity=\"$1\"'" "curl_config=$BATS_TEST_TMPDIR/curl"
    }
    settings critical
    no "alert HighErrorRate is firing on web3"
    settings quiet
    yes
    sed -i s/secret/wrong/ "$BATS_TEST_TMPDIR/curl"
    no "could not ask Prometheus at https://localhost:9090: its answer is HTTP status 401 and not JSON"
    refute says wrong
    sed -i '/cacert/d' "$BATS_TEST_TMPDIR/curl"
    no "could not ask Prometheus at https://localhost:9090: curl: (*"
}

@test "Prometheus hangs, or is away" {
    systemctl stop prometheus
    setting prometheus "QUERY=up"
    no "could not ask Prometheus at http://localhost:9090: curl: (7)*"
    python3 -u -c 'import socket
s = socket.create_server(("localhost", 9090))
print("ready")
kept = []
while True: kept.append(s.accept())' >"$BATS_TEST_TMPDIR/ready" 3>&- &
    stop_hanging=$!
    until grep -q ready "$BATS_TEST_TMPDIR/ready"; do sleep 0.1; done
    setting prometheus "QUERY=up" timeout=1
    no "could not ask Prometheus at http://localhost:9090: curl: (28)*"
}
