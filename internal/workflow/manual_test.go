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

	"github.com/google/go-cmp/cmp"
)

// TestRunHooks: by hand a stage asks its hooks as in a run, and nothing else has any effect.
func TestRunHooks(t *testing.T) {
	hang := func([]string) HookResult { return HookResult{Err: errors.New("timed out")} }
	tests := []struct {
		name   string
		stage  state.Stage
		hooks  []fakeHook
		yes    bool
		result string   // as kind says it
		ran    []string // of the hooks
	}{
		{"all are asked", state.NeedsUpdate, []fakeHook{{"a", exits(1)}, {"b", exits(0)}}, true, "ok", []string{"a", "b"}},
		{"no updates", state.NeedsUpdate, []fakeHook{{"a", exits(0)}}, false, "ok", []string{"a"}},
		{"until one says yes", state.NeedsReboot, []fakeHook{{"a", exits(0)}, {"b", exits(1)}, {"c", exits(0)}}, true,
			"ok", []string{"a", "b"}},
		{"nobody to ask", state.NeedsReboot, nil, true, "ok", nil},
		{"no answer", state.NeedsReboot, []fakeHook{{"a", hang}}, false, "failed", []string{"a"}},
		{"could not find out", state.NeedsUpdate, []fakeHook{{"a", exits(75)}, {"b", exits(1)}},
			false, "later", []string{"a"}},
		{"until one fails", state.Update, []fakeHook{{"a", exits(0)}, {"b", exits(75)}, {"c", exits(0)}}, false,
			"failed", []string{"a", "b"}},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.settings.CannotTellExit = 75
			w.hooks[test.stage] = test.hooks
			w.foreman.hold("me") // or the world complains of guarded stages
			yes, err := w.workflow().RunHooks(t.Context(), test.stage)
			if yes != test.yes || kind(err) != test.result {
				t.Errorf("%s: %v, %v", test.name, yes, err)
			}
			var want []string
			for _, name := range test.ran {
				want = append(want, "hook "+string(test.stage)+"/"+name)
			}
			got := slices.DeleteFunc(w.trace, func(step string) bool { return strings.HasSuffix(step, " ended") })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s:\n%s", test.name, diff)
			}
		})
	}
}

// TestRunHooksEnvironment: hooks get the environment of the run in progress, since its hooks have noted things under
// its name.
func TestRunHooksEnvironment(t *testing.T) {
	tests := []struct {
		record *state.Record
		stage  state.Stage
		want   []string
	}{
		{nil, state.PostUpdate, []string{"DLM_RUN_ID=by-hand", "DLM_LOCK_NAME=web", "DLM_REBOOTED=0"}},
		{&state.Record{Stage: state.NeedsUpdate, RunID: "old", Lock: "db"}, state.PostUpdate,
			[]string{"DLM_RUN_ID=by-hand", "DLM_LOCK_NAME=web", "DLM_REBOOTED=0"}},
		{&state.Record{Stage: state.PostUpdate, RunID: "run", Lock: "db", Rebooted: true}, state.PostUpdate,
			[]string{"DLM_RUN_ID=run", "DLM_LOCK_NAME=db", "DLM_REBOOTED=1"}},
		{&state.Record{Stage: state.PostUpdate, RunID: "run", Lock: "db", Rebooted: true}, state.PreUpdate,
			[]string{"DLM_RUN_ID=run", "DLM_LOCK_NAME=db", "DLM_REBOOTED=0"}},
		{&state.Record{Stage: state.Update}, state.PostUpdate, // the original's
			[]string{"DLM_RUN_ID=by-hand", "DLM_LOCK_NAME=web", "DLM_REBOOTED=0"}},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.foreman.hold("me")
			w.disk = test.record
			var env []string
			w.hooks[test.stage] = []fakeHook{{"a", func(e []string) HookResult { env = e; return HookResult{} }}}
			if _, err := w.workflow().RunHooks(t.Context(), test.stage); err != nil {
				t.Fatal(err)
			}
			for _, want := range append(test.want, "DLM_STAGE="+string(test.stage), "DLM_CONFIG=/etc/config.ini") {
				if !slices.Contains(env, want) {
					t.Errorf("no %s in %q", want, env)
				}
			}
			if diff := cmp.Diff(test.record, w.disk); diff != "" {
				t.Error(diff)
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
		warns  bool // that this host may hold the lock
	}{
		{"free", func(*world) {}, false, "ok", "me", false},
		{"asked for nothing, since the first look fails", func(w *world) { w.foreman.before = each("GET", unreachable) },
			false, "later", "", false},
		{"asked for, and no answer since", func(w *world) {
			w.foreman.after = w.at(noStage, "PUT", func() error {
				w.foreman.before = func(string) error { return unreachable() }
				return nil
			})
		}, false, "later", "me", true},
		{"held elsewhere: not now", func(w *world) { w.foreman.hold("other") }, false, "later", "other", false},
		{"held elsewhere: wait", func(w *world) {
			w.foreman.hold("other")
			time.AfterFunc(2*time.Minute, func() { w.foreman.hold("") })
		}, true, "ok", "me", false},
		{"given up while it settles: released", func(w *world) {
			w.foreman.after = w.at(noStage, "PUT", func() error { w.stop(); return nil })
		}, false, "later", "", false},
		{"ours before, and given up while it settles: kept", func(w *world) {
			w.foreman.hold("me")
			w.foreman.after = w.at(noStage, "PUT", func() error { w.stop(); return nil })
		}, false, "later", "me", false},
		{"ours before, and barred: kept",
			func(w *world) { w.foreman.hold("me"); w.foreman.barred = true }, false, "later", "me", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				test.setup(w)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				w.stop = cancel
				_, err := w.workflow().TakeLock(ctx, ByHand{Name: "web", Wait: test.wait})
				if kind(err) != test.kind || w.foreman.holder() != test.holder {
					t.Errorf("%v, holder %q; want %s, %q", err, w.foreman.holder(), test.kind, test.holder)
				}
				if warns := strings.Contains(w.log.String(), "may hold the lock"); warns != test.warns {
					t.Errorf("warns %v, want %v: %s", warns, test.warns, w.log)
				}
			})
		})
	}
}

// fakeHand is the record of a lock that a person has taken.
type fakeHand struct {
	held *Holding
	err  error
}

func (h *fakeHand) Load() (*Holding, error) { return h.held, h.err }
func (h *fakeHand) Clear() error            { h.held = nil; return nil }

// TestHeldByHand: a run leaves a lock that a person has, whichever slot it is, and removes a record that is not true
// any more.
func TestHeldByHand(t *testing.T) {
	tests := []struct {
		name   string
		hand   fakeHand
		setup  func(*world)
		kind   string
		says   string
		holder string // of slot 2, afterwards
		kept   bool   // the record
	}{
		{"held", fakeHand{held: &Holding{Lock: "web.slot2", Who: "by anna"}},
			func(w *world) { w.other("web.slot2").hold("me") }, "later", "held by hand on this host: by anna", "me", true},
		{"held, and nobody can tell at first", fakeHand{held: &Holding{Lock: "web.slot2", Who: "by anna"}},
			func(w *world) {
				w.other("web.slot2").hold("me")
				failures := 2
				w.foreman.before = each("GET", unreachable)
				w.other("web.slot2").before = func(string) error {
					if failures--; failures >= 0 {
						return unreachable()
					}
					return nil
				}
			}, "later", "by anna", "me", true},
		{"another server was asked", fakeHand{held: &Holding{Lock: "web.slot2", Who: "by anna",
			Origin: &lock.Origin{Server: "https://old"}}},
			func(w *world) { w.foreman.identity.Server = "https://new" }, "later", "by anna", "", true},
		{"freed", fakeHand{held: &Holding{Lock: "web.slot2", Who: "by anna"}}, func(*world) {}, "ok", "", "", false},
		{"taken over", fakeHand{held: &Holding{Lock: "web.slot2", Who: "by anna"}},
			func(w *world) { w.other("web.slot2").hold("other") }, "ok", "", "other", false},
		{"unreadable", fakeHand{err: errors.New("cut off")}, func(*world) {}, "failed", "can't tell", "", false},
		{"nobody", fakeHand{}, func(*world) {}, "ok", "", "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.settings.LockSlots = 2
				test.setup(w)
				work := w.workflow()
				work.Hand = &test.hand
				err := work.Run(t.Context(), false)
				if kind(err) != test.kind || err != nil && !strings.Contains(err.Error(), test.says) {
					t.Errorf("got %v, want %s, %q", err, test.kind, test.says)
				}
				if got := w.other("web.slot2").holder(); got != test.holder || w.foreman.holder() != "" {
					t.Errorf("slot 2 is held by %q, slot 1 by %q", got, w.foreman.holder())
				}
				if kept := test.hand.held != nil; kept != test.kept || w.disk.InProgress() {
					t.Errorf("record kept: %v, want %v; on record %+v", kept, test.kept, w.disk)
				}
			})
		})
	}
}

// TestHeldByHandMeanwhile: a run that was killed while it waited had asked for slot 1. It does not give that slot back
// if a person has taken it since, and does not forget it if a person has another one.
func TestHeldByHandMeanwhile(t *testing.T) {
	for name, test := range map[string]struct {
		lock   string
		setup  func(*world)
		holder string // of slot 1, afterwards
		kept   bool   // the run's record
	}{
		"a closed window": {"web", func(w *world) { w.mayBegin = closedAt(time.Now(), lock.Window) }, "me", false},
		"a gate":          {"web", func(w *world) { w.hooks[Gate] = []fakeHook{{"no", exits(1)}} }, "me", false},
		"another slot":    {"web.slot2", func(*world) {}, "", false},
		"another slot, and no release": {"web.slot2", func(w *world) {
			w.locks.ReleaseTimeout = time.Minute
			w.foreman.before = each("DELETE", unreachable)
		}, "me", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.settings.LockSlots, w.settings.GateInterval = 2, time.Minute
				w.disk = &state.Record{Stage: state.LockGet, RunID: "r", Lock: "web", ClaimSent: time.Now(),
					Taken: &state.Taken{}}
				w.foreman.hold("me")
				w.other("web.slot2").hold("me")
				test.setup(w)
				work := w.workflow()
				work.Hand = &fakeHand{held: &Holding{Lock: test.lock, Who: "by anna"}}
				if err := work.Run(t.Context(), false); kind(err) != "later" {
					t.Errorf("got %v", err)
				}
				if got := w.foreman.holder(); got != test.holder || w.disk.InProgress() != test.kept {
					t.Errorf("slot 1 is held by %q, on record %+v", got, w.disk)
				}
			})
		})
	}
}

// changesItsMind is a gate that says no only when it is asked for the second time.
func changesItsMind(w *world) {
	asked := 0
	w.hooks[Gate] = []fakeHook{{"no", func([]string) HookResult {
		asked++
		return HookResult{Exit: map[int]int{2: 1}[asked]}
	}}}
}

// TestTakeByHandAsks: gates and the failure budget count for a command, a closed window does not. A refusal once the
// lock is taken gives it back.
func TestTakeByHandAsks(t *testing.T) {
	tests := []struct {
		name  string
		setup func(*world)
		wait  bool
		kind  string
		mine  int // slots that are this host's
	}{
		{"yes", func(*world) {}, false, "ok", 1},
		{"a gate", func(w *world) { w.hooks[Gate] = []fakeHook{{"no", exits(1)}} }, false, "later", 0},
		{"a gate that changes its mind", changesItsMind, false, "later", 0},
		{"the same, and it waits", changesItsMind, true, "ok", 1},
		{"the budget", func(w *world) { w.other("web.failed2").hold("other") }, false, "later", 0},
		{"a slot is held", func(w *world) { w.foreman.hold("other") }, false, "ok", 1},
		{"both are", func(w *world) { w.foreman.hold("other"); w.other("web.slot2").hold("another") }, false, "later", 0},
		{"a window", func(w *world) { w.mayBegin = closedAt(time.Now(), lock.Window) }, false, "ok", 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.settings.LockSlots, w.settings.MaxFailed, w.settings.GateInterval = 2, 1, time.Minute
				test.setup(w)
				var announced []string
				l, err := w.workflow().TakeLock(t.Context(), ByHand{Name: "web", Slots: Slots("web", 2), Wait: test.wait,
					Asks: true, Announce: func(name string) error { announced = append(announced, name); return nil }})
				mine := 0
				for _, f := range []*fakeForeman{w.foreman, w.other("web.slot2")} {
					if f.holder() == "me" {
						mine++
					}
				}
				if kind(err) != test.kind || mine != test.mine {
					t.Errorf("%v, %d slots are this host's; want %s, %d", err, mine, test.kind, test.mine)
				}
				if err == nil && !slices.Contains(announced, l.Name()) {
					t.Errorf("lock %s was taken, announced were %q", l.Name(), announced)
				}
			})
		})
	}
}

// TestHeldByHandNoLook: where the only look is a request for the lock, one that was refused may still be granted when
// the network delivers it late. So it is undone before the record that this host has the lock is removed.
func TestHeldByHandNoLook(t *testing.T) {
	for name, abandoned := range map[string]bool{"undone": true, "not undone": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				l := w.fakeLock()
				l.abandoned = abandoned
				l.confirm = func() error {
					l.asked = true
					return lostToOther
				}
				hand := &fakeHand{held: &Holding{Lock: "web", Who: "by anna"}}
				r := &run{Workflow: w.workflow()}
				r.Hand = hand
				err := r.notByHand(t.Context())
				if got, want := w.asksOfLock(), []string{"confirm", "abandon"}; !slices.Equal(got, want) {
					t.Errorf("the lock was asked to %q, not %q", got, want)
				}
				if kept := hand.held != nil; kept == abandoned || (err == nil) != abandoned {
					t.Errorf("the record is kept: %v; it returns %v", kept, err)
				}
			})
		})
	}
}
