#!/usr/bin/env bats
# alertmanager with Debian's Alertmanager and real silences.
load ../../hook

API=http://localhost:9093/api/v2

prepare() {
    systemctl restart prometheus-alertmanager
    curl -fs --retry 50 --retry-delay 1 --retry-connrefused "${API%/api/v2}/-/ready" >/dev/null
    local id
    for id in $(silences id); do curl -fsS -X DELETE "$API/silence/$id"; done
}
# silences FIELD: prints a field of the active silences.
silences() {
    curl -fsS "$API/silences" | python3 -c 'import json, sys
for s in json.load(sys.stdin):
    if s["status"]["state"] == "active": print(s[sys.argv[1]])' "$1"
}
# one_for_more_than SECONDS: fails unless one silence is active, for longer than that. It may be another than before:
# Alertmanager counts the beginning from when it got the request, which can be in another second than the hook's.
one_for_more_than() { [[ $(silences id | wc -l) == 1 && $(seconds) -gt $1 ]]; }
seconds() { echo $(($(date -d "$(silences endsAt)" +%s) - $(date +%s))); } # until the silence ends
tell() { DLM_EVENT=$1 DLM_STAGE=${2:-update} run "$DLM_HOOKS_DIR/notify.d/alertmanager" <<<'{}'; }

@test "through a run: set, prolonged, kept over a reboot, ended" {
    setting alertmanager duration=400
    tell acquired pre_update
    exits 0
    sleep 1.1 # Alertmanager sees a silence that began in another second as another silence
    local id
    id=$(silences id)
    says "silence $id is set for 400 s"
    [[ $(silences matchers) == *"'value': '(alertmanager|alertmanager)(:[0-9]+)?'"* && $(seconds) -le 400 ]]
    setting alertmanager duration=900
    tell alive
    exits 0
    one_for_more_than 800
    setting alertmanager duration=1800
    tell rebooting post_update
    tell resumed post_update
    exits 0
    one_for_more_than 1700
    tell finished lock_release
    exits 0
    [[ -z $(silences id) ]]
    tell finished lock_release
    exits 0
}

@test "ended when the run fails, set again when it goes on; after a crash it ends by itself" {
    tell acquired pre_update
    tell failed
    exits 0
    [[ -z $(silences id) ]]
    setting alertmanager duration=3
    tell resumed
    exits 0
    [[ -n $(silences id) ]]
    sleep 4 # nothing prolongs it
    [[ -z $(silences id) ]]
    setting alertmanager duration=60
    tell resumed # it has a new id now
    exits 0
    [[ $(silences id | wc -l) == 1 ]]
    tell finished
    exits 0
    [[ -z $(silences id) ]]
}

@test "Alertmanager is away" {
    systemctl stop prometheus-alertmanager
    tell acquired pre_update
    exits 1
    says "could not be silenced at http://localhost:9093: 000"
}
