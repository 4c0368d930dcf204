#!/usr/bin/env bats
# webhook with a real curl, and a server here that records the requests.
load ../../hook

prepare() {
    export DLM_EVENT=failed DLM_HOST=web1 DLM_SENTENCE='stage update failed – lock kept' DLM_HOOK=50-apt
    export DLM_OUTPUT=$'E: "a\\b"\nE: <c>'
    GOT=$BATS_TEST_TMPDIR/got
    python3 -u - >"$GOT" 3>&- <<'PYTHON' &
import http.server, json, time
class Sink(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        print(json.dumps([self.command, self.path, self.headers["Authorization"],
            self.headers["Content-Type"], json.loads(body)]))
        if "slow" in self.path: time.sleep(60)
        self.send_response(403 if "refused" in self.path else 200)
        self.end_headers()
        self.wfile.write(b"invalid_token" if "refused" in self.path else b"ok")
    do_PUT = do_POST
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("localhost", 8080), Sink)
print("ready")
server.serve_forever()
PYTHON
    SINK=$!
    until grep -q ready "$GOT"; do sleep 0.1; done
}
teardown() { kill "$SINK"; }
tell() { run "$DLM_HOOKS_DIR/notify.d/webhook" <<<'{"version":1,"output":["ü \"quoted\""]}'; }
# got FIELD: prints a part of the last request, in Python: r[0] method, r[1] path, r[2] Authorization, r[3]
# Content-Type, r[4] body.
got() { tail -n 1 "$GOT" | python3 -c 'import json, sys; r = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }

@test "json: the document as it is" {
    setting webhook url=http://localhost:8080/events?key=1 token=TOKEN
    tell
    exits 0
    [[ $(got 'r[:4]') == "['POST', '/events?key=1', 'Bearer TOKEN', 'application/json']" ]]
    [[ $(got 'r[4]["output"][0]') == 'ü "quoted"' ]]
}

@test "slack and matrix: the text for people" {
    setting webhook url=http://localhost:8080/services/T/B/X shape=slack
    tell
    exits 0
    [[ $(got 'r[4]["text"]') == $'web1: failed: stage update failed – lock kept\n\nThe last lines of 50-apt:\nE: "a\\b"\nE: &lt;c&gt;' ]]
    [[ $(got 'r[2]') == None ]]
    setting webhook url=http://localhost:8080 shape=matrix "room='!abc:example.com'" token=TOKEN
    tell
    exits 0
    [[ $(got 'r[0]') == PUT && $(got 'r[1]') == /_matrix/client/v3/rooms/%21abc%3Aexample.com/send/m.room.message/* ]]
    [[ $(got 'r[4]["body"]') == $'web1: failed: stage update failed – lock kept\n\nThe last lines of 50-apt:\nE: "a\\b"\nE: <c>' ]]
}

@test "refused, too slow, or down: the notifier says so, without the secret" {
    setting webhook url=http://localhost:8080/refused/secret
    tell
    exits 1
    says "http://localhost:8080 was not told of failed: 403 invalid_token"
    setting webhook url=http://localhost:8080/slow/secret
    tell
    exits 1
    says "was not told of failed: 000"
    setting webhook url=http://localhost:8081/secret
    tell
    exits 1
    says "http://localhost:8081 was not told of failed: 000"
    refute says secret
}
