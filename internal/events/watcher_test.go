package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/foreman"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"
	"foreman-dlm-updater/internal/workflow"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
)

// world is a host with one hook for each stage that needs its directory, a Foreman, and a disk that can be full.
type world struct {
	disk      *state.Record
	saves     int
	full      bool
	fullUntil time.Time
	whileFull func()    // called by each save that fails
	held      string    // who holds the lock: "me", or another
	until     time.Time // for how long the other holds it; zero: for ever
	barred    bool
	off       bool // the lock is disabled
	down      bool // Foreman is
	exit      map[state.Stage]int
	broken    error // how each hook ends
	during    func(stage state.Stage)
	boot      string
	uptime    time.Time
	reboots   int
	rebooted  time.Time
	backup    time.Time // until then a backup keeps the host from being shut down
	away      time.Time // until then Foreman does not answer
	timeout   time.Duration
	due       *state.RebootDue // what the last invocation left
	closes    time.Time        // the end of the maintenance window; zero: never
}

func (w *world) Load() (*state.Record, error) {
	if w.disk == nil {
		return nil, nil
	}
	record := *w.disk
	return &record, nil
}

func (w *world) Save(r state.Record) error {
	if w.full || time.Now().Before(w.fullUntil) {
		if w.whileFull != nil {
			w.whileFull()
		}
		return errors.New("no space left on device")
	}
	w.saves++
	w.disk = &r
	return nil
}

func (w *world) Clear() error { w.disk = nil; return nil }

// letGo lets the other host release the lock when its time has come.
func (w *world) letGo() {
	if !w.until.IsZero() && time.Now().After(w.until) {
		w.held, w.until = "", time.Time{}
	}
}

func (w *world) Show(context.Context, string) (dlm.Lock, error) {
	w.letGo()
	if w.down || !time.Now().After(w.away) {
		return dlm.Lock{}, unreachable()
	}
	return dlm.Lock{Enabled: !w.off, Holder: w.held, Self: w.held == "me"}, nil
}

func (w *world) Acquire(context.Context, string) error {
	switch {
	case w.down:
		return unreachable()
	case w.barred || w.off || w.held != "" && w.held != "me":
		return dlm.ErrNotNow
	}
	w.held = "me"
	return nil
}

func (w *world) Release(context.Context, string) error { w.held = ""; return nil }
func (w *world) Slowest() time.Duration                { return 0 }
func (w *world) Identity() (url, cn string)            { return "", "" }

func (w *world) VetSettings() error { return nil }
func (w *world) List(stage state.Stage) ([]string, error) {
	if workflow.Optional(stage) && w.exit[stage] == 0 { // as on most hosts
		return nil, nil
	}
	return []string{"50-hook"}, nil
}
func (w *world) Run(stage state.Stage, _ string, _ []string) workflow.HookResult {
	time.Sleep(time.Second) // virtual
	if w.during != nil {
		w.during(stage)
	}
	return workflow.HookResult{Exit: w.exit[stage], Err: w.broken, Last: []string{"from " + string(stage)}}
}

func (w *world) Boot(context.Context) (state.Boot, error) { return state.Boot{ID: w.boot}, nil }
func (w *world) Uptime() (time.Duration, error)           { return time.Since(w.uptime), nil }
func (w *world) MachineID() string                        { return "" }
func (w *world) Vet(context.Context) ([]string, error)    { return nil, nil }
func (w *world) InhibitShutdown(string) (allow func())    { return func() {} }
func (w *world) Inhibitors(context.Context) []workflow.Inhibitor {
	if time.Now().Before(w.backup) {
		return []workflow.Inhibitor{{Who: "backup", Why: "dump", PID: 812}}
	}
	return nil
}

func (w *world) Reboot() error {
	if time.Now().Before(w.backup) {
		return errors.New("exit 1")
	}
	w.reboots++
	w.rebooted = time.Now()
	return nil
}

func (w *world) mayBegin(now time.Time) (*workflow.Refusal, error) {
	if w.closes.IsZero() || now.Before(w.closes) {
		return nil, nil
	}
	return &workflow.Refusal{Question: lock.Window, Why: "closed", Until: w.closes.Add(20 * time.Hour)}, nil
}

func (*world) Leftovers(bool) ([]workflow.Leftover, error) { return nil, nil }

// invocation is what one start of the program showed.
type invocation struct {
	err       error
	events    []string
	states    []string // each that it was told of, in its order
	sentences []string
	seen      *Watcher
}

// invoke starts the program once. The events are in words: kind, stage, what else there is, and the sentence's
// beginning.
func (w *world) invoke(ctx context.Context, listeners ...Listener) *invocation {
	got := &invocation{}
	work := &workflow.Workflow{
		Settings: workflow.Settings{LockName: "web", MaxReboots: 3, RebootTimeout: time.Hour, CannotTellExit: 75},
		OpenLock: func(name string, o lock.Options) workflow.Lock {
			return foreman.Open(w, foreman.Settings{Pace: lock.Pace{RetryInterval: time.Minute, LockTimeout: w.timeout,
				Random: func(time.Duration) time.Duration { return 0 }}, Settle: 2 * time.Second}, hclog.NewNullLogger(), name, o)
		},
		Store: w, Hooks: w, Host: w, Log: hclog.NewNullLogger(), MayBegin: w.mayBegin,
	}
	hear := func(event Event) {
		if event.Kind == Alive {
			return
		}
		text := fmt.Sprintf("%s %s", event.Kind, event.Stage)
		if event.Hook != "" {
			text += fmt.Sprintf(" %s exit %d %q", event.Hook, event.Exit, event.Output)
		}
		got.events = append(got.events, fmt.Sprintf("%s | %s", text, event.Status.Code))
	}
	see := func(event Event) {
		if text := fmt.Sprintf("%s %s", event.Status.Code, event.Status.Stage); len(got.states) == 0 ||
			got.states[len(got.states)-1] != text {
			got.states = append(got.states, text)
		}
	}
	got.seen = Watch(work, Options{Show: func(text string) { got.sentences = append(got.sentences, text) }, See: see,
		Next: func(error) string { return "next" }, RebootDue: w.due, Wording: foreman.Wording,
		Listeners: append(listeners, hear)})
	got.err = work.Run(ctx, false)
	got.seen.Ended(got.err)
	got.seen.Close()
	return got
}

func unreachable() error {
	return &dlm.Error{Kind: dlm.ErrUnavailable, Op: "show lock", Lock: "web", Detail: "connection refused"}
}

func newWorld() *world {
	return &world{boot: "a", uptime: time.Now(), exit: map[state.Stage]int{state.NeedsUpdate: 1}}
}

// steps is a story in words.
func steps(story *state.Story) (words []string) {
	for _, step := range story.Steps {
		text := string(step.Stage)
		if step.Hook != "" {
			text += "/" + step.Hook
		}
		text += fmt.Sprintf(" %s", time.Duration(step.TookMS)*time.Millisecond)
		if step.Exit != 0 {
			text += fmt.Sprintf(" exit %d", step.Exit)
		}
		if step.Error != "" {
			text += ": " + step.Error
		}
		words = append(words, text)
	}
	return words
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

// TestWholeRun: it waits for the lock, reboots, and finishes in a second invocation; a third finds it pending in
// between.
func TestWholeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.held, w.until, w.exit[state.NeedsReboot] = "web3", time.Now().Add(90*time.Second), 1
		first := w.invoke(t.Context())
		same(t, "first", []string{"started lock_get | waiting", "waiting lock_get | waiting", "acquired pre_update | running",
			"rebooting post_update | reboot_pending"}, first.events)
		same(t, "states",
			[]string{"running ", "running needs_update", "waiting lock_get", "running pre_update", "running update",
				"running needs_reboot", "running reboot", "reboot_pending post_update"}, first.states)
		if record, _ := first.seen.Over(); first.err != nil || record != nil {
			t.Errorf("%v, over: %v", first.err, record)
		}
		saves := w.saves
		if pending := w.invoke(t.Context()); pending.events != nil || pending.err != nil || w.saves != saves {
			t.Errorf("while the reboot is pending: %v, %v, %d saves", pending.events, pending.err, w.saves-saves)
		}
		time.Sleep(time.Minute) // virtual
		w.boot = "b"
		second := w.invoke(t.Context())
		same(t, "second", []string{"resumed post_update | running", "finished lock_release | idle"}, second.events)
		record, result := second.seen.Over()
		if result != RunFinished {
			t.Fatalf("%v: %q", second.err, result)
		}
		waited := time.Duration(record.Story.WaitedMS) * time.Millisecond
		// the first look at a lock that is held comes at a time of the host's own
		if waited < 91*time.Second || waited > 152*time.Second {
			t.Errorf("waited %s", waited)
		}
		// Resumed a second before: the release waits until no claim of before the boot can come any more.
		same(t, "story", []string{
			"needs_update/50-hook 1s exit 1", "needs_update 1s", fmt.Sprintf("lock_get %s", waited), "pre_update/50-hook 1s",
			"pre_update 1s", "update/50-hook 1s", "update 1s", "needs_reboot/50-hook 1s exit 1", "needs_reboot 1s", "reboot 0s",
			"post_update/50-hook 1s", "post_update 1s", "lock_release 4s",
		}, steps(record.Story))
		if story := record.Story; story.Invocations != 2 || story.Acquired.IsZero() || story.Failure != nil {
			t.Errorf("%+v", story)
		}
		if record.Reboots != 1 || w.disk != nil {
			t.Errorf("%+v", record)
		}
	})
}

// TestNothingToDo costs one save, as it did without a watcher, and is no news.
func TestNothingToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.exit[state.NeedsUpdate] = 0
		got := w.invoke(t.Context())
		record, _ := got.seen.Over()
		if got.err != nil || got.events != nil || record != nil || w.saves != 1 {
			t.Errorf("%v, %v, %v, %d saves", got.err, got.events, record, w.saves)
		}
		same(t, "states", []string{"running ", "running needs_update", "running ", "idle "}, got.states)
		last := got.seen.Last()
		same(t, "story", []string{"needs_update/50-hook 1s", "needs_update 1s"}, steps(last.Record.Story))
		same(t, "last", "idle", string(last.Status.Code))
	})
}

// TestFailure: what is known of a failed hook outlives the invocation, and the fixed run tells of it.
func TestFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.exit[state.Update] = 100
		failed := w.invoke(t.Context())
		same(t, "failed", []string{"started lock_get | waiting", "acquired pre_update | running",
			`failed update 50-hook exit 100 ["from update"] | failed`}, failed.events)
		same(t, "output", []string{"from update"}, failed.seen.Output("50-hook"))
		if record, _ := failed.seen.Over(); record != nil {
			t.Error("a run that failed goes on some day")
		}
		w.exit[state.Update], w.exit[state.NeedsReboot] = 0, 0
		w.held, w.until = "web3", time.Now().Add(30*time.Second) // an administrator released it
		fixed := w.invoke(t.Context())
		same(t, "fixed", []string{"resumed update | waiting", "waiting update | waiting", "acquired update | running",
			"finished lock_release | idle"},
			fixed.events)
		record, result := fixed.seen.Over()
		if failure := record.Story.Failure; result != RunFinished || failure.Hook != "50-hook" || failure.Exit != 100 ||
			!cmp.Equal(failure.Output, []string{"from update"}) || record.Story.WaitedMS == 0 {
			t.Errorf("%s, %+v", result, record.Story)
		}
	})
}

// TestEnds: every other way in which an invocation ends.
func TestEnds(t *testing.T) {
	started := "started lock_get | waiting"
	tests := []struct {
		name   string
		set    func(*world)
		stop   time.Duration // a signal
		want   []string
		result Result
		saved  state.Stage
	}{
		{"a hook of needs_update is broken", func(w *world) { w.broken = errors.New("killed by SIGSEGV") }, 0,
			[]string{`failed needs_update 50-hook exit 1 ["from needs_update"] | failed`}, RunFailed, state.NeedsUpdate},
		{"a hook of needs_update can't tell", func(w *world) { w.exit[state.NeedsUpdate] = 75 }, 0, nil,
			RunGaveUp, state.NeedsUpdate},
		{"lock_timeout", func(w *world) { w.held, w.timeout = "web3", 5*time.Minute }, 0,
			[]string{started, "waiting lock_get | waiting", "gave-up lock_get | not_now"}, RunGaveUp, ""},
		{"barred", func(w *world) { w.barred, w.timeout = true, 5*time.Minute }, 0,
			[]string{started, "waiting lock_get | waiting", "gave-up lock_get | not_now"}, RunGaveUp, ""},
		{"disabled", func(w *world) { w.off, w.timeout = true, 5*time.Minute }, 0,
			[]string{started, "waiting lock_get | waiting", "gave-up lock_get | not_now"}, RunGaveUp, ""},
		{"a signal while waiting", func(w *world) { w.held = "web3" }, time.Hour,
			[]string{started, "waiting lock_get | waiting", "gave-up lock_get | not_now"}, RunGaveUp, ""},
		{"Foreman is down", func(w *world) { w.down, w.timeout = true, 5*time.Minute }, 0,
			[]string{started, "waiting lock_get | waiting", "gave-up lock_get | not_now"}, RunGaveUp, ""},
		{"a signal in a stage", func(*world) {}, 3500 * time.Millisecond,
			[]string{started, "acquired pre_update | running", "gave-up pre_update | interrupted"}, "", state.PreUpdate},
		{"a full disk", func(w *world) { w.during = func(stage state.Stage) { w.full = stage == state.PreUpdate } }, 0,
			[]string{started, "acquired pre_update | running", "failed update | stopped"}, "", state.PreUpdate},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			test.set(w)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if test.stop > 0 {
				time.AfterFunc(test.stop, cancel)
			}
			got := w.invoke(ctx)
			if diff := cmp.Diff(test.want, got.events); diff != "" {
				t.Errorf("%s: %v %s", test.name, got.err, diff)
			}
			_, result := got.seen.Over()
			var saved state.Stage
			if w.disk != nil {
				saved = w.disk.Stage
			}
			if result != test.result || saved != test.saved {
				t.Errorf("%s: over %q, on disk %q", test.name, result, saved)
			}
		})
	}
}

// TestRebootDue: it is told once, when the run finishes, and stays known until a run's hooks know better, or the host
// is in another boot.
func TestRebootDue(t *testing.T) {
	due := &state.RebootDue{Hook: "50-hook", Message: "no kernel found", Boot: state.Boot{ID: "a"}}
	finishes := []string{"started lock_get | waiting", "acquired pre_update | running", "finished lock_release | idle"}
	goesOn := func(w *world) {
		w.held, w.disk = "me",
			&state.Record{Stage: state.PostUpdate, RunID: "r", Lock: "web", RebootDue: due, Story: &state.Story{}}
	}
	tests := []struct {
		name string
		set  func(*world)
		want []string
		due  *state.RebootDue
	}{
		{"a hook can't find out", goesOn,
			[]string{"resumed post_update | running", "finished lock_release | idle",
				"reboot-due lock_release 50-hook exit 0 [] | idle"}, due},
		{"nothing to do since", func(w *world) { w.due, w.exit[state.NeedsUpdate] = due, 0 }, nil, due},
		{"another run, and its hooks know", func(w *world) { w.due = due }, finishes, nil},
		{"another boot", func(w *world) { w.due, w.exit[state.NeedsUpdate], w.boot = due, 0, "b" }, nil, nil},
		{"another boot before the run is over", func(w *world) { goesOn(w); w.boot = "b" },
			[]string{"resumed post_update | running", "finished lock_release | idle"}, nil},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			test.set(w)
			got := w.invoke(t.Context())
			same(t, test.name, test.want, got.events)
			same(t, test.name, test.due, got.seen.Due())
			if said := got.seen.Last().Status.RebootDue; (said != nil) != (test.due != nil) {
				t.Errorf("%s: the standing says %+v", test.name, said)
			}
		})
	}
}

// TestKilled: what an invocation that was killed in a stage had put on record is there, and that it was interrupted.
func TestKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var atKill state.Record
		w.during = func(stage state.Stage) {
			if stage == state.Update {
				atKill = *w.disk
			}
		}
		w.invoke(t.Context())
		w.disk, w.during, w.held = &atKill, nil, "me"
		w.exit[state.NeedsReboot] = 0
		record, result := w.invoke(t.Context()).seen.Over()
		if result != RunFinished {
			t.Fatal(result)
		}
		same(t, "story", []string{
			"needs_update/50-hook 1s exit 1", "needs_update 1s", "lock_get 2s", "pre_update/50-hook 1s", "pre_update 1s",
			"update 0s: interrupted", "update/50-hook 1s", "update 1s", "needs_reboot/50-hook 1s", "needs_reboot 1s",
			"post_update/50-hook 1s", "post_update 1s", "lock_release 0s",
		}, steps(record.Story))
	})
}

// TestListeners: neither one that makes a mistake nor one that never comes back changes or delays the run.
func TestListeners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var ended time.Time
		w.during = func(stage state.Stage) {
			if stage == state.PostUpdate {
				ended = time.Now()
			}
		}
		began, stuck := time.Now(), make(chan struct{})
		var heard []string
		got := w.invoke(t.Context(), func(Event) { panic("a mistake") }, func(event Event) {
			if event.Kind == Finished {
				<-stuck
			}
			heard = append(heard, fmt.Sprintf("%s %s | %s", event.Kind, event.Stage, event.Status.Code))
		})
		if took := ended.Sub(began); got.err != nil || took != 7*time.Second || w.held != "" {
			t.Errorf("%v after %s", got.err, took)
		}
		if took := time.Since(began); took != 7*time.Second+endPatience {
			t.Errorf("the end took %s", took)
		}
		close(stuck)
		synctest.Wait()
		same(t, "heard",
			[]string{"started lock_get | waiting", "acquired pre_update | running", "finished lock_release | idle"}, heard)
	})
}

// TestAlive: from the first event to the end, also while nothing else happens.
func TestAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.held, w.until = "web3", time.Now().Add(11*time.Minute)
		w.during = func(stage state.Stage) {
			if stage == state.Update {
				time.Sleep(6 * time.Minute) // virtual
			}
		}
		began := time.Now()
		var heard []string
		got := w.invoke(t.Context(), func(event Event) {
			heard = append(heard,
				fmt.Sprintf("%s %s | %s", time.Since(began).Truncate(5*time.Minute), event.Kind, event.Status.Code))
		})
		time.Sleep(time.Hour) // virtual
		same(t, "heard",
			[]string{"0s started | waiting", "0s waiting | waiting", "5m0s alive | waiting", "10m0s alive | waiting",
				"10m0s acquired | running", "15m0s alive | running", "15m0s finished | idle"}, heard)
		if got.err != nil {
			t.Error(got.err)
		}
	})
}

// TestMistakeInReport: a mistake of what only reports is logged, and ends nothing: neither in the run's goroutine nor
// in the timer's.
func TestMistakeInReport(t *testing.T) {
	var logged bytes.Buffer
	work := &workflow.Workflow{Log: hclog.New(&hclog.LoggerOptions{Output: &logged})}
	seen := Watch(work, Options{Show: func(string) { panic("a mistake") }})
	seen.alive = time.NewTimer(time.Hour)
	defer seen.alive.Stop()
	seen.tick()
	if text := logged.String(); !strings.Contains(text, "a mistake") || !strings.Contains(text, "TestMistakeInReport") {
		t.Errorf("logged: %s", text)
	}
	seen.Last() // nothing holds the mutex
	logged.Reset()
	seen.Observe(workflow.Event{Kind: workflow.Found, Record: &state.Record{Stage: state.Update}})
	if !strings.Contains(logged.String(), "a mistake") {
		t.Errorf("logged: %s", logged.String())
	}
	seen.Last()
}

// TestNothingToTellNoTick: an invocation that finds nothing to do is not told to be alive either, however long its
// hooks take.
func TestNothingToTellNoTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.exit[state.NeedsUpdate] = 0
		w.during = func(state.Stage) { time.Sleep(time.Hour) } // virtual
		w.invoke(t.Context(), func(event Event) { t.Errorf("%+v", event) })
	})
}

// TestRebootIsHeard before the command runs; for a listener that is stuck the reboot waits a little, and another one
// hears of it all the same.
func TestRebootIsHeard(t *testing.T) {
	for _, test := range []struct {
		name        string
		takes, wait time.Duration
	}{{"quick", 0, 0}, {"slow", 3 * time.Second, 3 * time.Second}, {"stuck", time.Hour, bootPatience}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.exit[state.NeedsReboot] = 1
			var told, heard time.Time
			got := w.invoke(t.Context(), func(event Event) {
				if event.Kind == Rebooting {
					told = time.Now()
					time.Sleep(test.takes) // virtual
				}
			}, func(event Event) {
				if event.Kind == Rebooting {
					heard = time.Now()
				}
			})
			time.Sleep(time.Hour) // virtual, for the stuck one
			synctest.Wait()
			if got.err != nil || w.reboots != 1 || !heard.Equal(told) || w.rebooted.Sub(told) != test.wait {
				t.Errorf("%s: %v, %d reboots, %s after it was told, other heard after %s",
					test.name, got.err, w.reboots, w.rebooted.Sub(told), heard.Sub(told))
			}
		})
	}
}

// TestRebootInhibited: who is in the way is shown, the listeners hear of the reboot once, and the stage is one line of
// the story.
func TestRebootInhibited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.exit[state.NeedsReboot], w.backup = 1, time.Now().Add(2*time.Minute)
		shown := map[string]bool{}
		got := w.invoke(t.Context(), func(event Event) {
			if event.Kind == Rebooting {
				w.backup = time.Now().Add(2 * time.Minute)
			}
		})
		same(t, "events", []string{"started lock_get | waiting", "acquired pre_update | running",
			"rebooting post_update | reboot_pending"}, got.events)
		for _, sentence := range got.sentences {
			if _, inTheWay, ok := strings.Cut(sentence, "shutdown blocked by "); ok {
				by, _, _ := strings.Cut(inTheWay, ";")
				code, _, _ := strings.Cut(sentence, " ")
				shown[code+" "+by] = true
			}
		}
		same(t, "shown", []string{`reboot "backup" (pid 812, uid 0): "dump"`, `stage "backup" (pid 812, uid 0): "dump"`},
			slices.Sorted(maps.Keys(shown)))
		if last := got.sentences[len(got.sentences)-1]; strings.Contains(last, "backup") {
			t.Errorf("shown in the end: %q", last)
		}
		story := steps(w.disk.Story)
		same(t, "story", []string{"needs_reboot 1s", "reboot 2m15s"}, story[len(story)-2:])
	})
}

// TestWaitingOncePerReason: however often it looks; that Foreman bars the host is another reason.
func TestWaitingOncePerReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.held, w.until, w.barred, w.timeout = "web3", time.Now().Add(4*time.Minute), true, 20*time.Minute
		got := w.invoke(t.Context())
		same(t, "events", []string{"started lock_get | waiting", "waiting lock_get | waiting", "waiting lock_get | waiting",
			"gave-up lock_get | not_now"},
			got.events)
	})
}

// TestWindowCloses: a run that waits over the end of the window gives up, and everybody hears why. One that is refused
// at its start is no news; the sentence and the metrics have it all the same.
func TestWindowCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.exit[workflow.Gate], w.closes = 1, time.Now().Add(10*time.Minute)
		var last Event
		got := w.invoke(t.Context(), func(event Event) { last = event })
		same(t, "events", []string{"started lock_get | waiting", "waiting lock_get | waiting", "gave-up lock_get | not_now"},
			got.events)
		no := last.Status.No
		if !strings.HasPrefix(last.Error, "closed (until 2000-01-01 ") || no == nil || no.Question != lock.Window ||
			last.Status.Obstacle() != status.Window {
			t.Errorf("%q, %+v, %s", last.Error, no, last.Status.Obstacle())
		}
		if !slices.ContainsFunc(got.sentences, func(text string) bool {
			return text == "waiting 0 s: gate hook: exit 1"
		}) {
			t.Errorf("%q", got.sentences)
		}
		if text := got.sentences[len(got.sentences)-1]; !strings.HasPrefix(text, "gave up ") ||
			!strings.Contains(text, " in stage lock_get: closed (until ") || strings.Contains(text, "no run begins now") {
			t.Errorf("%q", text)
		}
		record, result := got.seen.Over()
		if record == nil || result != RunGaveUp {
			t.Errorf("%+v, %s", record, result)
		}

		got = w.invoke(t.Context())
		same(t, "events", 0, len(got.events))
		event := got.seen.Last()
		if text := got.sentences[len(got.sentences)-1]; event.Status.Code != status.NotNow ||
			!strings.HasPrefix(text, "no run begins now: closed (until ") || event.Status.Obstacle() != status.Window {
			t.Errorf("%s, %s: %q", event.Status.Code, event.Status.Obstacle(), text)
		}
		if record, _ := got.seen.Over(); record != nil {
			t.Errorf("%+v", record)
		}
	})
}

// TestWaitingOncePerQuestion: a gate whose answer has another figure each time is no news.
func TestWaitingOncePerQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.exit[workflow.Gate], w.closes = 1, time.Now().Add(time.Hour)
		asked := 0
		w.during = func(stage state.Stage) {
			if stage == workflow.Gate {
				asked++
				w.exit[workflow.Gate] = 1 + asked
			}
		}
		got := w.invoke(t.Context())
		same(t, "events", []string{"started lock_get | waiting", "waiting lock_get | waiting", "gave-up lock_get | not_now"},
			got.events)
		if asked < 50 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// TestNoAnswerBeforeAStage: an invocation that took the lock goes on without an answer, and waits for nothing; a reboot
// waits for one.
func TestNoAnswerBeforeAStage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.exit[state.NeedsReboot] = 1
		w.during = func(stage state.Stage) {
			w.away = map[state.Stage]time.Time{state.PreUpdate: time.Now(),
				state.NeedsReboot: time.Now().Add(3 * time.Minute)}[stage]
		}
		got := w.invoke(t.Context())
		want := []string{"started lock_get | waiting", "acquired pre_update | running", "waiting reboot | waiting",
			"acquired reboot | running", "rebooting post_update | reboot_pending"}
		if diff := cmp.Diff(want, got.events); diff != "" || got.err != nil {
			t.Errorf("%v %s", got.err, diff)
		}
		if story := w.disk.Story; story.Waiting != nil || story.WaitedMS < 100_000 || story.WaitedMS > 10*60_000 {
			t.Errorf("%+v", story)
		}
	})
}

// TestFullDisk: a run that was found out of service waits until its state can be written. That is told once, and the
// story has no step more for it.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.exit[state.Update] = 1
		w.invoke(t.Context())
		before := steps(w.disk.Story)
		w.exit[state.Update], w.exit[state.NeedsReboot], w.fullUntil = 0, 0, time.Now().Add(6*time.Hour)
		began := time.Now()
		var alive int
		got := w.invoke(t.Context(), func(event Event) {
			if event.Kind == Alive {
				alive++
			}
		})
		if got.err != nil || alive < 60 || time.Since(began) < 6*time.Hour {
			t.Errorf("%v, alive %d times, after %s", got.err, alive, time.Since(began))
		}
		same(t, "events",
			[]string{"resumed update | running", "waiting update | stopped", "finished lock_release | idle"}, got.events)
		if !slices.ContainsFunc(got.sentences, func(text string) bool {
			return strings.Contains(text, "no further stage begins until its state can be written: no space left on device")
		}) {
			t.Errorf("%q", got.sentences)
		}
		record, _ := got.seen.Over()
		after := []string{"update/50-hook 1s", "update 1s", "needs_reboot/50-hook 1s", "needs_reboot 1s",
			"post_update/50-hook 1s", "post_update 1s", "lock_release 0s"}
		same(t, "story", append(before, after...), steps(record.Story))
	})
}

// TestRoomOnTheDisk: once the state is written, nobody hears any more that it can't be, even if no stage begins yet.
func TestRoomOnTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.exit[state.Update] = 1
		w.invoke(t.Context())
		w.exit[state.Update], w.held, w.fullUntil = 0, "", time.Now().Add(time.Hour)
		w.whileFull = func() { w.held, w.until = "web2", time.Now().Add(3*time.Hour) }
		got := w.invoke(t.Context())
		if got.err != nil {
			t.Error(got.err)
		}
		same(t, "states", []string{"running update", "stopped update", "running update", "waiting update", "running update"},
			got.states[:5])
	})
}
