package workflow

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
)

// TestKilledAtEveryPoint kills a run between any two effects that others can see (state written, request sent, answer
// received, hook started, hook ended, reboot asked for), once by SIGKILL and once by a power cut, and lets the
// following invocations finish it.
func TestKilledAtEveryPoint(t *testing.T) {
	for _, reboot := range []string{"no", "yes", "inhibited"} {
		for _, powerCut := range []bool{false, true} {
			last := 0
			for at := 1; last == 0 || at <= last; at++ {
				name := fmt.Sprintf("reboot=%s power_cut=%v step=%d", reboot, powerCut, at)
				ok := t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						if steps := killAndFinish(t, at, reboot, powerCut); last == 0 {
							last = steps
						}
					})
				})
				if !ok {
					break
				}
			}
			if last < 35 {
				t.Errorf("a whole run had only %d steps", last)
			}
		}
	}
}

// killAndFinish kills the first invocation at a step and finishes the run. It returns how many steps a run has that
// is not killed.
func killAndFinish(t *testing.T, at int, reboot string, powerCut bool) int {
	needsReboot := reboot != "no"
	whole := newWorld(t)
	w := newWorld(t)
	asked := map[*world]bool{}
	for _, one := range []*world{whole, w} {
		if needsReboot {
			one.needsReboot()
		}
		inhibited := 2 // tries
		if reboot != "inhibited" {
			inhibited = 0
		}
		one.inhibitors = func() []Inhibitor { return slices.Repeat([]Inhibitor{backup}, min(inhibited, 1)) }
		one.onReboot = func() error {
			if inhibited > 0 {
				inhibited--
				return errors.New("inhibited")
			}
			asked[one] = true
			return nil
		}
		one.hooks[state.PostUpdate] = []fakeHook{{"start", func([]string) HookResult {
			if needsReboot && (one.askedIn == "" || one.askedIn == one.bootID) {
				t.Error("post_update before a reboot that was asked for")
			}
			return HookResult{}
		}}}
	}
	if err := whole.invoke(false); err != nil {
		t.Fatal(err)
	}
	if needsReboot {
		whole.reboot()
		if err := whole.invoke(true); err != nil {
			t.Fatal(err)
		}
	}

	w.dieAt = at
	_ = w.invoke(false)
	if needsReboot && asked[w] && !w.dead { // it dies in the invocation after the boot
		asked[w] = false
		w.reboot()
		_ = w.invoke(true)
	}
	if !w.dead {
		t.Fatalf("it was not killed: %d steps", w.steps)
	}
	w.dieAt = 0
	if powerCut {
		w.reboot()
		asked[w] = false
	}
	for i := 0; i < 6; i++ {
		atBoot := i == 0 && powerCut
		if asked[w] {
			asked[w], atBoot = false, true
			w.reboot()
		}
		if err := w.invoke(atBoot); err != nil {
			t.Fatalf("invocation %d afterwards: %v\n%q\n%s", i, err, w.trace, w.log)
		}
		if w.disk == nil && w.foreman.holder() == "" && len(w.effects("hook post_update/start ended")) > 0 {
			break
		}
		lock.Sleep(t.Context(), w.settings.RebootTimeout+time.Minute)
	}
	if w.disk != nil || w.foreman.holder() != "" {
		t.Fatalf("not finished: state %+v, holder %q\n%q", w.disk, w.foreman.holder(), w.trace)
	}
	inOrder(t, w, "hook pre_update/20-stop ended", "hook update/30-upgrade ended",
		"hook post_update/start ended", "DELETE")
	return whole.steps
}

// inOrder checks that each step came, and its last time after the one before had come.
func inOrder(t *testing.T, w *world, steps ...string) {
	t.Helper()
	before := -1
	for _, want := range steps {
		last := -1
		for i, got := range w.trace {
			if got == want {
				last = i
			}
		}
		if last <= before {
			t.Errorf("%q is missing or too early in %q", want, w.trace)
			return
		}
		before = last
	}
}

// TestKilledAroundRefusal kills a run, which a gate refuses once it has the lock, between any two effects. Afterwards
// the window is closed: the next invocation may not begin, and must give back whatever the first has taken.
func TestKilledAroundRefusal(t *testing.T) {
	eachStep(t, 8, func(t *testing.T, w *world) func() {
		w.settings.LockSlots, w.settings.MaxFailed, w.settings.GateInterval = 2, 1, time.Minute
		asked := 0
		w.hooks[Gate] = []fakeHook{{"a", func([]string) HookResult {
			asked++
			return HookResult{Exit: btoi(asked == 2)}
		}}}
		w.on[Waiting] = func() { w.mayBegin = closedAt(time.Now(), "window") }
		_ = w.invoke(false)
		return func() {
			w.mayBegin = closedAt(time.Now(), "window")
			_ = w.invoke(false)
			w.left(t)
			if len(w.effects("hook pre_update")) > 0 {
				t.Error("the run began")
			}
		}
	})
}

// TestKilledAroundFlag kills a run that fails and raises its flag, and the one that finishes it, between any two
// effects.
func TestKilledAroundFlag(t *testing.T) {
	eachStep(t, 30, func(t *testing.T, w *world) func() {
		w.settings.LockSlots, w.settings.MaxFailed = 2, 1
		failed := 0
		w.hooks[state.Update] = []fakeHook{{"30-upgrade", func([]string) HookResult {
			failed++
			return HookResult{Exit: btoi(failed == 1)}
		}}}
		_ = w.invoke(false)
		if !w.dead {
			_ = w.invoke(false)
		}
		return func() {
			for range 3 {
				_ = w.invoke(false)
			}
			w.left(t)
		}
	})
}

// eachStep lets live kill a world's invocation before each of its effects. What live returns is done afterwards.
func eachStep(t *testing.T, least int, live func(*testing.T, *world) (afterwards func())) {
	last := 0
	for at := 1; last == 0 || at <= last; at++ {
		ok := t.Run(fmt.Sprintf("step=%d", at), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.dieAt = at
				afterwards := live(t, w)
				if !w.dead {
					last = at
				}
				w.dieAt = 0
				afterwards()
			})
		})
		if !ok {
			return
		}
	}
	if last < least {
		t.Errorf("only %d steps", last)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
