package workflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"

	"github.com/google/go-cmp/cmp"
)

// fakeLock is a Lock without any server: a test says what it answers. It can't be looked at; Confirm is the only
// question. What the workflow asks of it is in the world's trace.
type fakeLock struct {
	*world
	options lock.Options
	// take is what Take returns, once the claim is announced if claims; confirm and give are what Confirm and Give return.
	take, confirm, give func() error
	claims              bool
	waits               []lock.Wait // what Take says that it waits for
	abandoned           bool        // what Abandon returns
	notOurs, wasOurs    bool
	released            bool
	asked               bool
	lost                atomic.Pointer[lock.Lost]
}

// fakeLock lets the world use a lock that is free, and does what it is asked for.
func (w *world) fakeLock() *fakeLock {
	well := func() error { return nil }
	w.lock = &fakeLock{world: w, take: well, confirm: well, give: well, claims: true, abandoned: true}
	return w.lock
}

func (l *fakeLock) open(name string, o lock.Options) Lock {
	if name != "web" {
		l.t.Errorf("lock %q is opened", name)
	}
	l.options, l.asked = o, o.Claimed
	return l
}

func (l *fakeLock) Take(ctx context.Context, terms lock.Terms) error {
	purpose := map[lock.Purpose]string{lock.ForRun: "for a run", lock.OutOfService: "out of service",
		lock.ByHand: "by hand", lock.ByHandNow: "by hand, now"}[terms.Purpose]
	if err := l.step("lock: take %s", purpose); err != nil {
		return err
	}
	if l.claims {
		if terms.Announce != nil {
			if err := terms.Announce("web"); err != nil {
				return err
			}
		}
		l.asked = true
	}
	for _, wait := range l.waits {
		terms.Waits(wait)
	}
	return l.take()
}

func (l *fakeLock) Confirm(context.Context) error {
	if err := l.step("lock: confirm"); err != nil {
		return err
	}
	return l.confirm()
}

func (l *fakeLock) Give(context.Context) error {
	if err := l.step("lock: give"); err != nil {
		return err
	}
	return l.give()
}

func (l *fakeLock) Abandon(context.Context) bool {
	return l.step("lock: abandon") == nil && l.abandoned
}

func (l *fakeLock) Lost() error {
	if lost := l.lost.Load(); lost != nil {
		return lost
	}
	return nil
}

// lose is what a refresh does that finds the lock to be another's.
func (l *fakeLock) lose() { l.lost.Store(lostToOther) }

func (l *fakeLock) KeepAlive()          { _ = l.step("lock: keep alive") }
func (l *fakeLock) StopKeepAlive()      { _ = l.step("lock: stop keeping alive") }
func (l *fakeLock) Released() bool      { return l.released }
func (l *fakeLock) Asked() bool         { return l.asked }
func (l *fakeLock) Name() string        { return "web" }
func (l *fakeLock) NotOurs() bool       { return l.notOurs }
func (l *fakeLock) WasOurs() bool       { return l.wasOurs }
func (l *fakeLock) Origin() lock.Origin { return lock.Origin{Server: "https://lock", Client: "me"} }
func (l *fakeLock) Look(context.Context) (lock.View, error) {
	l.t.Error("a run looks at the lock, and decides by what it sees")
	return lock.View{}, errors.ErrUnsupported
}

// The answers of the seam.
var (
	notNow      = &lock.NotNow{Text: "held by other"}
	notByRun    = &lock.NotByRun{Lock: "web", Config: "/etc/config.ini"}
	lostToOther = &lock.Lost{Lock: "web", Why: "held by other"}
	elsewhere   = &lock.Elsewhere{Text: "asked for at another server"}
)

// lockAnswer is an answer of the seam, and the kind of the error with which a run ends because of it.
type lockAnswer struct {
	err  error
	kind string
}

// lockErrors are the seam's errors that say nothing about the lock.
func lockErrors() map[string]lockAnswer {
	return map[string]lockAnswer{
		"unavailable": {&lock.Error{Meaning: lock.ErrUnavailable, Why: "no answer", Err: errors.New("timeout")}, "later"},
		"refused":     {&lock.Error{Meaning: lock.ErrRefused, Why: "refused", Err: errors.New("401")}, "failed"},
		"misconfigured": {&lock.Error{Meaning: lock.ErrMisconfigured, Why: "wrong address", Err: errors.New("404")},
			"failed"},
		"no meaning": {&lock.Error{Err: errors.New("duplicate")}, "failed"},
	}
}

// takeErrors are all errors of Take that the lock itself may have.
func takeErrors() map[string]lockAnswer {
	all := lockErrors()
	all["not now"], all["elsewhere"] = lockAnswer{notNow, "later"}, lockAnswer{elsewhere, "failed"}
	return all
}

// guardedStages are the stages that begin only while the lock is this host's; the table's own list is not to be trusted
// here.
var guardedStages = []state.Stage{state.PreUpdate, state.Update, state.NeedsReboot, state.Reboot}

// ending is how an invocation ended.
type ending struct {
	Kind  string
	Stage state.Stage // on record; empty: no run
	Held  Held
	Error string // on record
}

// ends invokes the workflow and says how that ended.
func (w *world) ends() (ending, error) {
	err := w.invoke(false)
	end := ending{Kind: kind(err), Stage: w.stage()}
	var stage *StageError
	if errors.As(err, &stage) {
		end.Held = stage.Held
	}
	if w.disk != nil && w.disk.Error != nil {
		end.Error = w.disk.Error.Message
	}
	return end, err
}

// asksOfLock are what the lock was asked for, without what keeps it alive.
func (w *world) asksOfLock() (asks []string) {
	for _, step := range w.effects("lock: ") {
		if !strings.HasSuffix(step, "alive") {
			asks = append(asks, strings.TrimPrefix(step, "lock: "))
		}
	}
	return asks
}

// heard are the events of a run that others are told of.
func (w *world) heard() (heard []string) {
	for _, e := range w.told {
		switch e.Kind {
		case Started, Resumed, Waiting, Acquired, Failed, Rebooting, Finished, Cleared:
			heard = append(heard, string(e.Kind))
		}
	}
	return heard
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s:\n%s", what, diff)
	}
}

// TestTakeFails: a run that can't have the lock is over, unless something may be left of its claim.
func TestTakeFails(t *testing.T) {
	tests := []struct {
		name              string
		claims, abandoned bool
		stage             state.Stage
		held              Held
		asks, heard       []string
	}{
		{"nothing was asked for", false, false, "", No, []string{"take for a run"}, []string{"started", "cleared"}},
		{"nothing is left", true, true, "", No, []string{"take for a run", "abandon"}, []string{"started", "cleared"}},
		{"something may be left", true, false, state.LockGet, Perhaps, []string{"take for a run", "abandon"},
			[]string{"started", "failed"}},
	}
	for _, test := range tests {
		for name, answer := range takeErrors() {
			t.Run(name+": "+test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					l := w.fakeLock()
					l.claims, l.abandoned = test.claims, test.abandoned
					l.take = func() error { return answer.err }
					want := ending{answer.kind, test.stage, test.held, ""}
					if test.stage != "" {
						want.Error = answer.err.Error()
					}
					end, err := w.ends()
					same(t, "ending", want, end)
					same(t, "asked of the lock", test.asks, w.asksOfLock())
					same(t, "heard", test.heard, w.heard())
					if !errors.Is(err, answer.err) {
						t.Errorf("%v does not wrap %v", err, answer.err)
					}
				})
			})
		}
		t.Run("a signal: "+test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				l := w.fakeLock()
				l.claims, l.abandoned = test.claims, test.abandoned
				l.take = func() error { w.stop(); return context.Canceled }
				end, _ := w.ends()
				same(t, "ending", ending{"later", test.stage, test.held, ""}, end)
				same(t, "asked of the lock", test.asks, w.asksOfLock())
			})
		})
	}
}

// TestTakeIsNotByRun: what somebody else has taken for this host is left alone.
func TestTakeIsNotByRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		l := w.fakeLock()
		l.claims, l.take = false, func() error { return notByRun }
		end, err := w.ends()
		same(t, "ending", ending{"later", "", NotByRun, ""}, end)
		same(t, "asked of the lock", []string{"take for a run"}, w.asksOfLock())
		same(t, "heard", []string{"started", "cleared"}, w.heard())
		if !errors.Is(err, notByRun) {
			t.Error(err)
		}
	})
}

// TestTakeAgainFails: a run that was resumed keeps its stage, and releases nothing.
func TestTakeAgainFails(t *testing.T) {
	for _, stage := range guardedStages {
		for _, notOurs := range []bool{false, true} {
			answers := takeErrors()
			answers["not by run"] = lockAnswer{notByRun, "later"}
			answers["a signal"] = lockAnswer{context.Canceled, "later"}
			for name, answer := range answers {
				t.Run(fmt.Sprintf("%s: %s, not ours: %t", stage, name, notOurs), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := newWorld(t)
						w.disk = &state.Record{Stage: stage, RunID: "r", Lock: "web"}
						l := w.fakeLock()
						l.notOurs = notOurs
						l.take = func() error {
							if name == "a signal" {
								w.stop()
							}
							return answer.err
						}
						want, heard := ending{answer.kind, stage, Yes, answer.err.Error()}, []string{"resumed", "failed"}
						if notOurs {
							want.Held = No
						}
						if name == "a signal" {
							want.Error, heard = "", nil
						}
						end, _ := w.ends()
						same(t, "ending", want, end)
						same(t, "asked of the lock", []string{"take out of service"}, w.asksOfLock())
						same(t, "heard", heard, w.heard())
						if len(w.effects("hook", "reboot")) != 0 {
							t.Errorf("executed: %q", w.trace)
						}
					})
				})
			}
		}
	}
}

// TestWaitsForTheLock: others hear of a wait when it begins, and when the reason becomes one that people can do
// something about. It is over when the next stage begins.
func TestWaitsForTheLock(t *testing.T) {
	other, barred := lock.Wait{Why: "held by other"}, lock.Wait{Why: "barred", Barred: true}
	for _, begin := range []state.Stage{noStage, state.Update} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			first := "started"
			if begin != noStage {
				w.disk, first = &state.Record{Stage: begin, RunID: "r", Lock: "web"}, "resumed"
			}
			l := w.fakeLock()
			l.waits = []lock.Wait{other, {Why: "held by another"}, barred, other}
			l.take = func() error {
				if w.disk.Story == nil || w.disk.Story.Waiting == nil {
					t.Errorf("on record while it waits: %+v", w.disk.Story)
				}
				return nil
			}
			if err := w.invoke(false); err != nil {
				t.Error(err)
			}
			same(t, "heard", []string{first, "waiting", "waiting", "waiting", "acquired", "finished"}, w.heard())
		})
	}
}

// TestOpened: a lock learns what earlier invocations of the run may have asked for, and where.
func TestOpened(t *testing.T) {
	tests := []struct {
		name    string
		record  *state.Record
		claimed bool
		origin  *lock.Origin
	}{
		{"a new run", nil, false, nil},
		{"it had not asked yet",
			&state.Record{Stage: state.LockGet, RunID: "r", Taken: &state.Taken{URL: "https://lock"}}, false, nil},
		{"it had asked",
			&state.Record{Stage: state.LockGet, RunID: "r", ClaimSent: time.Now(),
				Taken: &state.Taken{URL: "https://old", CN: "me"}},
			true, &lock.Origin{Server: "https://old", Client: "me"}},
		{"the record does not say", &state.Record{Stage: state.LockGet, RunID: "r"}, true, nil},
		{"it had the lock",
			&state.Record{Stage: state.Update, RunID: "r", Taken: &state.Taken{URL: "https://old", CN: "me", Holder: "host"}},
			true, &lock.Origin{Server: "https://old", Client: "me", Holder: "host"}},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.disk = test.record
			l := w.fakeLock()
			if err := w.invoke(false); err != nil {
				t.Fatal(err)
			}
			if l.options.Claimed != test.claimed || !cmp.Equal(test.origin, l.options.Origin) ||
				l.options.Config != "/etc/config.ini" {
				t.Errorf("%s: opened with %+v (origin %+v)", test.name, l.options, l.options.Origin)
			}
		})
	}
}

// answersAt makes Confirm answer so once this invocation has put a stage on record, and well before.
func (l *fakeLock) answersAt(stage state.Stage, err error) {
	l.confirm = func() error {
		if begun, _ := l.now(); begun == stage {
			return err
		}
		return nil
	}
}

// TestConfirm: what the last look before a stage proves, in the invocation that has taken the lock.
func TestConfirm(t *testing.T) {
	for _, stage := range guardedStages {
		over := ending{"ok", state.PostUpdate, No, ""} // it reboots; there is no error that could say who holds the lock
		type row struct {
			answer error
			want   ending
			heard  []string
		}
		rows := map[string]row{
			"ours": {nil, over, []string{"started", "acquired", "rebooting"}},
			"lost": {lostToOther, ending{"failed", stage, No, lostToOther.Error()},
				[]string{"started", "acquired", "failed"}},
			"elsewhere": {elsewhere, ending{"failed", stage, Yes, elsewhere.Error()}, []string{"started", "acquired", "failed"}},
		}
		for name, answer := range lockErrors() { // a lock doesn't expire
			heard := []string{"started", "acquired", "rebooting"}
			if stage == state.Reboot { // which asks for some time
				heard = []string{"started", "acquired", "waiting", "rebooting"}
			}
			rows[name] = row{answer.err, over, heard}
		}
		for name, test := range rows {
			t.Run(fmt.Sprintf("%s: %s", stage, name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.needsReboot()
					w.fakeLock().answersAt(stage, test.answer)
					end, _ := w.ends()
					same(t, "ending", test.want, end)
					same(t, "heard", test.heard, w.heard())
					if ran := len(w.effects("hook "+string(stage)+"/", "reboot")) > 0; ran != (test.want == over) {
						t.Errorf("ran: %t, %q", ran, w.trace)
					}
					if slices.Contains(w.asksOfLock(), "give") {
						t.Error("released")
					}
				})
			})
		}
	}
}

// TestConfirmResumed: an invocation that found the host out of service asks until there is an answer.
func TestConfirmResumed(t *testing.T) {
	const away = time.Hour
	unavailable := lockErrors()["unavailable"].err
	// a reboot's patience has its own test
	for _, stage := range []state.Stage{state.PreUpdate, state.Update, state.NeedsReboot} {
		tests := []struct {
			name  string
			then  error // the answer after an hour
			stop  bool  // a signal comes before that
			want  ending
			heard []string
		}{
			{"ours", nil, false, ending{"ok", "", No, ""}, []string{"resumed", "waiting", "acquired", "finished"}},
			{"lost", lostToOther, false, ending{"failed", stage, No, lostToOther.Error()},
				[]string{"resumed", "waiting", "failed"}},
			{"elsewhere", elsewhere, false, ending{"failed", stage, Yes, elsewhere.Error()},
				[]string{"resumed", "waiting", "failed"}},
			{"a signal", nil, true, ending{"later", stage, Yes, ""}, []string{"resumed", "waiting"}},
		}
		for _, test := range tests {
			t.Run(fmt.Sprintf("%s: %s", stage, test.name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.disk = &state.Record{Stage: stage, RunID: "r", Lock: "web"}
					began := time.Now()
					w.fakeLock().confirm = func() error {
						switch begun, _ := w.now(); {
						case begun != stage:
							return nil
						case time.Since(began) < away:
							return unavailable
						}
						return test.then
					}
					if test.stop {
						time.AfterFunc(away/2, func() { w.stop() })
					}
					end, _ := w.ends()
					same(t, "ending", test.want, end)
					same(t, "heard", test.heard, w.heard())
					if ran := len(w.effects("hook "+string(stage)+"/")) > 0; ran != (test.want.Kind == "ok") {
						t.Errorf("ran: %t, %q", ran, w.trace)
					}
				})
			})
		}
	}
}

// TestConfirmBeforePostUpdate: the host is brought back whatever is known of the lock. A lock that is another's, or is
// elsewhere, is not refreshed.
func TestConfirmBeforePostUpdate(t *testing.T) {
	tests := map[string]struct {
		answer    error
		held      Held // if a hook fails
		refreshed bool
	}{
		"ours":      {nil, Yes, true},
		"lost":      {lostToOther, No, false},
		"elsewhere": {elsewhere, Yes, false},
	}
	for name, answer := range lockErrors() {
		row := tests[name]
		row.answer, row.held, row.refreshed = answer.err, Yes, true
		tests[name] = row
	}
	for name, test := range tests {
		for _, exit := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s, the hook ends with %d", name, exit), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.disk = &state.Record{Stage: state.PostUpdate, RunID: "r", Lock: "web"}
					w.hooks[state.PostUpdate] = []fakeHook{{"start", exits(exit)}}
					w.fakeLock().answersAt(state.PostUpdate, test.answer)
					want, asks, heard := ending{"ok", "", No, ""}, []string{"confirm", "give"}, []string{"resumed", "finished"}
					if exit != 0 {
						want, asks, heard = ending{"failed", state.PostUpdate, test.held, "exit 1"}, []string{"confirm"},
							[]string{"resumed", "failed"}
					}
					end, _ := w.ends()
					same(t, "ending", want, end)
					same(t, "asked of the lock", asks, w.asksOfLock())
					same(t, "heard", heard, w.heard())
					if refreshed := len(w.effects("lock: keep alive")) > 0; refreshed != test.refreshed {
						t.Errorf("refreshed: %t", refreshed)
					}
				})
			})
		}
	}
}

// TestLostDuringAStage: a refresh finds the lock to be another's while the hook of a stage runs. The stage ends as it
// would have ended, and no other guarded one begins. Nobody is told that the lock is kept.
func TestLostDuringAStage(t *testing.T) {
	lost := lostToOther.Error()
	tests := []struct {
		name  string
		stage state.Stage
		hook  func(*world) HookResult // what else the hook does
		want  ending
		heard []string
	}{
		{"pre_update", state.PreUpdate, nil, ending{"failed", following(state.PreUpdate), No, lost},
			[]string{"started", "acquired", "failed"}},
		{"update", state.Update, nil, ending{"failed", following(state.Update), No, lost},
			[]string{"started", "acquired", "failed"}},
		{"needs_reboot says yes", state.NeedsReboot, func(*world) HookResult { return HookResult{Exit: 1} },
			ending{"failed", state.Reboot, No, lost}, []string{"started", "acquired", "failed"}},
		{"needs_reboot says no: the host is brought back", state.NeedsReboot, nil, ending{"ok", "", No, ""},
			[]string{"started", "acquired", "finished"}},
		{"post_update: what is left of the lock is released", state.PostUpdate, nil, ending{"ok", "", No, ""},
			[]string{"started", "acquired", "finished"}},
		{"update fails", state.Update, func(*world) HookResult { return HookResult{Exit: 1} },
			ending{"failed", state.Update, No, "exit 1"}, []string{"started", "acquired", "failed"}},
		{"post_update fails", state.PostUpdate, func(*world) HookResult { return HookResult{Exit: 1} },
			ending{"failed", state.PostUpdate, No, "exit 1"}, []string{"started", "acquired", "failed"}},
		{"a signal during update", state.Update, func(w *world) HookResult { w.stop(); return HookResult{} },
			ending{"later", state.Update, No, ""}, []string{"started", "acquired"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				l := w.fakeLock()
				w.hooks[test.stage] = []fakeHook{{"long", func([]string) HookResult {
					l.lose()
					if test.hook == nil {
						return HookResult{}
					}
					return test.hook(w)
				}}}
				end, _ := w.ends()
				same(t, "ending", test.want, end)
				same(t, "heard", test.heard, w.heard())
				if len(w.effects("reboot")) != 0 {
					t.Error("rebooted")
				}
			})
		})
	}
}

// TestLostBeforeTheReboot: the same while the look before the reboot waits, and while it is being announced.
func TestLostBeforeTheReboot(t *testing.T) {
	for name, set := range map[string]func(*world, *fakeLock){
		"during the look": func(w *world, l *fakeLock) {
			l.confirm = func() error {
				if begun, _ := w.now(); begun == state.Reboot {
					l.lose()
				}
				return nil
			}
		},
		"while it is announced": func(w *world, l *fakeLock) { w.announcing = l.lose },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.needsReboot()
				set(w, w.fakeLock())
				end, _ := w.ends()
				same(t, "ending", ending{"failed", state.Reboot, No, lostToOther.Error()}, end)
				if len(w.effects("reboot")) != 0 || w.disk.Asked != nil || w.disk.Reboots != 0 {
					t.Errorf("%q, %+v", w.effects("reboot"), w.disk)
				}
			})
		})
	}
}

// TestGiveFails: the run stays on record until the lock is certainly released, and the next invocation does just that.
func TestGiveFails(t *testing.T) {
	answers := lockErrors()
	answers["release_timeout"], answers["elsewhere"] = lockAnswer{notNow, "later"}, lockAnswer{elsewhere, "failed"}
	answers["a signal"] = lockAnswer{context.Canceled, "later"}
	tests := []struct {
		name     string
		released bool   // the server has said yes, and it could not be seen to be so
		lost     string // when the server said that it is not this host's
		held     Held
	}{
		{"not released", false, "", Yes},
		{"said to be released", true, "", Perhaps},
		{"lost before post_update", false, "before", No},
		{"lost before post_update, and said to be released", true, "before", No},
		{"lost during post_update", false, "during", No},
		{"lost during post_update, and said to be released", true, "during", No},
	}
	for _, test := range tests {
		for name, answer := range answers {
			t.Run(name+": "+test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					l := w.fakeLock()
					switch test.lost {
					case "before":
						l.answersAt(state.PostUpdate, lostToOther)
					case "during":
						w.hooks[state.PostUpdate] = []fakeHook{{"start", func([]string) HookResult { l.lose(); return HookResult{} }}}
					}
					l.released = test.released
					l.give = func() error {
						if name == "a signal" {
							w.stop()
							lock.Sleep(context.Background(), ReleaseGrace+time.Second)
						}
						return answer.err
					}
					want, heard := ending{answer.kind, state.LockRelease, test.held, answer.err.Error()},
						[]string{"started", "acquired", "failed"}
					if name == "a signal" {
						want.Error, heard = "", []string{"started", "acquired"}
					}
					end, _ := w.ends()
					same(t, "ending", want, end)
					same(t, "heard", heard, w.heard())
					stopped, gave := slices.Index(w.trace, "lock: stop keeping alive"), slices.Index(w.trace, "lock: give")
					if stopped < 0 || stopped > gave {
						t.Errorf("kept alive while it is released: %q", w.trace)
					}

					w.trace, w.told, l.give = nil, nil, func() error { return nil }
					end, _ = w.ends()
					same(t, "ending of the next invocation", ending{"ok", "", No, ""}, end)
					same(t, "asked of the lock", []string{"give"}, w.asksOfLock())
					same(t, "heard", []string{"resumed", "finished"}, w.heard())
				})
			})
		}
	}
}

// TestNoLookIsNeeded: a run asks a lock that can't be looked at for nothing but this, wherever it begins.
func TestNoLookIsNeeded(t *testing.T) {
	all := []string{
		"state needs_update", "hook needs_update/10-check",
		"state lock_get", "lock: take for a run", "state lock_get",
		"state pre_update", "lock: keep alive", "lock: confirm", "hook pre_update/20-stop",
		"state update", "lock: keep alive", "lock: confirm", "hook update/30-upgrade",
		"state needs_reboot", "lock: keep alive", "lock: confirm", "hook needs_reboot/flag",
		"state reboot", "lock: keep alive", "lock: confirm", "state post_update", "reboot", "lock: stop keeping alive",
	}
	back := []string{"state post_update", "lock: confirm", "lock: keep alive", "hook post_update/50-start",
		"state lock_release", "lock: stop keeping alive", "lock: give", "state cleared", "lock: stop keeping alive"}
	for _, begin := range append([]state.Stage{noStage, state.PostUpdate, state.LockRelease}, guardedStages...) {
		t.Run("from "+string(begin), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.needsReboot()
				w.fakeLock()
				var want []string
				switch begin {
				case noStage:
					want = all
				case state.PostUpdate, state.LockRelease:
					want = back[slices.Index(back, "state "+string(begin)):]
				default:
					want = append([]string{"lock: take out of service", "state " + string(begin)},
						all[slices.Index(all, "state "+string(begin)):]...)
				}
				if begin != noStage {
					w.disk = &state.Record{Stage: begin, RunID: "r", Lock: "web"}
				}
				if err := w.invoke(false); err != nil {
					t.Fatal(err)
				}
				effects := func() []string {
					return slices.DeleteFunc(w.effects("state", "hook", "reboot", "lock:"),
						func(s string) bool { return strings.HasSuffix(s, " ended") })
				}
				same(t, "effects", want, effects())
				if w.disk == nil { // it needed no reboot any more
					return
				}
				w.trace = nil
				w.reboot()
				if err := w.invoke(true); err != nil {
					t.Fatal(err)
				}
				same(t, "effects after the reboot", back, effects())
				if w.disk != nil {
					t.Errorf("left behind: %+v", w.disk)
				}
			})
		})
	}
}

// TestLockByHand: what a person is told, and what is undone of what they gave up.
func TestLockByHand(t *testing.T) {
	unavailable := lockErrors()["unavailable"].err
	tests := []struct {
		name      string
		wait      bool
		take      error
		wasOurs   bool
		abandoned bool
		stop      bool
		kind      string
		asks      []string
		said      string
	}{
		{"taken", false, nil, false, false, false, "ok", []string{"take by hand, now"}, ""},
		{"taken after a wait", true, nil, false, false, false, "ok", []string{"take by hand"}, ""},
		{"held elsewhere", false, notNow, false, true, false, "later", []string{"take by hand, now", "abandon"}, ""},
		{"no answer", false, unavailable, false, false, false, "later",
			[]string{"take by hand, now", "abandon"}, "may hold the lock"},
		{"ours before", false, notNow, true, false, false, "later", []string{"take by hand, now"}, "left as it is"},
		{"a signal", true, context.Canceled, false, true, true, "later", []string{"take by hand", "abandon"}, ""},
		{"on record as ours", false, unavailable, false, false, false, "later", []string{"take by hand, now"},
			"the record stays"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				l := w.fakeLock()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				l.take = func() error {
					if test.stop {
						cancel()
					}
					return test.take
				}
				l.wasOurs, l.abandoned = test.wasOurs, test.abandoned
				_, err := w.workflow().TakeLock(ctx, ByHand{Name: "web", Wait: test.wait,
					Has: strings.HasPrefix(test.name, "on record")})
				if kind(err) != test.kind || !strings.Contains(w.log.String(), test.said) {
					t.Errorf("%v, want %s, said %q in %s", err, test.kind, test.said, w.log)
				}
				same(t, "asked of the lock", test.asks, w.asksOfLock())
			})
		})
	}
	for name, answer := range lockErrors() {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.fakeLock().give = func() error { return answer.err }
			if err := w.workflow().ReleaseLock(t.Context(), "web", nil); !errors.Is(err, answer.err) {
				t.Errorf("released by hand, %s: %v", name, err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := w.workflow().ReleaseLock(ctx, "web", nil); kind(err) != "later" {
				t.Errorf("released by hand, a signal: %v", err)
			}
		})
	}
}
