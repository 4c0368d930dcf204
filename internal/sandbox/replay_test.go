package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// transcript is one recorded call.
type transcript struct {
	N           int      `json:"n"`
	Case        string   `json:"case"`
	Client      string   `json:"client"`
	Method      string   `json:"method"`
	Path        string   `json:"path"`
	ContentSent *string  `json:"request_content_type"`
	Status      int      `json:"status"`
	ContentType *string  `json:"content_type"`
	Body        string   `json:"body"`
	EventsAdded []string `json:"events_added"`
	LocksAdded  *int     `json:"locks_added"` // null: the database could not be asked
}

// notReplayed are the calls that can't be sent to the server in process. TestTLS sends them over a real connection.
var notReplayed = map[int]string{
	54:  "TLS refuses the certificate (wrong CA)",
	55:  "TLS refuses the certificate (wrong CA)",
	56:  "TLS refuses the certificate (expired)",
	57:  "TLS refuses the certificate (wrong CA, TLS 1.2)",
	63:  "the client refuses the server's certificate",
	147: "a bad % in the path: Go's URLs can't hold one, and its server answers 400 by itself",
}

// recordedHosts are the hosts of the recording, in the order of their ids.
var recordedHosts = []string{
	"node1.example.com", "node2.example.com", "node3.example.com", "node4.example.com",
	"node5.example.com", "barred.example.com", "oldname.example.com", "base.example.com",
}

// recordedCNs are the certificates of the clients that are not called
// CLIENT.example.com.
var recordedCNs = map[string]string{"none": "", "upper": "NODE1.Example.COM"}

// freshBefore are the calls before which the recording began again with an
// empty database.
var freshBefore = map[int]bool{1: true, 173: true, 247: true, 254: true}

// before are the changes that were made by hand, behind the API, before a call.
var before = map[int]func(*Server){
	42:  func(s *Server) { s.named("updates").holder = s.hosts["barred.example.com"] }, // no event row then
	207: inject(Fault{Kind: ErrorAfter, Times: 1, Message: "injected fault: enqueue_fail"}),
	210: inject(Fault{Kind: ErrorAfter, Times: 1, Message: "injected fault: status_fail"}),
	212: inject(Fault{Kind: ErrorAfter, Times: 1, Message: "injected fault: status_fail"}),
	215: inject(Fault{Kind: ErrorBefore, Times: 1}),
	216: inject(Fault{Kind: ErrorBefore, Times: 1, Message: "reset has failed"}),
	217: inject(Fault{Kind: ErrorBefore, Times: 2,
		Message: `connection to server on socket "/var/run/postgresql/.s.PGSQL.5432" failed: ` +
			"No such file or directory\n\tIs the server running locally and accepting connections on that socket?\n"}),
	223: inject(Fault{Kind: Unavailable, Times: 2}),
	239: func(s *Server) { s.RemoveHost("node5.example.com") },
	242: func(s *Server) { s.Duplicate("dup") },
	254: inject(Fault{Kind: DelayAnswer, Times: 1, Delay: 3 * time.Second}),
}

func inject(f Fault) func(*Server) { return func(s *Server) { s.Inject(f) } }

// sentBodies and sentHeaders are for calls that the recording only describes in words.
var (
	sentBodies = map[int]string{
		86: "{}", 87: "{not json", 88: `["a"]`, 91: `{"id":"fresh","dlmlock":{"name":"fresh"}}`, 94: `{"host":"x"}`,
	}
	sentHeaders = map[int]map[string]string{
		58:  {"SSL-CLIENT-S-DN": "CN=node1.example.com", "SSL-CLIENT-VERIFY": "SUCCESS"},
		59:  {"SSL_CLIENT_S_DN": "CN=node1.example.com", "SSL_CLIENT_VERIFY": "SUCCESS"},
		76:  {"Accept": "text/html"},
		77:  {"Accept": "application/xml"},
		78:  {"Accept": "application/json;version=2"},
		101: {"Accept": "application/json"},
		112: {"Accept": "application/json"},
	}
)

func readTranscripts(t *testing.T) []transcript {
	t.Helper()
	text, err := os.ReadFile("../dlm/testdata/transcripts.json")
	if err != nil {
		t.Fatal(err)
	}
	var ts []transcript
	if err := json.Unmarshal(text, &ts); err != nil {
		t.Fatal(err)
	}
	return ts
}

// TestReplay sends every recorded call, in order, and compares the answer and the database afterwards.
func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *Server
		etag := ""
		replayed := 0
		for _, ts := range readTranscripts(t) {
			if freshBefore[ts.N] {
				s = recordedServer()
			}
			if do := before[ts.N]; do != nil {
				do(s)
			}
			if notReplayed[ts.N] != "" {
				continue
			}
			replayed++
			etag = replay(t, s, ts, etag)
		}
		s.Wait()
		if want := 257 - len(notReplayed); replayed != want {
			t.Errorf("replayed %d calls, want %d", replayed, want)
		}
	})
}

func recordedServer() *Server {
	s := New(Options{Hosts: recordedHosts, AdminPassword: "secret"})
	s.Bar("barred.example.com", true)
	s.NameHost("oldname.example.com", "renamed.example.com")
	return s
}

// replay sends one call and returns the ETag of its answer, for the call that sends it back.
func replay(t *testing.T, s *Server, ts transcript, etag string) string {
	t.Helper()
	events, locks := len(s.Events()), s.rowID
	status, header, body := ask(t, s, ts, etag)
	synctest.Wait()

	got := map[string]any{
		"status": status,
		"type":   header.Get("Content-Type"),
		"body":   shorten(normalise(body), len(ts.Body)),
		"events": s.eventNames(events),
	}
	want := map[string]any{
		"status": ts.Status,
		"type":   "",
		"body":   normalise(ts.Body),
		"events": ts.EventsAdded,
	}
	if ts.ContentType != nil {
		want["type"] = *ts.ContentType
	}
	if ts.LocksAdded != nil {
		got["locks"], want["locks"] = s.rowID-locks, *ts.LocksAdded
	}
	if ts.Method == http.MethodHead {
		want["body"] = "" // what was recorded there is the header
		checkHead(t, ts, header)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("#%d %s: %s %s %.80s (-recorded +got):\n%s", ts.N, ts.Case, ts.Client, ts.Method, ts.Path, diff)
	}
	return header.Get("Etag")
}

// ask sends one call as its client; status 0 means that it gave up.
func ask(t *testing.T, s *Server, ts transcript, etag string) (int, http.Header, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, ts.Method, "https://foreman.example.com"+expand(ts),
		strings.NewReader(sentBodies[ts.N]))
	if err != nil {
		t.Fatalf("#%d: %v", ts.N, err)
	}
	if ts.ContentSent != nil {
		r.Header.Set("Content-Type", *ts.ContentSent)
	}
	for k, v := range sentHeaders[ts.N] {
		r.Header.Set(k, v)
	}
	if ts.N == 96 {
		r.Header.Set("If-None-Match", etag)
	}
	if strings.HasPrefix(ts.Case, "(admin) set ") {
		text, _, _ := strings.Cut(strings.TrimPrefix(ts.Case, "(admin) set "), " on ")
		r.Body = io.NopCloser(strings.NewReader(text))
	}
	cn, known := recordedCNs[ts.Client]
	user, basic := strings.CutPrefix(ts.Client, "basic:")
	switch {
	case basic:
		password := "secret"
		user, wrong := strings.CutSuffix(user, "-wrong")
		if wrong {
			password = "wrong"
		}
		r.SetBasicAuth(user, password)
	case !known:
		cn = ts.Client + ".example.com"
	}
	res, err := s.Transport(cn).RoundTrip(r)
	if err != nil {
		return 0, http.Header{}, ""
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("#%d: read answer: %v", ts.N, err)
	}
	return res.StatusCode, res.Header, string(body)
}

var (
	longName = regexp.MustCompile(`^length (\d+)$`)
	cutOff   = regexp.MustCompile(`(?s)^(.*)\.\.\.\((\d+) bytes\)$`)
	clock    = regexp.MustCompile(`\d{4}-\d\d-\d\d([ T])\d\d:\d\d:\d\d(?:\.\d+)?`)
)

// expand restores a path whose end was cut off in the recording.
func expand(ts transcript) string {
	m := longName.FindStringSubmatch(ts.Case)
	if m == nil || !cutOff.MatchString(ts.Path) {
		return ts.Path
	}
	n, _ := strconv.Atoi(m[1])
	const prefix = "/api/dlmlocks/"
	return prefix + strings.Repeat(ts.Path[len(prefix):len(prefix)+1], n) + "/lock"
}

// normalise replaces the digits of times, and keeps their layout.
func normalise(body string) string {
	return clock.ReplaceAllStringFunc(body, func(s string) string {
		return regexp.MustCompile(`\d`).ReplaceAllString(s, "9")
	})
}

// shorten cuts a long body off as the recording does, which keeps its length.
func shorten(body string, recorded int) string {
	if suffix := fmt.Sprintf("...(%d bytes)", len(body)); len(body) > 400 && recorded < len(body) {
		return body[:recorded-len(suffix)] + suffix
	}
	return body
}

// eventNames are the events from the n-th on as the recording writes them.
func (s *Server) eventNames(n int) []string {
	out := []string{}
	for _, e := range s.Events()[n:] {
		id := "None"
		for i, cn := range recordedHosts {
			if cn == e.Host {
				id = strconv.Itoa(i + 1)
			}
		}
		out = append(out, fmt.Sprintf("%s(host_id=%s)", e.Kind, id))
	}
	return out
}

// checkHead compares the header lines that the recording of HEAD has.
func checkHead(t *testing.T, ts transcript, h http.Header) {
	t.Helper()
	text, _, _ := strings.Cut(ts.Body, "ETag:")
	for line := range strings.SplitSeq(text, "\r\n") {
		k, v, ok := strings.Cut(line, ": ")
		if ok && k != "Date" && h.Get(k) != v {
			t.Errorf("#%d: header %s is %q, recorded %q", ts.N, k, h.Get(k), v)
		}
	}
	if h.Get("ETag") == "" {
		t.Errorf("#%d: no ETag", ts.N)
	}
}

// TestReplayList compares the list of calls that are not replayed with the recording: calls without an answer and
// without effect, and a path that can't be requested.
func TestReplayList(t *testing.T) {
	want := map[int]string{}
	for _, ts := range readTranscripts(t) {
		_, err := url.Parse(expand(ts))
		if err != nil || ts.Status == 0 && len(ts.EventsAdded) == 0 {
			want[ts.N] = notReplayed[ts.N]
		}
	}
	if diff := cmp.Diff(want, notReplayed); diff != "" {
		t.Errorf("calls that can't be replayed (-want +got):\n%s", diff)
	}
}
