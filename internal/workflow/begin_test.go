package workflow

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
)

// closedAt is a calendar that refuses from some time on.
func closedAt(at time.Time, question lock.Question) func(time.Time) (*Refusal, error) {
	return func(now time.Time) (*Refusal, error) {
		if now.Before(at) {
			return nil, nil
		}
		return &Refusal{Question: question, Why: "closed"}, nil
	}
}

// left fails the test if the host holds any lock, or a run is on record.
func (w *world) left(t *testing.T) {
	t.Helper()
	for _, f := range append([]*fakeForeman{w.foreman}, values(w.others)...) {
		if f.holder() == "me" {
			t.Errorf("lock %q is still this host's", f.name)
		}
	}
	if w.disk.InProgress() {
		t.Errorf("on record: %+v", w.disk)
	}
}

func values(m map[string]*fakeForeman) (all []*fakeForeman) {
	for _, f := range m {
		all = append(all, f)
	}
	return all
}

// resumes puts a run on record that an earlier invocation left in a stage, with the lock or slot of that name.
func (w *world) resumes(stage state.Stage, name string) *state.Record {
	w.disk = &state.Record{Stage: stage, Format: 1, RunID: "r", Lock: name, MachineID: w.machine, Taken: &state.Taken{}}
	return w.disk
}

// waitedFor is what the run has waited for; of several, the last.
func (w *world) waitedFor() (wait lock.Wait) {
	for _, e := range w.told {
		if e.Kind == Waiting {
			wait = e.Wait
		}
	}
	return wait
}

// TestRefusedAtOnce: a no to pause, freeze or window ends the invocation before anything is asked or written.
func TestRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.mayBegin = closedAt(time.Now(), lock.Pause)
		err := w.invoke(false)
		var refusal *Refusal
		if !errors.As(err, &refusal) || !errors.Is(err, ErrTryLater) || refusal.Question != lock.Pause {
			t.Errorf("got %v", err)
		}
		if len(w.trace) > 0 || len(w.told) > 0 {
			t.Errorf("done: %q, told %v", w.trace, w.told)
		}
	})
}

// TestUnclear: what can't be read lets no run begin, and is no "try later".
func TestUnclear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.mayBegin = func(time.Time) (*Refusal, error) { return nil, errors.New("line 3: no date") }
		if err := w.invoke(false); !errors.Is(err, ErrUnclear) || errors.Is(err, ErrTryLater) {
			t.Errorf("got %v", err)
		}
		if len(w.trace) > 0 {
			t.Errorf("done: %q", w.trace)
		}
	})
}

// TestCalendarEndsWait: a window that closes ends the wait, wherever it is, and gives back what was taken.
func TestCalendarEndsWait(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(w *world)
		closes  time.Duration
	}{
		{"while another host holds the lock", func(w *world) { w.foreman.hold("other") }, 10 * time.Minute},
		{"while a gate says no", func(w *world) { w.hooks[Gate] = []fakeHook{{"busy", exits(1)}} }, 10 * time.Minute},
		{"while the claim settles", func(*world) {}, time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.settings.GateInterval = 5 * time.Minute
				test.prepare(w)
				w.mayBegin = closedAt(time.Now().Add(test.closes), lock.Window)
				err := w.invoke(false)
				var refusal *Refusal
				if !errors.As(err, &refusal) || !errors.Is(err, ErrTryLater) {
					t.Errorf("got %v", err)
				}
				if slices.Contains(w.trace, "hook pre_update/20-stop") {
					t.Error("the run began")
				}
				w.left(t)
			})
		})
	}
}

// TestRefusalInTrouble: a window that closes while the claim settles leaves no lock, even if the lock server gives no
// answer just then.
func TestRefusalInTrouble(t *testing.T) {
	for _, method := range []string{"GET", "DELETE"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			refused, closed := false, closedAt(time.Now().Add(time.Second), lock.Window)
			w.mayBegin = func(now time.Time) (*Refusal, error) {
				no, err := closed(now)
				refused = no != nil
				return no, err
			}
			w.foreman.before = w.first(method, unreachable, func() bool { return refused })
			var refusal *Refusal
			if err := w.invoke(false); !errors.As(err, &refusal) {
				t.Errorf("%s: got %v", method, err)
			}
			w.left(t)
		})
	}
}

// TestClaimIsGivenBack: an invocation that may not begin gives back what an earlier one may have claimed.
func TestClaimIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.mayBegin = closedAt(time.Now(), lock.Freeze)
		w.foreman.hold("me")
		w.resumes(state.LockGet, "web").ClaimSent = time.Now()
		if err := w.invoke(false); !errors.Is(err, ErrTryLater) {
			t.Errorf("got %v", err)
		}
		w.left(t)
	})
}

// TestClaimIsNotGivenBack: if the lock server can't be asked, the refusal does not hide that this host may hold the
// lock, and the next invocation gives it back.
func TestClaimIsNotGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.mayBegin = closedAt(time.Now(), lock.Freeze)
		w.foreman.hold("me")
		w.foreman.before = func(string) error { return unreachable() }
		w.resumes(state.LockGet, "web").ClaimSent = time.Now()
		err := w.invoke(false)
		var stage *StageError
		if !errors.Is(err, ErrTryLater) || !errors.As(err, &stage) || stage.Held != Perhaps {
			t.Errorf("got %v", err)
		}
		w.foreman.before = nil
		if err := w.invoke(false); !errors.Is(err, ErrTryLater) {
			t.Errorf("got %v", err)
		}
		w.left(t)
	})
}

// TestRunGoesOn: once the run has the lock, nothing of the calendar stops it.
func TestRunGoesOn(t *testing.T) {
	waits := func(s state.Stage) bool { return !HasLock(s) || s == state.Reboot }
	for _, stage := range slices.DeleteFunc(Stages(), waits) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.mayBegin = closedAt(time.Now(), lock.Window)
			w.hooks[Gate] = []fakeHook{{"no", exits(1)}}
			w.settings.MaxFailed, w.settings.LockSlots = 1, 1
			w.other("web.failed1").hold("other")
			w.foreman.hold("me")
			w.resumes(stage, "web")
			if err := w.invoke(false); err != nil {
				t.Errorf("%s: %v", stage, err)
			}
			if len(w.effects("hook gate")) > 0 {
				t.Errorf("%s: a gate was asked", stage)
			}
		})
	}
}

// TestGates: the gates are asked before the claim, and again once the lock is verified; a no blocks nobody.
func TestGates(t *testing.T) {
	says := func(exit int, text string) func([]string) HookResult {
		return func([]string) HookResult { return HookResult{Exit: exit, Said: text} }
	}
	tests := []struct {
		name  string
		gates []fakeHook
		why   string // what the run waits for first
	}{
		{"yes", []fakeHook{{"a", exits(0)}}, ""},
		{"no, with a reason", []fakeHook{{"a", says(1, "the cluster has 2 of 3 nodes")}},
			"gate a: the cluster has 2 of 3 nodes"},
		{"a link, and a reason with the name", []fakeHook{{"50-users", says(1, "users: anna is logged in")}},
			"gate users: anna is logged in"},
		{"no, without a reason", []fakeHook{{"a", exits(7)}}, "gate a: exit 7"},
		{"all are asked", []fakeHook{{"a", says(1, "one")}, {"b", exits(0)}, {"c", says(2, "three")}},
			"gate a: one; gate c: three"},
		{"no answer", []fakeHook{{"a", func([]string) HookResult { return HookResult{Err: errors.New("killed")} }}},
			"gate a: it gave no answer (killed)"},
		{"no answer, but words", []fakeHook{{"a", func([]string) HookResult {
			return HookResult{Err: errors.New("exit 127"), Said: "patroni.conf: url: not found"}
		}}}, `gate a: it gave no answer (exit 127; it said "patroni.conf: url: not found")`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.settings.GateInterval = 5 * time.Minute
				w.hooks[Gate] = test.gates
				w.on[Waiting] = func() {
					w.hooks[Gate] = []fakeHook{{"a", exits(0)}} // all is well from then on
				}
				began := time.Now()
				if err := w.invoke(false); err != nil {
					t.Fatal(err)
				}
				if why := w.waitedFor().Why; why != test.why {
					t.Errorf("waited for %q, not %q", why, test.why)
				}
				if waited := time.Since(began); test.why != "" && waited < time.Minute {
					t.Errorf("asked again after %s", waited)
				}
				w.left(t)
			})
		})
	}
}

// TestGateAfterTheClaim: a gate that says no once the lock is verified gives the lock back, and the wait goes on.
func TestGateAfterTheClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.settings.GateInterval = 5 * time.Minute
		asked := 0
		w.hooks[Gate] = []fakeHook{{"a", func([]string) HookResult {
			if asked++; asked == 2 {
				return HookResult{Exit: 1, Said: "a node has gone"}
			}
			return HookResult{}
		}}}
		var holder []string
		w.on[Waiting] = func() {
			go func() { // after the release
				lock.Sleep(w.t.Context(), 2*time.Minute)
				holder = append(holder, w.foreman.holder())
			}()
		}
		if err := w.invoke(false); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // for those who looked at the lock
		if asked != 4 || !slices.Equal(holder, []string{""}) {
			t.Errorf("asked %d times; while the gate said no, the lock was held by %q", asked, holder)
		}
		if got := w.requests(); !strings.HasPrefix(got, "GPGGDG") {
			t.Errorf("requests %s", got)
		}
		w.left(t)
	})
}

// TestGateWithUnsafeSettings: settings that somebody else can change while a run waits are not read by a gate.
func TestGateWithUnsafeSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.settings.GateInterval = 5 * time.Minute
		asked := 0
		w.hooks[Gate] = []fakeHook{{"a", func([]string) HookResult {
			asked++
			w.unsafeSettings = errors.New("hooks.conf: others can write it")
			return HookResult{Exit: 1}
		}}}
		if err := w.invoke(false); !errors.Is(err, ErrUnsafeHooks) || asked != 1 {
			t.Errorf("got %v after the gate was asked %d times", err, asked)
		}
		w.left(t)
	})
}

// TestBudget: while too many other hosts have failed, or a lock that blocks is held, no run begins.
func TestBudget(t *testing.T) {
	tests := []struct {
		name      string
		slots     int
		max       int
		flags     map[string]string
		blockedBy []string
		why       string
		question  lock.Question
	}{
		{"no failure", 3, 1, nil, nil, "", ""},
		{"one is allowed", 3, 2, map[string]string{"web.failed2": "web3"}, nil, "", ""},
		{"used up", 3, 1, map[string]string{"web.failed2": "web3"}, nil, "stopped: 1 failure is allowed, and web3 has failed",
			lock.Budget},
		{"more than used up", 3, 2,
			map[string]string{"web.failed1": "web1", "web.failed2": "web3", "web.failed3": "web5"}, nil,
			"stopped: 2 failures are allowed, and 3 hosts have failed: web1, web3, web5", lock.Budget},
		{"another slot's", 1, 1, map[string]string{"web.failed2": "web3"}, nil, "", ""},
		{"this host's own", 1, 1, map[string]string{"web.failed1": "me"}, nil, "", ""},
		{"blocked", 1, 0, map[string]string{"staging.failed1": "s1"}, []string{"db", "staging.failed1"},
			`blocked by lock "staging.failed1", which s1 holds`, lock.Blocked},
		{"a lock of this host blocks nobody", 1, 0, map[string]string{"db": "me"}, []string{"db"}, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.settings.LockSlots, w.settings.MaxFailed, w.settings.BlockedBy = test.slots, test.max, test.blockedBy
				for name, holder := range test.flags {
					w.other(name).hold(holder)
				}
				w.on[Waiting] = func() {
					for name, holder := range test.flags {
						if holder != "me" {
							w.other(name).hold("")
						}
					}
				}
				if err := w.invoke(false); err != nil {
					t.Fatal(err)
				}
				if wait := w.waitedFor(); wait.Why != test.why || wait.For != test.question {
					t.Errorf("waited for %q (%s)", wait.Why, wait.For)
				}
				if name := "web.failed1"; test.flags[name] == "me" && w.other(name).holder() != "" {
					t.Error("a flag of an earlier run is left")
				}
			})
		})
	}
}

// TestFlag: a run that fails and keeps its slot raises the slot's flag, and lowers it when it finishes.
func TestFlag(t *testing.T) {
	for _, away := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.settings.LockSlots, w.settings.MaxFailed = 3, 1
			w.hooks[state.Update] = []fakeHook{{"30-upgrade", exits(1)}}
			if away { // Foreman is away when the run fails
				for _, flag := range Flags("web", 3) {
					w.other(flag).before = func(string) error {
						if w.stage() == state.Update && w.disk.Error != nil {
							return unreachable()
						}
						return nil
					}
				}
			}
			err := w.invoke(false)
			var stage *StageError
			if !errors.As(err, &stage) || stage.Stage != state.Update || stage.Held != Yes {
				t.Fatalf("got %v", err)
			}
			if w.disk.Error == nil || !strings.Contains(w.disk.Error.Message, "exit 1") {
				t.Errorf("the failure on record: %+v", w.disk.Error)
			}
			flag := flagOf("web", w.disk.Lock)
			if len(w.disk.Flags) != 1 || w.disk.Flags[0] != (state.Flag{Name: flag, Set: !away}) {
				t.Errorf("flags on record: %+v", w.disk.Flags)
			}
			if raised := w.other(flag).holder() == "me"; raised == away {
				t.Errorf("flag %s raised: %v", flag, raised)
			}
			w.hooks[state.Update] = []fakeHook{{"30-upgrade", func([]string) HookResult {
				if w.other(flag).holder() != "me" {
					t.Error("the next invocation did not raise the flag")
				}
				return HookResult{}
			}}}
			if err := w.invoke(false); err != nil {
				t.Fatal(err)
			}
			w.left(t)
		})
	}
}

// TestFlagIsLoweredInTrouble: a lock server that is in trouble for a minute does not leave the flag behind: it would
// stop the cluster until an administrator frees it.
func TestFlagIsLoweredInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.settings.LockSlots, w.settings.MaxFailed = 1, 1
		w.foreman.hold("me")
		w.other("web.failed1").hold("me")
		w.other("web.failed1").before = w.away(state.LockRelease, time.Minute)
		w.resumes(state.LockRelease, "web").Flags = []state.Flag{{Name: "web.failed1", Set: true}}
		if err := w.invoke(false); err != nil {
			t.Error(err)
		}
		w.left(t)
	})
}

// TestFlagOfARunThatGivesUp: a run that was set back to lock_get by hand, and may not begin now, lowers its flag.
func TestFlagOfARunThatGivesUp(t *testing.T) {
	for _, away := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.settings.LockSlots, w.settings.MaxFailed = 1, 1
			w.mayBegin = closedAt(time.Now(), lock.Window)
			w.disk = &state.Record{Stage: state.LockGet, Format: 1, RunID: "r", Lock: "web", MachineID: w.machine,
				Flags: []state.Flag{{Name: "web.failed1", Set: true}}}
			w.foreman.hold("me")
			flag := w.other("web.failed1")
			flag.hold("me")
			flag.before = func(string) error {
				if away {
					return unreachable()
				}
				return nil
			}
			if err := w.invoke(false); !errors.Is(err, ErrTryLater) {
				t.Errorf("got %v", err)
			}
			if away { // it stays on record until it is lowered
				if w.disk == nil || len(w.disk.Flags) != 1 {
					t.Errorf("on record: %+v", w.disk)
				}
				away = false
				_ = w.invoke(false)
			}
			w.left(t)
		})
	}
}

// TestSlots: a run takes any slot that is free, and keeps it to its end.
func TestSlots(t *testing.T) {
	for _, free := range Slots("web", 3) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.settings.LockSlots = 3
			for _, slot := range Slots("web", 3) {
				if slot != free {
					(foremen{w}).lock(slot).hold("other")
				}
			}
			w.hooks[state.Update] = []fakeHook{{"30-upgrade", exits(1)}}
			if err := w.invoke(false); err == nil {
				t.Fatal("no error")
			}
			if w.disk.Lock != free || (foremen{w}).lock(free).holder() != "me" {
				t.Errorf("on record: %s, held by %q", w.disk.Lock, (foremen{w}).lock(free).holder())
			}
			w.hooks[state.Update] = []fakeHook{{"30-upgrade", exits(0)}}
			if err := w.invoke(false); err != nil {
				t.Fatal(err)
			}
			w.left(t)
		})
	}
}

// TestSlotsAreLowered: a run that waits for a slot that is none any more takes one of those that are left, and gives
// back what it may have claimed. A run that has such a slot keeps it.
func TestSlotsAreLowered(t *testing.T) {
	tests := []struct {
		name    string
		slots   int
		holder  string // of the third slot
		claimed bool
	}{
		{"an earlier claim came true", 2, "me", true},
		{"an earlier claim did not come true", 2, "", true},
		{"another host has it", 2, "other", true},
		{"not asked for", 2, "", false},
		{"one slot is left", 1, "me", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.settings.LockSlots = test.slots
				w.foreman.hold("other")
				w.other("web.slot2").hold("other")
				w.other("web.slot3").hold(test.holder)
				w.resumes(state.LockGet, "web.slot3")
				if test.claimed {
					w.disk.ClaimSent = time.Now()
				}
				began := time.Now()
				w.on[Waiting] = func() {
					time.AfterFunc(time.Hour, func() { w.foreman.hold("") })
				}
				w.hooks[state.PreUpdate] = []fakeHook{{"20-stop", func([]string) HookResult {
					if w.foreman.holder() != "me" || w.other("web.slot3").holder() == "me" || time.Since(began) < time.Hour {
						t.Errorf("began after %s; held: %s, %s", time.Since(began), w.foreman.holder(),
							w.other("web.slot3").holder())
					}
					return HookResult{}
				}}}
				if err := w.invoke(false); err != nil {
					t.Fatal(err)
				}
				w.left(t)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.settings.LockSlots = 2
		w.other("web.slot3").hold("me")
		w.resumes(state.Update, "web.slot3")
		if err := w.invoke(false); err != nil {
			t.Fatal(err)
		}
		for _, step := range w.effects("PUT") {
			if !strings.Contains(step, "slot3") {
				t.Errorf("%q", w.effects("PUT"))
			}
		}
		w.left(t)
	})
}

// TestFlagOf: each slot has its flag, even if lock_name has changed since a run took it.
func TestFlagOf(t *testing.T) {
	tests := []struct{ lockName, slot, want string }{
		{"web", "web", "web.failed1"},
		{"web", "web.slot2", "web.failed2"},
		{"web", "web.slot99", "web.failed99"},
		{"db", "web", "web.failed1"},
		{"db", "web.slot3", "web.failed3"},
		{"web.slot3", "web.slot3", "web.slot3.failed1"},
		{"db", "web.slots", "web.slots.failed1"},
		{"web", "web.slots", "web.slots.failed1"},
		{"web", "web.slot02", "web.slot02.failed1"},
	}
	for _, test := range tests {
		if got := flagOf(test.lockName, test.slot); got != test.want {
			t.Errorf("lock_name %s, slot %s: %s, want %s", test.lockName, test.slot, got, test.want)
		}
	}
}

// TestFlagOnRecordFirst: a flag that can't be put on record is not raised: nobody would lower it.
func TestFlagOnRecordFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.settings.LockSlots, w.settings.MaxFailed = 1, 1
		w.hooks[state.Update] = []fakeHook{{"30-upgrade", func([]string) HookResult {
			w.saveErr = errors.New("no space left on device")
			return HookResult{Exit: 1}
		}}}
		if err := w.invoke(false); err == nil {
			t.Fatal("no error")
		}
		if holder := w.other("web.failed1").holder(); holder != "" {
			t.Errorf("the flag is held by %q, and the record says %+v", holder, w.disk.Flags)
		}
		w.saveErr, w.hooks[state.Update] = nil, nil
		if err := w.invoke(false); err != nil {
			t.Fatal(err)
		}
		w.left(t)
	})
}

// TestFailureIsToldFirst: others hear of a failure before the flag is raised, which may take a while.
func TestFailureIsToldFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.settings.LockSlots, w.settings.MaxFailed = 1, 1
		w.hooks[state.Update] = []fakeHook{{"30-upgrade", exits(1)}}
		w.other("web.failed1").before = func(string) error {
			if w.disk != nil && w.disk.Error != nil {
				return unreachable()
			}
			return nil
		}
		var took time.Duration
		began := time.Now()
		work := w.workflow()
		work.Failing = func(err error) {
			var stage *StageError
			if !errors.As(err, &stage) || stage.Stage != state.Update {
				t.Errorf("told %v", err)
			}
			took = time.Since(began)
		}
		if err := work.Run(t.Context(), false); err == nil {
			t.Fatal("no error")
		}
		if took == 0 || time.Since(began)-took < time.Minute || !strings.Contains(w.log.String(), "stage failed") {
			t.Errorf("told after %s of %s:\n%s", took, time.Since(began), w.log)
		}
	})
}
