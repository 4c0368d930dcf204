package foreman

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/lock"
)

// TestGive is the section "Releasing" of the specification, in an invocation that resumes a run: an earlier one may
// just have sent a claim.
func TestGive(t *testing.T) {
	tests := []struct {
		name     string
		setup    func(*server)
		kind     string
		holder   string
		requests string
		took     time.Duration // at least
		said     string
	}{
		{"200", func(*server) {}, "ok", "", "GDG", 2 * time.Second, "lock released"},
		{"a late claim is written after the release: release again", func(s *server) {
			s.before("look after release 1", s.goesTo("me"))
		}, "ok", "", "GDGDG", 4 * time.Second, "lock released"},
		{"no answer to DELETE, which freed it: GET, and no second DELETE", func(s *server) {
			s.after("release 1", unreachable)
		}, "ok", "", "GDGG", 2 * time.Second, "lock released"},
		{"no answer to DELETE, and the next host has it: no second DELETE", func(s *server) {
			s.after("release 1", func() error { s.hold("other"); return unreachable() })
		}, "ok", "other", "GDGG", 2 * time.Second, "lock released"},
		{"no answer to DELETE, which did nothing: again", func(s *server) {
			s.before("release 1", unreachable)
		}, "ok", "", "GDGDG", time.Second, "lock released"},
		{"somebody else's: warn, finish", func(s *server) { s.hold("other") }, "ok", "other", "GG", 2 * time.Second,
			"not this host's any more"},
		{"free: warn, finish", func(s *server) { s.hold("") }, "ok", "", "GG", 2 * time.Second, "not this host's any more"},
		{"deleted: warn, finish", func(s *server) { s.exists = false }, "ok", "me", "GG",
			2 * time.Second, "deleted in Foreman"},
		{"412, taken away in between", func(s *server) {
			s.before("release 1", s.goesTo("other"))
		}, "ok", "other", "GDGG", 2 * time.Second, "not this host's any more"},
		{"ours but disabled: keep trying until it is enabled", func(s *server) {
			s.enabled = false
			s.before("release 4", s.isEnabled)
		}, "ok", "", "GDGDGDGDG", 10 * time.Second, "disabled in Foreman"},
		{"an outage of a day", func(s *server) {
			end := time.Now().Add(24 * time.Hour)
			s.before("request", func() error {
				if time.Now().Before(end) {
					return unreachable()
				}
				return nil
			})
		}, "ok", "", "", 24 * time.Hour, "Foreman is unavailable"},
		{"a certificate that expired and is renewed", func(s *server) {
			s.until("look 5", says(errors.New("the certificate has expired")))
		}, "ok", "", "GGGGGDG", 10 * time.Second, "Foreman can't be used"},
		{"release_timeout", func(s *server) {
			s.settings.ReleaseTimeout = 10 * time.Minute
			s.before("look", unreachable)
		}, "not now", "me", "", 10 * time.Minute, "release_timeout"},
		{"release_timeout shorter than a claim of before takes to settle: not before that", func(s *server) {
			s.settings.ReleaseTimeout, s.settings.Settle = 5*time.Second, 10*time.Second
			s.hold("")
		}, "ok", "", "GG", 10 * time.Second, "not this host's any more"},
		{"stopped while it waits for the next try", func(s *server) {
			s.before("look", unreachable)
			time.AfterFunc(time.Second, func() { s.stop() })
		}, "stopped", "me", "G", time.Second, ""},
		{"stopped while Foreman is away", func(s *server) {
			s.before("look", func() error { s.stop(); return unreachable() })
		}, "stopped", "me", "G", 0, ""},
		{"stopped after DELETE was answered, and a claim of before may come: not certain", func(s *server) {
			s.after("release 1", s.isStopped)
		}, "stopped", "", "GD", 0, ""},
		{"an outage after DELETE was answered is waited out, to be sure", func(s *server) {
			s.before("look after release 1", unreachable)
		}, "ok", "", "GDGG", 2 * time.Second, "lock released"},
		{"412, ours and enabled: keep trying", func(s *server) {
			s.before("release 1", says(dlm.ErrNotNow))
		}, "ok", "", "GDGDG", time.Second, "Foreman refuses the release"},
		{"Retry-After is honoured", func(s *server) {
			s.before("look 1", busy(5*time.Minute))
		}, "ok", "", "GGDG", 5 * time.Minute, ""},
		{"released, and ours again and again: no end of requests, and release_timeout", func(s *server) {
			s.settings.ReleaseTimeout = time.Hour
			s.after("release", s.goesTo("me"))
		}, "not now", "me", "", time.Hour, "may reach Foreman after it"},
		{"the same, and then nobody can be asked: not forgotten", func(s *server) {
			s.settings.ReleaseTimeout = 10 * time.Minute
			s.after("release", s.goesTo("me"))
			s.from("look after release 3", says(errors.New("404")))
		}, "not now", "me", "", 10 * time.Minute, "404"},
		{"a yes that releases nothing, and then nobody can be asked: not forgotten", func(s *server) {
			s.settings.ReleaseTimeout = 10 * time.Minute
			s.from("release 1", says(errors.New("two locks of this name")))
		}, "not now", "me", "", 10 * time.Minute, "two locks of this name"},
		{"a claim of an invocation that was killed is written after the release", func(s *server) {
			s.after("release 1", s.lateClaim)
		}, "ok", "", "GDGDG", 2 * time.Second, "lock released"},
		{"the same claim, and nobody can be asked once it must have been written: not forgotten", func(s *server) {
			s.after("release 1", s.lateClaim)
			s.before("look after release 1", unreachable)
		}, "ok", "", "GDGGDG", 2 * time.Second, "lock released"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				s.hold("me")
				test.setup(s)
				began := time.Now()
				l := s.open(lock.Options{Claimed: true})
				err := l.Give(s.ctx)
				if kind(err) != test.kind || s.heldBy() != test.holder {
					t.Errorf("%v, holder %q; want %s, %q", err, s.heldBy(), test.kind, test.holder)
				}
				if err == nil && !l.Released() {
					t.Error("it is released, and Released says it is not")
				}
				if got := s.requests(); test.requests != "" && got != test.requests {
					t.Errorf("requests %s, want %s", got, test.requests)
				}
				if took := time.Since(began); took < test.took {
					t.Errorf("it took %s, want %s at least", took, test.took)
				}
				all := s.text(err)
				if !strings.Contains(all, test.said) {
					t.Errorf("%q is not said in %s", test.said, all)
				}
				if n := strings.Count(all, "can't be released"); n > 1 {
					t.Errorf("the trouble was logged %d times", n)
				}
				if n := len(s.requests()); n > 400 {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}

// TestGiveWithNothingUnderWay: once all claims are settled, an answer to DELETE is the end, whatever comes then.
func TestGiveWithNothingUnderWay(t *testing.T) {
	tests := []struct {
		name     string
		setup    func(*server)
		requests string
	}{
		{"looked at once more", func(*server) {}, "GDG"},
		{"stopped after DELETE was answered", func(s *server) { s.after("release 1", s.isStopped) }, "GD"},
		{"an outage", func(s *server) { s.from("look after release 1", unreachable) }, "GDG"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				s.hold("me")
				test.setup(s)
				l, began := s.open(lock.Options{}), time.Now()
				err := l.Give(s.ctx)
				if err != nil || !l.Released() || s.requests() != test.requests || time.Since(began) != 0 {
					t.Errorf("%v, released: %t, requests %s after %s; want %s",
						err, l.Released(), s.requests(), time.Since(began), test.requests)
				}
			})
		})
	}
}

// TestReleasedButNotSeenSo: Foreman has said yes, and what came of it could not be seen.
func TestReleasedButNotSeenSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.hold("me")
		s.settings.ReleaseTimeout = time.Minute
		s.from("look after release 1", unreachable)
		l := s.open(lock.Options{Claimed: true})
		if err := l.Give(t.Context()); kind(err) != "not now" || !l.Released() {
			t.Errorf("%v, released: %t", err, l.Released())
		}
	})
}

// TestReleaseBackoff: tries are at most 5 minutes apart.
func TestReleaseBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.settings.Random = nil
		s.hold("me")
		var last time.Time
		var longest time.Duration
		tries := 0
		s.before("look", func() error {
			if !last.IsZero() {
				longest = max(longest, time.Since(last))
			}
			last = time.Now()
			if tries++; tries == 40 {
				s.stop()
			}
			return unreachable()
		})
		if err := s.open(lock.Options{Claimed: true}).Give(s.ctx); kind(err) != "stopped" {
			t.Error(err)
		}
		if longest > 5*time.Minute || longest < 3*time.Minute {
			t.Errorf("longest pause %s", longest)
		}
	})
}
