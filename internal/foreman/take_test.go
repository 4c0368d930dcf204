package foreman

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/lock"
)

// attempt takes the lock as a run does, and abandons it if it is given up. left is what may be left of it then:
// "nothing", or "perhaps" something.
func (s *server) attempt(l *Lock, purpose lock.Purpose) (left string, err error) {
	err = l.Take(s.ctx, lock.Terms{Purpose: purpose})
	switch {
	case err == nil:
		return "", nil
	case !l.Asked(), l.Abandon(s.ctx):
		return "nothing", err
	}
	return "perhaps", err
}

// TestTake is the section "Getting the lock" of the specification, sentence by sentence: a run that begins.
func TestTake(t *testing.T) {
	tests := []struct {
		name     string
		claimed  bool // an earlier invocation may have sent a claim
		setup    func(*server)
		kind     string
		left     string // of what is given up
		requests string // in order: G P D
		took     time.Duration
		said     string
	}{
		{"free: GET, PUT, settle, verify", false, func(*server) {}, "ok", "", "GPG", 2 * time.Second, "lock acquired"},
		{"this host's already, and not by this run: not now, and left as it is", false, func(s *server) { s.hold("me") },
			"not by run", "nothing", "G", 0, "no run of /etc/config.ini took it"},
		{"this host's, and a claim of this run may have taken it: the PUT confirms it", true,
			func(s *server) { s.hold("me") },
			"ok", "", "GPG", 2 * time.Second, "lock acquired"},
		{"a slow Foreman needs three times its slowest answer to settle", false,
			func(s *server) { s.slowest = 4 * time.Second },
			"ok", "", "GPG", 12 * time.Second, ""},
		{"the race is lost: wait as for 412, poll with GET, PUT once it is free", false, func(s *server) {
			s.after("claim 1", s.goesTo("other"))
			s.before("look 3", s.goesTo(""))
		}, "ok", "", "GPGGGPG", 2*time.Minute + 4*time.Second, "held by other"},
		{"held elsewhere: no PUT until it is free", false, func(s *server) {
			s.since = time.Now()
			s.hold("other")
			s.before("look 4", s.goesTo(""))
		}, "ok", "", "GGGGPG", 3*time.Minute + 2*time.Second, "why=\"held by other\" since="},
		{"412: GET tells who was faster", false, func(s *server) {
			s.before("claim 1", s.goesTo("other"))
			s.settings.LockTimeout = time.Second
		}, "not now", "nothing", "GPGGGG", 2 * time.Second, "held by other"},
		{"412, and the lock is deleted", false, func(s *server) {
			s.before("claim 1", s.goesTo("other"))
			s.before("look after claim 1", s.vanishes)
		}, "ok", "", "GPGGGPG", time.Minute + 3*time.Second, "Foreman refused the lock, and somebody has deleted it since"},
		{"412, and nobody can be asked why: asked again", false, func(s *server) {
			s.barred = true
			s.before("look after claim 1", func() error { s.barred = false; return unreachable() })
		}, "ok", "", "GPGGPG", time.Minute + 2*time.Second, "Foreman is unavailable"},
		{"disabled: no PUT at all", false, func(s *server) { s.enabled, s.settings.LockTimeout = false, 90*time.Second },
			"not now", "nothing", "GGG", 90 * time.Second, "disabled in Foreman"},
		{"barred: free, enabled, and still 412", false,
			func(s *server) { s.barred, s.settings.LockTimeout = true, time.Second },
			"not now", "nothing", "GPGGPGGG", 3 * time.Second, "barred"},
		{"no such lock: warn, wait, look again, PUT", false, func(s *server) { s.exists = false },
			"ok", "", "GGPG", 3 * time.Second, "if the name is mistyped"},
		{"no such lock, and another host makes it meanwhile", false, func(s *server) {
			s.exists = false
			s.before("look 2", func() error { s.exists = true; s.hold("other"); return nil })
			s.settings.LockTimeout = 30 * time.Second
		}, "not now", "nothing", "GGG", 30 * time.Second, "held by other"},
		{"a definite error on the first look: nothing was asked for", false, func(s *server) {
			s.before("look 1", definite)
		}, "failed", "nothing", "G", 0, "401"},
		{"the same, and an earlier invocation may have asked: that stays open", true, func(s *server) {
			s.before("look", definite)
		}, "failed", "perhaps", "GG", 0, "401"},
		{"a definite error on PUT: looks at once and after the settle time show that it is not ours", false, func(s *server) {
			s.before("claim 1", definite)
		}, "failed", "nothing", "GPGG", 2 * time.Second, "401"},
		{"an answer to PUT that is not Foreman's, and the lock was taken: it is released", false, func(s *server) {
			s.after("claim 1", says(errors.New("not Foreman's answer")))
		}, "failed", "nothing", "GPGDG", 2 * time.Second, "not Foreman's answer"},
		{"the same, and nobody can look afterwards: that stays open", false, func(s *server) {
			s.after("claim 1", says(errors.New("not Foreman's answer")))
			s.from("look after claim 1", definite)
		}, "failed", "perhaps", "GPG", 0, "not Foreman's answer"},
		{"ours, but disabled: a run does not begin under it", true, func(s *server) {
			s.enabled, s.settings.LockTimeout = false, time.Second
			s.hold("me")
		}, "not now", "perhaps", "GGGD", time.Second, "disabled in Foreman"},
		{"ours, but barred: neither", true, func(s *server) {
			s.barred, s.settings.LockTimeout = true, time.Second
			s.hold("me")
		}, "not now", "nothing", "GPGGPGGDG", 3 * time.Second, "barred"},
		{"waiting: Retry-After is honoured", false, func(s *server) {
			s.hold("other")
			s.before("look 2", func() error { s.hold(""); return busy(5 * time.Minute)() })
		}, "ok", "", "GGGPG", 6*time.Minute + 2*time.Second, ""},
		{"unreachable from the first look on: waits, within lock_timeout; nothing was asked for", false, func(s *server) {
			s.before("request", unreachable)
			s.settings.LockTimeout = 3 * time.Minute
		}, "unavailable", "nothing", "GGGG", 3 * time.Minute, "without a usable answer"},
		{"the same without lock_timeout: until the next night's timer", false, func(s *server) {
			s.before("request", unreachable)
		}, "unavailable", "nothing", "", 23 * time.Hour, "without a usable answer"},
		{"an odd answer at the first look: asked again", false, func(s *server) {
			s.before("look 1", odd)
		}, "ok", "", "GGPG", time.Minute + 2*time.Second, "why=\"there is no Foreman at foreman_url\""},
		{"waiting: odd answers cost no turn", false, func(s *server) {
			s.hold("other")
			s.before("look 2", odd)
			s.before("look 3", odd)
			s.before("look 4", odd)
			s.before("look 5", s.goesTo(""))
		}, "ok", "", "GGGGGPG", 4*time.Minute + 2*time.Second, "lock acquired"},
		{"no certificate at the first look: certain", false, func(s *server) {
			s.before("look 1", renewed)
		}, "misconfigured", "nothing", "G", 0, "client_crt: no such file"},
		{"waiting: a certificate and key in the middle of a renewal cost no turn", false, func(s *server) {
			s.hold("other")
			s.before("look 2", renewed)
			s.before("look 3", renewed)
			s.before("look 4", renewed)
			s.before("look 5", s.goesTo(""))
		}, "ok", "", "GGGGGPG", 4*time.Minute + 2*time.Second, "why=\"this host's certificate or key can't be used\""},
		{"waiting for Foreman, which has not answered yet: certain as at the first look", false, func(s *server) {
			s.before("look 1", unreachable)
			s.before("look 2", renewed)
		}, "misconfigured", "nothing", "GG", time.Minute, "client_crt: no such file"},
		{"the certificate is renewed while a claim settles: waits, and claims again", false, func(s *server) {
			s.before("look after claim 1", renewed)
		}, "ok", "", "GPGGPG", time.Minute + 4*time.Second, "lock acquired"},
		{"the certificate is renewed just when the claim is sent: GET decides", false, func(s *server) {
			s.before("claim 1", renewed)
		}, "ok", "", "GPGPG", 4 * time.Second, "lock acquired"},
		{"waiting: a certificate that does not come back is waited for within lock_timeout", false, func(s *server) {
			s.hold("other")
			s.from("look 2", renewed)
			s.settings.LockTimeout = 3 * time.Minute
		}, "misconfigured", "nothing", "GGGG", 3 * time.Minute, "client_crt: no such file"},
		{"an odd answer to PUT, which took the lock: GET decides", false, func(s *server) {
			s.after("claim 1", odd)
		}, "ok", "", "GPG", 2 * time.Second, "lock acquired"},
		{"no answer to PUT, which took the lock: GET decides", false, func(s *server) {
			s.after("claim 1", unreachable)
		}, "ok", "", "GPG", 2 * time.Second, "lock acquired"},
		{"no answer to PUT, which did not take it: tried again", false, func(s *server) {
			s.before("claim 1", unreachable)
		}, "ok", "", "GPGPG", 4 * time.Second, "lock acquired"},
		{"PUT never answered: http_retries, then waits; certainly not ours", false, func(s *server) {
			s.before("claim", unreachable)
			s.settings.LockTimeout = 10 * time.Second
		}, "not now", "nothing", "GPGPGPGPGGPGPGPGPG", 18 * time.Second, "lock_timeout"},
		{"no answer to PUT, and somebody else has it", false, func(s *server) {
			s.before("claim 1", func() error { s.hold("other"); return unreachable() })
			s.settings.LockTimeout = time.Second
		}, "not now", "nothing", "GPG", 2 * time.Second, "held by other"},
		{"Retry-After is honoured after a PUT", false, func(s *server) {
			s.before("claim 1", busy(time.Minute))
		}, "ok", "", "GPGPG", time.Minute + 2*time.Second, ""},
		{"waiting: an outage is waited out", false, func(s *server) {
			s.hold("other")
			s.before("look 2", unreachable)
			s.before("look 3", unreachable)
			s.before("look 4", unreachable)
			s.before("look 5", s.goesTo(""))
		}, "ok", "", "GGGGGPG", 4*time.Minute + 2*time.Second, "Foreman is unavailable"},
		{"waiting: a definite error ends it, and the last word was that it is another's", false, func(s *server) {
			s.hold("other")
			s.before("look 2", definite)
		}, "failed", "nothing", "GG", time.Minute, "401"},
		{"a claim whose verification is not answered is not abandoned", false, func(s *server) {
			s.before("look after claim 1", unreachable)
		}, "ok", "", "GPGGPG", time.Minute + 4*time.Second, "lock acquired"},
		{"duplicate rows are an error for people", false, func(s *server) {
			s.before("claim 1", says(errors.New("duplicate")))
		}, "failed", "nothing", "GPGG", 2 * time.Second, "duplicate"},
		{"the lock is deleted while the claim settles", false, func(s *server) {
			s.before("look after claim 1", s.vanishes)
		}, "ok", "", "GPGGGPG", time.Minute + 5*time.Second, "released the lock again"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				test.setup(s)
				began := time.Now()
				left, err := s.attempt(s.open(lock.Options{Claimed: test.claimed, Config: "/etc/config.ini"}), lock.ForRun)
				if kind(err) != test.kind || left != test.left {
					t.Errorf("%s (%v), left %q; want %s, %q", kind(err), err, left, test.kind, test.left)
				}
				if mine := s.heldBy() == "me"; err == nil && !mine || left == "nothing" && mine && test.kind != "not by run" {
					t.Errorf("%v, left %q, and it is held by %q", err, left, s.heldBy())
				}
				if got := s.requests(); test.requests != "" && got != test.requests {
					t.Errorf("requests %s, want %s", got, test.requests)
				}
				if took := time.Since(began); took != test.took {
					t.Errorf("it took %s, want %s", took, test.took)
				}
				all := s.text(err)
				if !strings.Contains(all, test.said) {
					t.Errorf("%q is not said in:\n%s", test.said, all)
				}
				if n := strings.Count(all, "waiting for the lock: lock=web why=\"held by"); n > 1 {
					t.Errorf("who holds it was logged %d times:\n%s", n, all)
				}
			})
		})
	}
}

// TestTakeOutOfService: a run that had the lock takes it again, and only a signal ends the wait.
func TestTakeOutOfService(t *testing.T) {
	tests := []struct {
		name     string
		setup    func(*server)
		kind     string
		requests string
		said     string
	}{
		{"still ours: PUT, settle, verify", func(*server) {}, "ok", "GPG", ""},
		{"released meanwhile, and free", func(s *server) { s.hold("") }, "ok", "GPG", ""},
		{"somebody else has it: wait", func(s *server) {
			s.hold("other")
			s.before("look 3", s.goesTo(""))
		}, "ok", "GGGPG", "held by other"},
		{"somebody else has it for longer than lock_timeout: still waits", func(s *server) {
			s.settings.LockTimeout = 30 * time.Second
			s.hold("other")
			s.before("look 3", s.goesTo(""))
		}, "ok", "GGGPG", "held by other"},
		{"unreachable: keeps trying", func(s *server) { s.until("look 6", unreachable) }, "ok", "GGGGGGPG",
			"Foreman is unavailable"},
		{"refused: keeps trying too", func(s *server) { s.until("look 6", definite) }, "ok", "GGGGGGPG", "401"},
		{"unreachable for longer than lock_timeout: keeps trying", func(s *server) {
			s.settings.LockTimeout = time.Minute
			s.until("look 20", unreachable)
		}, "ok", strings.Repeat("G", 20) + "PG", ""},
		{"duplicate rows: keeps trying until an administrator has deleted one", func(s *server) {
			s.before("claim 1", says(errors.New("duplicate")))
			s.before("claim 2", says(errors.New("duplicate")))
		}, "ok", "GPGPGPG", "duplicate"},
		{"a signal ends that", func(s *server) {
			s.before("look", unreachable)
			s.befores = append([]rule{{func(p string) bool { return p == "look 4" }, s.isStopped}}, s.befores...)
		}, "stopped", "GGGG", ""},
		{"a signal ends the wait for another", func(s *server) {
			s.hold("other")
			time.AfterFunc(90*time.Second, func() { s.stop() })
		}, "stopped", "GG", ""},
		{"ours but disabled: nobody else can have it, go on", func(s *server) { s.enabled = false }, "ok", "GPG",
			"does not confirm the lock"},
		{"ours but barred: go on", func(s *server) { s.barred = true }, "ok", "GPG", "does not confirm the lock"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				s.hold("me")
				test.setup(s)
				err := s.open(lock.Options{Claimed: true}).Take(s.ctx, lock.Terms{Purpose: lock.OutOfService})
				if kind(err) != test.kind || s.requests() != test.requests {
					t.Errorf("%s (%v), requests %s; want %s, %s", kind(err), err, s.requests(), test.kind, test.requests)
				}
				if !strings.Contains(s.text(err), test.said) {
					t.Errorf("%q is not said in %s", test.said, s.text(err))
				}
			})
		})
	}
}

// TestTakeByHand: what a person takes is waited for if that is wanted, and what this host had before is known.
func TestTakeByHand(t *testing.T) {
	tests := []struct {
		name     string
		purpose  lock.Purpose
		setup    func(*server)
		kind     string
		wasOurs  bool
		requests string
	}{
		{"free", lock.ByHandNow, func(*server) {}, "ok", false, "GPG"},
		{"held elsewhere: not now", lock.ByHandNow, func(s *server) { s.hold("other") }, "not now", false, "G"},
		{"held elsewhere: wait", lock.ByHand, func(s *server) {
			s.hold("other")
			s.before("look 3", s.goesTo(""))
		}, "ok", false, "GGGPG"},
		{"unreachable: not now", lock.ByHandNow, func(s *server) { s.before("look", unreachable) },
			"unavailable", false, "G"},
		{"stopped while it settles", lock.ByHandNow,
			func(s *server) { s.after("claim 1", s.isStopped) }, "stopped", false, "GP"},
		{"ours before", lock.ByHandNow, func(s *server) { s.hold("me") }, "ok", true, "GPG"},
		{"ours before, and stopped while it settles", lock.ByHandNow, func(s *server) {
			s.hold("me")
			s.after("claim 1", s.isStopped)
		}, "stopped", true, "GP"},
		{"ours before, and barred", lock.ByHandNow,
			func(s *server) { s.hold("me"); s.barred = true }, "not now", true, "GPG"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				test.setup(s)
				l := s.open(lock.Options{})
				err := l.Take(s.ctx, lock.Terms{Purpose: test.purpose})
				if kind(err) != test.kind || l.WasOurs() != test.wasOurs || s.requests() != test.requests {
					t.Errorf("%v, was ours: %t, requests %s; want %s, %t, %s",
						err, l.WasOurs(), s.requests(), test.kind, test.wasOurs, test.requests)
				}
			})
		})
	}
}

// TestAnnounce: before the first claim is sent, and no claim without that.
func TestAnnounce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		full := errors.New("no space left on device")
		l := s.open(lock.Options{})
		err := l.Take(t.Context(), lock.Terms{Announce: func(string) error { return full }})
		if !errors.Is(err, full) || s.requests() != "G" || l.Asked() {
			t.Errorf("%v, requests %s, asked: %t", err, s.requests(), l.Asked())
		}
		told := false
		s.before("claim", func() error {
			if !told {
				t.Error("claimed before that was announced")
			}
			return nil
		})
		if err := l.Take(t.Context(), lock.Terms{Announce: func(string) error { told = true; return nil }}); err != nil ||
			!l.Asked() {
			t.Errorf("%v, asked: %t", err, l.Asked())
		}
	})
}

// TestWaitIsTold: why the lock can't be had, once per change.
func TestWaitIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.hold("other")
		s.before("look 3", unreachable)
		s.before("look 4", unreachable)
		s.before("look 5", func() error { s.hold(""); s.barred = true; return nil })
		s.before("claim 2", func() error { s.barred = false; return nil })
		var told []string
		err := s.open(lock.Options{}).Take(t.Context(), lock.Terms{Waits: func(w lock.Wait) {
			if (w.Err != nil) != (w.Why == "Foreman is unavailable") || w.Barred != strings.Contains(w.Why, "barred") {
				t.Errorf("told: %+v", w)
			}
			told = append(told, w.Why)
		}})
		if err != nil || len(told) != 3 || told[0] != "held by other" {
			t.Errorf("%v, told %q", err, told)
		}
	})
}

// TestAbandon: a signal comes while the lock is being taken. Nothing may be left behind, or it is known that something
// may.
func TestAbandon(t *testing.T) {
	tests := []struct {
		name    string
		claimed bool   // an earlier invocation may just have sent a claim
		signal  string // the point after which the signal comes
		setup   func(*server)
		left    string
		holder  string
	}{
		{"while waiting for another", false, "look", func(s *server) { s.hold("other") }, "nothing", "other"},
		{"while waiting for another, and a claim of before may come true: looked at again once that is settled", true, "look",
			func(s *server) { s.hold("other") }, "nothing", "other"},
		{"the same, and the claim comes true: it is released", true, "look", func(s *server) {
			s.hold("other")
			s.after("look 1", s.lateClaim)
		}, "nothing", ""},
		{"while the other host gets time to create the lock", false, "look",
			func(s *server) { s.exists = false }, "nothing", ""},
		{"while a claim settles: it is released", true, "claim", func(*server) {}, "nothing", ""},
		{"a claim that was answered comes true a second time: that is released too", true, "claim", func(s *server) {
			s.after("release 1", s.lateClaim)
		}, "nothing", ""},
		{"released, and still ours: Foreman may have two locks of this name; not forgotten", true, "claim", func(s *server) {
			s.after("release", s.goesTo("me"))
		}, "perhaps", "me"},
		{"an unanswered claim may still come true: waited for, and released", true, "claim", func(s *server) {
			s.after("claim 1", s.unansweredAndLate)
		}, "nothing", ""},
		{"the same, and the answer to a look before that comes after it: looked at again", true, "claim", func(s *server) {
			s.after("claim 1", s.unansweredAndLate)
			s.after("look after claim 1", slow(10*time.Second))
		}, "nothing", ""},
		{"an unanswered claim to a Foreman so slow that it can't be waited for: that stays open", true, "claim",
			func(s *server) {
				s.slowest = 30 * time.Second
				s.after("claim 1", func() error { s.hold(""); return unreachable() })
			}, "perhaps", ""},
		{"the same, and it came true: it is released, and that stays open, to be sure", true, "claim", func(s *server) {
			s.slowest = 30 * time.Second
			s.after("claim 1", unreachable)
		}, "perhaps", ""},
		{"the claim can't be released", true, "claim", func(s *server) { s.before("release", unreachable) }, "perhaps", "me"},
		{"the lock can't be looked at", true, "claim",
			func(s *server) { s.from("look after claim 1", unreachable) }, "perhaps", "me"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				s.after(test.signal, func() error { s.stop(); return nil })
				test.setup(s)
				left, err := s.attempt(s.open(lock.Options{Claimed: test.claimed}), lock.ForRun)
				if kind(err) != "stopped" || left != test.left || s.heldBy() != test.holder {
					t.Errorf("%v, left %q, holder %q; want %q, %q", err, left, s.heldBy(), test.left, test.holder)
				}
			})
		})
	}
}

// TestAbandonWaitsToSettle: however long a claim takes to settle, what was given back is known to be free, unless a
// signal has come.
func TestAbandonWaitsToSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.settings.Settle = time.Minute
		s.hold("me")
		if !s.open(lock.Options{Claimed: true}).Abandon(t.Context()) || s.requests() != "GDG" {
			t.Errorf("not certain after %s", s.requests())
		}
	})
}

// TestAbandonAsksOnlyIfItHelps: what is known already, or can't be undone, is not asked for.
func TestAbandonAsksOnlyIfItHelps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		if s.open(lock.Options{}).Abandon(t.Context()) || s.requests() != "" {
			t.Errorf("nothing was asked for: requests %s", s.requests())
		}
	})
}

// TestWaits: the first wait spreads hosts that began together over a whole interval, the later ones are the interval ±
// the jitter.
func TestWaits(t *testing.T) {
	tests := []struct {
		name         string
		jitter       time.Duration
		first, later time.Duration // how far from the interval they may be
	}{
		{"no jitter", 0, 30 * time.Second, 0},
		{"less than half an interval", 15 * time.Second, 30 * time.Second, 15 * time.Second},
		{"more than that", 45 * time.Second, 45 * time.Second, 45 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var first, later []time.Duration
				for range 50 {
					s := newServer(t)
					s.settings.RetryJitter = test.jitter
					s.hold("other")
					at := s.times("look 3")
					first, later = append(first, at["look 2"].Sub(at["look 1"])), append(later, at["look 3"].Sub(at["look 2"]))
				}
				within(t, "first", first, test.first)
				within(t, "later", later, test.later)
			})
		})
	}
}

// within: the waits are a minute ± most, and make use of it.
func within(t *testing.T, which string, waits []time.Duration, most time.Duration) {
	t.Helper()
	low, high := slices.Min(waits), slices.Max(waits)
	// the last by chance: less than once in 10^13 runs
	if low < time.Minute-most || high > time.Minute+most || high-low < most {
		t.Errorf("%s waits: %s to %s, want 1m0s ± %s", which, low, high, most)
	}
}

// times takes the lock with real chance until a point is reached, and returns when each one was.
func (s *server) times(last string) map[string]time.Time {
	s.settings.Random = nil
	at := map[string]time.Time{}
	s.before("request", func() error {
		point := s.points[len(s.points)-1]
		at[point] = time.Now()
		if point == last {
			s.stop()
		}
		return nil
	})
	_, _ = s.attempt(s.open(lock.Options{}), lock.ForRun)
	return at
}

// TestWaitAfterALostClaim: hosts that saw the lock free at the same time don't meet again.
func TestWaitAfterALostClaim(t *testing.T) {
	lost := map[string]func(*server){
		"granted, but another's was written later": func(s *server) { s.after("claim 1", s.goesTo("other")) },
		"refused": func(s *server) { s.before("claim 1", s.goesTo("other")) },
	}
	for name, lose := range lost {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var before, after []time.Duration
				for range 50 {
					s := newServer(t)
					s.hold("other")
					s.before("look 3", s.goesTo(""))
					lose(s)
					at := s.times("look 4")
					before = append(before, at["look 3"].Sub(at["look 2"]))
					after = append(after, at["look 4"].Sub(at["look after claim 1"]))
				}
				within(t, "before", before, 0)
				within(t, "after", after, 30*time.Second)
			})
		})
	}
}

// TestObstacleIsKnown: whoever says what to do about a wait that was given up knows what was in the way.
func TestObstacleIsKnown(t *testing.T) {
	tests := []struct {
		name string
		set  func(*server)
		next string
	}{
		{"held", func(s *server) { s.hold("web3") }, ""},
		{"disabled", func(s *server) { s.enabled = false }, "enable the lock in Foreman"},
		{"barred", func(s *server) { s.barred = true }, "can_acquire_update_locks"},
	}
	for _, purpose := range []lock.Purpose{lock.ForRun, lock.ByHand, lock.ByHandNow} {
		for _, test := range tests {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				s.settings.LockTimeout = time.Minute
				test.set(s)
				_, err := s.attempt(s.open(lock.Options{}), purpose)
				var notNow *lock.NotNow
				if !errors.As(err, &notNow) || !strings.Contains(notNow.Next, test.next) || test.next == "" && notNow.Next != "" {
					t.Errorf("%s: %+v (%v)", test.name, notNow, err)
				}
			})
		}
	}
}
