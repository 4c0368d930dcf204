#!/usr/bin/env bats
# mail with a real sendmail (Debian's msmtp-mta), which speaks SMTP to a sink here.
load ../../hook

PORT=2525

prepare() {
    export DLM_EVENT=failed DLM_HOST=web1 DLM_HOOK=50-apt
    export DLM_SENTENCE='stage update failed 02:31 in 50-apt (exit 100), lock kept – fix it'
    export DLM_OUTPUT=$'E: could not\n.\nE: end' MAILS=$BATS_TEST_TMPDIR/mails
    printf '%s\n' 'account default' 'host localhost' "port $PORT" 'from root@example.com' >/etc/msmtprc
}
listen() { # MAILS has the received mails
    python3 -u - "$PORT" >"$MAILS" 3>&- <<'PYTHON' &
import asyncore, smtpd, sys
class Sink(smtpd.SMTPServer):
    def process_message(self, peer, mailfrom, rcpttos, data, **kwargs):
        print("from", mailfrom, "to", *rcpttos)
        print(data.decode())
Sink(("localhost", int(sys.argv[1])), None)
print("ready")
asyncore.loop()
PYTHON
    SINK=$!
    until grep -q ready "$MAILS"; do sleep 0.1; done
}
teardown() { [[ -z ${SINK:-} ]] || kill "$SINK"; }
tell() { DLM_EVENT=$1 run "$DLM_HOOKS_DIR/notify.d/mail" <<<'{}'; }

@test "a mail arrives as it was written" {
    listen
    setting mail to=ops@example.com,dba@example.com from=dlm@example.com
    tell failed
    exits 0
    grep -qx 'from dlm@example.com to ops@example.com dba@example.com' "$MAILS"
    grep -qx 'Subject: web1: update failed in 50-apt (lock web)' "$MAILS"
    grep -qx 'web1: failed: stage update failed 02:31 in 50-apt (exit 100), lock kept – fix it' "$MAILS"
    # A line with a dot alone must not end the mail.
    [[ $(grep -A 3 -x 'The last lines of 50-apt:' "$MAILS") == $'The last lines of 50-apt:\nE: could not\n.\nE: end' ]]
    tell finished
    exits 0
    [[ $(grep -c '^from ' "$MAILS") == 1 ]]
}

@test "nothing listens: the notifier says so" {
    tell failed
    exits 1
    says "sendmail has failed, see above: nobody was told of failed"
    says "Connection refused"
}
