#!/usr/bin/env bats
# alertmanager-silence and alertmanager-unsilence with Debian's Alertmanager.
load ../../hook

API=http://localhost:9093/api/v2

prepare() {
    systemctl reset-failed prometheus-alertmanager
    systemctl restart prometheus-alertmanager
    ready
    local id
    for id in $(silences active .id); do curl -fsS -X DELETE "$API/silence/$id"; done
}
ready() { curl -fsS --retry 50 --retry-delay 1 --retry-connrefused "${API%/api/v2}/-/ready" >/dev/null; }
# silences STATE FIELD: prints a field of the silences in that state.
silences() {
    curl -fsS "$API/silences" |
        python3 -c 'import json, sys
for s in json.load(sys.stdin):
    if s["status"]["state"] == sys.argv[1]: print(eval("s" + "".join("[%r]" % f for f in sys.argv[2].split(".")[1:])))' "$1" "$2"
}
alert() { # INSTANCE: prints the state of an alert about it in Alertmanager: active (it is sent), or suppressed
    curl -fsS -H 'Content-Type: application/json' \
        -d "[{\"labels\":{\"alertname\":\"Down\",\"instance\":\"$1\"}}]" "$API/alerts"
    for _ in {1..3000}; do
        curl -fsS --get --data-urlencode "filter=instance=\"$1\"" "$API/alerts" |
            grep -oE '"state":"(active|suppressed)"' && return
        sleep 0.1
    done
}

@test "this host's alerts are silenced, others' are not, and afterwards all are sent again" {
    setting alertmanager-silence 'duration=3600'
    hook pre_update/alertmanager-silence
    exits 0
    says "is set for 3600 s"
    [[ $(alert silence:9100) == *suppressed* && $(alert silence) == *suppressed* ]]
    [[ $(alert silence2:9100) == *active* && $(alert my-silence:9100) == *active* ]]
    [[ $(silences active .comment) == "updates of silence, run run-1" &&
        $(silences active .createdBy) == foreman-dlm-updater ]]
    local seconds=$(($(date -d "$(silences active .endsAt)" +%s) - $(date +%s)))
    [[ $seconds -gt 3580 && $seconds -le 3600 ]]
    hook post_update/alertmanager-unsilence
    exits 0
    [[ -z $(silences active .id) ]]
    [[ $(alert silence:9100) == *active* ]]
    hook post_update/alertmanager-unsilence # again
    exits 0
    says "has ended"
}

@test "a second time in the same run prolongs the silence, another run sets its own" {
    setting alertmanager-silence 'duration=600'
    hook pre_update/alertmanager-silence
    exits 0
    setting alertmanager-silence 'duration=7200'
    hook pre_update/alertmanager-silence
    exits 0
    [[ $(silences active .id | wc -l) == 1 ]] # with a new id, if it began in another second
    [[ $(date -d "$(silences active .endsAt)" +%s) -gt $(date -d '+7000 seconds' +%s) ]]
    DLM_RUN_ID=run-2 hook pre_update/alertmanager-silence
    exits 0
    [[ $(silences active .id | wc -l) == 2 ]]
    hook post_update/alertmanager-unsilence
    exits 0
    says "this run set no silence"
}

@test "the administrator's matchers of all four kinds, with characters that JSON quotes" {
    setting alertmanager-silence "matchers='instance=~web\\d+\"x
severity!=page

job!~a|b
env=prod test'"
    hook pre_update/alertmanager-silence
    exits 0
    [[ $(silences active .matchers | tr -d '\n') == *"{'isEqual': False, 'isRegex': False, 'name': 'severity', 'value': 'page'}"* ]]
    [[ $(silences active .matchers) == *"{'isEqual': False, 'isRegex': True, 'name': 'job', 'value': 'a|b'}"* ]]
    [[ $(silences active .matchers) == *"{'isEqual': True, 'isRegex': False, 'name': 'env', 'value': 'prod test'}"* ]]
    [[ $(silences active .matchers) == *"{'isEqual': True, 'isRegex': True, 'name': 'instance', 'value': 'web\\\\d+\"x'}"* ]]
}

@test "an Alertmanager that has forgotten the silence: a new one; ended: no error" {
    hook pre_update/alertmanager-silence
    exits 0
    systemctl stop prometheus-alertmanager
    rm -f /var/lib/prometheus/alertmanager/silences
    systemctl reset-failed prometheus-alertmanager
    systemctl start prometheus-alertmanager
    ready
    [[ -z $(silences active .id) ]]
    hook post_update/alertmanager-unsilence
    exits 0
    refute says "could not"
    hook pre_update/alertmanager-silence
    exits 0
    [[ $(silences active .id | wc -l) == 1 ]]
    curl -fsS -X DELETE "$API/silence/$(silences active .id)"
    hook post_update/alertmanager-unsilence
    exits 0
    refute says "could not"
}

@test "Alertmanager refuses, or is down: the update goes on, unless strict=yes" {
    setting alertmanager-silence 'matchers="instance=~("'
    hook pre_update/alertmanager-silence
    exits 0
    says "could not be silenced at http://localhost:9093: 400"
    says "invalid regular expression"
    says "Going on (strict=no)"
    setting alertmanager-silence 'matchers="instance=~("' 'strict=yes'
    hook pre_update/alertmanager-silence
    exits 1
    says "Fix it, and start the updater again (or set strict=no)"
    setting alertmanager-silence 'strict=yes'
    hook pre_update/alertmanager-silence
    exits 0
    systemctl stop prometheus-alertmanager
    hook post_update/alertmanager-unsilence
    exits 1
    says "could not be ended at http://localhost:9093: 000"
    setting alertmanager-silence 'strict=no'
    hook post_update/alertmanager-unsilence
    exits 0
    says "Going on (strict=no)"
}
