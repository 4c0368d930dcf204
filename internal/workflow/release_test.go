package workflow

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/state"
)

// TestReleasing is the section "Releasing", in a run that is resumed: an earlier invocation may just have sent a claim.
func TestReleasing(t *testing.T) {
	tests := []struct {
		name     string
		setup    func(*world)
		kind     string
		stage    state.Stage
		holder   string
		requests string
		took     time.Duration
		said     string
	}{
		{"200", func(*world) {}, "ok", "", "", "GDG", 0, "lock released"},
		{"a late claim is written after the release: release again", func(w *world) {
			w.foreman.before = nth("GET", 2, func() error { w.foreman.hold("me"); return nil })
		}, "ok", "", "", "GDGDG", 0, "lock released"},
		{"no answer to DELETE, which freed it: GET, and no second DELETE", func(w *world) {
			w.foreman.after = nth("DELETE", 1, unreachable)
		}, "ok", "", "", "GDGG", 2 * time.Second, "lock released"},
		{"no answer to DELETE, and the next host has it: no second DELETE", func(w *world) {
			w.foreman.after = nth("DELETE", 1, func() error { w.foreman.hold("other"); return unreachable() })
		}, "ok", "", "other", "GDGG", 2 * time.Second, "lock released"},
		{"no answer to DELETE, which did nothing: again", func(w *world) {
			w.foreman.before = nth("DELETE", 1, unreachable)
		}, "ok", "", "", "GDGDG", time.Second, "lock released"},
		{"somebody else's: warn, finish", func(w *world) { w.foreman.hold("other") }, "ok", "", "other", "GG", 2 * time.Second, "not this host's any more"},
		{"free: warn, finish", func(w *world) { w.foreman.hold("") }, "ok", "", "", "GG", 2 * time.Second, "not this host's any more"},
		{"deleted: warn, finish", func(w *world) { w.foreman.exists = false }, "ok", "", "me", "GG", 2 * time.Second, "deleted in Foreman"},
		{"412, taken away in between", func(w *world) {
			w.foreman.before = nth("DELETE", 1, func() error { w.foreman.hold("other"); return nil })
		}, "ok", "", "other", "GDGG", 2 * time.Second, "not this host's any more"},
		{"ours but disabled: keep trying until it is enabled", func(w *world) {
			w.foreman.enabled = false
			w.foreman.before = nth("DELETE", 4, func() error { w.foreman.enabled = true; return nil })
		}, "ok", "", "", "GDGDGDGDG", 10 * time.Second, "disabled in Foreman"},
		{"an outage of a day", func(w *world) {
			end := time.Now().Add(24 * time.Hour)
			w.foreman.before = func(string) error {
				if time.Now().Before(end) {
					return unreachable()
				}
				return nil
			}
		}, "ok", "", "", "", 24 * time.Hour, "Foreman is unavailable"},
		{"a certificate that expired and is renewed", func(w *world) {
			w.foreman.before = func(string) error {
				if strings.Count(w.requests(), "G") < 5 {
					return errors.New("the certificate has expired")
				}
				return nil
			}
		}, "ok", "", "", "GGGGGDG", 10 * time.Second, "Foreman can't be used"},
		{"release_timeout", func(w *world) {
			w.locks.ReleaseTimeout = 10 * time.Minute
			w.foreman.before = from("GET", 1, unreachable)
		}, "later", state.LockRelease, "me", "", 10 * time.Minute, "release_timeout"},
		{"release_timeout shorter than a claim of before takes to settle: not before that", func(w *world) {
			w.locks.ReleaseTimeout, w.locks.Settle = 5*time.Second, 10*time.Second
			w.foreman.hold("")
		}, "ok", "", "", "GG", 10 * time.Second, "not this host's any more"},
		{"a signal, and Foreman is away: some seconds more, and then it ends", func(w *world) {
			w.foreman.before = func(string) error { w.stop(); return unreachable() }
		}, "later", state.LockRelease, "me", "", 8 * time.Second, "signal"},
		{"a signal, and Foreman answers: the release is finished first", func(w *world) {
			w.foreman.before = nth("GET", 1, func() error { w.stop(); return nil })
		}, "ok", "", "", "GDG", 0, "lock released"},
		{"an outage after DELETE was answered is waited out, to be sure", func(w *world) {
			w.foreman.before = nth("GET", 2, unreachable)
		}, "ok", "", "", "GDGG", 2 * time.Second, "lock released"},
		{"412, ours and enabled: keep trying", func(w *world) {
			w.foreman.before = nth("DELETE", 1, func() error { return dlm.ErrNotNow })
		}, "ok", "", "", "GDGDG", time.Second, "Foreman refuses the release"},
		{"Retry-After is honoured", func(w *world) {
			w.foreman.before = nth("GET", 1, func() error {
				return busyFor(5 * time.Minute)
			})
		}, "ok", "", "", "GGDG", 5 * time.Minute, ""},
		{"a signal after DELETE was answered: one more look, to be sure", func(w *world) {
			w.foreman.after = nth("DELETE", 1, func() error { w.stop(); return nil })
		}, "ok", "", "", "GDG", 0, "lock released"},
		{"released, and ours again and again: no end of requests, and release_timeout", func(w *world) {
			w.locks.ReleaseTimeout = time.Hour
			w.foreman.after = from("DELETE", 1, func() error { w.foreman.hold("me"); return nil })
		}, "later", state.LockRelease, "me", "", time.Hour, "may reach Foreman after it"},
		{"the same, and then nobody can be asked: not forgotten", func(w *world) {
			w.locks.ReleaseTimeout = 10 * time.Minute
			w.foreman.after = from("DELETE", 1, func() error { w.foreman.hold("me"); return nil })
			w.foreman.before = from("GET", 4, func() error { return errors.New("404") })
		}, "later", state.LockRelease, "me", "", 10 * time.Minute, "404"},
		{"a yes that releases nothing, and then nobody can be asked: not forgotten", func(w *world) {
			w.locks.ReleaseTimeout = 10 * time.Minute
			w.foreman.before = func(method string) error {
				if method == "DELETE" || strings.Contains(w.requests(), "D") {
					return errors.New("two locks of this name")
				}
				return nil
			}
		}, "later", state.LockRelease, "me", "", 10 * time.Minute, "two locks of this name"},
		{"a claim of an invocation that was killed is written after the release", func(w *world) {
			w.foreman.after = nth("DELETE", 1, func() error {
				go func() {
					pause(context.Background(), time.Second)
					w.foreman.hold("me")
				}()
				return nil
			})
		}, "ok", "", "", "GDGDG", 2 * time.Second, "lock released"},
		{"the same claim, and nobody can be asked once it must have been written: not forgotten", func(w *world) {
			w.foreman.before = nth("GET", 2, unreachable)
			w.foreman.after = nth("DELETE", 1, func() error {
				go func() {
					pause(context.Background(), time.Second)
					w.foreman.hold("me")
				}()
				return nil
			})
		}, "ok", "", "", "GDGGDG", 2 * time.Second, "lock released"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.disk = &state.Record{Stage: state.LockRelease, RunID: "r", Lock: "web"}
				w.foreman.hold("me")
				test.setup(w)
				began := time.Now()
				err := w.invoke(false)
				if kind(err) != test.kind || w.stage() != test.stage || w.foreman.holder() != test.holder {
					t.Errorf("%v, stage %q, holder %q; want %s, %q, %q", err, w.stage(), w.foreman.holder(), test.kind, test.stage, test.holder)
				}
				if got := w.requests(); test.requests != "" && got != test.requests {
					t.Errorf("requests %s, want %s", got, test.requests)
				}
				if took := time.Since(began); took < test.took {
					t.Errorf("it took %s, want %s at least", took, test.took)
				}
				all := w.log.String()
				if err != nil {
					all += err.Error()
				}
				if !strings.Contains(all, test.said) {
					t.Errorf("%q is not said in %s", test.said, all)
				}
				if n := strings.Count(all, "can't be released"); n > 1 {
					t.Errorf("the trouble was logged %d times", n)
				}
				if n := len(w.requests()); n > 400 {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}

// TestReleaseBackoff: tries are at most 5 minutes apart.
func TestReleaseBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.disk = &state.Record{Stage: state.LockRelease, RunID: "r"}
		var last time.Time
		var longest time.Duration
		tries := 0
		w.foreman.before = func(string) error {
			if !last.IsZero() {
				longest = max(longest, time.Since(last))
			}
			last = time.Now()
			if tries++; tries == 40 {
				w.stop()
			}
			return unreachable()
		}
		_ = w.invoke(false)
		if longest > 5*time.Minute || longest < 3*time.Minute {
			t.Errorf("longest pause %s", longest)
		}
	})
}

// TestReleaseAfterAnUnansweredClaim: until such a claim can't come any more, an answer to DELETE is not the end.
func TestReleaseAfterAnUnansweredClaim(t *testing.T) {
	tests := []struct {
		name  string
		setup func(*world)
		kind  string
		stage state.Stage
	}{
		{"a signal in between: what is left is done within a few seconds", func(w *world) {
			w.foreman.after = nth("DELETE", 1, func() error { w.stop(); return nil })
		}, "ok", ""},
		{"a signal in between, and a slow Foreman: the state stays", func(w *world) {
			w.foreman.slowest = 4 * time.Second
			w.foreman.after = nth("DELETE", 1, func() error { w.stop(); return nil })
		}, "later", state.LockRelease},
		{"an outage in between is waited out", func(w *world) {
			w.foreman.before = nth("GET", 8, unreachable)
		}, "ok", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.hooks[state.PostUpdate] = []fakeHook{{"long", func([]string) HookResult {
					pause(t.Context(), time.Hour+time.Minute)
					return HookResult{}
				}}}
				test.setup(w)
				before := w.foreman.before
				unanswered := nth("PUT", 2, unreachable)
				w.foreman.before = func(method string) error {
					if err := unanswered(method); err != nil {
						return err
					}
					if before != nil {
						return before(method)
					}
					return nil
				}
				if err := w.invoke(false); kind(err) != test.kind || w.stage() != test.stage {
					t.Errorf("%v, stage %q; want %s, %q\n%q", err, w.stage(), test.kind, test.stage, w.trace)
				}
			})
		})
	}
}

// TestSignalAfterRelease: once the lock is released by the invocation that took it, a signal changes nothing, nor does an outage.
func TestSignalAfterRelease(t *testing.T) {
	for _, outage := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.foreman.after = nth("DELETE", 1, func() error {
				if w.stop(); outage {
					w.foreman.before = func(string) error { return unreachable() }
				}
				return nil
			})
			if err := w.invoke(false); err != nil || w.disk != nil {
				t.Errorf("outage %v: %v, stage %q", outage, err, w.stage())
			}
		})
	}
}
