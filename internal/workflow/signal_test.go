package workflow

import (
	"testing"
	"testing/synctest"

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
		if err := w.invoke(false); kind(err) != "later" || w.stage() != state.Update || w.disk.Error != nil || w.foreman.holder() != "me" {
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
			w.foreman.after = nth(at, 1, func() error { w.stop(); return nil })
			err := w.invoke(false)
			if kind(err) != "later" || w.stage() != state.Update || w.foreman.holder() != "me" || len(w.effects("hook")) != 0 {
				t.Errorf("%v, stage %q, holder %q, %q", err, w.stage(), w.foreman.holder(), w.trace)
			}
		})
	}
}

// TestSignalBeforeTheRelease: all work is done, so the lock is given back first.
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

// TestSignalBeforeReboot: a signal while the reboot is being announced; nothing was asked, and the next invocation asks.
func TestSignalBeforeReboot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.needsReboot()
		w.onAnnounced = func() { w.onAnnounced = nil; w.stop() }
		err := w.invoke(false)
		if kind(err) != "later" || w.stage() != state.Reboot || w.disk.Asked != nil || w.disk.Reboots != 0 || len(w.effects("reboot")) != 0 {
			t.Errorf("%v, %+v, %q", err, w.disk, w.trace)
		}
		if err := w.invoke(false); err != nil || w.stage() != state.PostUpdate || w.disk.Reboots != 1 || len(w.effects("reboot")) != 1 {
			t.Errorf("afterwards: %v, %+v, %q", err, w.disk, w.trace)
		}
	})
}
