package workflow

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
)

// nth calls f at the nth request of a method, counted from 1.
func nth(method string, n int, f func() error) func(string) error {
	seen := 0
	return func(got string) error {
		if got != method {
			return nil
		}
		if seen++; seen != n {
			return nil
		}
		return f()
	}
}

// from calls f at the nth request of a method and all later ones.
func from(method string, n int, f func() error) func(string) error {
	seen := 0
	return func(got string) error {
		if got != method {
			return nil
		}
		if seen++; seen < n {
			return nil
		}
		return f()
	}
}

// until calls f at each request of a method before the nth.
func until(method string, n int, f func() error) func(string) error {
	seen := 0
	return func(got string) error {
		if got != method {
			return nil
		}
		if seen++; seen >= n {
			return nil
		}
		return f()
	}
}

// TestGettingTheLock is the section "Getting the lock", sentence by sentence. Each case is a new run with a pre_update
// that fails, so that the run stops right after the lock was had.
func TestGettingTheLock(t *testing.T) {
	definite := errors.New("401 Unauthorized")
	tests := []struct {
		name     string
		setup    func(*world)
		kind     string        // "failed": it got as far as pre_update
		stage    state.Stage   // on disk afterwards
		requests string        // in order: G P D
		took     time.Duration // at least
		logged   string
	}{
		{"free: GET, PUT, settle, verify, and a look before the stage", func(*world) {},
			"failed", state.PreUpdate, "GPGG", 2 * time.Second, "lock acquired"},
		{"this host's already, and not by this run: not now, and left as it is", func(w *world) { w.foreman.hold("me") },
			"later", "", "G", 0, "no run of /etc/config.ini has it on record"},
		{"this host's, and a claim of this run may have taken it: the PUT confirms it", func(w *world) {
			w.disk = &state.Record{Stage: state.LockGet, RunID: "r", Lock: "web"}
			w.foreman.hold("me")
		}, "failed", state.PreUpdate, "GPGG", 2 * time.Second, "lock acquired"},
		{"a slow Foreman needs three times its slowest answer to settle", func(w *world) { w.foreman.slowest = 4 * time.Second },
			"failed", state.PreUpdate, "GPGG", 12 * time.Second, ""},
		{"the race is lost: wait as for 412, poll with GET, PUT once it is free", func(w *world) {
			w.foreman.after = nth("PUT", 1, func() error { w.foreman.hold("other"); return nil })
			w.foreman.before = nth("GET", 4, func() error { w.foreman.hold(""); return nil })
		}, "failed", state.PreUpdate, "GPGGGPGG", 94 * time.Second, "held by other"},
		{"held elsewhere: no PUT until it is free", func(w *world) {
			w.foreman.since = time.Now()
			w.foreman.hold("other")
			w.foreman.before = nth("GET", 4, func() error { w.foreman.hold(""); return nil })
		}, "failed", state.PreUpdate, "GGGGPGG", 152 * time.Second, "why=\"held by other\" since="},
		{"412: GET tells who was faster", func(w *world) {
			w.foreman.before = nth("PUT", 1, func() error { w.foreman.hold("other"); return nil })
			w.locks.LockTimeout = time.Second
		}, "later", "", "GPGGGG", time.Second, "held by other"},
		{"disabled: no PUT at all", func(w *world) { w.foreman.enabled, w.locks.LockTimeout = false, 90*time.Second },
			"later", "", "GGG", 90 * time.Second, "disabled in Foreman"},
		{"barred: free, enabled, and still 412", func(w *world) { w.foreman.barred, w.locks.LockTimeout = true, time.Second },
			"later", "", "GPGGPGGG", time.Second, "barred"},
		{"no such lock: warn, wait, look again, PUT", func(w *world) { w.foreman.exists = false },
			"failed", state.PreUpdate, "GGPGG", 2 * time.Second, "if the name is mistyped"},
		{"no such lock, and another host makes it meanwhile", func(w *world) {
			w.foreman.exists = false
			w.foreman.before = nth("GET", 2, func() error { w.foreman.exists = true; w.foreman.hold("other"); return nil })
			w.locks.LockTimeout = 30 * time.Second
		}, "later", "", "GGG", time.Second, "held by other"},
		{"a definite error on the first look: nothing was asked for, so there is no run", func(w *world) {
			w.foreman.before = nth("GET", 1, func() error { return definite })
		}, "failed", "", "G", 0, "401"},
		{"the same, and an earlier invocation may have asked: the state stays", func(w *world) {
			w.disk = &state.Record{Stage: state.LockGet, RunID: "r", Lock: "web"}
			w.foreman.before = from("GET", 1, func() error { return definite })
		}, "failed", state.LockGet, "GG", 0, "401"},
		{"a definite error on PUT: looks at once and after the settle time show that it is not ours", func(w *world) {
			w.foreman.before = nth("PUT", 1, func() error { return definite })
		}, "failed", "", "GPGG", 2 * time.Second, "401"},
		{"an answer to PUT that is not Foreman's, and the lock was taken: it is given back", func(w *world) {
			w.foreman.after = nth("PUT", 1, func() error { return errors.New("not Foreman's answer") })
		}, "failed", "", "GPGDG", 2 * time.Second, "not Foreman's answer"},
		{"the same, and nobody can look afterwards: the state stays", func(w *world) {
			w.foreman.after = nth("PUT", 1, func() error { return errors.New("not Foreman's answer") })
			w.foreman.before = from("GET", 2, func() error { return definite })
		}, "failed", state.LockGet, "GPG", 0, "not Foreman's answer"},
		{"ours, but disabled: a run does not begin under it", func(w *world) {
			w.disk = &state.Record{Stage: state.LockGet, RunID: "r", Lock: "web"}
			w.foreman.enabled, w.locks.LockTimeout = false, time.Second
			w.foreman.hold("me")
		}, "later", state.LockGet, "GGGD", time.Second, "disabled in Foreman"},
		{"ours, but barred: neither", func(w *world) {
			w.disk = &state.Record{Stage: state.LockGet, RunID: "r", Lock: "web"}
			w.foreman.barred, w.locks.LockTimeout = true, time.Second
			w.foreman.hold("me")
		}, "later", "", "GPGGPGGDG", time.Second, "barred"},
		{"waiting: Retry-After is honoured", func(w *world) {
			w.foreman.hold("other")
			w.foreman.before = nth("GET", 2, func() error {
				w.foreman.hold("")
				return busyFor(5 * time.Minute)
			})
		}, "failed", state.PreUpdate, "GGGPGG", 332 * time.Second, ""},
		{"unreachable from the first look on: waits, within lock_timeout; nothing was asked for", func(w *world) {
			w.foreman.before = func(string) error { return unreachable() }
			w.locks.LockTimeout = 3 * time.Minute
		}, "later", "", "", 3 * time.Minute, "without a usable answer"},
		{"the same without lock_timeout: until the next night's timer", func(w *world) {
			w.foreman.before = func(string) error { return unreachable() }
		}, "later", "", "", 23 * time.Hour, "without a usable answer"},
		{"an odd answer at the first look: asked again", func(w *world) {
			w.foreman.before = nth("GET", 1, func() error { return odd() })
		}, "failed", state.PreUpdate, "GGPGG", 30 * time.Second, "why=\"there is no Foreman at foreman_url\""},
		{"waiting: odd answers cost no turn", func(w *world) {
			w.foreman.hold("other")
			w.foreman.before = func(method string) error {
				if looks := strings.Count(w.requests(), "G"); looks > 4 {
					w.foreman.hold(strings.Replace(w.foreman.holder(), "other", "", 1))
				} else if looks > 1 {
					return odd()
				}
				return nil
			}
		}, "failed", state.PreUpdate, "GGGGGPGG", 3 * time.Minute, "lock acquired"},
		{"no certificate at the first look: certain", func(w *world) {
			w.foreman.before = nth("GET", 1, renewing)
		}, "failed", "", "G", 0, "client_crt: no such file"},
		{"waiting: a certificate and key in the middle of a renewal cost no turn", func(w *world) {
			w.foreman.hold("other")
			w.foreman.before = func(method string) error {
				if looks := strings.Count(w.requests(), "G"); looks > 4 {
					w.foreman.hold(strings.Replace(w.foreman.holder(), "other", "", 1))
				} else if looks > 1 {
					return renewing()
				}
				return nil
			}
		}, "failed", state.PreUpdate, "GGGGGPGG", 3 * time.Minute, "why=\"this host's certificate or key can't be used\""},
		{"waiting for Foreman, which has not answered yet: certain as at the first look", func(w *world) {
			w.foreman.before = func(method string) error {
				switch strings.Count(w.requests(), "G") {
				case 1:
					return unreachable()
				case 2:
					return renewing()
				}
				return nil
			}
		}, "failed", "", "GG", 30 * time.Second, "client_crt: no such file"},
		{"the certificate is renewed while a claim settles: waits, and claims again", func(w *world) {
			w.foreman.before = nth("GET", 2, renewing)
		}, "failed", state.PreUpdate, "GPGGPGG", 30 * time.Second, "lock acquired"},
		{"waiting: a certificate that does not come back is waited for within lock_timeout", func(w *world) {
			w.foreman.hold("other")
			w.foreman.before = from("GET", 2, renewing)
			w.locks.LockTimeout = 3 * time.Minute
		}, "failed", "", "", 3 * time.Minute, "client_crt: no such file"},
		{"an odd answer to PUT, which took the lock: GET decides", func(w *world) {
			w.foreman.after = nth("PUT", 1, func() error { return odd() })
		}, "failed", state.PreUpdate, "GPGG", 2 * time.Second, "lock acquired"},
		{"no answer to PUT, which took the lock: GET decides", func(w *world) {
			w.foreman.after = nth("PUT", 1, unreachable)
		}, "failed", state.PreUpdate, "GPGG", 2 * time.Second, "lock acquired"},
		{"no answer to PUT, which did not take it: tried again", func(w *world) {
			w.foreman.before = nth("PUT", 1, unreachable)
		}, "failed", state.PreUpdate, "GPGPGG", 4 * time.Second, "lock acquired"},
		{"PUT never answered: http_retries, then waits; certainly not ours", func(w *world) {
			w.foreman.before = from("PUT", 1, unreachable)
			w.locks.LockTimeout = 10 * time.Second
		}, "later", "", "GPGPGPGPGGPGPGPGPG", 16 * time.Second, "lock_timeout"},
		{"no answer to PUT, and somebody else has it", func(w *world) {
			w.foreman.before = nth("PUT", 1, func() error { w.foreman.hold("other"); return unreachable() })
			w.locks.LockTimeout = time.Second
		}, "later", "", "GPG", 2 * time.Second, "held by other"},
		{"Retry-After is honoured after a PUT", func(w *world) {
			w.foreman.before = nth("PUT", 1, func() error {
				return busyFor(time.Minute)
			})
		}, "failed", state.PreUpdate, "GPGPGG", time.Minute + 2*time.Second, ""},
		{"waiting: an outage is waited out", func(w *world) {
			w.foreman.hold("other")
			w.foreman.before = func(method string) error {
				switch n := len(w.effects("GET")) / 2; {
				case n >= 2 && n < 5:
					return unreachable()
				case n >= 5:
					w.foreman.hold(strings.Replace(w.foreman.holder(), "other", "", 1))
				}
				return nil
			}
		}, "failed", state.PreUpdate, "", 150 * time.Second, "Foreman is unavailable"},
		{"waiting: a definite error ends it, and the last word was that it is another's", func(w *world) {
			w.foreman.hold("other")
			w.foreman.before = nth("GET", 2, func() error { return definite })
		}, "failed", "", "GG", 30 * time.Second, "401"},
		{"a claim whose verification is not answered is not abandoned", func(w *world) {
			w.foreman.before = nth("GET", 2, unreachable)
		}, "failed", state.PreUpdate, "GPGGPGG", 30 * time.Second, "lock acquired"},
		{"duplicate rows are an error for people", func(w *world) {
			w.foreman.before = nth("PUT", 1, func() error { return errors.New("duplicate") })
		}, "failed", "", "GPGG", 2 * time.Second, "duplicate"},
		{"the verified lock is deleted meanwhile", func(w *world) {
			w.foreman.before = nth("GET", 2, func() error { w.foreman.exists = false; w.foreman.hold(""); return nil })
		}, "failed", state.PreUpdate, "", 30 * time.Second, "let go again"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.hooks[state.PreUpdate] = []fakeHook{{"stop here", exits(1)}}
				test.setup(w)
				began := time.Now()
				err := w.invoke(false)
				if got := kind(err); got != test.kind {
					t.Errorf("result %s (%v), want %s", got, err, test.kind)
				}
				if got := w.stage(); got != test.stage {
					t.Errorf("stage on disk %q, want %q", got, test.stage)
				}
				if got := w.requests(); test.requests != "" && got != test.requests {
					t.Errorf("requests %s, want %s", got, test.requests)
				}
				took := time.Since(began)
				if took < test.took || w.locks.LockTimeout == time.Second && took > 6*time.Second {
					t.Errorf("it took %s, want %s at least, and not much longer than lock_timeout", took, test.took)
				}
				all := w.log.String() + err.Error()
				if !strings.Contains(all, test.logged) {
					t.Errorf("%q is not said in:\n%s", test.logged, all)
				}
				if n := strings.Count(all, "waiting for the lock: lock=web why=\"held by"); n > 1 {
					t.Errorf("who holds it was logged %d times:\n%s", n, all)
				}
			})
		})
	}
}

// requests are the requests of the last invocation by their initials.
func (w *world) requests() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out strings.Builder
	for _, step := range w.trace {
		switch step {
		case "GET", "PUT", "DELETE":
			out.WriteString(step[:1])
		}
	}
	return out.String()
}

// TestLockNeverLeaks: a signal while the lock is being got.
func TestLockNeverLeaks(t *testing.T) {
	tests := []struct {
		name   string
		signal string // the step at whose time the signal comes
		setup  func(*world)
		stage  state.Stage
		holder string
	}{
		{"while waiting for another", "GET", func(w *world) { w.foreman.hold("other"); w.disk = nil }, "", "other"},
		{"while waiting for another, when an earlier invocation may just have sent a claim: looked at again once that is settled", "GET", func(w *world) {
			w.foreman.hold("other")
		}, "", "other"},
		{"the same, and the claim comes true: it is given back", "GET", func(w *world) {
			w.foreman.hold("other")
			w.foreman.after = nth("GET", 1, func() error {
				go func() {
					pause(context.Background(), time.Second)
					w.foreman.hold("me")
				}()
				return nil
			})
		}, "", ""},
		{"while a claim settles: it is given back", "PUT", func(*world) {}, "", ""},
		{"a claim that was answered comes true a second time: that is given back too", "PUT", func(w *world) {
			w.foreman.after = nth("DELETE", 1, func() error {
				go func() {
					pause(context.Background(), time.Second)
					w.foreman.hold("me")
				}()
				return nil
			})
		}, "", ""},
		{"given back, and still ours: Foreman may have two locks of this name; not forgotten", "PUT", func(w *world) {
			w.foreman.after = from("DELETE", 1, func() error { w.foreman.hold("me"); return nil })
		}, state.LockGet, "me"},
		{"an unanswered claim may still come true: waited for, and given back", "PUT", func(w *world) {
			w.foreman.after = nth("PUT", 1, func() error {
				w.foreman.hold("")
				go func() {
					pause(context.Background(), time.Second)
					w.foreman.hold("me")
				}()
				return unreachable()
			})
		}, "", ""},
		{"the same, and the answer to a look before that comes after it: looked at again", "PUT", func(w *world) {
			claim := nth("PUT", 1, func() error {
				w.foreman.hold("")
				go func() {
					pause(context.Background(), time.Second)
					w.foreman.hold("me")
				}()
				return unreachable()
			})
			slowly := nth("GET", 2, func() error { pause(context.Background(), 10*time.Second); return nil })
			w.foreman.after = func(method string) error { return errors.Join(claim(method), slowly(method)) }
		}, "", ""},
		{"an unanswered claim to a Foreman so slow that it can't be waited for: the state stays", "PUT", func(w *world) {
			w.foreman.slowest = 30 * time.Second
			w.foreman.after = nth("PUT", 1, func() error { w.foreman.hold(""); return unreachable() })
		}, state.LockGet, ""},
		{"the same, and it came true: it is given back, and the state stays to be sure", "PUT", func(w *world) {
			w.foreman.slowest = 30 * time.Second
			w.foreman.after = nth("PUT", 1, unreachable)
		}, state.LockGet, ""},
		{"the claim can't be given back", "PUT", func(w *world) {
			w.foreman.before = from("DELETE", 1, unreachable)
		}, state.LockGet, "me"},
		{"the lock can't be looked at", "PUT", func(w *world) {
			w.foreman.before = from("GET", 2, unreachable)
		}, state.LockGet, "me"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.disk = &state.Record{Stage: state.LockGet}
				test.setup(w)
				after := w.foreman.after
				w.foreman.after = func(method string) error {
					if method == test.signal {
						w.stop()
					}
					if after != nil {
						return after(method)
					}
					return nil
				}
				err := w.invoke(false)
				if kind(err) != "later" {
					t.Errorf("got %v", err)
				}
				if w.stage() != test.stage || w.foreman.holder() != test.holder {
					t.Errorf("stage %q, holder %q; want %q, %q", w.stage(), w.foreman.holder(), test.stage, test.holder)
				}
				if len(w.effects("hook pre")) != 0 {
					t.Error("a hook ran")
				}
			})
		})
	}
}

// TestWaits: the first wait spreads hosts that began together over a whole interval, the later ones are the interval ± the
// jitter.
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
					w := newWorld(t)
					w.locks.RetryJitter = test.jitter
					w.disk = &state.Record{Stage: state.LockGet}
					w.foreman.hold("other")
					times := w.looks(3)
					first, later = append(first, times[1].Sub(times[0])), append(later, times[2].Sub(times[1]))
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
	if low < time.Minute-most || high > time.Minute+most || high-low < most { // the last by chance: less than once in 10^13 runs
		t.Errorf("%s waits: %s to %s, want 1m0s ± %s", which, low, high, most)
	}
}

// looks runs until the lock was looked at n times, and returns when.
func (w *world) looks(n int) (times []time.Time) {
	before := w.foreman.before
	w.foreman.before = func(method string) error {
		if method == "GET" {
			if times = append(times, time.Now()); len(times) == n {
				w.stop()
			}
		}
		if before != nil {
			return before(method)
		}
		return nil
	}
	_ = w.invoke(false)
	return times
}

// TestWaitAfterALostClaim: hosts that saw the lock free at the same time don't meet again.
func TestWaitAfterALostClaim(t *testing.T) {
	lost := map[string]func(*world){
		"granted, but another's was written later": func(w *world) {
			w.foreman.after = nth("PUT", 1, func() error { w.foreman.hold("other"); return nil })
		},
		"refused": func(w *world) {
			put := nth("PUT", 1, func() error { w.foreman.hold("other"); return nil })
			free := w.foreman.before
			w.foreman.before = func(method string) error { return errors.Join(free(method), put(method)) }
		},
	}
	for name, lose := range lost {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var before, after []time.Duration
				for range 50 {
					w := newWorld(t)
					w.disk = &state.Record{Stage: state.LockGet}
					w.foreman.hold("other")
					w.foreman.before = nth("GET", 3, func() error { w.foreman.hold(""); return nil })
					lose(w)
					times := w.looks(5) // waits, waits, claims and looks, waits
					before, after = append(before, times[2].Sub(times[1])), append(after, times[4].Sub(times[3]))
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
		set  func(*world)
		next string
	}{
		{"held", func(w *world) { w.foreman.hold("web3") }, ""},
		{"disabled", func(w *world) { w.foreman.enabled = false }, "enable the lock in Foreman"},
		{"barred", func(w *world) { w.foreman.barred = true }, "can_acquire_update_locks"},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.locks.LockTimeout = time.Minute
			test.set(w)
			err := w.invoke(false)
			var notNow *lock.NotNow
			if !errors.As(err, &notNow) || !strings.Contains(notNow.Next, test.next) || test.next == "" && notNow.Next != "" {
				t.Errorf("%s: %+v (%v)", test.name, notNow, err)
			}
		})
	}
}

// TestAcquireByHand: what a person takes or has is not given away when the command is given up.
func TestAcquireByHand(t *testing.T) {
	tests := []struct {
		name   string
		setup  func(*world)
		wait   bool
		kind   string
		holder string
	}{
		{"free", func(*world) {}, false, "ok", "me"},
		{"held elsewhere: not now", func(w *world) { w.foreman.hold("other") }, false, "later", "other"},
		{"held elsewhere: wait", func(w *world) {
			w.foreman.hold("other")
			w.foreman.before = nth("GET", 3, func() error { w.foreman.hold(""); return nil })
		}, true, "ok", "me"},
		{"given up while it settles: given back", func(w *world) {
			w.foreman.after = nth("PUT", 1, func() error { w.stop(); return nil })
		}, false, "later", ""},
		{"ours before, and given up while it settles: kept", func(w *world) {
			w.foreman.hold("me")
			w.foreman.after = nth("PUT", 1, func() error { w.stop(); return nil })
		}, false, "later", "me"},
		{"ours before, and barred: kept", func(w *world) { w.foreman.hold("me"); w.foreman.barred = true }, false, "later", "me"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				test.setup(w)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				w.stop = cancel
				err := w.workflow().TakeLock(ctx, "web", test.wait)
				if kind(err) != test.kind || w.foreman.holder() != test.holder {
					t.Errorf("%v, holder %q; want %s, %q", err, w.foreman.holder(), test.kind, test.holder)
				}
			})
		})
	}
}

// TestUnsafeHookAfterAClaim: a run that may hold the lock gives it back before it complains.
func TestUnsafeHookAfterAClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.disk = &state.Record{Stage: state.LockGet, RunID: "r", Lock: "web"}
		w.foreman.hold("me")
		w.listErr[state.Update] = errors.New("writable by others")
		if err := w.invoke(false); kind(err) != "config" || w.foreman.holder() != "" || w.disk != nil {
			t.Errorf("%v, holder %q, %v", err, w.foreman.holder(), w.disk)
		}
	})
}
