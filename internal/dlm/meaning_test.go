package dlm

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/sandbox"

	"github.com/google/go-cmp/cmp"
)

const here, other = "node1.example.com", "node2.example.com"

// given prepares a server.
type given []func(*sandbox.Server)

// TestMeaning goes through the table of what an answer proves, row by row, with the server's own answers. A step is an
// operation, the result that it must have, and what its message must say.
func TestMeaning(t *testing.T) {
	type step struct {
		method string
		want   error
		says   string
	}
	spoil := func(f sandbox.Fault) func(*sandbox.Server) {
		return func(s *sandbox.Server) { f.Times = 1; s.Inject(f) }
	}
	held := func(by string) func(*sandbox.Server) { return func(s *sandbox.Server) { s.SetHolder("web", by) } }
	free := held("")
	mine := shown{Name: "web", Holder: here, Enabled: true, Self: true}
	theirs := shown{Name: "web", Holder: other, Enabled: true}
	nobodys := shown{Name: "web", Enabled: true}
	tests := []struct {
		row    string
		before given
		step   step
		after  shown // what Show tells then; zero: not asked
	}{
		{"PUT 200 with a holder: a claim, and GET with self true: ours", given{free}, step{"PUT", nil, ""}, mine},
		{"PUT 200 by the holder: the same again", given{held(here)}, step{"PUT", nil, ""}, mine},
		{"PUT 200 of a lock that isn't there: made", nil, step{"PUT", nil, ""}, mine},
		{"PUT 200 without a holder: two rows of that name", given{func(s *sandbox.Server) { s.Duplicate("web") }},
			step{"PUT", ErrDuplicate, "two locks of this name"}, nobodys},
		{"PUT 412, held: GET tells by whom", given{held(other)}, step{"PUT", ErrNotNow, "not now (412)"}, theirs},
		{"PUT 412, disabled: GET tells", given{free, func(s *sandbox.Server) { s.SetEnabled("web", false) }},
			step{"PUT", ErrNotNow, ""}, shown{Name: "web"}},
		{"PUT 412, barred: GET tells free and enabled", given{free, func(s *sandbox.Server) { s.Bar(here, true) }},
			step{"PUT", ErrNotNow, ""}, nobodys},
		{"PUT 500 after the change: GET decides", given{free, spoil(sandbox.Fault{Kind: sandbox.ErrorAfter})},
			step{"PUT", ErrUnavailable, "500 Internal Server Error"}, mine},
		{"PUT 500 before the change: GET decides", given{free, spoil(sandbox.Fault{Kind: sandbox.ErrorBefore})},
			step{"PUT", ErrUnavailable, ""}, nobodys},
		{"PUT timed out after the change: GET decides", given{free, spoil(sandbox.Fault{Kind: sandbox.HangAfter})},
			step{"PUT", ErrUnavailable, "http_timeout"}, mine},
		{"PUT cut off after the change: GET decides", given{free, spoil(sandbox.Fault{Kind: sandbox.DropAfter})},
			step{"PUT", ErrUnavailable, "connection was lost"}, mine},
		{"DELETE 500 after the change: GET decides", given{held(here), spoil(sandbox.Fault{Kind: sandbox.ErrorAfter})},
			step{"DELETE", ErrUnavailable, ""}, nobodys},
		{"DELETE timed out before the change: GET decides", given{held(here), spoil(sandbox.Fault{Kind: sandbox.HangBefore})},
			step{"DELETE", ErrUnavailable, ""}, mine},
		{"DELETE 200: not ours any more", given{held(here)}, step{"DELETE", nil, ""}, nobodys},
		{"DELETE 200 of what never was ours", given{free}, step{"DELETE", nil, ""}, nobodys},
		{"DELETE 200 of what wasn't there", nil, step{"DELETE", nil, ""}, nobodys},
		{"DELETE 200 with a holder: two rows of that name, and nothing is released",
			given{held(here), func(s *sandbox.Server) { s.Duplicate("web") }},
			step{"DELETE", ErrDuplicate, "two locks of this name"}, mine},
		{"DELETE 412, someone else's: GET tells", given{held(other)}, step{"DELETE", ErrNotNow, ""}, theirs},
		{"DELETE 412, ours but disabled: GET tells",
			given{held(here), func(s *sandbox.Server) { s.SetEnabled("web", false) }},
			step{"DELETE", ErrNotNow, ""}, shown{Name: "web", Holder: here, Self: true}},
		{"GET of a disabled lock that someone else holds",
			given{held(other), func(s *sandbox.Server) { s.SetEnabled("web", false) }},
			step{"GET", nil, ""}, shown{Name: "web", Holder: other}},
		{"GET by a holder that Foreman calls otherwise",
			given{held(here), func(s *sandbox.Server) { s.NameHost(here, "new.example.com") }},
			step{"GET", nil, ""}, shown{Name: "web", Holder: "new.example.com", Enabled: true, Self: true}},
		{"401 to GET", given{func(s *sandbox.Server) { s.RemoveHost(here) }},
			step{"GET", ErrRefused, "401 Unauthorized"}, shown{}},
		{"401 to PUT", given{func(s *sandbox.Server) { s.RemoveHost(here) }},
			step{"PUT", ErrRefused, "401 Unauthorized"}, shown{}},
		{"401 to DELETE", given{func(s *sandbox.Server) { s.RemoveHost(here) }}, step{"DELETE", ErrRefused, "401"}, shown{}},
		{"404 no such lock", nil, step{"GET", ErrNoLock, "no lock of this name"}, shown{}},
		{"200 with HTML", given{free, spoil(sandbox.Fault{Kind: sandbox.HTML})},
			step{"PUT", ErrNotForeman, "not a lock"}, nobodys},
		{"200 about another lock", given{free, spoil(sandbox.Fault{Kind: sandbox.WrongName})},
			step{"PUT", ErrNotForeman, `another lock, "web-other"`}, mine},
		{"200 with an array", given{free, spoil(sandbox.Fault{Kind: sandbox.JSONArray})},
			step{"PUT", ErrNotForeman, "not a lock"}, mine},
		{"200 with nothing", given{free, spoil(sandbox.Fault{Kind: sandbox.EmptyBody})},
			step{"PUT", ErrNotForeman, "is empty"}, mine},
	}
	for _, tt := range tests {
		t.Run(tt.row, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := sandbox.New(sandbox.Options{Hosts: []string{here, other}})
				for _, do := range tt.before {
					do(s)
				}
				c := clientOf(s.Transport(here))
				expect(t, do(t.Context(), c, tt.step.method), tt.step.want, tt.step.says)
				if tt.after == (shown{}) {
					return
				}
				lock, err := c.Show(t.Context(), "web")
				if diff := cmp.Diff(tt.after, view(lock)); diff != "" || err != nil {
					t.Errorf("GET then: %v (-want +got):\n%s", err, diff)
				}
			})
		})
	}
}

// TestRaceLost: both claims are granted, and GET shows which host has the lock.
func TestRaceLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sandbox.New(sandbox.Options{RaceWindow: time.Second})
		s.SetHolder("web", "")
		first, second := clientOf(s.Transport(here)), clientOf(s.Transport(other))
		claimed := make(chan error)
		go func() { claimed <- first.Acquire(t.Context(), "web") }()
		time.Sleep(time.Millisecond)
		expect(t, second.Acquire(t.Context(), "web"), nil)
		expect(t, <-claimed, nil)
		lost, err := first.Show(t.Context(), "web")
		if want := (shown{Name: "web", Holder: other, Enabled: true}); err != nil || view(lost) != want {
			t.Errorf("the first sees %+v, %v; want %+v", lost, err, want)
		}
		won, err := second.Show(t.Context(), "web")
		if err != nil || !won.Self {
			t.Errorf("the second sees %+v, %v; want self", won, err)
		}
		s.Wait()
	})
}

// TestAnswers is for answers that the stand-in doesn't give.
func TestAnswers(t *testing.T) {
	const (
		json = "application/json; charset=utf-8"
		html = "text/html; charset=utf-8"
		lock = `{"name":"web","enabled":true,"host":{"name":"a","self":true}}`
	)
	//bad:Server answers: name want says
	tests := []struct {
		name   string
		method string
		status int
		media  string
		body   string
		want   error
		says   string
	}{
		{"a page that isn't there", "GET", 404, html, "<html>", ErrWrongURL, "no lock API at foreman_url (404 Not Found)"},
		{"a page that isn't there, in JSON", "GET", 404, json, `{"status":404,"error":"Not Found"}`,
			ErrWrongURL, `saying "Not Found"): either the address is wrong`},
		{"another thing that isn't there", "GET", 404, json,
			`{"error":{"message":"Resource dlmlock_event not found by id ''"}}`,
			ErrWrongURL, ""},
		{"no lock, to PUT", "PUT", 404, json, `{"error":{"message":"Resource dlmlock not found by id 'web'"}}`,
			ErrNoLock, ""},
		{"no lock, in HTML", "GET", 404, html, "Resource dlmlock not found by id 'web'", ErrWrongURL, ""},
		{"no permission", "GET", 403, json,
			`{"error":{"message":"Access denied","details":"Missing one of the required permissions: view_dlmlocks"}}`,
			ErrRefused, `403 Forbidden, saying "Access denied Missing one of the required permissions: view_dlmlocks"; ` +
				`presented was client_crt`},
		{"a proxy's 401", "GET", 401, html, "<html>Sign in</html>",
			ErrNotForeman, "401 Unauthorized, without the message that Foreman would give with it"},
		{"a proxy's 403", "GET", 403, html, "<html>maintenance</html>", ErrNotForeman, "403 Forbidden, without the message"},
		{"a proxy's 403, in JSON", "GET", 403, json, `{"error":"forbidden"}`,
			ErrNotForeman, `403 Forbidden, without the message`},
		{"a proxy's 403 to PUT", "PUT", 403, html, "", ErrNotForeman, "403 Forbidden"},
		{"a proxy's 412", "PUT", 412, html, "<html>", ErrNotForeman, "412 Precondition Failed"},
		{"a proxy wants a login", "GET", 407, html, "", ErrNotForeman, "407 Proxy Authentication Required"},
		{"too slow for a proxy", "GET", 408, html, "<html>", ErrNotForeman, "408 Request Timeout"},
		{"too slow for a proxy, in JSON", "GET", 408, json, `{"error":{"message":"timeout"}}`,
			ErrNotForeman, "408 Request Timeout"},
		{"the web server's 400", "GET", 400, html, "<html>", ErrNotForeman, "400 Bad Request"},
		{"Foreman's 400", "PUT", 400, json, `{"status":400,"error":"There was a problem in the JSON"}`,
			ErrRejected, `400 Bad Request, saying "There was a problem`},
		{"a media type", "PUT", 415, json, `{"error":{"message":"Media type in 'Content-Type: ' is unsupported"}}`,
			ErrRejected, `415 Unsupported Media Type, saying "Media type`},
		{"too many", "PUT", 429, html, "", ErrUnavailable, "429 Too Many Requests"},
		{"the proxy's trouble", "DELETE", 502, html, "<html>", ErrUnavailable, "502 Bad Gateway"},
		{"an unknown 5xx", "GET", 599, html, "", ErrUnavailable, "answers 599"},
		{"an unknown 4xx", "GET", 499, html, "", ErrNotForeman, "status 499, without"},
		{"another protocol", "GET", 101, html, "", ErrNotForeman, "101 Switching Protocols, which Foreman never gives here"},
		{"201", "PUT", 201, json, lock, ErrNotForeman, "201 Created, which Foreman never gives here"},
		{"204", "DELETE", 204, json, "", ErrNotForeman, "204 No Content"},
		{"206", "GET", 206, json, lock, ErrNotForeman, ""},
		{"304", "GET", 304, json, "", ErrNotForeman, "304 Not Modified"},
		{"JSON, whatever the header says", "GET", 200, html, lock, nil, ""},
		{"space around", "GET", 200, json, "\n " + lock + "\r\n", nil, ""},
		{"more than one value", "GET", 200, json, lock + lock, ErrNotForeman, "not a lock"},
		{"cut short", "GET", 200, json, lock[:30], ErrNotForeman, "not a lock"},
		{"null", "PUT", 200, json, "null", ErrNotForeman, "lacks a lock's name"},
		{"no name", "PUT", 200, json, `{"host":{"name":"a"}}`, ErrNotForeman, "lacks a lock's name"},
		{"the name is a number", "PUT", 200, json, `{"name":1,"host":{"name":"a"}}`, ErrNotForeman, "not a lock"},
		{"the name in another case", "PUT", 200, json, `{"name":"Web","host":{"name":"a"}}`,
			ErrNotForeman, `another lock, "Web"`},
		{"no word of a holder, to PUT", "PUT", 200, json, `{"name":"web","enabled":true}`, ErrNotForeman, "or holder"},
		{"no word of a holder, to GET", "GET", 200, json, `{"name":"web","enabled":true}`, ErrNotForeman, "or holder"},
		{"no word of a holder, to DELETE", "DELETE", 200, json, `{"name":"web","enabled":true}`, ErrNotForeman, "or holder"},
		{"no word of us", "GET", 200, json, `{"name":"web","host":{"name":"a"}}`,
			ErrNotForeman, `whether this host is the holder, "a"`},
		{"no word of us, to PUT", "PUT", 200, json, `{"name":"web","host":{"name":"a"}}`, nil, ""},
		{"a null of us", "GET", 200, json, `{"name":"web","host":{"name":"a","self":null}}`,
			ErrNotForeman, `whether this host is the holder, "a"`},
		{"names in another case", "PUT", 200, json, `{"Name":"web","Host":{"Name":"a"}}`,
			ErrNotForeman, "lacks a lock's name"},
		{"self is a word", "GET", 200, json, `{"name":"web","host":{"name":"a","self":"true"}}`, ErrNotForeman, "not a lock"},
		{"the holder is a list", "PUT", 200, json, `{"name":"web","host":["a"]}`, ErrNotForeman, "not a lock"},
		{"an old time", "GET", 200, json, `{"name":"web","updated_at":"yesterday","host":null}`, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := clientOf(saying(tt.status, map[string]string{"Content-Type": tt.media}, tt.body))
				expect(t, do(t.Context(), c, tt.method), tt.want, tt.says)
			})
		})
	}
}

// TestShown: what Show reads from an answer.
func TestShown(t *testing.T) {
	at := time.Date(2026, 11, 22, 7, 43, 10, 0, time.UTC)
	for _, tt := range []struct {
		body string
		want Lock
	}{
		{`{"name":"web","enabled":true,"updated_at":"2026-11-22 07:43:10 UTC","host":null}`,
			Lock{Name: "web", Enabled: true, Updated: at}},
		{`{"name":"web","enabled":false,"host":{"name":"a","self":true}}`,
			Lock{Name: "web", Holder: "a", Self: true}},
		{`{"name":"web","enabled":true,"host":{"name":"a","self":false}}`,
			Lock{Name: "web", Enabled: true, Holder: "a"}},
		{`{"name":"web","enabled":true,"host":{"self":false}}`,
			Lock{Name: "web", Enabled: true, Holder: "a host without a name"}},
		{`{"name":"web","enabled":true,"host":{"name":"\u001b[31mred\n","self":false}}`,
			Lock{Name: "web", Enabled: true, Holder: `\x1b[31mred\n`}},
		{`{"name":"web","enabled":true,"more":{"self":true},"host":{"name":"a","self":true}}`,
			Lock{Name: "web", Enabled: true, Holder: "a", Self: true}},
	} {
		got, err := clientOf(saying(http.StatusOK, nil, tt.body)).Show(t.Context(), "web")
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tt.body, err, diff)
		}
	}
}
