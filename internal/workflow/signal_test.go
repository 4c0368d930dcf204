package workflow

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
)

// TestSignalWhileAHookRuns: that hook finishes, no further one runs, exit 75 with state and lock kept; the next
// invocation finishes the run.
func TestSignalWhileAHookRuns(t *testing.T) {
	tests := []struct {
		stage state.Stage
		exit  int
		kind  string
		held  bool
	}{
		{state.NeedsUpdate, 1, "later", false},
		{state.PreUpdate, 0, "later", true},
		{state.Update, 0, "later", true},
		{state.Update, 7, "failed", true}, // a hook that failed by itself says more than the signal
		{state.NeedsReboot, 1, "later", true},
		{state.PostUpdate, 0, "later", true},
	}
	for _, test := range tests {
		t.Run(string(test.stage), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				exit := test.exit
				w.hooks[test.stage] = []fakeHook{
					{"a", func([]string) HookResult { w.stop(); return HookResult{Exit: exit} }},
					{"b", exits(0)},
				}
				err := w.invoke(false)
				if kind(err) != test.kind || w.stage() != test.stage || (w.foreman.holder() == "me") != test.held {
					t.Errorf("%v, stage %q, holder %q", err, w.stage(), w.foreman.holder())
				}
				if len(w.effects("hook "+string(test.stage)+"/b")) != 0 {
					t.Error("the next hook ran")
				}
				w.hooks[test.stage] = nil
				if test.stage == state.NeedsReboot {
					w.hooks[test.stage] = []fakeHook{{"no", exits(0)}}
				}
				if err := w.invoke(false); err != nil || w.disk != nil || w.foreman.holder() != "" {
					t.Errorf("afterwards: %v, %v, holder %q", err, w.disk, w.foreman.holder())
				}
			})
		})
	}
}

// TestSecondSignal: a hook that we ended ourselves did not fail.
func TestSecondSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.hooks[state.Update] = []fakeHook{{"a", func([]string) HookResult {
			w.stop()
			return HookResult{Exit: -1, Stopped: true, Err: errDead}
		}}}
		if err := w.invoke(false); kind(err) != "later" || w.stage() != state.Update || w.disk.Error != nil ||
			w.foreman.holder() != "me" {
			t.Errorf("%v, %+v", err, w.disk)
		}
	})
}

// TestSignalBetweenStages: the stage that would be next does not begin.
func TestSignalBetweenStages(t *testing.T) {
	for _, at := range []string{"GET", "PUT"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.disk = &state.Record{Stage: state.Update, RunID: "r", Lock: "web"}
			w.foreman.hold("me")
			w.foreman.after = w.at(noStage, at, func() error { w.stop(); return nil })
			err := w.invoke(false)
			if kind(err) != "later" || w.stage() != state.Update || w.foreman.holder() != "me" || len(w.effects("hook")) != 0 {
				t.Errorf("%v, stage %q, holder %q, %q", err, w.stage(), w.foreman.holder(), w.trace)
			}
		})
	}
}

// TestSignalBeforeTheRelease: all work is done, so the lock is released first.
func TestSignalBeforeTheRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.leftovers = func(bool) ([]Leftover, error) {
			if w.stage() == state.PostUpdate {
				w.stop()
			}
			return nil, nil
		}
		if err := w.invoke(false); err != nil || w.disk != nil || w.foreman.holder() != "" {
			t.Errorf("%v, %+v, holder %q", err, w.disk, w.foreman.holder())
		}
	})
}

// TestSignalBeforeReboot: a signal while the reboot is being announced; nothing was asked, and the next invocation
// asks.
func TestSignalBeforeReboot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.needsReboot()
		w.announcing = func() { w.announcing = func() {}; w.stop() }
		err := w.invoke(false)
		if kind(err) != "later" || w.stage() != state.Reboot || w.disk.Asked != nil || w.disk.Reboots != 0 ||
			len(w.effects("reboot")) != 0 {
			t.Errorf("%v, %+v, %q", err, w.disk, w.trace)
		}
		if err := w.invoke(false); err != nil || w.stage() != state.PostUpdate || w.disk.Reboots != 1 ||
			len(w.effects("reboot")) != 1 {
			t.Errorf("afterwards: %v, %+v, %q", err, w.disk, w.trace)
		}
	})
}

// TestSignalWhileTheLockIsTaken: nothing is left behind, or the state stays for the next invocation to see to it.
func TestSignalWhileTheLockIsTaken(t *testing.T) {
	tests := []struct {
		name   string
		signal string // the first request of that kind
		setup  func(*world)
		stage  state.Stage
		holder string
	}{
		{"while it waits for another", "GET", func(w *world) { w.foreman.hold("other") }, "", "other"},
		{"while the claim settles", "PUT", func(*world) {}, "", ""},
		{"while the claim settles, and it can't be released", "PUT", func(w *world) {
			w.foreman.before = each("DELETE", unreachable)
		}, state.LockGet, "me"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				test.setup(w)
				w.foreman.after = w.at(state.LockGet, test.signal, func() error { w.stop(); return nil })
				err := w.invoke(false)
				if kind(err) != "later" || w.stage() != test.stage || w.foreman.holder() != test.holder {
					t.Errorf("%v, stage %q, holder %q; want %q, %q", err, w.stage(), w.foreman.holder(), test.stage, test.holder)
				}
				if len(w.effects("hook pre")) != 0 {
					t.Error("a hook ran")
				}
			})
		})
	}
}

// TestSignalDuringTrouble: the error names what the run waited for, and nothing that was over before.
func TestSignalDuringTrouble(t *testing.T) {
	untrusted := func() error { return &dlm.Error{Kind: dlm.ErrUntrusted, Detail: "another CA"} }
	later := func(w *world) { time.AfterFunc(time.Hour, func() { w.stop() }) }
	forTenMinutes := func() func(string) error { // not longer
		began := time.Now()
		return func(string) error {
			if time.Since(began) < 10*time.Minute {
				return untrusted()
			}
			return nil
		}
	}
	const trouble = "the server can't prove that it is Foreman"
	tests := []struct {
		name  string
		stage state.Stage // on record before; empty: none
		setup func(*world)
		want  string
	}{
		{"before the lock", "", func(w *world) { w.foreman.before = each("GET", untrusted); later(w) }, trouble},
		{"out of service, taking the lock again", state.Update, func(w *world) {
			w.foreman.before = each("GET", untrusted)
			later(w)
		}, trouble},
		{"over: then another host has the lock", "", func(w *world) {
			w.foreman.before = forTenMinutes()
			w.foreman.hold("other")
			later(w)
		}, "held by other"},
		{"over: a hook runs", state.Update, func(w *world) {
			w.foreman.before = forTenMinutes()
			w.hooks[state.Update] = []fakeHook{{"a", func([]string) HookResult { w.stop(); return HookResult{} }}}
		}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if test.stage != "" {
					w.disk = &state.Record{Stage: test.stage, RunID: "r", Lock: "web"}
					w.foreman.hold("me")
				}
				test.setup(w)
				err := w.invoke(false)
				var stopped *StageError
				if kind(err) != "later" || !errors.As(err, &stopped) {
					t.Fatal(err)
				}
				if got := stopped.Obstacle; got.Why != test.want || (got.Err != nil) != (test.want == trouble) {
					t.Errorf("obstacle %+v, want %q", got, test.want)
				}
			})
		})
	}
}

// TestSignalDuringTheRelease: it goes on for some seconds, and then it ends.
func TestSignalDuringTheRelease(t *testing.T) {
	tests := []struct {
		name   string
		setup  func(*world)
		kind   string
		stage  state.Stage
		holder string
		took   time.Duration // at least
		said   string
	}{
		{"Foreman is away: some seconds more, and then it ends", func(w *world) {
			w.foreman.before = func(string) error { w.stop(); return unreachable() }
		}, "later", state.LockRelease, "me", ReleaseGrace, "signal"},
		{"Foreman answers: the release is finished first", func(w *world) {
			w.foreman.before = w.at(state.LockRelease, "GET", func() error { w.stop(); return nil })
		}, "ok", "", "", 0, "lock released"},
		{"DELETE was answered: one more look, to be sure", func(w *world) {
			w.foreman.after = w.at(state.LockRelease, "DELETE", func() error { w.stop(); return nil })
		}, "ok", "", "", 0, "lock released"},
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
					t.Errorf("%v, stage %q, holder %q; want %s, %q, %q",
						err, w.stage(), w.foreman.holder(), test.kind, test.stage, test.holder)
				}
				if took := time.Since(began); took < test.took || took > test.took+5*time.Second {
					t.Errorf("it took %s, want %s", took, test.took)
				}
				if all := w.log.String() + fmt.Sprint(err); !strings.Contains(all, test.said) {
					t.Errorf("%q is not said in %s", test.said, all)
				}
			})
		})
	}
}

// TestSignalAfterAnUnansweredClaim: until such a claim can't come any more, an answer to DELETE is not the end. A
// signal comes then.
func TestSignalAfterAnUnansweredClaim(t *testing.T) {
	tests := []struct {
		name  string
		setup func(*world)
		kind  string
		stage state.Stage
	}{
		{"what is left is done within a few seconds", func(*world) {}, "ok", ""},
		{"a slow Foreman: the state stays", func(w *world) { w.foreman.slowest = 4 * time.Second },
			"later", state.LockRelease},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.hooks[state.PostUpdate] = []fakeHook{{"long", func([]string) HookResult {
					lock.Sleep(t.Context(), time.Hour+time.Minute)
					return HookResult{}
				}}}
				test.setup(w)
				w.foreman.before = w.during(state.PostUpdate, "PUT", unreachable)
				w.foreman.after = w.at(state.LockRelease, "DELETE", func() error { w.stop(); return nil })
				if err := w.invoke(false); kind(err) != test.kind || w.stage() != test.stage {
					t.Errorf("%v, stage %q; want %s, %q\n%q", err, w.stage(), test.kind, test.stage, w.trace)
				}
			})
		})
	}
}

// TestSignalAfterRelease: once the lock is released by the invocation that took it, a signal changes nothing, nor does
// an outage.
func TestSignalAfterRelease(t *testing.T) {
	for _, outage := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.foreman.after = w.at(state.LockRelease, "DELETE", func() error {
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
