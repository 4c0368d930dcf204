package fleetsandbox

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestFaults switches each fault on for one pre-reboot of a free group, and for one steady-state of its holder.
func TestFaults(t *testing.T) {
	const html, text = "text/html", "text/plain; charset=utf-8"
	late := 10 * time.Second // when the client gives up
	fine := raw{Status: 200}
	both := func(r raw) map[string]raw { return map[string]raw{PreReboot: r, SteadyState: r} }
	tests := []struct {
		fault   Fault
		want    map[string]raw // by call
		contain string
		changed bool
	}{
		{Fault{Kind: Delay, Delay: 2 * time.Second}, both(raw{Status: 200, After: 2 * time.Second}), "", true},
		{Fault{Kind: DelayAnswer, Delay: 2 * time.Second}, both(raw{Status: 200, After: 2 * time.Second}), "", true},
		{Fault{Kind: DropBefore}, both(raw{Err: io.EOF}), "", false},
		{Fault{Kind: DropAfter}, both(raw{Err: io.EOF}), "", true},
		{Fault{Kind: DropAfter, Delay: time.Second}, both(raw{Err: io.EOF, After: time.Second}), "", true},
		{Fault{Kind: HangBefore}, both(raw{Err: context.DeadlineExceeded, After: late}), "", false},
		{Fault{Kind: HangAfter}, both(raw{Err: context.DeadlineExceeded, After: late}), "", true},
		{Fault{Kind: ErrorBefore}, both(raw{Status: 500, Type: text}), `{"kind":"failed_lock","value":"failed to `, false},
		{Fault{Kind: ErrorBefore, Status: 503, RetryAfter: "9"}, both(raw{Status: 503, Type: text, RetryAfter: "9"}),
			"context deadline exceeded", false},
		{Fault{Kind: ErrorAfter}, both(raw{Status: 500, Type: text}), "context deadline exceeded", true},
		{Fault{Kind: HTML}, both(raw{Status: 200, Type: html}), "<html>", false},
		{Fault{Kind: Redirect, Location: "https://other.example.com/"},
			both(raw{Status: 302, Type: html, Location: "https://other.example.com/"}), "", false},
		{Fault{Kind: EmptyBody}, both(fine), "", true},
		{Fault{Kind: Huge}, both(fine), `{"padding":"xxx`, true},
		{Fault{Kind: Unavailable, RetryAfter: "9"}, both(raw{Status: 503, Type: html, RetryAfter: "9"}),
			"503 Service Temporarily Unavailable", false},
		{Fault{Kind: Draining}, map[string]raw{PreReboot: {Status: 202, Type: text}}, `"waiting_for_node_drain"`, true},
		{Fault{Kind: EarlyRelease, Delay: time.Minute}, map[string]raw{SteadyState: fine}, "", false},
		{Fault{Kind: Forget}, both(fine), "", true},
		{Fault{Kind: Replicas, Delay: time.Second}, map[string]raw{PreReboot: {Status: 200, After: time.Second}}, "", true},
	}
	tested := map[string]bool{}
	for _, tt := range tests {
		tested[string(tt.fault.Kind)] = true
		for _, which := range []string{PreReboot, SteadyState} {
			t.Run(string(tt.fault.Kind)+"/"+which, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := New(Options{})
					if which == SteadyState {
						call(t, s, "a", PreReboot)
					}
					before := len(s.Holders("web"))
					f := tt.fault
					f.Times = 1
					s.Inject(f)
					want, concerned := tt.want[which]
					got := call(t, s, "a", which)
					if !concerned {
						want = fine // the fault is not about this call
					} else if !strings.Contains(got.Body, tt.contain) || tt.contain == "" && got.Body != "" {
						t.Errorf("body %.200q, want %q in it", got.Body, tt.contain)
					}
					if tt.fault.Kind == Huge && len(got.Body) < 2<<20 {
						t.Errorf("body of %d bytes is not huge", len(got.Body))
					}
					got.Body = ""
					if diff := cmp.Diff(want, got, cmp.Comparer(sameError)); diff != "" {
						t.Errorf("-want +got:\n%s", diff)
					}
					changed := len(s.Holders("web")) != before
					if want := tt.changed || !concerned; changed != want {
						t.Errorf("changed: %v, want %v", changed, want)
					}
					s.ClearFaults()
					if again := call(t, s, "a", which); again.Status != 200 {
						t.Errorf("after the fault: %+v", again)
					}
					s.Wait()
				})
			})
		}
	}
	for _, name := range FaultKinds() {
		if k, err := ParseFaultKind(name); err != nil || string(k) != name || !tested[name] {
			t.Errorf("kind %q: %v, %v, tested: %v", name, k, err, tested[name])
		}
	}
	if _, err := ParseFaultKind(""); err == nil {
		t.Error(`ParseFaultKind(""): no error`)
	}
}

func sameError(a, b error) bool { return errors.Is(a, b) }

// TestServersErrors: what a server says if it can't tell whether it wrote.
func TestServersErrors(t *testing.T) {
	tests := map[Dialect]struct {
		status int
		kind   string
	}{
		Airlock: {500, "failed_lock"}, Poseidon: {500, "internal_error"}, Heathcliff: {500, "error"},
		Consul: {409, "failed_lock"},
	}
	for d, want := range tests {
		s := New(Options{Dialect: d})
		s.Inject(Fault{Kind: ErrorAfter})
		got := call(t, s, "a", PreReboot)
		if got.Status != want.status || !strings.Contains(got.Body, `"kind":"`+want.kind+`"`) {
			t.Errorf("%s: %+v, want %+v", d, got, want)
		}
		if diff := cmp.Diff([]string{"a"}, s.Holders("web")); diff != "" {
			t.Errorf("%s: holders (-want +got):\n%s", d, diff)
		}
	}
}

// TestFaultsMatch: which requests a fault spoils, and how often.
func TestFaultsMatch(t *testing.T) {
	s := New(Options{})
	s.Inject(Fault{Call: PreReboot, ID: "a", Kind: ErrorBefore, Times: 2})
	s.Inject(Fault{Call: PreReboot, Kind: ErrorBefore, Status: 503})
	got := []int{
		call(t, s, "a", PreReboot).Status, call(t, s, "b", PreReboot).Status, call(t, s, "a", PreReboot).Status,
		call(t, s, "a", PreReboot).Status, call(t, s, "a", SteadyState).Status,
	}
	if diff := cmp.Diff([]int{500, 503, 500, 503, 200}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	s.ClearFaults()
	if got := call(t, s, "a", PreReboot); got.Status != 200 {
		t.Errorf("after ClearFaults: %+v", got)
	}
}

// TestEarlyRelease: the release comes after its answer, also if the host has taken the slot again meanwhile.
func TestEarlyRelease(t *testing.T) {
	tests := []struct {
		name  string
		opts  Options
		fault Fault
		after time.Duration
	}{
		{"the fault", Options{}, Fault{Kind: EarlyRelease, Delay: 3 * time.Second, Times: 1}, 3 * time.Second},
		{"the fault, without a time", Options{}, Fault{Kind: EarlyRelease, Times: 1}, 0},
		{"fleetlock-consul", Options{Dialect: Consul}, Fault{Kind: Forget, ID: "nobody"}, consulTick},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(tt.opts)
				s.Inject(tt.fault)
				call(t, s, "a", PreReboot)
				if got := call(t, s, "a", SteadyState); got.Status != 200 || got.After != 0 {
					t.Errorf("steady-state: %+v", got)
				}
				if tt.after > 0 {
					time.Sleep(tt.after - 1)
					if got := call(t, s, "b", PreReboot); got.Status == 200 {
						t.Errorf("before the release, b has the slot: %+v", got)
					}
					if got := call(t, s, "a", PreReboot); got.Status != 200 {
						t.Errorf("before the release, a may not take it again: %+v", got)
					}
				}
				time.Sleep(2 * time.Nanosecond)
				synctest.Wait()
				if got := s.Holders("web"); len(got) > 0 {
					t.Errorf("held by %q after the release", got)
				}
				if got := call(t, s, "b", PreReboot); got.Status != 200 {
					t.Errorf("after the release: %+v", got)
				}
				s.Wait()
			})
		})
	}
}

// TestForget: the holders are lost, not only the one that asks.
func TestForget(t *testing.T) {
	s := New(Options{})
	call(t, s, "a", PreReboot)
	s.Inject(Fault{Kind: Forget, Times: 1})
	if got := call(t, s, "b", PreReboot); got.Status != 200 {
		t.Errorf("%+v", got)
	}
	if got := call(t, s, "a", PreReboot); got.Status != 500 {
		t.Errorf("the holder that was forgotten: %+v", got)
	}
	if got, want := eventString(s), "acquire:a:a release:a:server acquire:b:b"; got != want {
		t.Errorf("events %q, want %q", got, want)
	}
}

// TestDrain: a host that has a slot is told to wait, and others find the slot taken.
func TestDrain(t *testing.T) {
	tests := []struct {
		name  string
		opts  Options
		fault Fault
		want  []int // of a at the seconds 0, 1, 2, 3
	}{
		{"two requests", Options{Dialect: Heathcliff, Drain: Drain{Requests: 2}}, Fault{}, []int{202, 202, 200, 200}},
		{"some time", Options{Dialect: Heathcliff, Drain: Drain{Time: 1500 * time.Millisecond}}, Fault{},
			[]int{202, 202, 200, 200}},
		{"both", Options{Dialect: Heathcliff, Drain: Drain{1, 2500 * time.Millisecond}}, Fault{}, []int{202, 202, 202, 200}},
		{"nothing to drain", Options{Dialect: Heathcliff}, Fault{}, []int{200, 200, 200, 200}},
		{"only heathcliff drains", Options{Drain: Drain{Requests: 2}}, Fault{}, []int{200, 200, 200, 200}},
		{"the fault", Options{}, Fault{Kind: Draining, ID: "a", Times: 3}, []int{202, 202, 202, 200}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(tt.opts)
				if tt.fault.Kind != "" {
					s.Inject(tt.fault)
				}
				var got []int
				for range tt.want {
					got = append(got, call(t, s, "a", PreReboot).Status)
					if b := call(t, s, "b", PreReboot).Status; b != 423 && b != 500 {
						t.Errorf("another host hears %d", b)
					}
					time.Sleep(time.Second)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		})
	}
}
