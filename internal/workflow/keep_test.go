package workflow

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
)

// TestKeepingTheLock: what a guarded stage sees of the lock before it begins.
func TestKeepingTheLock(t *testing.T) {
	tests := []struct {
		name  string
		setup func(*world)
		kind  string
		stage state.Stage
		said  string
	}{
		{"still ours", func(*world) {}, "ok", "", ""},
		{"unreachable in the invocation that got it: warn and go on", func(w *world) {
			w.foreman.before = w.at(state.Update, "GET", unreachable)
		}, "ok", "", "locks don't expire"},
		{"released by an administrator", func(w *world) {
			w.foreman.before = w.at(state.Update, "GET", func() error { w.foreman.hold(""); return nil })
		}, "failed", state.Update, "it is free"},
		{"given to somebody else", func(w *world) {
			w.foreman.before = w.at(state.Update, "GET", func() error { w.foreman.hold("other"); return nil })
		}, "failed", state.Update, "held by other"},
		{"deleted", func(w *world) {
			w.foreman.before = w.at(state.Update, "GET", func() error { w.foreman.exists = false; return nil })
		}, "failed", state.Update, "deleted"},
		{"a signal at that moment", func(w *world) {
			w.foreman.after = w.at(state.Update, "GET", func() error { w.stop(); return unreachable() })
		}, "later", state.Update, ""},
		{"a signal while post_update looks", func(w *world) {
			w.foreman.after = w.at(state.PostUpdate, "GET", func() error { w.stop(); return nil })
			w.hooks[state.PostUpdate] = []fakeHook{{"never", func([]string) HookResult {
				w.t.Error("post_update ran")
				return HookResult{}
			}}}
		}, "later", state.PostUpdate, ""},
		{"refused meanwhile: that says nothing about the lock", func(w *world) {
			w.foreman.before = w.at(state.Update, "GET", func() error { return errors.New("401") })
		}, "ok", "", "locks don't expire"},
		{"a maintenance page: neither", func(w *world) {
			w.foreman.before = w.at(state.Update, "GET", odd)
		}, "ok", "", "locks don't expire"},
		{"gone before post_update: warn and go on", func(w *world) {
			w.foreman.before = w.at(state.PostUpdate, "GET", func() error { w.foreman.hold("other"); return nil })
		}, "ok", "", "bring the host back to service"},
		{"unreachable before post_update: warn and go on", func(w *world) {
			w.foreman.before = w.at(state.PostUpdate, "GET", unreachable)
		}, "ok", "", "bring the host back to service"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				test.setup(w)
				err := w.invoke(false)
				if kind(err) != test.kind || w.stage() != test.stage {
					t.Errorf("%s (%v), stage %q; want %s, %q", kind(err), err, w.stage(), test.kind, test.stage)
				}
				all := w.log.String()
				if err != nil {
					all += err.Error()
				}
				if !strings.Contains(all, test.said) {
					t.Errorf("%q is not said in %s", test.said, all)
				}
				if test.stage == state.Update && len(w.effects("hook update")) != 0 {
					t.Error("update ran")
				}
			})
		})
	}
}

// TestResumeTakesTheLockAgain: an invocation that resumes in a guarded stage.
func TestResumeTakesTheLockAgain(t *testing.T) {
	tests := []struct {
		name   string
		setup  func(*world)
		kind   string
		stage  state.Stage   // on disk
		waited time.Duration // at least, until update's hooks or the end
	}{
		{"still ours", func(*world) {}, "ok", "", 0},
		{"released meanwhile, and free", func(w *world) { w.foreman.hold("") }, "ok", "", 0},
		{"somebody else has it: wait, keeping the stage", func(w *world) {
			w.foreman.hold("other")
			w.on[Waiting] = func() {
				if w.stage() != state.Update {
					w.t.Errorf("waiting with stage %q", w.stage())
				}
				time.AfterFunc(2*time.Minute, func() { w.foreman.hold("") })
			}
		}, "ok", "", 2 * time.Minute},
		{"unreachable between the verification and the stage: keeps asking", func(w *world) {
			w.foreman.before = w.away(state.Update, time.Hour)
		}, "ok", "", time.Hour},
		{"a signal ends the wait", func(w *world) {
			w.foreman.before = func(string) error { return unreachable() }
			time.AfterFunc(10*time.Minute, func() { w.stop() })
		}, "later", state.Update, 10 * time.Minute},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.disk = &state.Record{Stage: state.Update, RunID: "r", Lock: "web"}
				w.foreman.hold("me")
				test.setup(w)
				began, hookBegan := time.Now(), time.Time{}
				w.hooks[state.Update] = []fakeHook{{"x", func([]string) HookResult { hookBegan = time.Now(); return HookResult{} }}}
				err := w.invoke(false)
				if kind(err) != test.kind || w.stage() != test.stage || hookBegan.IsZero() == (test.kind == "ok") {
					t.Errorf("%s (%v), stage on disk %q, update at %v; want %s, %q",
						kind(err), err, w.stage(), hookBegan, test.kind, test.stage)
				}
				if hookBegan.IsZero() {
					hookBegan = time.Now()
				}
				if waited := hookBegan.Sub(began); waited < test.waited || waited > test.waited+6*time.Minute {
					t.Errorf("it waited %s, want %s", waited, test.waited)
				}
			})
		})
	}
}

// TestRebootWaitsForAnAnswer: a host that is cut off may have been given up by an administrator, and the next one has
// begun.
func TestRebootWaitsForAnAnswer(t *testing.T) {
	tests := []struct {
		name     string
		away     time.Duration // no answer for so long
		freed    bool          // by an administrator meanwhile
		kind     string
		rebooted bool
		waited   time.Duration // at least
	}{
		{"an answer at once", 0, false, "ok", true, 0},
		{"an answer after some minutes", 5 * time.Minute, false, "ok", true, 5 * time.Minute},
		{"freed meanwhile: no reboot", 5 * time.Minute, true, "failed", false, 5 * time.Minute},
		{"no answer within 15 minutes: goes on", time.Hour, true, "ok", true, 15 * time.Minute},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.needsReboot()
				rebooted := time.Duration(-1)
				var began time.Time // of the cut
				ask := w.hooks[state.NeedsReboot][0].run
				w.hooks[state.NeedsReboot][0].run = func(env []string) HookResult { began = time.Now(); return ask(env) }
				w.foreman.before = func(string) error {
					if !began.IsZero() && time.Since(began) < test.away {
						return unreachable()
					}
					if !began.IsZero() && test.freed {
						w.foreman.hold("other")
					}
					return nil
				}
				w.onReboot = func() error { rebooted = time.Since(began); return nil }
				err := w.invoke(false)
				if kind(err) != test.kind || (rebooted >= 0) != test.rebooted {
					t.Errorf("%v, rebooted after %s; want %s, %t", err, rebooted, test.kind, test.rebooted)
				}
				if waited := time.Since(began); waited < test.waited || waited > test.waited+5*time.Minute+time.Minute {
					t.Errorf("it waited %s, want %s", waited, test.waited)
				}
			})
		})
	}
}

// TestMoved: foreman_url or the certificate's name changed in the middle of a run. Nothing is concluded from what is
// shown elsewhere.
func TestMoved(t *testing.T) {
	before, now := lock.Origin{Server: "https://old", Client: "web1"}, lock.Origin{Server: "https://new", Client: "web1"}
	renamed := lock.Origin{Server: "https://old", Client: "web1.new"}
	tests := []struct {
		name   string
		stage  state.Stage
		now    lock.Origin
		holder string // that is shown now
		kind   string
		after  state.Stage // on disk
		said   string
	}{
		{"the same server by another name", state.Update, now, "me", "ok", "", "changed during a run"},
		{"another server, update", state.Update, now, "", "failed", state.Update, "https://new"},
		{"another server, the lock still to be had", state.LockGet, now, "", "failed", state.LockGet, "https://old"},
		{"another server, release", state.LockRelease, now, "", "failed", state.LockRelease, "may still hold it there"},
		{"another server, post_update: the host comes back, the release stops", state.PostUpdate, now, "", "failed",
			state.LockRelease, "https://old"},
		{"renamed, and Foreman knows it by both names", state.LockRelease, renamed, "me", "ok", "", ""},
		{"renamed, and held by the former name", state.LockRelease, renamed, "web1", "failed",
			state.LockRelease, "held by web1"},
		{"renamed, and held by another", state.Update, renamed, "other", "failed", state.Update, "held by other"},
		{"not known as whom", state.LockRelease, lock.Origin{Server: "https://old"}, "", "ok", "",
			"not this host's any more"},
		{"nothing changed", state.LockRelease, before, "", "ok", "", "not this host's any more"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.disk = &state.Record{Stage: test.stage, RunID: "r", Lock: "web", ClaimSent: time.Now(),
					Taken: &state.Taken{URL: before.Server, CN: before.Client, Holder: "web1"}}
				w.foreman.identity = test.now
				w.foreman.hold(test.holder)
				w.hooks[state.Update] = []fakeHook{{"update", func([]string) HookResult {
					if want := (state.Taken{URL: now.Server, CN: now.Client, Holder: "me",
						Config: "/etc/config.ini"}); *w.disk.Taken != want {
						t.Errorf("on record: %+v", *w.disk.Taken)
					}
					return HookResult{}
				}}}
				err := w.invoke(false)
				all := w.log.String()
				if err != nil {
					all += err.Error()
				}
				if kind(err) != test.kind || w.stage() != test.after || !strings.Contains(all, test.said) {
					t.Errorf("%s (%v), stage %q; want %s, %q, said %q", kind(err), err, w.stage(), test.kind, test.after, test.said)
				}
				if strings.Contains(w.requests(), "D") != (test.holder == "me") {
					t.Errorf("requests %s", w.requests())
				}
			})
		})
	}
}

// TestMovedBeforeItAsked: nothing was asked for elsewhere, so the lock is asked for where it is now.
func TestMovedBeforeItAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.disk = &state.Record{Stage: state.LockGet, RunID: "r", Lock: "web", Taken: &state.Taken{URL: "https://old"}}
		w.foreman.identity = lock.Origin{Server: "https://new", Client: "web1"}
		w.hooks[state.Update] = []fakeHook{{"30-upgrade", exits(1)}}
		if err := w.invoke(false); kind(err) != "failed" || w.stage() != state.Update || w.disk.Taken.URL != "https://new" {
			t.Errorf("%v, %+v", err, w.disk)
		}
	})
}

// TestOtherConfiguration: a run goes on with the configuration that it was begun with.
func TestOtherConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.disk = &state.Record{Stage: state.Update, RunID: "r", Lock: "web", Taken: &state.Taken{Config: "/etc/weekly.ini"}}
		w.foreman.hold("me")
		gone := false
		w.settings.OtherConfig = func(path string) bool { return !gone && path == "/etc/weekly.ini" }
		for _, atBoot := range []bool{false, true} {
			err := w.invoke(atBoot)
			var notNow *lock.NotNow
			if kind(err) != "later" || !errors.As(err, &notNow) ||
				!strings.Contains(notNow.Next, "foreman-dlm-updater --config /etc/weekly.ini") {
				t.Errorf("at boot %t: %v", atBoot, err)
			}
		}
		if len(w.trace) != 0 {
			t.Errorf("done: %q", w.trace)
		}
		gone = true // it was renamed
		if err := w.invoke(false); err != nil {
			t.Error(err)
		}
	})
}

// TestLockNameChanged: a run keeps the name that it took.
func TestLockNameChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.disk = &state.Record{Stage: state.PostUpdate, RunID: "r", Lock: "old"}
		w.foreman.hold("me")
		var env []string
		w.hooks[state.PostUpdate] = []fakeHook{{"x", func(e []string) HookResult { env = e; return HookResult{} }}}
		if err := w.invoke(false); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.Join(env, " "), "DLM_LOCK_NAME=old") ||
			!strings.Contains(w.log.String(), "this run keeps its lock") {
			t.Errorf("env %q, log %s", env, w.log)
		}
	})
}

// TestRefresh: the claim is repeated while a long stage runs. A loss is found then, and the run stops before the next
// guarded stage.
func TestRefresh(t *testing.T) {
	long := func(w *world, stage state.Stage, d time.Duration) {
		w.hooks[stage] = []fakeHook{{"long", func([]string) HookResult {
			lock.Sleep(context.Background(), d)
			return HookResult{}
		}}}
	}
	never := func(w *world, stage state.Stage) {
		w.hooks[stage] = []fakeHook{{"never", func([]string) HookResult { w.t.Errorf("%s ran", stage); return HookResult{} }}}
	}
	tests := []struct {
		name  string
		setup func(*world)
		kind  string
		stage state.Stage // on disk
		said  string
	}{
		{"a long stage", func(w *world) { long(w, state.Update, 3*time.Hour+time.Minute) }, "ok", "", "lock refreshed"},
		{"a resumed post_update", func(w *world) {
			w.disk = &state.Record{Stage: state.PostUpdate, RunID: "r"}
			w.foreman.hold("me")
			long(w, state.PostUpdate, 2*time.Hour+time.Minute)
		}, "ok", "", "lock refreshed"},
		{"lost: no further guarded stage", func(w *world) {
			long(w, state.Update, 3*time.Hour+time.Minute)
			never(w, following(state.Update))
			w.foreman.before = w.during(state.Update, "GET", func() error { w.foreman.hold("other"); return nil })
		}, "failed", following(state.Update), "lock lost"},
		{"lost, and ours again: somebody may have had it in between", func(w *world) {
			w.hooks[state.Update] = []fakeHook{{"long", func([]string) HookResult {
				lock.Sleep(context.Background(), 90*time.Minute)
				w.foreman.hold("me")
				return HookResult{}
			}}}
			never(w, following(state.Update))
			w.foreman.before = w.during(state.Update, "GET", func() error { w.foreman.hold("other"); return nil })
		}, "failed", following(state.Update), "lock lost"},
		{"lost while the look before a stage waits for its answer, and gets none: the stage does not begin", func(w *world) {
			never(w, state.Update)
			w.foreman.before = w.at(state.Update, "GET", func() error {
				w.foreman.hold("other")
				lock.Sleep(context.Background(), 90*time.Minute) // within which a refresh looks, too
				return unreachable()
			})
		}, "failed", state.Update, "lock lost"},
		{"lost while a slow disk takes the announcement of the reboot: no reboot", func(w *world) {
			w.needsReboot()
			w.announcing = func() {
				w.foreman.hold("other")
				lock.Sleep(context.Background(), 90*time.Minute)
			}
			w.onReboot = func() error { w.t.Error("rebooted"); return nil }
		}, "failed", state.Reboot, "lock lost"},
		{"a look that hangs does not hold up the run", func(w *world) {
			long(w, state.Update, time.Hour+time.Minute)
			w.foreman.hang = func(string) bool { _, hookOf := w.now(); return hookOf == state.Update }
		}, "ok", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				test.setup(w)
				began := time.Now()
				err := w.invoke(false)
				if kind(err) != test.kind || w.stage() != test.stage {
					t.Errorf("%v, stage %q; want %s, %q", err, w.stage(), test.kind, test.stage)
				}
				if took := time.Since(began); took > 6*time.Hour {
					t.Errorf("it took %s", took)
				}
				if !strings.Contains(w.log.String(), test.said) {
					t.Errorf("%q is not said in %s", test.said, w.log)
				}
				if test.kind == "ok" && w.foreman.holder() != "" {
					t.Errorf("held by %q at the end", w.foreman.holder())
				}
			})
		})
	}
}

// TestWhatIsSaidOfTheLock: who reads why a run stopped must not be told that a lock is kept which is somebody else's.
func TestWhatIsSaidOfTheLock(t *testing.T) {
	tests := []struct {
		name  string
		setup func(*world)
		held  Held
	}{
		{"a hook fails", func(w *world) { w.hooks[state.Update] = []fakeHook{{"x", exits(1)}} }, Yes},
		{"a hook fails in needs_update", func(w *world) {
			w.disk = nil
			w.hooks[state.NeedsUpdate] = []fakeHook{{"x", func([]string) HookResult { return HookResult{Err: errDead} }}}
		}, No},
		{"released by an administrator before the next stage", func(w *world) {
			w.hooks[state.Update] = []fakeHook{{"x", func([]string) HookResult { w.foreman.hold(""); return HookResult{} }}}
		}, No},
		{"resumed, and somebody else has it", func(w *world) {
			w.foreman.hold("other")
			time.AfterFunc(5*time.Minute, func() { w.stop() })
		}, No},
		{"resumed, and nobody can be asked: it was ours, and locks don't expire", func(w *world) {
			w.foreman.before = func(string) error { w.stop(); return unreachable() }
		}, Yes},
		{"this host's, and of no run", func(w *world) { w.disk = nil }, NotByRun},
		{"a lock_get of which nothing is known", func(w *world) {
			w.disk = &state.Record{Stage: state.LockGet}
			w.locks.LockTimeout = time.Minute
			w.foreman.before = func(string) error { return unreachable() }
		}, Perhaps},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.disk = &state.Record{Stage: state.Update, RunID: "r", Lock: "web"}
				w.foreman.hold("me")
				test.setup(w)
				err := w.invoke(false)
				var stage *StageError
				if !errors.As(err, &stage) || stage.Held != test.held {
					t.Errorf("%+v (%v), want %v", stage, err, test.held)
				}
			})
		})
	}
}

// TestRenamedInOneInvocation: the certificate gets another name while a stage runs.
func TestRenamedInOneInvocation(t *testing.T) {
	for _, stage := range []state.Stage{state.Update, state.PostUpdate} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.foreman.identity = lock.Origin{Server: "https://foreman", Client: "web1"}
			w.hooks[stage] = []fakeHook{{"renews", func([]string) HookResult {
				w.foreman.identity.Client = "web1.new"
				w.foreman.hold("web1")
				return HookResult{}
			}}}
			err := w.invoke(false)
			var elsewhere *lock.Elsewhere
			var stopped *StageError
			if !errors.As(err, &elsewhere) || !errors.As(err, &stopped) || stopped.Held != Yes || w.disk == nil {
				t.Errorf("%s: %v, %+v", stage, err, w.disk)
			}
			if strings.Contains(w.requests(), "D") {
				t.Errorf("%s: requests %s", stage, w.requests())
			}
		})
	}
}

// TestKilledBeforeItAsked: an invocation that was killed while it waited had asked for nothing. The next one neither
// takes over nor releases a lock that a person, or another configuration, took meanwhile.
func TestKilledBeforeItAsked(t *testing.T) {
	for _, unsafe := range []error{nil, errors.New("writable by others")} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.foreman.hold("other")
			w.on[Waiting] = func() { w.dieAt = w.steps + 1 }
			_ = w.invoke(false)
			if !w.dead || w.stage() != state.LockGet {
				t.Fatalf("killed %v, %+v", w.dead, w.disk)
			}
			w.dieAt, w.on[Waiting] = 0, nil
			w.foreman.hold("me")
			w.listErr[state.Update] = unsafe
			err := w.invoke(false)
			if kind(err) != map[bool]string{true: "later", false: "config"}[unsafe == nil] || w.disk != nil {
				t.Errorf("%v, %+v", err, w.disk)
			}
			if w.foreman.holder() != "me" || len(w.effects("hook pre", "PUT", "DELETE")) != 0 {
				t.Errorf("holder %q, %q", w.foreman.holder(), w.trace)
			}
		})
	}
}

// TestNotKnownWhetherItAsked: a record of an earlier version, or of a person, does not say whether the lock was asked
// for. That stays so for all invocations that follow.
func TestNotKnownWhetherItAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.disk = &state.Record{Stage: state.LockGet, RunID: "r"}
		w.foreman.hold("me")
		w.foreman.before = w.at(state.LockGet, "GET", func() error { w.dieAt = w.steps + 1; return nil })
		_ = w.invoke(false)
		if !w.dead {
			t.Fatal("not killed")
		}
		w.dieAt, w.foreman.before = 0, nil
		if err := w.invoke(false); err != nil || w.foreman.holder() != "" {
			t.Errorf("%v, holder %q, %+v", err, w.foreman.holder(), w.disk)
		}
	})
}

// TestClaimIsOnRecord: before the first one is sent, and no claim without that.
func TestClaimIsOnRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.foreman.before = func(method string) error {
			if method == "PUT" && (w.disk == nil || w.disk.ClaimSent.IsZero()) {
				t.Errorf("PUT with %+v on disk", w.disk)
			}
			return nil
		}
		if err := w.invoke(false); err != nil {
			t.Error(err)
		}
		w = newWorld(t)
		w.foreman.before = func(string) error { w.saveErr = errors.New("no space left on device"); return nil }
		if err := w.invoke(false); kind(err) != "failed" || len(w.effects("PUT")) != 0 {
			t.Errorf("%v, %q", err, w.trace)
		}
	})
}

// TestNothingAskedForIsNothingToAdopt: a run that has sent no claim does not make the next one take over a lock that a
// person took meanwhile.
func TestNothingAskedForIsNothingToAdopt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.locks.LockTimeout = time.Minute
		w.foreman.before = func(string) error { return unreachable() }
		if err := w.invoke(false); kind(err) != "later" || w.disk != nil {
			t.Fatalf("%v, %+v", err, w.disk)
		}
		w.foreman.before = nil
		w.foreman.hold("me") // lock acquire
		if err := w.invoke(false); kind(err) != "later" || w.foreman.holder() != "me" || len(w.effects("hook pre")) != 0 {
			t.Errorf("%v, holder %q, %q", err, w.foreman.holder(), w.trace)
		}
	})
}

// TestHeldByAnotherForNow: a signal ends the wait for a lock that another host holds, while a claim of an earlier
// invocation may still overtake that: nobody is told that the lock is kept.
func TestHeldByAnotherForNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.disk = &state.Record{Stage: state.Update, RunID: "r", Lock: "web"}
		w.foreman.hold("other")
		w.foreman.after = func(string) error { w.stop(); return nil }
		var stage *StageError
		if err := w.invoke(false); !errors.As(err, &stage) || stage.Held != Perhaps {
			t.Errorf("%v: %+v", err, stage)
		}
	})
}

// TestSetWithOtherConfiguration: a stage set by hand is for the configuration with which it was set. It says nothing
// about the lock: a run that was set to lock_get still counts as one that may have asked for it.
func TestSetWithOtherConfiguration(t *testing.T) {
	for _, stage := range []state.Stage{state.LockGet, state.Update, state.PostUpdate, state.LockRelease} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.disk = &state.Record{Stage: stage, RunID: "r", Lock: "web", SetWith: "/etc/weekly.ini"}
			w.foreman.hold("me")
			other := true
			w.settings.OtherConfig = func(path string) bool { return other && path == "/etc/weekly.ini" }
			if err := w.invoke(false); kind(err) != "later" || len(w.trace) != 0 {
				t.Errorf("%s: %v, done: %q", stage, err, w.trace)
			}
			other = false
			if err := w.invoke(false); err != nil || w.foreman.holder() != "" {
				t.Errorf("%s: %v, lock held by %q", stage, err, w.foreman.holder())
			}
		})
	}
}
