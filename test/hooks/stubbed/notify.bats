#!/usr/bin/env bats
# The notifiers, with stubs for curl and sendmail that record their input. With real servers: ../real/notify/.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    export DLM_EVENT=failed DLM_HOST=web1 DLM_SENTENCE='stage update failed 02:31 in 50-apt (exit 100), lock kept' \
        DLM_HOOK=50-apt
    export DLM_OUTPUT=$'E: "a\\b"\nE: <c> & d' SENT=$BATS_TEST_TMPDIR/sent
    # shellcheck disable=SC2016 # not for this shell
    stub curl 'mkdir -p "$SENT"; n=$(($(ls "$SENT" | wc -l) + 1)); cat >"$SENT/$n"; cat <&3 >>"$CALLS" 2>/dev/null || :
        case "$*" in *silences*) [ -n "${PROXY:-}" ] || echo "{\"silenceID\":\"id-$n\"}" ;; *) echo "${ANSWER:-ok}" ;; esac
        code=$(printf %s "${CODES:-}" | cut -d " " -f "$n"); printf "\n%s" "${code:-200}"; [ "$code" != 000 ] || exit 7'
}
body() { cat "$SENT/${1:-1}"; }
sent() { find "$SENT" -type f 2>/dev/null | wc -l; }
tell() { # NAME EVENT [STAGE]
    local PATH=$BATS_TEST_TMPDIR/bin:$PATH
    DLM_EVENT=$2 DLM_STAGE=${3:-update} run --separate-stderr "$DLM_HOOKS_DIR/notify.d/$1" <<<'{"version":1}'
    output="$output${stderr:+${output:+$'\n'}$stderr}"
}

@test "the environment's proxy does not get what is for localhost" {
    # shellcheck disable=SC2016 # not for this shell
    stub curl 'echo "past: $no_proxy" >>"$CALLS"; printf "\n200"'
    setting webhook url=http://localhost/
    http_proxy=http://proxy:3128 tell webhook failed
    exits 0
    called "past: localhost,127.0.0.1,::1"
}

@test "mail: the recipient, the event and the hook's last lines; only the chosen events" {
    # shellcheck disable=SC2016 # not for this shell
    stub sendmail 'cat >"$CALLS.mail"'
    tell mail failed
    exits 0
    says "mail: failed, sent to root"
    called "sendmail -i -t"
    diff - "$CALLS.mail" <<'END'
To: root
Subject: web1: update failed in 50-apt (lock web)
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: 8bit
Auto-Submitted: auto-generated

web1: failed: stage update failed 02:31 in 50-apt (exit 100), lock kept

The last lines of 50-apt:
E: "a\b"
E: <c> & d

run run-1, stage update; in full: foreman-dlm-updater history show run-1
END
    : >"$CALLS"
    tell mail finished
    exits 0
    refute called sendmail
    DLM_HOOK=50-kernel DLM_OUTPUT='' tell mail reboot-due lock_release
    exits 0
    grep -qx 'Subject: web1: update reboot-due in 50-kernel (lock web)' "$CALLS.mail"
    DLM_RUN_ID='' tell mail failed # no run could begin
    exits 0
    [[ $(tail -n 1 "$CALLS.mail") == 'E: <c> & d' ]]
}

@test "mail: settings; nothing can inject a header, and no line is too long" {
    # shellcheck disable=SC2016 # not for this shell
    stub my-mta 'cat >"$CALLS.mail"'
    setting mail to=ops@example.com,dba@example.com from=dlm@example.com "events='failed finished'" sendmail=my-mta
    DLM_HOOK=$'50-\303\274\nBcc: x@example.com' DLM_OUTPUT=$(printf '%02000d' 0) tell mail finished
    exits 0
    grep -qx 'To: ops@example.com,dba@example.com' "$CALLS.mail"
    grep -qx 'From: dlm@example.com' "$CALLS.mail"
    grep -qx 'Subject: web1: update finished in 50-???Bcc: x@example.com (lock web)' "$CALLS.mail"
    [[ $(sed '/^$/q' "$CALLS.mail") != *$'\n'Bcc* ]]
    [[ $(awk '{ print length($0) }' "$CALLS.mail" | sort -n | tail -n 1) -le 900 ]]
}

@test "mail: no sendmail, and one that fails" {
    setting mail sendmail=no-such-mta
    tell mail failed
    exits 1
    says "there is no command no-such-mta: install a mail transport agent, or set sendmail in"
    stub sendmail 'echo "mailbox full" >&2; exit 75'
    rm "$BATS_TEST_TMPDIR/etc/hooks.conf.d/mail.conf"
    tell mail failed
    exits 1
    says "mailbox full"
    says "sendmail has failed, see above: nobody was told of failed"
}

@test "webhook: the document unchanged; URL and token are in no list of processes and no log" {
    setting webhook url=https://hooks.example.com/secret token=TOKEN
    tell webhook failed
    exits 0
    [[ $(body) == '{"version":1}' ]]
    called 'url = "https://hooks.example.com/secret"'
    called 'header = "Authorization: Bearer TOKEN"'
    refute grep -E '^curl .*(secret|TOKEN)' "$CALLS"
    says "webhook: failed, sent to https://hooks.example.com"
    refute says secret
}

@test "webhook: a message for Slack, and one for a room of Matrix" {
    setting webhook url=https://hooks.example.com/x shape=slack
    tell webhook failed
    exits 0
    diff - <(body | jq -r .text) <<'END'
web1: failed: stage update failed 02:31 in 50-apt (exit 100), lock kept

The last lines of 50-apt:
E: "a\b"
E: &lt;c&gt; &amp; d
END
    setting webhook url=https://matrix.example.com/ shape=matrix "room='!a/b:example.com'" token=TOKEN
    DLM_SENTENCE=$'tab\tbell\a end' DLM_OUTPUT='' tell webhook started
    exits 0
    [[ $(body 2 | jq -r .msgtype) == m.text && $(body 2 | jq -r .body) == 'web1: started: tab bell end' ]]
    called 'url = "https://matrix.example.com/_matrix/client/v3/rooms/%21a%2Fb%3Aexample.com/send/m.room.message/'
    called "-X PUT"
}

@test "webhook: only the chosen events; errors do not contain the secret" {
    tell webhook alive
    exits 0
    tell webhook failed
    exits 1
    says "url is not set: nobody was told of failed. Set it in $BATS_TEST_TMPDIR/etc/hooks.conf.d/webhook.conf"
    setting webhook url=https://hooks.example.com/x shape=matrix room=r
    tell webhook failed
    exits 1
    says "shape=matrix needs room and token"
    setting webhook url=https://hooks.example.com/x shape=odd
    tell webhook failed
    exits 1
    says "shape=odd in"
    [[ $(sent) == 0 ]]
    setting webhook url=https://me:pw@hooks.example.com:8443/secret
    ANSWER='no such hook' CODES=404 tell webhook failed
    exits 1
    says "https://hooks.example.com:8443 was not told of failed: 404 no such hook"
    refute says secret
    CODES='0 000' tell webhook failed
    exits 1
    says "was not told of failed: 000"
}

@test "alertmanager: set, prolonged while alive, ended; nothing at other events" {
    local event
    for event in started:lock_get waiting:lock_get alive:lock_get resumed:lock_get gave-up:update \
        finished:lock_release reboot-due:lock_release failed:update; do
        tell alertmanager "${event%:*}" "${event#*:}"
        exits 0
    done
    [[ $(sent) == 0 ]]
    tell alertmanager acquired pre_update
    exits 0
    says "silence id-1 is set for 900 s"
    [[ $(body 1 | jq -r '.id, .createdBy, .comment') == $'null\nforeman-dlm-updater\nupdates of '*', run run-1' ]]
    tell alertmanager alive
    exits 0
    [[ -z $output && $(body 2 | jq -r .id) == id-1 ]]
    tell alertmanager gave-up
    tell alertmanager reboot-due lock_release
    tell alertmanager started
    [[ $(sent) == 2 ]]
    tell alertmanager rebooting post_update
    tell alertmanager resumed post_update
    [[ $(sent) == 4 && $(body 4 | jq -r .id) == id-3 ]] # the stub gives each silence a new id
    tell alertmanager failed
    exits 0
    says "silence id-4 has ended"
    called "-X DELETE"
    tell alertmanager alive
    [[ $(sent) == 5 ]]
}

@test "alertmanager: another run's silence is not prolonged; a forgotten one is set anew; errors are reported" {
    tell alertmanager acquired pre_update
    DLM_RUN_ID=run-2 tell alertmanager alive
    [[ $(sent) == 1 ]]
    CODES='0 404' tell alertmanager alive
    exits 0
    [[ $(body 3 | jq -r .id) == null ]]
    PROXY=1 CODES='0 0 0 200' tell alertmanager alive # the answer comes from another program
    exits 1
    says "could not be silenced at http://localhost:9093: 200"
    CODES='0 0 0 0 500' tell alertmanager alive
    exits 1
    says "could not be silenced at http://localhost:9093: 500"
    CODES='0 0 0 0 0 404' ANSWER='<html>' tell alertmanager finished
    exits 1
    says "silence id-3 could not be ended at http://localhost:9093, it ends by itself: 404 <html>"
    CODES='0 0 0 0 0 0 500' tell alertmanager finished
    exits 1
    says "silence id-3 could not be ended at http://localhost:9093, it ends by itself: 500"
    setting alertmanager matchers=instance
    tell alertmanager alive
    exits 1
    says "this is not a matcher: instance"
}

@test "icinga2: a downtime, renewed in its second half and before a reboot, removed; nothing at other events" {
    setting icinga2 icinga_host=web1.example.com
    local event now=$EPOCHSECONDS
    for event in started:lock_get waiting:lock_get alive:lock_get resumed:lock_get gave-up:update \
        finished:lock_release failed:update; do
        tell icinga2 "${event%:*}" "${event#*:}"
        exits 0
    done
    [[ $(sent) == 0 ]]
    stub date "case \$1 in +%s) echo $now ;; *) exec /bin/date \"\$@\" ;; esac"
    tell icinga2 acquired pre_update
    exits 0
    says "downtime of web1.example.com until"
    [[ $(body 1 | jq -r '.filter_vars.name, .end_time - .start_time') == $'web1.example.com\n3600' ]]
    [[ $(body 2 | jq -r .filter_vars.time) == $((now + 3600)) ]] # older ones go
    tell icinga2 alive
    exits 0
    [[ $(sent) == 2 ]]
    stub date "case \$1 in +%s) echo $((now + 1800)) ;; *) exec /bin/date \"\$@\" ;; esac"
    tell icinga2 alive
    [[ $(sent) == 4 && $(body 3 | jq -r .end_time) == $((now + 5400)) ]]
    tell icinga2 rebooting post_update
    [[ $(sent) == 6 ]]
    tell icinga2 finished lock_release
    exits 0
    says "the downtime of web1.example.com has ended"
    [[ $(body 7 | jq -r .filter_vars.time) == $((now + 5401)) ]]
    tell icinga2 alive
    [[ $(sent) == 7 ]]
}

@test "icinga2: nothing to remove is no error; errors are reported" {
    setting icinga2 icinga_host=web1
    CODES='200 404' ANSWER='{"error":404,"status":"No objects found."}' tell icinga2 acquired pre_update
    exits 0
    CODES='0 0 500' tell icinga2 acquired pre_update
    exits 1
    says "no downtime of web1 could be scheduled at https://localhost:5665: 500"
    CODES='0 0 0 200 500' tell icinga2 resumed
    exits 1
    says "an older downtime of web1 could not be removed"
    CODES='0 0 0 0 0 000' tell icinga2 failed
    exits 1
    says "the downtime of web1 could not be removed at https://localhost:5665, it ends by itself: 000"
}
