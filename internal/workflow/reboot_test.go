package workflow

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/state"

	"github.com/google/go-cmp/cmp"
)

// needsReboot makes the world's update one that needs a reboot.
func (w *world) needsReboot() {
	w.hooks[state.NeedsReboot] = []fakeHook{{"flag", exits(1)}}
}

// TestRebootWithProof: nothing of post_update before the host was really rebooted, whatever starts the program.
func TestRebootWithProof(t *testing.T) {
	for _, atBoot := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.needsReboot()
			w.onReboot = func() error {
				if w.stage() != state.PostUpdate || w.disk.Asked == nil || w.disk.Asked.Boot.ID != w.bootID {
					t.Errorf("on disk when the reboot command runs: %+v", w.disk)
				}
				return nil
			}
			if err := w.invoke(false); err != nil {
				t.Fatal(err)
			}
			w.trace = nil
			for range 3 { // the timer, or somebody's hand
				pause(t.Context(), 4*time.Minute)
				if err := w.invoke(atBoot); err != nil {
					t.Errorf("while the reboot is pending: %v", err)
				}
			}
			if len(w.trace) != 0 || !strings.Contains(w.log.String(), "reboot pending") {
				t.Errorf("while the reboot was pending: %q", w.trace)
			}
			w.reboot()
			if err := w.invoke(true); err != nil {
				t.Fatal(err)
			}
			want := []string{"hook post_update/50-start", "hook post_update/50-start ended", "DELETE", "DELETE answered"}
			if diff := cmp.Diff(want, w.effects("hook", "DELETE", "reboot")); diff != "" {
				t.Error(diff)
			}
			if w.disk != nil || w.foreman.holder() != "" {
				t.Errorf("left behind: %v, %q", w.disk, w.foreman.holder())
			}
		})
	}
}

// TestRebootOverdue: after reboot_timeout the command runs again, at most max_reboots times in all.
func TestRebootOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.needsReboot()
		if err := w.invoke(false); err != nil {
			t.Fatal(err)
		}
		for asked := 2; asked <= w.settings.MaxReboots; asked++ {
			pause(t.Context(), w.settings.RebootTimeout)
			w.log.Reset()
			if err := w.invoke(false); err != nil {
				t.Fatal(err)
			}
			if len(w.effects("reboot")) != asked || !strings.Contains(w.log.String(), "[ERROR]") {
				t.Errorf("asked %d times, want %d; log %s", len(w.effects("reboot")), asked, w.log)
			}
		}
		pause(t.Context(), w.settings.RebootTimeout)
		err := w.invoke(false)
		var stage *StageError
		if kind(err) != "failed" || !errors.As(err, &stage) || stage.Held != Yes || len(w.effects("reboot")) != w.settings.MaxReboots {
			t.Errorf("got %v, asked %d times", err, len(w.effects("reboot")))
		}
		if w.foreman.holder() != "me" || len(w.effects("hook post_update")) != 0 {
			t.Error("the run went on")
		}
		// The host comes down late, or by hand, all the same: that is the reboot that was asked for.
		w.reboot()
		if err := w.invoke(true); err != nil || w.disk != nil || w.foreman.holder() != "" {
			t.Errorf("after the late reboot: %v, %v, %q", err, w.disk, w.foreman.holder())
		}
	})
}

// TestRebootOverdueByUptime: the wall clock decides nothing.
func TestRebootOverdueByUptime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.disk = &state.Record{Stage: state.PostUpdate, RunID: "r", Lock: "web",
			Asked: &state.Asked{Time: time.Now().Add(-24 * time.Hour), Boot: state.Boot{ID: w.bootID}, Uptime: 0}}
		if err := w.invoke(false); err != nil || len(w.trace) != 0 {
			t.Errorf("%v, %q", err, w.trace)
		}
	})
}

// TestRebootCommandFails: back to reboot, tried again by the next invocation.
func TestRebootCommandFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.needsReboot()
		fails := true
		w.onReboot = func() error {
			if fails {
				return errors.New("exit 1")
			}
			return nil
		}
		if err := w.invoke(false); kind(err) != "failed" || w.stage() != state.Reboot || w.foreman.holder() != "me" {
			t.Fatalf("%v, stage %q", err, w.stage())
		}
		fails = false
		if err := w.invoke(false); err != nil || w.stage() != state.PostUpdate || len(w.effects("reboot")) != 2 {
			t.Errorf("%v, stage %q, %q", err, w.stage(), w.effects("reboot"))
		}
	})
}

// TestRebootCommandCutShort: the shutdown that was asked for ends this program and the command with it.
func TestRebootCommandCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.needsReboot()
		w.onReboot = func() error { w.stop(); return errors.New("killed by SIGTERM") }
		if err := w.invoke(false); err != nil || w.stage() != state.PostUpdate {
			t.Errorf("%v, stage %q", err, w.stage())
		}
	})
}

// TestAfterReboot: what the boot unit does, by what is on disk.
func TestAfterReboot(t *testing.T) {
	boot1, boot2 := state.Boot{ID: "boot-1"}, state.Boot{ID: "boot-2"}
	asked := &state.Asked{Boot: boot1}
	tests := []struct {
		name   string
		disk   *state.Record
		kind   string
		stage  state.Stage // afterwards
		first  string      // effect
		said   string
		atBoot bool
	}{
		{"no state", nil, "ok", "", "", "", true},
		{"needs_update", &state.Record{Stage: state.NeedsUpdate}, "ok", state.NeedsUpdate, "", "", true},
		{"lock_get", &state.Record{Stage: state.LockGet}, "ok", state.LockGet, "", "", true},
		{"the reboot that was asked for", &state.Record{Stage: state.PostUpdate, Asked: asked}, "ok", "", "hook post_update/50-start", "rebooted as asked", true},
		{"the same, found by the timer", &state.Record{Stage: state.PostUpdate, Asked: asked}, "ok", "", "hook post_update/50-start", "rebooted as asked", false},
		{"written by the original", &state.Record{Stage: state.PostUpdate}, "ok", "", "hook post_update/50-start", "the original", true},
		{"a power cut in update", &state.Record{Stage: state.Update, RunID: "r", Boot: &boot1}, "ok", "", "hook update/30-upgrade", "went down in the middle", true},
		{"a second one", &state.Record{Stage: state.Update, RunID: "r", Boot: &boot1, Interrupted: 1}, "failed", state.Update, "", "not tried again at boot", true},
		{"the boot unit once more, by hand", &state.Record{Stage: state.Update, RunID: "r", Interrupted: 2}, "failed", state.Update, "", "not tried again at boot", true},
		{"a second one, but a person or the timer goes on", &state.Record{Stage: state.Update, RunID: "r", Boot: &boot1, Interrupted: 1}, "ok", "", "hook update/30-upgrade", "", false},
		{"it had failed before the host was rebooted", &state.Record{Stage: state.Update, RunID: "r", Boot: &boot1, Interrupted: 1,
			Error: &state.Error{Stage: state.Update}}, "ok", "", "hook update/30-upgrade", "going on after a reboot", true},
		{"a power cut in post_update", &state.Record{Stage: state.PostUpdate, RunID: "r", Boot: &boot1, Interrupted: 5}, "ok", "", "hook post_update/50-start", "", true},
		{"a power cut before the reboot was asked for", &state.Record{Stage: state.Reboot, RunID: "r", Boot: &boot1}, "ok", state.PostUpdate, "reboot", "went down in the middle", true},
		{"a reboot that came though the command failed", &state.Record{Stage: state.Reboot, RunID: "r", Asked: asked, Error: &state.Error{}}, "ok", "", "hook post_update/50-start", "rebooted as asked", true},
		{"lock_release", &state.Record{Stage: state.LockRelease, RunID: "r", Boot: &boot1}, "ok", "", "DELETE", "", true},
		{"another machine's state", &state.Record{Stage: state.Update, MachineID: "machine-2"}, "failed", state.Update, "", "cloned", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.bootID, w.disk = boot2.ID, test.disk
				w.foreman.hold("me")
				err := w.invoke(test.atBoot)
				if kind(err) != test.kind || w.stage() != test.stage {
					t.Errorf("%v, stage %q; want %s, %q", err, w.stage(), test.kind, test.stage)
				}
				first := ""
				if effects := w.effects("hook", "reboot", "DELETE"); len(effects) > 0 {
					first = effects[0]
				}
				if first != test.first {
					t.Errorf("first effect %q, want %q", first, test.first)
				}
				all := w.log.String()
				if err != nil {
					all += err.Error()
				}
				if !strings.Contains(all, test.said) {
					t.Errorf("%q is not said in %s", test.said, all)
				}
			})
		})
	}
}

// TestCrashLoop: a host that goes down in update again and again stops after the second time, with the lock.
func TestCrashLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.hooks[state.Update] = []fakeHook{{"panics", func([]string) HookResult {
			w.dead = true
			return HookResult{Err: errDead}
		}}}
		_ = w.invoke(false)
		for range 5 {
			w.reboot()
			_ = w.invoke(true)
		}
		if n := len(w.effects("hook update")); n != 2 || w.stage() != state.Update || w.foreman.holder() != "me" {
			t.Errorf("update ran %d times, stage %q, holder %q", n, w.stage(), w.foreman.holder())
		}
	})
}

// TestFailingRebootCommandIsNoReboot: attempts that failed don't count against max_reboots.
func TestFailingRebootCommandIsNoReboot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.needsReboot()
		w.onReboot = func() error { return errors.New("exit 1") }
		for range 2 * w.settings.MaxReboots {
			if err := w.invoke(false); kind(err) != "failed" || !strings.Contains(err.Error(), "exit 1") {
				t.Fatal(err)
			}
		}
		w.onReboot = func() error { return nil }
		if err := w.invoke(false); err != nil || w.stage() != state.PostUpdate {
			t.Errorf("mended: %v, stage %q", err, w.stage())
		}
	})
}

// TestInterruptionIsOnRecord: it is counted for the stage in which it happened, before anything else is tried.
func TestInterruptionIsOnRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.disk = &state.Record{Stage: state.PreUpdate, RunID: "r", Lock: "web", Boot: &state.Boot{ID: "an earlier one"}}
		w.foreman.hold("me")
		w.foreman.before = func(string) error { w.stop(); return unreachable() }
		if err := w.invoke(true); kind(err) != "later" || w.disk.Interrupted != 1 {
			t.Errorf("%v, %+v", err, w.disk)
		}
		w.foreman.before = nil
		var inUpdate *state.Record
		env := map[state.Stage]string{}
		w.hooks[state.Update] = []fakeHook{{"x", func(e []string) HookResult {
			inUpdate, env[state.Update] = w.disk, strings.Join(e, " ")
			return HookResult{}
		}}}
		w.hooks[state.PostUpdate] = []fakeHook{{"x", func(e []string) HookResult {
			env[state.PostUpdate] = strings.Join(e, " ")
			return HookResult{Exit: 1}
		}}}
		_ = w.invoke(false)
		if inUpdate == nil || inUpdate.Interrupted != 0 {
			t.Errorf("in the next stage: %+v", inUpdate)
		}
		if !strings.Contains(env[state.Update], "DLM_REBOOTED=0") || !strings.Contains(env[state.PostUpdate], "DLM_REBOOTED=1") {
			t.Errorf("%q", env)
		}
		w.disk.Error = nil // as if it had been cut short
		w.reboot()
		if _ = w.invoke(true); w.disk.Interrupted != 0 {
			t.Errorf("post_update is no guarded stage: %+v", w.disk)
		}
	})
}

// TestRebootStateNotWritten: the command does not run, and the stage is named that could not go on.
func TestRebootStateNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.needsReboot()
		full := errors.New("no space left on device")
		w.foreman.after = func(string) error {
			if w.stage() == state.Reboot {
				w.saveErr = full
			}
			return nil
		}
		err := w.invoke(false)
		var stage *StageError
		if !errors.As(err, &stage) || stage.Stage != state.Reboot || !errors.Is(err, full) || len(w.effects("reboot")) != 0 {
			t.Errorf("%v, %q", err, w.effects("reboot"))
		}
	})
}
