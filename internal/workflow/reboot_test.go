package workflow

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/lock"
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
				lock.Sleep(t.Context(), 4*time.Minute)
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
			lock.Sleep(t.Context(), w.settings.RebootTimeout)
			w.log.Reset()
			if err := w.invoke(false); err != nil {
				t.Fatal(err)
			}
			if len(w.effects("reboot")) != asked || !strings.Contains(w.log.String(), "[ERROR]") {
				t.Errorf("asked %d times, want %d; log %s", len(w.effects("reboot")), asked, w.log)
			}
		}
		lock.Sleep(t.Context(), w.settings.RebootTimeout)
		err := w.invoke(false)
		var stage *StageError
		if kind(err) != "failed" || !errors.As(err, &stage) || stage.Held != Yes ||
			len(w.effects("reboot")) != w.settings.MaxReboots {
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
		{"the reboot that was asked for", &state.Record{Stage: state.PostUpdate, Asked: asked}, "ok", "",
			"hook post_update/50-start", "rebooted as asked", true},
		{"the same, found by the timer", &state.Record{Stage: state.PostUpdate, Asked: asked}, "ok", "",
			"hook post_update/50-start", "rebooted as asked", false},
		{"written by the original", &state.Record{Stage: state.PostUpdate}, "ok", "",
			"hook post_update/50-start", "the original", true},
		{"a power cut in update", &state.Record{Stage: state.Update, RunID: "r", Boot: &boot1}, "ok", "",
			"hook update/30-upgrade", "went down during a stage", true},
		{"a second one", &state.Record{Stage: state.Update, RunID: "r", Boot: &boot1, Interrupted: 1}, "failed", state.Update,
			"", "not tried again at boot", true},
		{"the boot unit once more, by hand", &state.Record{Stage: state.Update, RunID: "r", Interrupted: 2}, "failed",
			state.Update, "", "not tried again at boot", true},
		{"a second one, but a person or the timer goes on",
			&state.Record{Stage: state.Update, RunID: "r", Boot: &boot1, Interrupted: 1}, "ok", "",
			"hook update/30-upgrade", "", false},
		{"it had failed before the host was rebooted",
			&state.Record{Stage: state.Update, RunID: "r", Boot: &boot1, Interrupted: 1,
				Error: &state.Error{Stage: state.Update}}, "ok", "", "hook update/30-upgrade", "going on after a reboot", true},
		{"a power cut in post_update", &state.Record{Stage: state.PostUpdate, RunID: "r", Boot: &boot1, Interrupted: 5}, "ok",
			"", "hook post_update/50-start", "", true},
		{"a power cut before the reboot was asked for", &state.Record{Stage: state.Reboot, RunID: "r", Boot: &boot1}, "ok",
			state.PostUpdate, "reboot", "went down during a stage", true},
		{"a reboot that came though the command failed",
			&state.Record{Stage: state.Reboot, RunID: "r", Asked: asked, Error: &state.Error{}}, "ok", "",
			"hook post_update/50-start", "rebooted as asked", true},
		{"lock_release", &state.Record{Stage: state.LockRelease, RunID: "r", Boot: &boot1}, "ok", "", "DELETE", "", true},
		{"another machine's state", &state.Record{Stage: state.Update, MachineID: "machine-2"}, "failed",
			state.Update, "", "cloned", true},
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
			t.Errorf("fixed: %v, stage %q", err, w.stage())
		}
	})
}

// backup is a program that keeps the host from being shut down.
var backup = Inhibitor{Who: "backup", Why: "nightly\ndump", UID: 0, PID: 812}

// inhibits lets backup keep the host from being shut down for a time, in which the reboot command fails.
func (w *world) inhibits(lasts time.Duration) {
	until := time.Now().Add(lasts)
	w.inhibitors = func() []Inhibitor {
		if time.Now().Before(until) {
			return []Inhibitor{backup}
		}
		return nil
	}
	w.onReboot = func() error {
		if len(w.inhibitors()) > 0 {
			return errors.New(`exit 1; it said "Operation inhibited"`)
		}
		return nil
	}
}

// TestRebootInhibited: the command is tried again while somebody keeps the host from being shut down, and only while
// the lock is ours.
func TestRebootInhibited(t *testing.T) {
	const said = `exit 1; it said "Operation inhibited"`
	tests := []struct {
		name  string
		setup func(*world)
		kind  string
		tries int
		stage state.Stage // afterwards
		error string      // in it, and on record
		log   string
		held  Held
	}{
		{"let go after a while", func(w *world) { w.inhibits(3 * time.Minute) }, "ok", 7, state.PostUpdate, "",
			`\"backup\" (pid 812, uid 0)`, Yes},
		{"let go while the command fails", func(w *world) {
			w.inhibits(time.Hour)
			command := w.onReboot
			w.onReboot = func() error { defer w.inhibits(0); return command() }
		}, "ok", 2, state.PostUpdate, "", "backup", Yes},
		{"taken while the command runs", func(w *world) {
			w.onReboot = func() error { w.inhibits(time.Minute); return errors.New(said) }
		}, "ok", 5, state.PostUpdate, "", "backup", Yes},
		{"held for longer than reboot_timeout", func(w *world) { w.inhibits(time.Hour) }, "failed", 19, state.Reboot,
			`reboot command: ` + said +
				`; gave up after 15m0s (reboot_timeout), shutdown blocked by "backup" (pid 812, uid 0): "nightly\ndump"`, "", Yes},
		{"let go, and then it fails for another reason", func(w *world) {
			w.inhibits(10 * time.Second)
			command := w.onReboot
			w.onReboot = func() error { return errors.Join(command(), errors.New("exit 127")) }
		}, "failed", 3, state.Reboot, "exit 127", "", Yes},
		{"a command that hangs as long", func(w *world) {
			w.inhibits(time.Hour)
			w.onReboot = func() error {
				lock.Sleep(w.t.Context(), w.settings.RebootTimeout)
				return errors.New("timed out after 15m0s")
			}
		}, "failed", 1, state.Reboot, "timed out after 15m0s; gave up after", "", Yes},
		{"a signal", func(w *world) {
			w.inhibits(time.Hour)
			time.AfterFunc(time.Minute, func() { w.stop() })
		}, "later", 4, state.Reboot, "", "", Yes},
		{"the lock is given to another host meanwhile", func(w *world) {
			w.inhibits(time.Hour)
			time.AfterFunc(time.Minute, func() { w.foreman.hold("web2") })
		}, "failed", 4, state.Reboot, `lock "web" is not this host's any more: held by web2`, "", No},
		{"the lock is lost while the next try is written down", func(w *world) {
			w.inhibits(time.Hour)
			w.locks.Refresh, w.announcing = time.Minute, func() { lock.Sleep(context.Background(), 25*time.Second) }
			w.foreman.after = func(string) error {
				if len(w.effects("reboot")) > 0 {
					time.AfterFunc(time.Second, func() { w.foreman.hold("web2") })
				}
				return nil
			}
		}, "failed", 1, state.Reboot, `lock "web" is not this host's any more: held by web2`, "", No},
		// The record is as written before the command ran: the next invocation finds it pending.
		{"the disk is full by then", func(w *world) {
			w.inhibits(time.Hour)
			command := w.onReboot
			w.onReboot = func() error { w.saveErr = errors.New("no space left on device"); return command() }
		}, "failed", 1, state.PostUpdate, "", "", Yes},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.needsReboot()
				test.setup(w)
				err := w.invoke(false)
				tries := len(w.effects("reboot"))
				if kind(err) != test.kind || tries != test.tries || w.stage() != test.stage {
					t.Errorf("%v after %d tries, stage %q; want %s, %d, %q", err, tries, w.stage(), test.kind, test.tries, test.stage)
				}
				if test.error != "" && (!strings.Contains(fmt.Sprint(err), test.error) || w.disk.Error == nil ||
					!strings.Contains(w.disk.Error.Message, test.error)) {
					t.Errorf("got %v, on record %+v\nwant %s", err, w.disk.Error, test.error)
				}
				if n := strings.Count(w.log.String(), "reboot inhibited"); test.log != "" &&
					(n != 1 || !strings.Contains(w.log.String(), test.log)) {
					t.Errorf("said %d times in the log, want once, with %s:\n%s", n, test.log, w.log)
				}
				var stage *StageError
				if errors.As(err, &stage) && stage.Held != test.held {
					t.Errorf("held: %v, want %v", stage.Held, test.held)
				}
				want := 0
				if test.kind == "ok" || w.saveErr != nil {
					want = 1
				}
				if w.disk.Reboots != want {
					t.Errorf("%d reboots on record, want %d: a command that fails is none", w.disk.Reboots, want)
				}
			})
		})
	}
}

// TestEachInhibitorIsTold: once for each change of who is in the way.
func TestEachInhibitorIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.needsReboot()
		w.inhibits(10 * time.Minute)
		later, first := time.Now().Add(5*time.Minute), w.inhibitors
		w.inhibitors = func() []Inhibitor {
			all := first()
			if time.Now().After(later) && len(all) > 0 {
				all = append(all, Inhibitor{Who: "packagekit", Why: "installs", UID: 0, PID: 9})
			}
			return all
		}
		if err := w.invoke(false); err != nil {
			t.Fatal(err)
		}
		if told := strings.Count(w.log.String(), "reboot inhibited"); told != 2 ||
			strings.Count(w.log.String(), "packagekit") != 1 {
			t.Errorf("told %d times:\n%s", told, w.log)
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
		if !strings.Contains(env[state.Update], "DLM_REBOOTED=0") ||
			!strings.Contains(env[state.PostUpdate], "DLM_REBOOTED=1") {
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
