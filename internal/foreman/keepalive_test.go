package foreman

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/lock"
)

// TestKeepAlive: the claim is repeated, after a look; a lock that is lost is not claimed. Then the lock is released.
func TestKeepAlive(t *testing.T) {
	tests := []struct {
		name     string
		lasts    time.Duration
		setup    func(*server)
		requests string // until the lock is released
		lost     string // why
		said     string
	}{
		{"every hour", 3*time.Hour + time.Minute, func(*server) {}, "GPGPGP", "", "lock refreshed"},
		{"never", 3 * time.Hour, func(s *server) { s.settings.Refresh = 0 }, "", "", ""},
		{"lost: an error at once, and no further request", 3*time.Hour + time.Minute, func(s *server) {
			s.before("look 1", s.goesTo("other"))
		}, "G", "held by other", "lock lost"},
		{"freed by an administrator: not taken behind everybody's back", 3*time.Hour + time.Minute, func(s *server) {
			s.before("look after claim 1", s.goesTo(""))
		}, "GPG", "it is free", "lock lost"},
		{"lost between the look and the claim", 2*time.Hour + time.Minute, func(s *server) {
			s.before("claim 1", s.goesTo("other"))
		}, "GPG", "held by other", "lock lost"},
		{"lost, and ours again: somebody may have had it in between", 3*time.Hour + time.Minute, func(s *server) {
			s.before("look 1", s.goesTo("other"))
			s.after("look 1", s.goesTo("me"))
		}, "G", "held by other", "lock lost"},
		{"an outage is no loss", 3*time.Hour + time.Minute, func(s *server) {
			s.before("look 1", unreachable)
		}, "GGPGP", "", "lock not refreshed"},
		{"disabled but ours is no loss", 2*time.Hour + time.Minute, func(s *server) {
			s.before("claim 1", says(dlm.ErrNotNow))
		}, "GPGGP", "", "lock not refreshed"},
		{"a certificate that is being renewed is no loss", 2*time.Hour + time.Minute, func(s *server) {
			s.before("claim 1", renewed)
		}, "GPGP", "", "lock not refreshed"},
		{"a look that hangs does not hold up what comes next", time.Hour + time.Minute,
			func(s *server) { s.hangs = "look 1" }, "G", "", ""},
		{"stopped after a look that was answered: no claim", time.Hour + time.Minute, func(s *server) {
			s.after("look 1", slow(2*time.Minute))
		}, "G", "", ""},
		{"an unanswered refresh that is written late does not keep the lock", time.Hour + time.Minute, func(s *server) {
			s.before("claim 1", unreachable)
			s.after("release 1", s.lateClaim)
		}, "GP", "", "lock not refreshed"},
		{"the same, and an outage after DELETE was answered is waited out", time.Hour + time.Minute, func(s *server) {
			s.before("claim 1", unreachable)
			s.after("release 1", s.lateClaim)
			s.before("look after release 1", unreachable)
		}, "GP", "", "lock not refreshed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				s.hold("me")
				test.setup(s)
				l := s.open(lock.Options{})
				l.KeepAlive()
				l.KeepAlive() // once is enough
				lock.Sleep(t.Context(), test.lasts)
				began := time.Now()
				l.StopKeepAlive()
				if took := time.Since(began); took > time.Minute { // what is under way is waited for
					t.Errorf("it took %s to stop", took)
				}
				l.StopKeepAlive()
				lost := ""
				if err := l.Lost(); err != nil {
					lost = err.(*lock.Lost).Why
				}
				if s.requests() != test.requests || !strings.HasPrefix(lost, test.lost) || (lost == "") != (test.lost == "") {
					t.Errorf("requests %s, lost %q; want %s, %q", s.requests(), lost, test.requests, test.lost)
				}
				if !strings.Contains(s.log.String(), test.said) {
					t.Errorf("%q is not said in %s", test.said, &s.log)
				}
				if err := l.Give(t.Context()); err != nil || s.heldBy() == "me" {
					t.Errorf("released: %v, held by %q", err, s.heldBy())
				}
				lock.Sleep(t.Context(), 5*time.Hour)
				if s.heldBy() == "me" {
					t.Error("it is this host's again")
				}
			})
		})
	}
}

// TestNoRefreshDuringRelease: the release does not begin before a refresh under way has ended, and no other follows on
// that, though one may be due by then.
func TestNoRefreshDuringRelease(t *testing.T) {
	for range 20 {
		synctest.Test(t, releaseDuringRefresh)
	}
}

func releaseDuringRefresh(t *testing.T) {
	s := newServer(t)
	s.settings.Refresh = 10 * time.Second
	s.hold("me")
	var busy atomic.Bool
	s.before("claim", func() error {
		busy.Store(true)
		lock.Sleep(context.Background(), 20*time.Second)
		busy.Store(false)
		return nil
	})
	s.before("release", func() error {
		if busy.Load() {
			t.Error("released while a refresh was under way")
		}
		return nil
	})
	l := s.open(lock.Options{})
	l.KeepAlive()
	lock.Sleep(t.Context(), 25*time.Second)
	if err := l.Give(t.Context()); err != nil || s.heldBy() != "" {
		t.Errorf("%v, held by %q", err, s.heldBy())
	}
	if got := s.requests(); got != "GPGDG" {
		t.Errorf("requests %s", got)
	}
}
