package workflow

import (
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

// kind sorts an error the way exit codes do.
func kind(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrUnsafeHooks):
		return "config"
	case errors.Is(err, ErrTryLater), errors.Is(err, lock.ErrUnavailable):
		return "later"
	}
	return "failed"
}

func TestWholeRunWithoutReboot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if err := w.invoke(false); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"state needs_update", "hook needs_update/10-check",
			"state lock_get", "GET", "state lock_get", "PUT", "GET",
			"state pre_update", "GET", "inhibit shutdown", "hook pre_update/20-stop",
			"state update", "GET", "hook update/30-upgrade",
			"state needs_reboot", "GET", "hook needs_reboot/40-flag",
			"state post_update", "allow shutdown", "GET", "hook post_update/50-start",
			"state lock_release", "GET", "DELETE", "GET",
			"state cleared",
		}
		var got []string
		for _, step := range w.trace {
			if n := len(step); n > 9 && step[n-9:] == " answered" || n > 6 && step[n-6:] == " ended" {
				continue
			}
			got = append(got, step)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if w.foreman.holder() != "" || w.disk != nil {
			t.Errorf("left behind: holder %q, state %v", w.foreman.holder(), w.disk)
		}
	})
}

// TestStageOutcomes is the table "Stages" of the specification: every stage with every outcome.
func TestStageOutcomes(t *testing.T) {
	cannotBeRun := func([]string) HookResult { return HookResult{Exit: -1, Err: errors.New("exec format error")} }
	tests := []struct {
		name  string
		begin state.Stage // "": no state file
		setup func(*world)
		kind  string
		stage state.Stage // on disk afterwards
		hooks []string
		held  bool
	}{
		{"needs_update: one of two says yes, both are asked", "", func(w *world) {
			w.hooks[state.NeedsUpdate] = []fakeHook{{"a", exits(1)}, {"b", exits(0)}}
			w.hooks[state.PreUpdate] = []fakeHook{{"stop", exits(1)}}
		}, "failed", state.PreUpdate, []string{"needs_update/a", "needs_update/b", "pre_update/stop"}, true},
		{"needs_update: all say no", "", func(w *world) {
			w.hooks[state.NeedsUpdate] = []fakeHook{{"a", exits(0)}, {"b", exits(0)}}
		}, "ok", "", []string{"needs_update/a", "needs_update/b"}, false},
		{"needs_update: no hooks", "", func(w *world) { w.hooks[state.NeedsUpdate] = nil }, "ok", "", nil, false},
		{"needs_update: file of the original", state.NeedsUpdate,
			func(w *world) { w.hooks[state.NeedsUpdate] = nil }, "ok", "", nil, false},
		{"needs_update: could not find out", "", func(w *world) {
			w.settings.CannotTellExit = 75
			w.hooks[state.NeedsUpdate] = []fakeHook{{"a", exits(75)}, {"b", exits(1)}}
		}, "later", state.NeedsUpdate, []string{"needs_update/a"}, false},
		{"needs_update: that exit means yes where it is not configured", "", func(w *world) {
			w.hooks[state.NeedsUpdate] = []fakeHook{{"a", exits(75)}}
			w.hooks[state.PreUpdate] = []fakeHook{{"stop", exits(1)}}
		}, "failed", state.PreUpdate, []string{"needs_update/a", "pre_update/stop"}, true},
		{"needs_update: killed or timed out is no yes", "", func(w *world) {
			w.hooks[state.NeedsUpdate] = []fakeHook{{"a", cannotBeRun}, {"b", exits(1)}}
		}, "failed", state.NeedsUpdate, []string{"needs_update/a"}, false},

		{"lock_get: held elsewhere, lock_timeout", state.LockGet, func(w *world) {
			w.foreman.hold("other")
			w.locks.LockTimeout = 5 * w.locks.RetryInterval
		}, "later", "", nil, false},
		{"lock_get: error", state.LockGet, func(w *world) {
			w.foreman.before = func(string) error { return errors.New("401") }
		}, "failed", state.LockGet, nil, false},

		{"pre_update: stops at the first failure", state.PreUpdate, func(w *world) {
			w.hooks[state.PreUpdate] = []fakeHook{{"a", exits(0)}, {"b", exits(3)}, {"c", exits(0)}}
		}, "failed", state.PreUpdate, []string{"pre_update/a", "pre_update/b"}, true},
		{"pre_update: no hooks", state.PreUpdate, func(w *world) {
			w.hooks[state.PreUpdate], w.hooks[state.Update] = nil, []fakeHook{{"a", exits(1)}}
		}, "failed", state.Update, []string{"update/a"}, true},
		{"update: fails", state.Update, func(w *world) {
			w.hooks[state.Update] = []fakeHook{{"a", exits(100)}, {"b", exits(0)}}
		}, "failed", state.Update, []string{"update/a"}, true},
		{"update: a hook can't be executed", state.Update, func(w *world) {
			w.hooks[state.Update] = []fakeHook{{"a", cannotBeRun}}
		}, "failed", state.Update, []string{"update/a"}, true},
		{"update: hooks became unsafe", state.Update, func(w *world) {
			w.listErr[state.Update] = errors.New("writable by others")
		}, "failed", state.Update, nil, true},

		{"needs_reboot: asks until the first yes", state.NeedsReboot, func(w *world) {
			w.hooks[state.NeedsReboot] = []fakeHook{{"a", exits(0)}, {"b", exits(1)}, {"c", exits(0)}}
		}, "ok", state.PostUpdate, []string{"needs_reboot/a", "needs_reboot/b"}, true},
		{"needs_reboot: no hooks means yes", state.NeedsReboot, func(w *world) {
			w.hooks[state.NeedsReboot] = nil
		}, "ok", state.PostUpdate, nil, true},
		{"needs_reboot: all say no", state.NeedsReboot, func(w *world) {
			w.hooks[state.PostUpdate] = []fakeHook{{"a", exits(1)}}
		}, "failed", state.PostUpdate, []string{"needs_reboot/40-flag", "post_update/a"}, true},
		{"needs_reboot: could not find out: goes on without a reboot", state.NeedsReboot, func(w *world) {
			w.settings.CannotTellExit = 75
			w.hooks[state.NeedsReboot] = []fakeHook{{"a", exits(75)}, {"b", exits(0)}}
		}, "ok", "", []string{"needs_reboot/a", "needs_reboot/b", "post_update/50-start"}, false},
		{"needs_reboot: one could not find out, another says yes", state.NeedsReboot, func(w *world) {
			w.settings.CannotTellExit = 75
			w.hooks[state.NeedsReboot] = []fakeHook{{"a", exits(75)}, {"b", exits(1)}}
		}, "ok", state.PostUpdate, []string{"needs_reboot/a", "needs_reboot/b"}, true},
		{"needs_reboot: could not find out, which counts as yes", state.NeedsReboot, func(w *world) {
			w.settings.CannotTellExit, w.settings.CannotTellReboot = 75, true
			w.hooks[state.NeedsReboot] = []fakeHook{{"a", exits(75)}, {"b", exits(0)}}
		}, "ok", state.PostUpdate, []string{"needs_reboot/a"}, true},
		{"needs_reboot: killed is no yes", state.NeedsReboot, func(w *world) {
			w.hooks[state.NeedsReboot] = []fakeHook{{"a", cannotBeRun}}
		}, "failed", state.NeedsReboot, []string{"needs_reboot/a"}, true},

		{"reboot: asked", state.Reboot, func(*world) {}, "ok", state.PostUpdate, nil, true},
		{"reboot: the command fails", state.Reboot, func(w *world) {
			w.onReboot = func() error { return errors.New("exit 1") }
		}, "failed", state.Reboot, nil, true},

		{"post_update: fails", state.PostUpdate, func(w *world) {
			w.hooks[state.PostUpdate] = []fakeHook{{"a", exits(0)}, {"b", exits(2)}, {"c", exits(0)}}
		}, "failed", state.PostUpdate, []string{"post_update/a", "post_update/b"}, true},
		{"post_update: done", state.PostUpdate, func(*world) {}, "ok", "", []string{"post_update/50-start"}, false},
		{"lock_release: done", state.LockRelease, func(*world) {}, "ok", "", nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if test.begin != "" {
					w.disk = &state.Record{Stage: test.begin}
					if test.begin != state.NeedsUpdate && test.begin != state.LockGet {
						w.foreman.hold("me")
					}
				}
				test.setup(w)
				err := w.invoke(false)
				if got := kind(err); got != test.kind {
					t.Errorf("result %s (%v), want %s", got, err, test.kind)
				}
				if got := w.stage(); got != test.stage {
					t.Errorf("stage on disk %q, want %q", got, test.stage)
				}
				var hooks []string
				for _, step := range w.effects("hook ") {
					if name := step[len("hook "):]; !hasSuffix(name, " ended") {
						hooks = append(hooks, name)
					}
				}
				if diff := cmp.Diff(test.hooks, hooks); diff != "" {
					t.Errorf("hooks run:\n%s", diff)
				}
				if held := w.foreman.holder() == "me"; held != test.held {
					t.Errorf("lock held: %v, want %v", held, test.held)
				}
				var stage *StageError
				if test.kind == "failed" && errors.As(err, &stage) && (stage.Held == Yes) != test.held {
					t.Errorf("the error says held %v, it is %v", stage.Held, test.held)
				}
			})
		})
	}
}

func hasSuffix(s, suffix string) bool {
	return len(s) >= len(suffix) && s[len(s)-len(suffix):] == suffix
}

// TestFailedStageIsTriedAgain: the next invocation begins the stage anew, from its first hook.
func TestFailedStageIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ok := false
		w.hooks[state.Update] = []fakeHook{{"a", exits(0)}, {"b", func([]string) HookResult {
			if ok {
				return HookResult{}
			}
			return HookResult{Exit: 1}
		}}}
		if kind(w.invoke(false)) != "failed" || w.disk.Error == nil || w.disk.Error.Hook != "b" {
			t.Fatalf("the failure is not on record: %+v", w.disk)
		}
		run := w.disk.RunID
		ok, w.trace = true, nil
		w.hooks[state.PostUpdate] = []fakeHook{{"start", func(env []string) HookResult {
			if w.disk.RunID != run || w.disk.Error != nil {
				t.Errorf("record in the second invocation: %+v", w.disk)
			}
			return HookResult{}
		}}}
		if err := w.invoke(false); err != nil {
			t.Fatal(err)
		}
		if got := w.effects("hook update")[0]; got != "hook update/a" {
			t.Errorf("it began with %s", got)
		}
	})
}

// TestUnsafeHooksBlockNobody: all directories are vetted before the lock is asked for.
func TestUnsafeHooksBlockNobody(t *testing.T) {
	for _, stage := range HookStages() {
		for _, begin := range []state.Stage{"", state.LockGet} {
			t.Run(string(stage)+" from "+string(begin), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					if begin != "" {
						w.disk = &state.Record{Stage: begin}
					}
					w.listErr[stage] = errors.New("writable by others")
					if err := w.invoke(false); kind(err) != "config" {
						t.Errorf("got %v", err)
					}
					if len(w.effects("hook", "PUT")) != 0 || w.disk != nil {
						t.Errorf("it began: %q, stage %q", w.trace, w.stage())
					}
				})
			})
		}
	}
}

// TestUnsafeHookAfterAClaim: a run that may hold the lock releases it before it complains.
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

// TestNothingRunsUnlessTheStateIsWritten: a full or read-only disk stops the run before the stage.
func TestNothingRunsUnlessTheStateIsWritten(t *testing.T) {
	for _, begin := range []state.Stage{"", state.LockGet} {
		t.Run("from "+string(begin), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if begin != "" {
					w.disk = &state.Record{Stage: begin}
				}
				w.foreman.hold("me")
				w.saveErr = errors.New("write state /var/lib/x: no space left on device")
				if err := w.invoke(false); kind(err) != "failed" || !errors.Is(err, w.saveErr) {
					t.Errorf("got %v", err)
				}
				if done := w.effects("hook", "reboot", "DELETE"); len(done) != 0 {
					t.Errorf("executed all the same: %q", done)
				}
			})
		})
	}
}

// TestOutOfServiceWaitsForTheDisk: a host that was out of service when the invocation began is brought back as soon as
// its state can be written.
func TestOutOfServiceWaitsForTheDisk(t *testing.T) {
	for _, begin := range []state.Stage{state.PreUpdate, state.Update, state.NeedsReboot, state.Reboot, state.PostUpdate} {
		for _, rebooted := range []bool{false, true} {
			t.Run(fmt.Sprintf("from %s, rebooted=%v", begin, rebooted), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.disk = &state.Record{Stage: begin, RunID: "r", Boot: &state.Boot{ID: w.bootID}}
					if rebooted {
						w.reboot()
					}
					w.foreman.hold("me")
					w.saveErr, w.saves = errors.New("write state /var/lib/x: no space left on device"), 10
					if err := w.invoke(rebooted); err != nil || w.saveErr != nil {
						t.Errorf("%v, still full: %v", err, w.saveErr)
					}
					if diff := cmp.Diff("state "+string(begin), w.effects("state", "hook", "reboot", "DELETE")[0]); diff != "" {
						t.Errorf("first: %s", diff)
					}
					if n := strings.Count(w.log.String(), "no stage begins before it is"); n != 1 {
						t.Errorf("said %d times: %s", n, w.log)
					}
				})
			})
		}
	}
}

// TestOutOfServiceClaimsOnRecord: a host that is out of service and no longer has the lock asks for it only once it has
// saved its record. The record that it found may come from a save whose sync failed: after a power cut, this host would
// hold the lock and know of no run.
func TestOutOfServiceClaimsOnRecord(t *testing.T) {
	for _, begin := range []state.Stage{state.PreUpdate, state.Update, state.NeedsReboot, state.Reboot} {
		for _, fails := range []int{0, 10} {
			t.Run(fmt.Sprintf("from %s, the disk fails %d times", begin, fails), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.disk = &state.Record{Stage: begin, RunID: "r"}
					if w.saves = fails; fails > 0 {
						w.saveErr = errors.New("write state /var/lib/x: input/output error")
					}
					if err := w.invoke(false); err != nil || w.saveErr != nil {
						t.Errorf("%v, still failing: %v", err, w.saveErr)
					}
					same(t, "first effects", []string{"state " + string(begin), "PUT"}, w.effects("state", "PUT")[:2])
				})
			})
		}
	}
}

// TestReleaseNeedsNoDisk: the state says already that the lock is to be released.
func TestReleaseNeedsNoDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.disk = &state.Record{Stage: state.LockRelease, RunID: "r"}
		w.foreman.hold("me")
		w.saveErr = errors.New("read-only file system")
		if err := w.invoke(false); err != nil || w.foreman.holder() != "" {
			t.Errorf("%v, holder %q", err, w.foreman.holder())
		}
	})
}

// TestSignalWhileTheDiskIsFull: nothing has run, and the next invocation goes on.
func TestSignalWhileTheDiskIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.disk = &state.Record{Stage: state.PostUpdate, RunID: "r"}
		w.foreman.hold("me")
		w.saveErr = errors.New("no space left on device")
		time.AfterFunc(time.Hour, func() { w.stop() })
		err := w.invoke(false)
		if kind(err) != "later" || w.stage() != state.PostUpdate || len(w.effects("hook", "DELETE")) != 0 {
			t.Errorf("%v, %q", err, w.trace)
		}
		var stopped *StageError
		if !errors.As(err, &stopped) || !errors.Is(stopped.Obstacle.Err, w.saveErr) {
			t.Errorf("%v does not name what it waited for: %+v", err, stopped)
		}
	})
}

// TestHookEnvironment: what a hook learns, in and after a reboot.
func TestHookEnvironment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.settings.CannotTellExit = 75
		seen := map[state.Stage][]string{}
		for stage, exit := range map[state.Stage]int{state.NeedsUpdate: 1, state.Update: 0,
			state.NeedsReboot: 1, state.PostUpdate: 0} {
			w.hooks[stage] = []fakeHook{{"x", func(env []string) HookResult {
				seen[stage] = env
				return HookResult{Exit: exit}
			}}}
		}
		if err := w.invoke(false); err != nil {
			t.Fatal(err)
		}
		run := w.disk.RunID
		w.reboot()
		if err := w.invoke(true); err != nil {
			t.Fatal(err)
		}
		for stage, rebooted := range map[state.Stage]string{state.NeedsUpdate: "0", state.Update: "0",
			state.NeedsReboot: "0", state.PostUpdate: "1"} {
			want := []string{"DLM_STAGE=" + string(stage), "DLM_HOOK=" + w.hooks[stage][0].name,
				"DLM_RUN_ID=" + run, "DLM_LOCK_NAME=web",
				"DLM_CONFIG=/etc/config.ini", "DLM_STATE=/var/lib/state", "DLM_REBOOTED=" + rebooted, "DLM_CANNOT_TELL_EXIT=75"}
			if diff := cmp.Diff(want, seen[stage]); diff != "" {
				t.Errorf("%s: %s", stage, diff)
			}
		}
	})
}

// TestWhatAHookSaid goes with the failure, on record and in the error.
func TestWhatAHookSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.hooks[state.Update] = []fakeHook{{"apt", func([]string) HookResult {
			return HookResult{Exit: 100, Said: "E: no space left"}
		}}}
		err := w.invoke(false)
		if want := `exit 100; it said "E: no space left"`; w.disk.Error.Message != want ||
			err.Error() != "stage update: hook apt: "+want {
			t.Errorf("%v, %q", err, w.disk.Error.Message)
		}
	})
}

// TestUnsafeSettings are refused when a run begins, before anything is taken, and when a stage begins.
func TestUnsafeSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.unsafeSettings = errors.New("others can write it")
		if err := w.invoke(false); !errors.Is(err, ErrUnsafeHooks) || len(w.trace) != 0 {
			t.Errorf("%v, %q", err, w.trace)
		}
		w.disk = &state.Record{Stage: state.Update, RunID: "run", Lock: "web"}
		var failed *StageError
		if err := w.invoke(false); !errors.As(err, &failed) || failed.Held != Yes || errors.Is(err, ErrUnsafeHooks) {
			t.Errorf("%v", err)
		}
		if hooks := w.effects("hook"); len(hooks) != 0 {
			t.Errorf("ran: %q", hooks)
		}
	})
}

// TestRebootDue: what a run that could not find out leaves on record, until the host was rebooted after all.
func TestRebootDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.settings.CannotTellExit = 75
		w.hooks[state.NeedsReboot] = []fakeHook{{"a", func([]string) HookResult {
			return HookResult{Exit: 75, Said: "no needrestart"}
		}}}
		w.hooks[state.PostUpdate] = []fakeHook{{"stop here", exits(1)}}
		_ = w.invoke(false)
		due := w.disk.RebootDue
		if due == nil || due.Hook != "a" || !strings.Contains(due.Message, "no needrestart") || due.Boot.ID != w.bootID {
			t.Fatalf("on record: %+v", due)
		}
		if _ = w.invoke(false); w.disk.RebootDue == nil {
			t.Error("the next invocation has forgotten it")
		}
		w.hooks[state.PostUpdate] = nil
		disk := *w.disk
		if err := w.invoke(false); err != nil || !strings.Contains(w.log.String(), "[ERROR] a reboot may be due") {
			t.Errorf("%v: %s", err, w.log)
		}
		w.disk, w.hooks[state.PostUpdate] = &disk, []fakeHook{{"stop here", exits(1)}}
		w.reboot()
		if _ = w.invoke(false); w.disk.RebootDue != nil {
			t.Errorf("after a reboot: %+v", w.disk.RebootDue)
		}
	})
}

// TestNoRebootIsDueAnyMore: a hook that can tell by now, another one that says yes, and a reboot.
func TestNoRebootIsDueAnyMore(t *testing.T) {
	due := &state.RebootDue{Hook: "a", Message: "no needrestart", Boot: state.Boot{ID: "boot-1"}}
	asked := &state.Asked{Boot: state.Boot{ID: "boot-1"}}
	for _, test := range []struct {
		name   string
		record state.Record
		hooks  []fakeHook
		boot   string
	}{
		{"it can tell by now", state.Record{Stage: state.NeedsReboot, RebootDue: due}, []fakeHook{{"a", exits(0)}}, "boot-1"},
		{"another one says yes", state.Record{Stage: state.NeedsReboot},
			[]fakeHook{{"a", exits(75)}, {"b", exits(1)}}, "boot-1"},
		{"set by hand after a reboot", state.Record{Stage: state.PostUpdate, RebootDue: due}, nil, "boot-2"},
		{"rebooted as asked", state.Record{Stage: state.PostUpdate, RebootDue: due, Asked: asked}, nil, "boot-2"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.settings.CannotTellExit = 75
			w.bootID = test.boot
			w.foreman.hold("me")
			w.disk = &test.record
			w.hooks[state.NeedsReboot] = test.hooks
			w.hooks[state.PostUpdate] = []fakeHook{{"stop here", exits(1)}}
			_ = w.invoke(false)
			if w.disk.Stage != state.PostUpdate || w.disk.RebootDue != nil {
				t.Errorf("%s: %+v", test.name, w.disk)
			}
		})
	}
}

// TestUnfitHost: what would lose the run is found before the lock is asked for, and a claim of an earlier invocation is
// taken back.
func TestUnfitHost(t *testing.T) {
	for _, test := range []struct {
		name   string
		stage  state.Stage // on disk
		holder string
		update bool
		asked  bool // whether the host is looked at
		want   []string
	}{
		{"nothing to do", "", "", false, false, nil},
		{"a new run", "", "", true, true, nil},
		{"resumed while it asked for the lock", state.LockGet, "", true, true, nil},
		{"resumed, and the claim came true", state.LockGet, "me", true, true, []string{"DELETE", "DELETE answered"}},
		{"resumed out of service", state.PreUpdate, "me", true, false,
			[]string{"PUT", "PUT answered", "DELETE", "DELETE answered"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.unfit = errors.New("the state is on a tmpfs")
				w.foreman.hold(test.holder)
				if test.stage != "" {
					w.disk = &state.Record{Stage: test.stage, RunID: "r", Lock: "web"}
				}
				if !test.update {
					w.hooks[state.NeedsUpdate] = []fakeHook{{"10-check", exits(0)}}
				}
				err := w.invoke(false)
				if errors.Is(err, ErrUnfitHost) != test.asked || !test.asked && err != nil {
					t.Errorf("got %v", err)
				}
				if diff := cmp.Diff(test.want, w.effects("PUT", "DELETE")); diff != "" || w.disk != nil ||
					w.foreman.holder() != "" {
					t.Errorf("%s; stage %q, the lock is held by %q", diff, w.stage(), w.foreman.holder())
				}
			})
		})
	}
}

// TestHostWarnings: they are logged, and the run goes on.
func TestHostWarnings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.warnings = []string{"the resume unit is disabled"}
		if err := w.invoke(false); err != nil ||
			!strings.Contains(w.log.String(),
				"[WARN]  host check before the lock is asked for: warning=\"the resume unit is disabled\"") {
			t.Errorf("%v\n%s", err, w.log)
		}
	})
}
