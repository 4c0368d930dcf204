package sandbox

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestGuarded: what the guard refuses, and what it does not.
func TestGuarded(t *testing.T) {
	const held = `{"message":"PG::TRSerializationFailure: ERROR:  lock web is held by host 1, which has to release it ` +
		`first\nCONTEXT:  PL/pgSQL function public.dlmlock_one_holder() line 4 at RAISE\n"}`
	const twice = `{"message":"PG::UniqueViolation: ERROR:  duplicate key value violates unique constraint ` +
		`\"dlmlocks_one_of_a_name\"\nDETAIL:  Key (type, name)=(ForemanDlm::Dlmlock::Update, web) already exists.\n"}`
	const ms = time.Millisecond
	type ask struct {
		at               time.Duration
		cn, method, path string
		body             string
		status           int
		says             string
	}
	lock := "web/lock"
	tests := []struct {
		name   string
		holder string // before; "-": the lock does not exist yet
		asks   []ask
		holds  string
		events string
	}{
		{"the second of two PUTs fails, and changes nothing", "", []ask{
			{0, "a", "PUT", lock, "", 200, `"name":"a"`}, {ms, "b", "PUT", lock, "", 500, held}}, "a", "acquire:a"},
		{"the second of two first PUTs makes no row", "-", []ask{
			{0, "a", "PUT", lock, "", 200, `"name":"a"`}, {ms, "b", "PUT", lock, "", 500, twice}}, "a", "acquire:a"},
		{"who comes later is refused as before", "a", []ask{{0, "b", "PUT", lock, "", 412, "Precondition failed"}}, "a",
			"fail:a"},
		{"the holder asks again", "a", []ask{{0, "a", "PUT", lock, "", 200, `"name":"a"`}}, "a", ""},
		{"an administrator may not give a held lock to another host", "a", []ask{
			{0, "", "PUT", "web", `{"dlmlock":{"host_id":2}}`, 500, held}}, "a", ""},
		{"nor disable it with the same call", "a", []ask{
			{0, "", "PUT", "web", `{"dlmlock":{"host_id":2,"enabled":false}}`, 500, held},
			{ms, "a", "GET", lock, "", 200, `"enabled":true`}}, "a", ""},
		{"but may free it first", "a", []ask{{0, "", "PUT", "web", `{"dlmlock":{"host_id":null}}`, 200, `"host":null`},
			{ms, "", "PUT", "web", `{"dlmlock":{"host_id":2}}`, 200, `"name":"b"`}}, "b", "release:a acquire:b"},
		{"a late DELETE still frees the next host's lock", "a", []ask{{0, "a", "DELETE", lock, "", 200, `"host":null`},
			{ms, "", "PUT", "web", `{"dlmlock":{"host_id":null}}`, 200, ""},
			{2 * ms, "", "PUT", "web", `{"dlmlock":{"host_id":2}}`, 200, ""}}, "", "release:a acquire:b release:a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(Options{Hosts: []string{"a", "b"}, RaceWindow: window, Guarded: true, AdminPassword: "secret"})
				if tt.holder != "-" {
					s.insert("web").holder = s.hosts[tt.holder]
				}
				for _, q := range tt.asks {
					go func() {
						time.Sleep(q.at)
						status, body := speak(t, s.Transport(q.cn), q.method, q.path, q.body)
						if status != q.status || !strings.Contains(body, q.says) {
							t.Errorf("%s %s %s: %d %s; want %d, %s", q.cn, q.method, q.path, status, body, q.status, q.says)
						}
					}()
				}
				time.Sleep(time.Minute)
				if l, _ := s.Lock("web"); l.Holder != tt.holds || len(s.rows) != 1 || eventString(s) != tt.events {
					t.Errorf("held by %q in %d rows after %q, want %q in 1 after %q", l.Holder, len(s.rows), eventString(s),
						tt.holds, tt.events)
				}
			})
		})
	}
}

// speak is a call of a host, or of admin if the RoundTripper has no certificate.
func speak(t *testing.T, rt http.RoundTripper, method, path, body string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "https://foreman.example.com/api/dlmlocks/"+path,
		strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth("admin", "secret")
	res, err := rt.RoundTrip(r)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return res.StatusCode, string(b)
}

// TestGuardedSetHolder: SetHolder is an administrator, too.
func TestGuardedSetHolder(t *testing.T) {
	s := New(Options{Guarded: true})
	s.SetHolder("web", "a")
	s.SetHolder("web", "b")
	if l, _ := s.Lock("web"); l.Holder != "a" {
		t.Errorf("held by %q, want a", l.Holder)
	}
	s.SetHolder("web", "")
	s.SetHolder("web", "b")
	if l, _ := s.Lock("web"); l.Holder != "b" {
		t.Errorf("held by %q, want b", l.Holder)
	}
}

// TestGuardClosesRace: hosts that ask at once over real connections. Without the guard several hear 200 in some round;
// with it there is one in each.
func TestGuardClosesRace(t *testing.T) {
	for _, guarded := range []bool{false, true} {
		for _, hosts := range []int{2, 4} {
			for _, exists := range []bool{false, true} {
				t.Run(fmt.Sprintf("guarded=%v/hosts=%d/exists=%v", guarded, hosts, exists), func(t *testing.T) {
					t.Parallel()
					race(t, guarded, hosts, exists)
				})
			}
		}
	}
}

func race(t *testing.T, guarded bool, hosts int, exists bool) {
	const rounds = 10
	ca := newCA(t)
	s := New(Options{Guarded: guarded, RaceWindow: 20 * time.Millisecond})
	run := start(t, s, ca)
	var clients []http.RoundTripper
	for i := range hosts {
		cn := fmt.Sprintf("node%d", i+1)
		rt := client(t, ca, ca, cn, IssueOptions{}, 0)
		if _, err := send(t, rt, cn, "GET", run.URL+"/api/dlmlocks/other/lock"); err != nil { // now they are connected
			t.Fatal(err)
		}
		clients = append(clients, rt)
	}
	several := 0
	for i := range rounds {
		name := fmt.Sprintf("web%d", i)
		if exists {
			s.SetHolder(name, "")
		}
		winners := putAtOnce(t, clients, run.URL+"/api/dlmlocks/"+name+"/lock")
		l, _ := s.Lock(name)
		switch {
		case len(winners) > 1:
			several++
		case len(winners) == 0:
			t.Errorf("round %d: nobody has the lock", i)
		case guarded && l.Holder != winners[0]:
			t.Errorf("round %d: %s was told that it holds the lock, %q does", i, winners[0], l.Holder)
		}
	}
	t.Logf("several hosts were told 200 in %d of %d rounds", several, rounds)
	if guarded && several > 0 || !guarded && several == 0 {
		t.Fail()
	}
}

// putAtOnce returns the hosts that got a 200.
func putAtOnce(t *testing.T, clients []http.RoundTripper, url string) (winners []string) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i, rt := range clients {
		cn := fmt.Sprintf("node%d", i+1)
		all.Go(func() {
			<-begin
			got, err := send(t, rt, cn, "PUT", url)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				t.Errorf("%s: %v", cn, err)
			case got.Status == 200:
				winners = append(winners, cn)
			case got.Status != 500 && got.Status != 412:
				t.Errorf("%s: %d", cn, got.Status)
			}
		})
	}
	close(begin)
	all.Wait()
	return winners
}
