package fleetlock

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/fleetsandbox"
	"foreman-dlm-updater/internal/lock"

	"github.com/google/go-cmp/cmp"
)

// held is a lock that this host has, all of whose requests have settled.
func (s *site) held() *Lock {
	s.t.Helper()
	l := s.open("me", lock.Options{})
	if err := l.Take(s.t.Context(), lock.Terms{}); err != nil {
		s.t.Fatal(err)
	}
	time.Sleep(time.Minute)
	return l
}

// steady are the releases among the requests of this host.
func (s *site) steady(began time.Time) (all []string) {
	for _, r := range s.requests("me", began) {
		if strings.Contains(r, fleetsandbox.SteadyState) {
			all = append(all, r)
		}
	}
	return all
}

func TestGive(t *testing.T) {
	tests := []struct {
		name  string
		upset func(*site)
		want  []string
	}{
		{"two yeses, a settle time apart", nil, []string{"0s steady-state 200", "2s steady-state 200"}},
		{"an answer that is lost", func(s *site) { s.inject("me", fleetsandbox.SteadyState, fleetsandbox.DropAfter, 1, 0) },
			[]string{"0s steady-state 0", "1.5s steady-state 200", "3.5s steady-state 200"}},
		{"a yes before the release", func(s *site) {
			s.inject("me", fleetsandbox.SteadyState, fleetsandbox.EarlyRelease, 1, time.Second)
		}, []string{"0s steady-state 200", "2s steady-state 200"}},
		{"a second answer that is lost", func(s *site) {
			s.retryNever()
			s.inject("me", fleetsandbox.SteadyState, fleetsandbox.Delay, 1, 0) // the first is fine
			s.inject("me", fleetsandbox.SteadyState, fleetsandbox.DropBefore, 1, 0)
		}, []string{"0s steady-state 200", "2s steady-state 0", "5.5s steady-state 200", "7.5s steady-state 200"}},
		{"airlock loses a race", func(s *site) {
			s.inject("me", fleetsandbox.SteadyState, fleetsandbox.ErrorBefore, 1, 0)
		}, []string{"0s steady-state 500", "1.5s steady-state 200", "3.5s steady-state 200"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, fleetsandbox.Options{})
				if test.upset != nil {
					test.upset(s)
				}
				l, began := s.held(), time.Now()
				if err := l.Give(t.Context()); err != nil || !l.NotOurs() || !l.Released() {
					t.Error(err)
				}
				if diff := cmp.Diff(test.want, s.steady(began)); diff != "" {
					t.Error(diff)
				}
				if left := s.server.Holders("web"); len(left) > 0 {
					t.Errorf("left: %v", left)
				}
				if !strings.Contains(s.log.String(), "lock released") {
					t.Error(s.log.String())
				}
			})
		})
	}
}

// retryNever has each request of the protocol sent once only.
func (s *site) retryNever() { s.retries = 0 }

// TestGiveUpReleasing: release_timeout ends a release, and a first yes is remembered.
func TestGiveUpReleasing(t *testing.T) {
	for _, test := range []struct {
		name     string
		fault    fleetsandbox.Fault
		released bool
	}{
		{"no answer", fleetsandbox.Fault{Call: fleetsandbox.SteadyState, Kind: fleetsandbox.DropBefore}, false},
		{"one yes", fleetsandbox.Fault{Call: fleetsandbox.SteadyState, Kind: fleetsandbox.Delay, Times: 1}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, fleetsandbox.Options{})
				s.settings.ReleaseTimeout = 10 * time.Minute
				s.server.Inject(test.fault)
				s.inject("me", fleetsandbox.SteadyState, fleetsandbox.DropBefore, 0, 0)
				l, began := s.held(), time.Now()
				err := l.Give(t.Context())
				if !errors.Is(err, lock.ErrTryLater) || time.Since(began) < 10*time.Minute ||
					time.Since(began) > 15*time.Minute || l.Released() != test.released || l.NotOurs() {
					t.Errorf("after %v: %v, released %t", time.Since(began), err, l.Released())
				}
				if n := strings.Count(s.log.String(), "the lock can't be released; trying again"); n != 1 {
					t.Errorf("told %d times", n)
				}
			})
		})
	}
}

// TestAbandon: what a Take that gave up may have taken is released, however it ended.
func TestAbandon(t *testing.T) {
	for _, kind := range []fleetsandbox.FaultKind{fleetsandbox.DropAfter, fleetsandbox.HangAfter, fleetsandbox.ErrorAfter,
		fleetsandbox.Draining} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, fleetsandbox.Options{Dialect: fleetsandbox.Heathcliff})
				s.inject("me", fleetsandbox.PreReboot, kind, 0, 0)
				l := s.open("me", lock.Options{})
				if err := l.Take(t.Context(), byHand); err == nil {
					t.Fatal("taken")
				}
				if !l.Abandon(t.Context()) || !l.NotOurs() {
					t.Error("not certain")
				}
				s.server.Wait()
				if left := s.server.Holders("web"); len(left) > 0 {
					t.Errorf("left: %v", left)
				}
			})
		})
	}
}

// TestAbandonInTime: after a signal it ends within 20 s, and says that it does not know.
func TestAbandonInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, fleetsandbox.Options{})
		l, began := s.held(), time.Now()
		s.inject("me", fleetsandbox.SteadyState, fleetsandbox.DropBefore, 0, 0)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if l.Abandon(ctx) || time.Since(began) > 25*time.Second {
			t.Errorf("after %v", time.Since(began))
		}
	})
}

// TestAbandonNothing: a Take that never asked has nothing to give back, and sends nothing.
func TestAbandonNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, fleetsandbox.Options{})
		s.take("me") // for something else
		if l := s.open("me", lock.Options{}); l.Abandon(t.Context()) || len(s.server.Requests()) != 1 {
			t.Error(s.server.Requests())
		}
	})
}

func TestConfirm(t *testing.T) {
	tests := []struct {
		name  string
		o     fleetsandbox.Options
		upset func(*site)
		want  string // of the error
		lost  bool
	}{
		{"still ours", fleetsandbox.Options{}, func(*site) {}, "", false},
		{"an administrator has freed it, and nobody took it", fleetsandbox.Options{},
			func(s *site) { s.server.Free("web", "me") }, "", false},
		{"another host has it", fleetsandbox.Options{Dialect: fleetsandbox.Poseidon}, taken,
			`lock "web" is not this host's any more: held by another host`, true},
		{"another host has it, says airlock", fleetsandbox.Options{}, taken,
			`lock "web" is not this host's any more: held by another host`, true},
		{"airlock says 500 once", fleetsandbox.Options{}, func(s *site) {
			s.inject("me", fleetsandbox.PreReboot, fleetsandbox.ErrorBefore, 1, 0)
		}, "", false},
		{"airlock's etcd is away", fleetsandbox.Options{}, func(s *site) {
			s.around = answers(500, `{"kind":"failed_sem_init","value":"failed to initialize semaphore manager: no"}`)
		}, "the FleetLock server says: not now (500 Internal Server Error, saying " +
			`"failed to initialize semaphore manager: no")`, false},
		{"no answer", fleetsandbox.Options{}, func(s *site) {
			s.inject("me", fleetsandbox.PreReboot, fleetsandbox.DropBefore, 0, 0)
		}, "the connection was lost", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, test.o)
				s.held()
				test.upset(s)
				err := s.open("me", lock.Options{Claimed: true}).Confirm(t.Context())
				var lost *lock.Lost
				var unknown *lock.Error
				switch {
				case test.want == "" && err == nil:
				case err == nil || !strings.Contains(err.Error(), test.want) || errors.As(err, &lost) != test.lost:
					t.Errorf("%v", err)
				case !test.lost && (!errors.As(err, &unknown) || unknown.Meaning != lock.ErrUnavailable || unknown.Why == ""):
					t.Errorf("%+v", unknown)
				}
			})
		})
	}
}

// taken has another host take the lock from this one.
func taken(s *site) {
	s.server.Free("web", "me")
	s.take("other")
}

// answers has every request get one answer.
func answers(status int, body string) func(*http.Request, func() (*http.Response, error)) (*http.Response, error) {
	return func(r *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		return response(r, status, "text/plain; charset=utf-8", body), nil
	}
}

// TestElsewhere: once the configuration names another server, or this host has another name, nothing is asked.
func TestElsewhere(t *testing.T) {
	for name, then := range map[string]lock.Origin{
		"server": {Server: "https://old.example.com", Client: "me"},
		"name":   {Server: "https://lock.example.com", Client: "old"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, fleetsandbox.Options{})
				open := func() *Lock { return s.open("me", lock.Options{Claimed: true, Origin: &then}) }
				for what, err := range map[string]error{
					"take":    open().Take(t.Context(), lock.Terms{Purpose: lock.OutOfService}),
					"confirm": open().Confirm(t.Context()),
					"give":    open().Give(t.Context()),
				} {
					var elsewhere *lock.Elsewhere
					if !errors.As(err, &elsewhere) || !strings.Contains(err.Error(), "and may still hold it there") ||
						!strings.Contains(elsewhere.Next, "fleetlock_url, fleetlock_id and client_crt") {
						t.Errorf("%s: %v", what, err)
					}
				}
				if open().Abandon(t.Context()) {
					t.Error("certain")
				}
				if n := len(s.server.Requests()); n != 0 {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}

// TestLook: the protocol can't look, and a look changes nothing.
func TestLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, dialect := range dialects {
			s := newSite(t, fleetsandbox.Options{Dialect: dialect})
			s.take("other")
			if _, err := s.open("me", lock.Options{}).Look(t.Context()); !errors.Is(err, lock.ErrNoLook) {
				t.Errorf("%s: %v", dialect, err)
			}
			s.inject("", "", fleetsandbox.DropBefore, 0, 0)
			_, err := s.open("me", lock.Options{}).Look(t.Context())
			if !errors.Is(err, lock.ErrUnavailable) || errors.Is(err, lock.ErrNoLook) {
				t.Errorf("%s: %v", dialect, err)
			}
			if diff := cmp.Diff([]string{"other"}, s.server.Holders("web")); diff != "" {
				t.Error(diff)
			}
		}
	})
}
