package sandbox

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// raw is an answer before a client interprets it.
type raw struct {
	Err        error
	Status     int
	Type       string
	RetryAfter string
	Location   string
	After      time.Duration
	Body       string
}

// put asks for the lock "web" as host a, and gives up after ten seconds.
func put(t *testing.T, s *Server, method string) raw {
	t.Helper()
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "https://foreman.example.com/api/dlmlocks/web/lock", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := s.Transport("a").RoundTrip(r)
	out := raw{After: time.Since(start)}
	if err != nil {
		out.Err = context.Canceled
		for _, known := range []error{io.EOF, context.DeadlineExceeded} {
			if errors.Is(err, known) {
				out.Err = known
			}
		}
		return out
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	out.Status, out.Body = res.StatusCode, string(body)
	out.Type, _, _ = strings.Cut(res.Header.Get("Content-Type"), ";")
	out.RetryAfter, out.Location = res.Header.Get("Retry-After"), res.Header.Get("Location")
	return out
}

// TestFaults switches each fault on for one PUT of a free lock.
func TestFaults(t *testing.T) {
	const (
		js, html = "application/json", "text/html"
		patience = 10 * time.Second
		busy     = `"message":"Internal Server Error: the server`
	)
	tests := []struct {
		fault   Fault
		want    raw    // Body is compared by contains
		contain string // in the body
		changed bool
	}{
		{Fault{Kind: Delay, Delay: time.Second}, raw{Status: 200, Type: js, After: time.Second}, `"name":"a"}`, true},
		{Fault{Kind: DelayAnswer, Delay: time.Second}, raw{Status: 200, Type: js, After: time.Second}, `"name":"a"}`, true},
		{Fault{Kind: Delay, Delay: time.Minute}, raw{Err: context.DeadlineExceeded, After: patience}, "", false},
		{Fault{Kind: DelayAnswer, Delay: time.Minute}, raw{Err: context.DeadlineExceeded, After: patience}, "", true},
		{Fault{Kind: DropBefore}, raw{Err: io.EOF}, "", false},
		{Fault{Kind: DropAfter}, raw{Err: io.EOF}, "", true},
		{Fault{Kind: DropAfter, Delay: time.Second}, raw{Err: io.EOF, After: time.Second}, "", true},
		{Fault{Kind: HangBefore}, raw{Err: context.DeadlineExceeded, After: patience}, "", false},
		{Fault{Kind: HangAfter}, raw{Err: context.DeadlineExceeded, After: patience}, "", true},
		{Fault{Kind: ErrorBefore}, raw{Status: 500, Type: js}, busy, false},
		{Fault{Kind: ErrorBefore, Status: 429, RetryAfter: "7"}, raw{Status: 429, Type: js, RetryAfter: "7"}, busy, false},
		{Fault{Kind: ErrorAfter}, raw{Status: 500, Type: js}, busy, true},
		{Fault{Kind: ErrorAfter, Status: 502, Message: "no"}, raw{Status: 502, Type: js}, `{"message":"no"}`, true},
		{Fault{Kind: HTML}, raw{Status: 200, Type: html}, "<html>", false},
		{Fault{Kind: Redirect, Location: "https://other.example.com/"},
			raw{Status: 302, Type: html, Location: "https://other.example.com/"}, "", false},
		{Fault{Kind: WrongName}, raw{Status: 200, Type: js}, `"name":"web-other"`, true},
		{Fault{Kind: NoHolder}, raw{Status: 200, Type: js}, `"host":null`, false},
		{Fault{Kind: EmptyBody}, raw{Status: 200, Type: js}, "", true},
		{Fault{Kind: JSONArray}, raw{Status: 200, Type: js}, `[{"created_at"`, true},
		{Fault{Kind: Huge}, raw{Status: 200, Type: js}, `"host":{"name":"a"}`, true},
		{Fault{Kind: Unavailable, RetryAfter: "9"}, raw{Status: 503, Type: html, RetryAfter: "9"}, "503 Service Unavailable",
			false},
	}
	seen := map[FaultKind]bool{}
	for _, tt := range tests {
		seen[tt.fault.Kind] = true
		t.Run(tt.fault.Kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(Options{})
				s.SetHolder("web", "")
				f := tt.fault
				f.Method, f.Times = "PUT", 1
				s.Inject(f)
				if got := put(t, s, "GET"); got.Status != 200 || got.After != 0 {
					t.Errorf("GET is spoilt too: %+v", got)
				}
				got := put(t, s, "PUT")
				checkBodyOf(t, got.Body, tt.contain, tt.fault.Kind)
				if diff := cmp.Diff(tt.want, got, cmp.Comparer(sameError), ignoreBody); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				l, _ := s.Lock("web")
				if changed := l.Holder == "a"; changed != tt.changed {
					t.Errorf("changed: %v, want %v", changed, tt.changed)
				}
				if again := put(t, s, "PUT"); again.Status != 200 {
					t.Errorf("after the fault: %+v", again)
				}
				s.Wait()
			})
		})
	}
	for _, name := range FaultKinds() {
		k, err := ParseFaultKind(name)
		if err != nil || k.String() != name || !seen[k] {
			t.Errorf("kind %q: %v, %v, tested: %v", name, k, err, seen[k])
		}
	}
}

var ignoreBody = cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "Body" }, cmp.Ignore())

func sameError(a, b error) bool { return errors.Is(a, b) }

func checkBodyOf(t *testing.T, body, contain string, k FaultKind) {
	t.Helper()
	if !strings.Contains(body, contain) || contain == "" && body != "" {
		t.Errorf("body %.200q, want %q in it", body, contain)
	}
	if k == Huge && len(body) < 1<<20+1 {
		t.Errorf("body of %d bytes is not huge", len(body))
	}
}

// TestFaultsMatch: which requests a fault spoils, and how often.
func TestFaultsMatch(t *testing.T) {
	s := New(Options{})
	s.Inject(Fault{Method: "PUT", CN: "a", Kind: ErrorBefore, Times: 2})
	s.Inject(Fault{Method: "PUT", Kind: ErrorBefore, Status: 503})
	want := []int{500, 503, 500, 503, 404}
	got := []int{
		call(t, s, "a", "PUT", "web").Status, call(t, s, "b", "PUT", "web").Status,
		call(t, s, "a", "PUT", "web").Status, call(t, s, "a", "PUT", "web").Status,
		call(t, s, "a", "GET", "web").Status,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	s.ClearFaults()
	if got := call(t, s, "a", "PUT", "web"); got.Holder != "a" {
		t.Errorf("after ClearFaults: %+v", got)
	}
	s.Inject(Fault{Kind: ErrorBefore})
	if got := call(t, s, "", "PUT", "web").Status; got != 401 {
		t.Errorf("an error inside Foreman is shown to a stranger: %d", got)
	}
	if _, err := ParseFaultKind("none"); err == nil {
		t.Error(`ParseFaultKind("none"): no error`)
	}
}

// TestGivenUp: a request whose client gave up is still carried out, and one
// whose context had ended before is not sent.
func TestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{RaceWindow: time.Minute})
		s.SetHolder("web", "")
		if got := put(t, s, "PUT"); got.Err != context.DeadlineExceeded || got.After != 10*time.Second {
			t.Errorf("%+v", got)
		}
		if l, _ := s.Lock("web"); l.Holder != "" {
			t.Error("the window was not waited out")
		}
		s.Wait()
		if l, _ := s.Lock("web"); l.Holder != "a" {
			t.Error("the request was dropped with its client")
		}

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r, err := http.NewRequestWithContext(ctx, "GET", "https://foreman.example.com/api/dlmlocks/web/lock", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Transport("a").RoundTrip(r); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
		if n := len(s.Requests()); n != 1 {
			t.Errorf("%d requests arrived, want 1", n)
		}
	})
}
