package sandbox

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const window = 50 * time.Millisecond

// said holds the parts of an answer that a test looks at.
type said struct {
	Status int
	Holder string // by name, "" for none
	Self   bool
}

// call is one request in process; it gives up after a minute.
func call(t *testing.T, s *Server, cn, method, name string) said {
	t.Helper()
	res, err := send(t, s.Transport(cn), cn, method, "https://foreman.example.com/api/dlmlocks/"+name+"/lock")
	if err != nil {
		t.Errorf("%s %s %s: %v", cn, method, name, err)
		return said{}
	}
	return res
}

func send(t *testing.T, rt http.RoundTripper, cn, method, url string) (said, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return said{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := rt.RoundTrip(r)
	if err != nil {
		return said{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return said{}, err
	}
	var l lockBody
	out := said{Status: res.StatusCode}
	if res.StatusCode == http.StatusOK && json.Unmarshal(body, &l) == nil && l.Host != nil {
		out.Holder = l.Host.Name
		out.Self = l.Host.Self != nil && *l.Host.Self
	}
	return out, nil
}

// step is a call that begins at a certain time.
type step struct {
	at         time.Duration
	cn, method string
	want       said
}

// TestRaces runs calls at the same time, in the window between check and write.
func TestRaces(t *testing.T) {
	won := func(cn string) said { return said{Status: 200, Holder: cn} }
	free, no := said{Status: 200}, said{Status: 412}
	tests := []struct {
		name   string
		holder string // before; "-": the lock does not exist yet
		window time.Duration
		steps  []step
		holds  string
		rows   int
		events string
	}{
		{"two PUTs at once both win", "", window,
			[]step{{0, "a", "PUT", won("a")}, {time.Millisecond, "b", "PUT", won("b")}}, "b", 1, "acquire:a acquire:b"},
		{"the second PUT just within the window", "", window,
			[]step{{0, "a", "PUT", won("a")}, {window - 1, "b", "PUT", won("b")}}, "b", 1, "acquire:a acquire:b"},
		{"the second PUT after the window", "", window,
			[]step{{0, "a", "PUT", won("a")}, {window + 1, "b", "PUT", no}}, "a", 1, "acquire:a fail:a"},
		{"no window, no race", "", 0,
			[]step{{0, "a", "PUT", won("a")}, {1, "b", "PUT", no}}, "a", 1, "acquire:a fail:a"},
		{"two first PUTs make two rows, and nobody holds", "-", window,
			[]step{{0, "a", "PUT", free}, {time.Millisecond, "b", "PUT", free}, {time.Second, "a", "PUT", free},
				{time.Second, "b", "DELETE", free}, {2 * time.Second, "a", "GET", free}}, "", 2, ""},
		{"a second first PUT after the insert races for the row", "-", window,
			[]step{{0, "a", "PUT", won("a")}, {window + 1, "b", "PUT", won("b")}}, "b", 1, "acquire:a acquire:b"},
		{"no window, one row", "-", 0,
			[]step{{0, "a", "PUT", won("a")}, {1, "b", "PUT", no}}, "a", 1, "acquire:a fail:a"},
		{"a DELETE that saw a free lock does not free it, and stumbles over who has it now", "", window,
			[]step{{0, "a", "PUT", won("a")}, {time.Millisecond, "b", "DELETE", said{Status: 500}}}, "a", 1, "acquire:a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(Options{Hosts: []string{"a", "b"}, RaceWindow: tt.window})
				if tt.holder != "-" {
					s.insert("web").holder = s.hosts[tt.holder]
				}
				for _, st := range tt.steps {
					go func() {
						time.Sleep(st.at)
						if diff := cmp.Diff(st.want, call(t, s, st.cn, st.method, "web")); diff != "" {
							t.Errorf("%s %s at %v (-want +got):\n%s", st.cn, st.method, st.at, diff)
						}
					}()
				}
				time.Sleep(time.Minute)
				if l, _ := s.Lock("web"); l.Holder != tt.holds || len(s.rows) != tt.rows {
					t.Errorf("held by %q in %d rows, want %q in %d", l.Holder, len(s.rows), tt.holds, tt.rows)
				}
				if got := eventString(s); got != tt.events {
					t.Errorf("events %q, want %q", got, tt.events)
				}
			})
		})
	}
}

func eventString(s *Server) string {
	var out []string
	for _, e := range s.Events() {
		out = append(out, string(e.Kind)+":"+e.Host)
	}
	return strings.Join(out, " ")
}

// TestContention: another host takes or releases the lock in the gaps of a's request. The answer is 500, but the change
// is made.
func TestContention(t *testing.T) {
	const ms = time.Millisecond
	a500 := func(method string) step { return step{0, "a", method, said{Status: 500}} }
	admin := func(cn string) func(*Server) { return func(s *Server) { s.SetHolder("web", cn) } }
	tests := []struct {
		name   string
		holder string
		gaps   [3]time.Duration // of a's request
		steps  []step
		at     time.Duration // when an administrator acts
		admin  func(*Server)
		holds  string
		events string
	}{
		{"the next host takes the lock before the answer to the holder's DELETE", "a", [3]time.Duration{0, 0, 10 * ms},
			[]step{a500("DELETE"), {5 * ms, "b", "PUT", said{Status: 200, Holder: "b"}}}, 0, nil, "b", "release:a acquire:b"},
		{"the holder gives up between the lookup and the check of a PUT", "b", [3]time.Duration{10 * ms, 0, 0},
			[]step{a500("PUT"), {5 * ms, "b", "DELETE", said{Status: 200}}}, 0, nil, "a", "release:b acquire:a"},
		{"the same, and a third host is given it before the answer", "b", [3]time.Duration{10 * ms, 0, 10 * ms},
			[]step{a500("PUT"), {5 * ms, "b", "DELETE", said{Status: 200}}}, 15 * ms, admin("c"), "c",
			"release:b acquire:a release:a acquire:c"},
		{"the same, and it is freed before the answer", "b", [3]time.Duration{10 * ms, 0, 10 * ms},
			[]step{a500("PUT"), {5 * ms, "b", "DELETE", said{Status: 200}}}, 15 * ms, admin(""), "",
			"release:b acquire:a release:a"},
		{"the holder's repeated PUT, and the lock is given to another", "a", [3]time.Duration{0, 10 * ms, 0},
			[]step{a500("PUT")}, 5 * ms, admin("b"), "b", "release:a acquire:b"},
		{"the holder's repeated PUT, and the lock is freed", "a", [3]time.Duration{0, 0, 10 * ms},
			[]step{a500("PUT")}, 5 * ms, admin(""), "", "release:a"},
		{"a DELETE while the holder gives up, which nobody stumbles over", "b", [3]time.Duration{10 * ms, 0, 0},
			[]step{{0, "a", "DELETE", said{Status: 200}}, {5 * ms, "b", "DELETE", said{Status: 200}}}, 0, nil, "", "release:b"},
		{"a PUT that was granted, and another host has it before the answer, who is named", "",
			[3]time.Duration{0, 0, 10 * ms},
			[]step{{0, "a", "PUT", said{Status: 200, Holder: "b"}}}, 5 * ms, admin("b"), "b", "acquire:a release:a acquire:b"},
		{"the lock is destroyed before the answer", "a", [3]time.Duration{0, 0, 10 * ms},
			[]step{{0, "a", "DELETE", said{Status: 404}}}, 5 * ms, func(s *Server) { s.Remove("web") }, "", "release:a"},
		{"the lock is destroyed before the check", "a", [3]time.Duration{10 * ms, 0, 0},
			[]step{{0, "a", "PUT", said{Status: 404}}}, 5 * ms, func(s *Server) { s.Remove("web") }, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(Options{Hosts: []string{"a", "b", "c"},
					Window: func(_ context.Context, cn, _ string, gap Gap) time.Duration {
						if cn != "a" {
							return 0
						}
						return tt.gaps[gap]
					}})
				s.insert("web").holder = s.hosts[tt.holder]
				if tt.admin != nil {
					time.AfterFunc(tt.at, func() { tt.admin(s) })
				}
				for _, st := range tt.steps {
					go func() {
						time.Sleep(st.at)
						if diff := cmp.Diff(st.want, call(t, s, st.cn, st.method, "web")); diff != "" {
							t.Errorf("%s %s at %v (-want +got):\n%s", st.cn, st.method, st.at, diff)
						}
					}()
				}
				time.Sleep(time.Minute)
				if l, _ := s.Lock("web"); l.Holder != tt.holds || eventString(s) != tt.events {
					t.Errorf("held by %q after %q, want %q after %q", l.Holder, eventString(s), tt.holds, tt.events)
				}
			})
		})
	}
}

// TestGaps: Window is called for each gap, and the server waits that long.
func TestGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []Gap
		s := New(Options{RaceWindow: time.Hour, Window: func(_ context.Context, _, _ string, gap Gap) time.Duration {
			asked = append(asked, gap)
			return time.Second
		}})
		began := time.Now()
		call(t, s, "a", "PUT", "web") // which is made, too
		call(t, s, "a", "GET", "web")
		if diff := cmp.Diff([]Gap{BeforeWrite, BeforeCheck, BeforeWrite, BeforeAnswer}, asked); diff != "" ||
			time.Since(began) != 4*time.Second {
			t.Errorf("a first PUT took %v, gaps (-want +got):\n%s", time.Since(began), diff)
		}
	})
}

// TestSmallFacts were recorded later than the transcripts.
func TestSmallFacts(t *testing.T) {
	s := New(Options{Hosts: []string{"a", "b"}})
	s.SetHolder("web", "a")
	s.Bar("b", true)
	tests := []struct {
		name, cn, method, path, contentType, body string
		want                                      int
		says                                      string
	}{
		{"a name of Unicode's white space only", "a", "PUT", "%E2%80%83/lock", "application/json", "", 500,
			"NotNullViolation"},
		{"media types have no case", "a", "PUT", "web/lock", "APPLICATION/JSON", "", 200, `"name":"web"`},
		{"host_id of the holder", "b", "GET", "web/lock?host_id=1", "", "", 200, `"self":false`},
		{"host_id of another", "a", "GET", "web/lock?host_id=2", "", "", 404, "not found"},
		{"host_id in the body", "a", "PUT", "web/lock", "application/json", `{"host_id":1}`, 200, `"name":"web"`},
		{"another resource's id", "a", "GET", "web/lock?user_id=1", "", "", 404, "not found"},
		{"a barred host, and a name that can't be made", "b", "PUT", "%20/lock", "application/json", "", 412,
			`"id":null,"message":"Precondition failed`},
	}
	for _, tt := range tests {
		r, err := http.NewRequestWithContext(t.Context(), tt.method, "https://foreman.example.com/api/dlmlocks/"+tt.path,
			strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", tt.contentType)
		res, err := s.Transport(tt.cn).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != tt.want || !strings.Contains(string(body), tt.says) {
			t.Errorf("%s: %d %s, %v; want %d, %s", tt.name, res.StatusCode, body, err, tt.want, tt.says)
		}
	}
}

// TestUpdatedAt: every PUT and DELETE with a 200 changes updated_at; a refused one and a GET do not.
func TestUpdatedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		call(t, s, "a", "PUT", "web")
		for _, tt := range []struct {
			cn, method string
			moves      bool
		}{
			{"a", "PUT", true}, {"a", "GET", false}, {"b", "PUT", false}, {"b", "DELETE", false},
			{"a", "DELETE", true}, {"b", "DELETE", true}, {"b", "PUT", true},
		} {
			was, _ := s.Lock("web")
			time.Sleep(time.Second)
			call(t, s, tt.cn, tt.method, "web")
			is, _ := s.Lock("web")
			if moved := is.UpdatedAt.After(was.UpdatedAt); moved != tt.moves {
				t.Errorf("%s %s: updated_at moved: %v, want %v", tt.cn, tt.method, moved, tt.moves)
			}
		}
	})
}

// TestBrokenNameRepaired: only an administrator can fix two rows with one name.
func TestBrokenNameRepaired(t *testing.T) {
	s := New(Options{})
	s.Duplicate("web")
	if got, want := call(t, s, "a", "PUT", "web"), (said{Status: 200}); got != want {
		t.Errorf("PUT says %+v, want %+v", got, want)
	}
	s.Remove("web")
	if got, want := call(t, s, "a", "PUT", "web"), (said{Status: 200, Holder: "a"}); got != want {
		t.Errorf("PUT after the repair says %+v, want %+v", got, want)
	}
}

// TestState: changes that tests make behind the API show in the API, with the events of an administrator.
func TestState(t *testing.T) {
	var recorded []Event
	s := New(Options{Hosts: []string{"a", "b"}, Record: func(e Event) { recorded = append(recorded, e) }})
	s.SetHolder("web", "a")
	s.SetHolder("web", "b")
	s.SetEnabled("web", false)
	if got := call(t, s, "b", "DELETE", "web"); got.Status != 412 {
		t.Errorf("DELETE of a disabled lock: %d", got.Status)
	}
	s.SetEnabled("web", true)
	s.SetHolder("web", "")
	s.Bar("a", true)
	if got := call(t, s, "a", "PUT", "web"); got.Status != 412 {
		t.Errorf("PUT of a barred host: %d", got.Status)
	}
	s.Bar("a", false)
	if got := call(t, s, "a", "PUT", "web"); got.Holder != "a" {
		t.Errorf("PUT of a host no longer barred: %+v", got)
	}
	s.RemoveHost("a")
	if got := call(t, s, "a", "GET", "web"); got.Status != 401 {
		t.Errorf("GET of a removed host: %d", got.Status)
	}
	if l, ok := s.Lock("web"); !ok || l.Holder != "" {
		t.Errorf("lock of a removed host: %+v, %v", l, ok)
	}
	const want = "acquire:a release:a acquire:b disable:b fail:b enable:b release:b acquire:a"
	if got := eventString(s); got != want {
		t.Errorf("events %q, want %q", got, want)
	}
	if diff := cmp.Diff(s.Events(), recorded); diff != "" {
		t.Errorf("events and Record differ:\n%s", diff)
	}
	s.Remove("web")
	if _, ok := s.Lock("web"); ok {
		t.Error("the lock is still there")
	}
}

// TestRequests: the log of requests names the caller, the lock, and the result.
func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answered []Request
		s := New(Options{RaceWindow: window, Answered: func(r Request) { answered = append(answered, r) }})
		s.SetHolder("a b", "x")
		call(t, s, "x", "PUT", "a%20b")
		call(t, s, "", "GET", "a%20b")
		got := s.Requests()
		for i := range got {
			got[i].Time = time.Time{}
		}
		want := []Request{
			{Method: "PUT", Path: "/api/dlmlocks/a%20b/lock", Name: "a b", CN: "x", Status: 200, Duration: window},
			{Method: "GET", Path: "/api/dlmlocks/a%20b/lock", Name: "a b", Status: 401},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if len(answered) != 2 {
			t.Errorf("Answered called %d times, want 2", len(answered))
		}
	})
}

func TestToI(t *testing.T) {
	for in, want := range map[string]int{
		"": 0, "web": 0, "1": 1, "1st-floor": 1, "007": 7, "1e3": 1, "+1": 1, "-1": -1, " \t1": 1, "1_0": 10,
		"1__0": 1, "_1": 0, "+-1": 0, "2147483647": 2147483647, "2147483648": 0, "99999999999999999999": 0, "- 1": 0,
	} {
		if got := toI(in); got != want {
			t.Errorf("toI(%q) = %d, want %d", in, got, want)
		}
	}
}
