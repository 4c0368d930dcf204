package fleetlock

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/fleetsandbox"
	"foreman-dlm-updater/internal/lock"

	"github.com/google/go-cmp/cmp"
)

var dialects = []fleetsandbox.Dialect{fleetsandbox.Airlock, fleetsandbox.Poseidon, fleetsandbox.Heathcliff,
	fleetsandbox.Consul}

// TestTwoGrantsAreTheLock: a free lock is asked for twice, a settle time apart, and announced before. The first time,
// every release of an earlier process has settled.
func TestTwoGrantsAreTheLock(t *testing.T) {
	for _, dialect := range dialects {
		t.Run(string(dialect), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, began := newSite(t, fleetsandbox.Options{Dialect: dialect}), time.Now()
				var seen []lock.View
				l := s.open("me", lock.Options{Heard: func(v lock.View, err error) { seen = append(seen, v) }})
				var announced []int
				err := l.Take(t.Context(), lock.Terms{Announce: func(string) error {
					announced = append(announced, len(s.server.Requests()))
					return nil
				}})
				if err != nil || !l.Asked() || l.NotOurs() {
					t.Fatal(err)
				}
				want := []string{"2s pre-reboot 200", "4s pre-reboot 200"}
				if diff := cmp.Diff(want, s.requests("me", began)); diff != "" {
					t.Error(diff)
				}
				mine := lock.View{Exists: true, Enabled: true, Holder: "me", Self: true}
				if diff := cmp.Diff([]lock.View{mine, mine}, seen); diff != "" {
					t.Error(diff)
				}
				if diff := cmp.Diff([]int{0}, announced); diff != "" {
					t.Error(diff)
				}
				if origin := l.Origin(); origin != (lock.Origin{Server: "https://lock.example.com", Client: "me"}) {
					t.Errorf("%+v", origin)
				}
			})
		})
	}
}

// TestNotAnnounced: nothing is asked if the record can't be written.
func TestNotAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, full := newSite(t, fleetsandbox.Options{}), errors.New("disk full")
		l := s.open("me", lock.Options{})
		err := l.Take(t.Context(), lock.Terms{Announce: func(string) error { return full }})
		if !errors.Is(err, full) || l.Asked() || len(s.server.Requests()) != 0 {
			t.Errorf("%v, %v", err, s.server.Requests())
		}
	})
}

// TestHeld: what each server says of a lock that another host has.
func TestHeld(t *testing.T) {
	for dialect, want := range map[fleetsandbox.Dialect]string{
		fleetsandbox.Airlock:    "all 1 semaphore slots currently locked",
		fleetsandbox.Poseidon:   "other",
		fleetsandbox.Heathcliff: "",
		fleetsandbox.Consul:     "",
	} {
		t.Run(string(dialect), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, fleetsandbox.Options{Dialect: dialect})
				s.take("other")
				l := s.open("me", lock.Options{})
				var notNow *lock.NotNow
				err := l.Take(t.Context(), byHand)
				if !errors.As(err, &notNow) || !strings.HasPrefix(err.Error(), `lock "web": held by another host`) ||
					!strings.Contains(err.Error(), want) {
					t.Errorf("%v", err)
				}
				if l.NotOurs() {
					t.Error("a refusal counts as proof, and an earlier request may still be granted")
				}
			})
		})
	}
}

// TestWaits until the lock is free.
func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, began := newSite(t, fleetsandbox.Options{Dialect: fleetsandbox.Poseidon}), time.Now()
		s.take("other")
		time.AfterFunc(90*time.Second, func() { s.server.Free("web", "other") })
		var waits []string
		err := s.open("me", lock.Options{}).Take(t.Context(), lock.Terms{Waits: func(w lock.Wait) {
			waits = append(waits, w.Why)
		}})
		if err != nil || len(waits) != 1 {
			t.Errorf("%v, %q", err, waits)
		}
		want := []string{"2s pre-reboot 423", "1m2s pre-reboot 423", "2m2s pre-reboot 200", "2m4s pre-reboot 200"}
		if diff := cmp.Diff(want, s.requests("me", began)); diff != "" {
			t.Error(diff)
		}
	})
}

// TestAsksAgainSoon: airlock says the same 500 to the loser of a race for a slot, although another slot is free.
func TestAsksAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, began := newSite(t, fleetsandbox.Options{Slots: 2}), time.Now()
		s.server.Inject(fleetsandbox.Fault{Call: fleetsandbox.PreReboot, ID: "me", Kind: fleetsandbox.ErrorBefore, Times: 1})
		if err := s.open("me", lock.Options{}).Take(t.Context(), byHand); err != nil {
			t.Error(err)
		}
		want := []string{"2s pre-reboot 500", "3s pre-reboot 200", "5s pre-reboot 200"}
		if diff := cmp.Diff(want, s.requests("me", began)); diff != "" {
			t.Error(diff)
		}
	})
}

// TestProvesNothing: none of these answers is a grant, and all of them end.
func TestProvesNothing(t *testing.T) {
	for _, kind := range []fleetsandbox.FaultKind{fleetsandbox.DropBefore, fleetsandbox.DropAfter, fleetsandbox.HangBefore,
		fleetsandbox.HangAfter, fleetsandbox.ErrorBefore, fleetsandbox.ErrorAfter, fleetsandbox.HTML, fleetsandbox.Redirect,
		fleetsandbox.Unavailable, fleetsandbox.Draining} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, fleetsandbox.Options{Dialect: fleetsandbox.Heathcliff})
				s.server.Inject(fleetsandbox.Fault{Call: fleetsandbox.PreReboot, Kind: kind, Status: 500, Location: "https://x/"})
				go func() {
					time.Sleep(time.Hour) // virtual
					s.server.ClearFaults()
				}()
				began := time.Now()
				l := s.open("me", lock.Options{})
				if err := l.Take(t.Context(), lock.Terms{}); err != nil || time.Since(began) < time.Hour {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
				s.server.Wait()
			})
		})
	}
}

// TestUnknownGroup is an error of the configuration, for a run and for a person.
func TestUnknownGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, fleetsandbox.Options{Groups: map[string]int{"db": 1}})
		for _, terms := range []lock.Terms{{}, byHand} {
			err := s.open("me", lock.Options{}).Take(t.Context(), terms)
			var e *lock.Error
			if !errors.Is(err, lock.ErrMisconfigured) || !errors.As(err, &e) ||
				e.Next != "correct lock_name, or add the group web to the server's configuration" {
				t.Errorf("%v, next %q", err, e.Next)
			}
		}
	})
}

// TestOutOfServiceNeverGivesUp: not even because of a configuration that somebody has yet to correct.
func TestOutOfServiceNeverGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		groups := map[string]int{"db": 1}
		s := newSite(t, fleetsandbox.Options{Groups: groups})
		s.settings.LockTimeout = time.Minute
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(48*time.Hour, cancel)
		began := time.Now()
		err := s.open("me", lock.Options{Claimed: true}).Take(ctx, lock.Terms{Purpose: lock.OutOfService})
		if !errors.Is(err, context.Canceled) || time.Since(began) != 48*time.Hour {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// TestTimedOut: lock_timeout ends the wait.
func TestTimedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, fleetsandbox.Options{Dialect: fleetsandbox.Consul})
		s.settings.LockTimeout = 3 * time.Minute
		s.take("other")
		err := s.open("me", lock.Options{}).Take(t.Context(), lock.Terms{})
		if !errors.Is(err, lock.ErrTryLater) ||
			!strings.HasPrefix(err.Error(), `gave up waiting for lock "web" after 3m0s (lock_timeout): held by another host`) {
			t.Error(err)
		}
	})
}

// TestNeverAnswered: a wait without lock_timeout ends after 23 hours without an answer, as unavailable.
func TestNeverAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, began := newSite(t, fleetsandbox.Options{}), time.Now()
		s.server.Inject(fleetsandbox.Fault{Kind: fleetsandbox.DropBefore})
		err := s.open("me", lock.Options{}).Take(t.Context(), lock.Terms{})
		if !errors.Is(err, lock.ErrUnavailable) || time.Since(began) < 23*time.Hour {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// TestMayNot: what a run has taken and must not keep is given back, and the run waits.
func TestMayNot(t *testing.T) {
	for point, want := range map[lock.Point][]string{
		lock.BeforeLook:  {"1m0s pre-reboot 200", "1m2s pre-reboot 200"},
		lock.BeforeClaim: {"1m0s pre-reboot 200", "1m2s pre-reboot 200"},
		// The release comes at once, again when the last request has settled, and a settle time later.
		lock.Verified: {"2s pre-reboot 200", "4s pre-reboot 200", "4s steady-state 200", "6s steady-state 200",
			"8s steady-state 200", "1m8s pre-reboot 200", "1m10s pre-reboot 200"},
	} {
		t.Run(fmt.Sprint(point), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, began, asked := newSite(t, fleetsandbox.Options{}), time.Now(), false
				err := s.open("me", lock.Options{}).Take(t.Context(), lock.Terms{
					May: func(_ context.Context, at lock.Point) (lock.Wait, error) {
						if at != point || asked {
							return lock.Wait{}, nil
						}
						asked = true
						return lock.Wait{Why: "not well", For: lock.Gate}, nil
					}})
				if err != nil {
					t.Error(err)
				}
				if diff := cmp.Diff(want, s.requests("me", began)); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// TestNeverTwo: whatever a server does between reading and writing, no more hosts get the lock than it has slots.
func TestNeverTwo(t *testing.T) {
	for _, test := range []struct {
		dialect fleetsandbox.Dialect
		slots   int
	}{{fleetsandbox.Airlock, 1}, {fleetsandbox.Airlock, 3}, {fleetsandbox.Poseidon, 1}, {fleetsandbox.Heathcliff, 2},
		{fleetsandbox.Consul, 1}} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			for round := range 20 {
				synctest.Test(t, func(t *testing.T) {
					s := newSite(t, fleetsandbox.Options{Dialect: test.dialect, Slots: test.slots,
						Window: func(_ context.Context, id, _ string, _ fleetsandbox.Gap) time.Duration {
							return time.Duration((round*7+int(id[0])*13)%40) * time.Millisecond
						}})
					s.settings.Pace.Random = nil
					var mu sync.Mutex
					inside, most := 0, 0
					count := func(n int) {
						mu.Lock()
						defer mu.Unlock()
						inside += n
						most = max(most, inside)
					}
					var all sync.WaitGroup
					for _, id := range []string{"a", "b", "c", "d", "e"} {
						all.Go(func() {
							l := s.open(id, lock.Options{})
							if err := l.Take(t.Context(), lock.Terms{}); err != nil {
								t.Error(err)
								return
							}
							count(1)
							time.Sleep(10 * time.Second)
							count(-1)
							if err := l.Give(t.Context()); err != nil {
								t.Error(err)
							}
						})
					}
					all.Wait()
					s.server.Wait()
					if most > test.slots || len(s.server.Holders("web")) != 0 {
						t.Errorf("round %d: %d at once, left %v", round, most, s.server.Holders("web"))
					}
				})
			}
		})
	}
}

// TestNeverTwoCanFail: axxapy/fleetlock-consul grants one slot to several hosts, and a single grant is not the lock.
func TestNeverTwoCanFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, fleetsandbox.Options{Dialect: fleetsandbox.Consul,
			Window: func(context.Context, string, string, fleetsandbox.Gap) time.Duration { return 10 * time.Millisecond }})
		granted := make(chan error, 2)
		for _, id := range []string{"a", "b"} {
			go func() { granted <- s.client(id).PreReboot(t.Context(), "web") }()
		}
		if a, b := <-granted, <-granted; a != nil || b != nil {
			t.Errorf("%v, %v: the stand-in does not race", a, b)
		}
		s.server.Wait()
	})
}

// TestLateRequest: a request that the network delivers a second time, after the release, leaves nothing behind.
func TestLateRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, sent := newSite(t, fleetsandbox.Options{}), 0
		s.around = func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, fleetsandbox.PreReboot) {
				if sent++; sent == 3 { // the one of Confirm
					time.AfterFunc(1500*time.Millisecond, func() { s.client("me").PreReboot(background(), "web") })
				}
			}
			return send()
		}
		l := s.open("me", lock.Options{})
		if err := errors.Join(l.Take(t.Context(), lock.Terms{}), l.Confirm(t.Context()), l.Give(t.Context())); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if left := s.server.Holders("web"); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	})
}
