package fleetsandbox

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func eventString(s *Server) string {
	var out []string
	for _, e := range s.Events() {
		out = append(out, string(e.Kind)+":"+e.ID+":"+e.By)
	}
	return strings.Join(out, " ")
}

// TestRaces: two requests, the second while the first has read and not yet written.
func TestRaces(t *testing.T) {
	const window = 50 * time.Millisecond
	type step struct {
		at       time.Duration
		id, call string
		want     int
	}
	const ms = time.Millisecond
	twoTakes := func(a, b int) []step { return []step{{0, "a", PreReboot, a}, {ms, "b", PreReboot, b}} }
	tests := []struct {
		name   string
		opts   Options
		fault  Fault
		before string // who has a slot
		steps  []step
		holds  []string
		events string // since
	}{
		{"airlock: one wins", Options{}, Fault{}, "", twoTakes(200, 500), []string{"a"}, "acquire:a:a"},
		{"airlock: one wins, even with two slots", Options{Slots: 2}, Fault{}, "", twoTakes(200, 500), []string{"a"},
			"acquire:a:a"},
		{"airlock: the same host twice at once", Options{}, Fault{}, "",
			[]step{{0, "a", PreReboot, 200}, {ms, "a", PreReboot, 500}}, []string{"a"}, "acquire:a:a"},
		{"airlock: one comes after the write", Options{Slots: 2}, Fault{}, "",
			[]step{{0, "a", PreReboot, 200}, {window + 1, "b", PreReboot, 200}}, []string{"a", "b"}, "acquire:a:a acquire:b:b"},
		{"airlock: a release that loses against a take is not made", Options{Slots: 2}, Fault{}, "a",
			[]step{{0, "b", PreReboot, 200}, {ms, "a", SteadyState, 500}}, []string{"a", "b"}, "acquire:b:b"},
		{"airlock: a release of what one does not have writes, too", Options{}, Fault{}, "",
			[]step{{0, "b", SteadyState, 200}, {ms, "a", PreReboot, 500}}, nil, ""},
		{"poseidon: one wins", Options{Dialect: Poseidon}, Fault{}, "", twoTakes(200, 423), []string{"a"}, "acquire:a:a"},
		{"poseidon: two releases at once", Options{Dialect: Poseidon}, Fault{}, "a",
			[]step{{0, "a", SteadyState, 200}, {ms, "a", SteadyState, 500}}, nil, "release:a:a"},
		{"heathcliff: one wins", Options{Dialect: Heathcliff}, Fault{}, "", twoTakes(200, 423), []string{"a"}, "acquire:a:a"},
		{"heathcliff: two slots for two", Options{Dialect: Heathcliff, Slots: 2}, Fault{}, "", twoTakes(200, 200),
			[]string{"a", "b"}, "acquire:a:a acquire:b:b"},
		{"consul: both win, and the last has it", Options{Dialect: Consul}, Fault{}, "", twoTakes(200, 200), []string{"b"},
			"acquire:a:a release:a:b acquire:b:b"},
		{"heathcliff with two replicas: both have it", Options{Dialect: Heathcliff}, Fault{Kind: Replicas, ID: "b"}, "",
			twoTakes(200, 200), []string{"a", "b"}, "acquire:a:a acquire:b:b"},
		{"airlock with a broken etcd: both have it", Options{}, Fault{Kind: Replicas}, "", twoTakes(200, 200),
			[]string{"a", "b"}, "acquire:a:a acquire:b:b"},
		{"the replica that counts later finds the group full", Options{Dialect: Heathcliff}, Fault{Kind: Replicas}, "",
			[]step{{0, "a", PreReboot, 200}, {window + 1, "b", PreReboot, 423}}, []string{"a"}, "acquire:a:a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.opts.Window = func(_ context.Context, _, _ string, gap Gap) time.Duration {
					if gap == BeforeWrite {
						return window
					}
					return 0
				}
				s := New(tt.opts)
				if tt.before != "" {
					s.Restore([]Event{{Kind: EventAcquire, Group: "web", ID: tt.before}})
				}
				if tt.fault.Kind != "" {
					s.Inject(tt.fault)
				}
				for _, st := range tt.steps {
					go func() {
						time.Sleep(st.at)
						if got := call(t, s, st.id, st.call); got.Status != st.want {
							t.Errorf("%s of %s at %v: %+v, want %d", st.call, st.id, st.at, got, st.want)
						}
					}()
				}
				time.Sleep(time.Minute)
				if diff := cmp.Diff(tt.holds, s.Holders("web")); diff != "" {
					t.Errorf("holders (-want +got):\n%s", diff)
				}
				for i, r := range s.Requests() {
					if lost := i > 0 && r.Status != 200 && r.Time.Sub(s.Requests()[0].Time) < window; r.Lost != lost {
						t.Errorf("%s of %s lost a race: %v, want %v", r.Call, r.ID, r.Lost, lost)
					}
				}
				if got := eventString(s); got != tt.events {
					t.Errorf("events %q, want %q", got, tt.events)
				}
				s.Wait()
			})
		})
	}
}

// TestLostRaceSays: the words of the two servers that refuse the second write.
func TestLostRaceSays(t *testing.T) {
	tests := []struct {
		dialect Dialect
		call    string
		want    string
	}{
		{Airlock, PreReboot, `{"kind":"failed_lock","value":"failed to lock semaphore: conflict on semaphore ` +
			`detected, aborting"}`},
		{Airlock, SteadyState, `{"kind":"failed_lock","value":"failed to release any semaphore lock: conflict on semaphore ` +
			`detected, aborting"}`},
		{Poseidon, PreReboot, `{"kind":"lock_held","value":"reboot lease lock unavailable, held by "}`},
		{Poseidon, SteadyState, `{"kind":"internal_error","value":"error unlocking reboot lease"}`},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want+"\n", tt.dialect.lost(tt.call).body); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", tt.dialect, tt.call, diff)
		}
	}
}

// TestGaps: Window is asked for each gap, and the server waits that long without keeping others from it.
func TestGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []any
		s := New(Options{Window: func(_ context.Context, id, call string, gap Gap) time.Duration {
			asked = append(asked, id, call, gap)
			return time.Second
		}})
		began := time.Now()
		call(t, s, "a", PreReboot)
		call(t, s, "a", PreReboot) // writes nothing
		call(t, s, "b", PreReboot) // full
		call(t, s, "a", SteadyState)
		want := []any{"a", PreReboot, BeforeWrite, "a", PreReboot, BeforeAnswer, "a", PreReboot, BeforeAnswer,
			"a", SteadyState, BeforeWrite, "a", SteadyState, BeforeAnswer}
		if diff := cmp.Diff(want, asked); diff != "" || time.Since(began) != 5*time.Second {
			t.Errorf("all took %v, gaps (-want +got):\n%s", time.Since(began), diff)
		}
		s.Wait()
	})
}

// TestGivenUp: a request whose client gave up is still carried out.
func TestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		s.Inject(Fault{Kind: Delay, Delay: time.Minute})
		if got := call(t, s, "a", PreReboot); got.Err != context.DeadlineExceeded || len(s.Holders("web")) > 0 {
			t.Errorf("%+v", got)
		}
		s.Wait()
		if diff := cmp.Diff([]string{"a"}, s.Holders("web")); diff != "" {
			t.Errorf("holders (-want +got):\n%s", diff)
		}
	})
}
