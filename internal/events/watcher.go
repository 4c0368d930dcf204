// Package events tells others what happens to a run. It observes the workflow (workflow.Observer), knows from that
// where the host stands at each moment, and sends events to listeners. It never changes a run. It delays only a reboot,
// by a few seconds, until the listeners have heard of it.
package events

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

// aliveTick is how often listeners hear that the invocation is alive.
const aliveTick = 5 * time.Minute

// Watcher watches one invocation. Its methods may be called by several goroutines.
type Watcher struct {
	Options
	listeners queues
	log       hclog.Logger

	mu         sync.Mutex
	running    bool
	record     *state.Record // the record on disk; nil: there is none
	last       *state.Record // the last record that was on disk
	boot       *state.Boot   // the current one; nil: not known
	hook       string        // the hook that is running
	failing    *workflow.Event
	inhibitors []workflow.Inhibitor // the programs that keep the host from being shut down
	lock       status.Lock          // as the server showed it last
	lockError  string               // why the server did not show the lock; empty if it did
	endError   error                // why the invocation ended
	endsAt     time.Time            // when it ended
	result     Result               // how the run ended, if it did
	waitsFor   lock.Question        // what the listeners heard last that the run waits for; empty: the lock, or nothing
	sentence   string               // as shown last
	alive      *time.Timer          // ticks from the first event to the end; nil before
	// saveError says why the record can't be saved, and since when, while the workflow waits for that; else nil.
	saveError *status.Stop
}

// Result is how a run ended.
type Result string

// The results.
const (
	RunFinished Result = "finished"
	RunFailed   Result = "failed"
	RunGaveUp   Result = "gave-up"
)

// Options tell a Watcher whom to tell, and what it can't find out by itself.
type Options struct {
	// Show is called with each new sentence. It must not block.
	Show func(sentence string)
	// See is called at the same time, with an event that has no kind. May be nil.
	See Listener
	// Next says what to do about an invocation that ended with an error.
	Next func(error) string
	// Later reports whether an error means that nothing is wrong and the next invocation tries again. It must agree with
	// the exit code. Nil: the error's type decides.
	Later func(error) bool
	// RebootDue is a reboot that may have been due when the last invocation ended; nil: none.
	RebootDue *state.RebootDue
	// Listeners hear of events. There may be none.
	Listeners []Listener
	// Wording holds the words for the lock server in sentences.
	Wording lock.Wording
	// Config is the path of the configuration, for the commands that sentences name.
	Config string
}

// Watch makes a Watcher that observes the workflow.
func Watch(w *workflow.Workflow, o Options) *Watcher {
	if o.Later == nil {
		o.Later = later
	}
	watcher := &Watcher{Options: o, running: true, lock: status.Lock{Name: w.LockName},
		listeners: newQueues(o.Listeners, w.Log), log: w.Log}
	w.Observe = watcher.Observe
	return watcher
}

// Observe takes an event of the workflow.
func (w *Watcher) Observe(e workflow.Event) {
	w.note(func() []Kind { return w.take(e) })
	// The listeners must hear of a reboot before the command runs: the host may be down a moment later. The wait is short,
	// and comes before the workflow's last look at the lock.
	if e.Kind == workflow.Rebooting && !w.listeners.flush(bootPatience) {
		w.log.Warn("listener left behind: the reboot does not wait any longer", "waited", bootPatience)
	}
}

// news maps the workflow's events to those that listeners hear of.
var news = map[workflow.EventKind]Kind{
	workflow.Started: Started, workflow.Resumed: Resumed, workflow.Waiting: Waiting, workflow.Acquired: Acquired,
	workflow.Rebooting: Rebooting, workflow.Finished: Finished,
}

// take notes what happened, and returns the events for the listeners.
func (w *Watcher) take(e workflow.Event) (kinds []Kind) {
	if e.Record != nil {
		w.record, w.last = e.Record, e.Record
	}
	if e.Cleared {
		w.record = nil
	}
	switch e.Kind {
	case workflow.BootRead:
		w.boot = e.Boot
		w.RebootDue = stillDue(w.RebootDue, w.boot)
	case workflow.HookBegan:
		w.hook = e.Hook
	case workflow.HookEnded:
		w.hook, w.failing = "", nil
		if e.Result.Exit != 0 || e.Result.Err != nil {
			w.failing = &e
		}
	case workflow.Saved:
		w.saveError = nil
	case workflow.LockSeen:
		w.lockSeen(e)
	case workflow.Waiting:
		w.lock.Barred = e.Wait.Barred
		same := e.Wait.For != "" && e.Wait.For == w.waitsFor // a gate may give other figures each time
		w.waitsFor = e.Wait.For
		if same {
			return nil
		}
	case workflow.Acquired:
		w.waitsFor = ""
	case workflow.Inhibited:
		w.inhibitors = e.Inhibitors
	case workflow.NotSaved:
		if w.saveError == nil {
			w.saveError = &status.Stop{At: time.Now(), Why: e.Err.Error()}
		}
	case workflow.Finished:
		w.running = false
		if w.finishesWithoutReboot() {
			return []Kind{Finished, RebootDue}
		}
	}
	if kind := news[e.Kind]; kind != "" {
		kinds = []Kind{kind}
	}
	return kinds
}

func (w *Watcher) lockSeen(e workflow.Event) {
	w.lock.Name, w.lockError = e.Lock, ""
	if e.Err != nil {
		w.lock, w.lockError = status.Lock{Name: e.Lock}, fmt.Sprintf("the lock in %s: %v", w.Wording.Server, e.Err)
		return
	}
	w.lock.See(e.View)
}

// finishesWithoutReboot reports whether the run that finishes may have needed a reboot. If its hooks answered that it
// did not, no reboot is due any more.
func (w *Watcher) finishesWithoutReboot() bool {
	due := stillDue(w.last.RebootDue, w.boot)
	answered := slices.ContainsFunc(w.last.Story.Steps, func(step state.Step) bool {
		return step.Stage == state.NeedsReboot && step.Hook == "" && step.Error == ""
	})
	if due != nil || answered {
		w.RebootDue = due
	}
	return due != nil
}

// stillDue returns nil if the host has been rebooted since, by whomever.
func stillDue(due *state.RebootDue, boot *state.Boot) *state.RebootDue {
	if due != nil && boot != nil && !due.Boot.Same(*boot) {
		return nil
	}
	return due
}

// note calls change, shows the sentence if it is a new one, and sends the events that change returns. A mistake in any
// of these is logged: the run goes on.
func (w *Watcher) note(change func() []Kind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() {
		if problem := recover(); problem != nil {
			w.log.Error("internal error", "error", fmt.Sprint(problem), "stack", string(debug.Stack()))
		}
	}()
	kinds := change()
	s := w.status(time.Now())
	if s.Sentence != w.sentence {
		w.sentence = s.Sentence
		w.Show(s.Sentence)
		if w.See != nil {
			w.See(w.event("", s))
		}
	}
	for _, kind := range kinds {
		w.listeners.send(w.event(kind, s))
	}
	if len(kinds) > 0 && w.alive == nil && w.running {
		w.alive = time.AfterFunc(aliveTick, w.tick)
	}
}

// tick tells that the invocation is alive, and sets the timer for the next time. It runs in the timer's goroutine,
// where a panic would end the program and with it the run.
func (w *Watcher) tick() {
	w.note(func() []Kind {
		if !w.running {
			return nil
		}
		w.alive.Reset(aliveTick)
		return []Kind{Alive}
	})
}

// status says where the host stands.
func (w *Watcher) status(now time.Time) status.Status {
	s := status.Status{Running: w.running, PID: os.Getpid(), Hook: w.hook, Lock: w.lock, Wording: w.Wording,
		Config: w.Config}
	s.SetInhibitors(w.inhibitors)
	if !w.running {
		s.PID = 0
	}
	if w.endError != nil {
		stop := status.Stop{At: w.endsAt, Why: w.endError.Error(), Next: w.Next(w.endError), Later: w.Later(w.endError)}
		var stage *workflow.StageError
		if errors.As(w.endError, &stage) {
			stop.Stage, stop.Why = stage.Stage, stage.Err.Error()
		}
		s.SetStopped(stop)
		var refusal *workflow.Refusal
		if errors.As(w.endError, &refusal) {
			s.SetNo(refusal.Question, refusal.Why, time.Time{}, refusal.Until)
		}
	}
	s.SetRebootDue(w.RebootDue)
	s.SetRecord(w.record)
	if w.saveError != nil && w.running {
		s.SetStopped(*w.saveError)
	}
	s.SetAcquired()
	if w.boot != nil {
		s.SetBoot(*w.boot)
	}
	if w.lockError != "" {
		s.Unseen = []string{w.lockError}
	}
	s.Say(now)
	return s
}

func (w *Watcher) event(kind Kind, s status.Status) Event {
	event := Event{Kind: kind, Time: s.At, Lock: s.Lock.Name, Status: s}
	if w.last != nil {
		event.Record, event.Run, event.Stage, event.Lock = w.last, w.last.RunID, w.last.Stage, w.last.Lock
	}
	switch kind {
	case RebootDue:
		event.Hook, event.Error = w.RebootDue.Hook, w.RebootDue.Message
		return event
	case Failed, GaveUp:
	default:
		return event
	}
	why := w.endError
	var stage *workflow.StageError
	if errors.As(w.endError, &stage) {
		event.Run, event.Stage, event.Hook, event.Lock = stage.Run, stage.Stage, stage.Hook, stage.Lock
		why = stage.Err
		if w.failing != nil && w.failing.Hook == stage.Hook {
			event.Exit, event.Output = w.failing.Result.Exit, w.failing.Result.Last
		}
	}
	event.Error = status.WithConfig(why.Error(), w.Config)
	return event
}

// Ended must be called when the workflow has ended. err is what Run returned.
func (w *Watcher) Ended(err error) {
	w.note(func() (kinds []Kind) {
		w.running, w.endError, w.endsAt = false, err, time.Now()
		if w.alive != nil {
			w.alive.Stop()
		}
		later := w.Later(err)
		began := w.last.InProgress()
		switch {
		case err == nil:
		case !later:
			kinds = []Kind{Failed}
		case began: // without a run, giving up is no news: it may happen every hour
			kinds = []Kind{GaveUp}
		}
		nextIsNew := w.last != nil && !began && w.last.Error != nil // the next invocation begins a new run
		switch {
		case !nextIsNew && (!began || w.record != nil):
		case err == nil:
			w.result = RunFinished
		case later:
			w.result = RunGaveUp
		default:
			w.result = RunFailed
		}
		return kinds
	})
}

// later reports whether an error means that nothing is wrong with this host, and the next invocation tries again.
func later(err error) bool {
	return errors.Is(err, workflow.ErrTryLater) || errors.Is(err, lock.ErrUnavailable)
}

// Close waits until the listeners have heard everything, for a minute at most.
func (w *Watcher) Close() { w.listeners.close() }

// Over returns the last record of a run that ended in this invocation, with its story, and how the run ended. It
// returns nil if the run goes on, or there was nothing to do.
func (w *Watcher) Over() (*state.Record, Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.result == "" {
		return nil, ""
	}
	return w.last, w.result
}

// Last returns an event without a kind, which says where the host stands now.
func (w *Watcher) Last() Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.event("", w.status(time.Now()))
}

// Due returns the reboot that may be due now; nil: none.
func (w *Watcher) Due() *state.RebootDue {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.RebootDue
}

// Output returns the last lines of the hook that ended last, if it has this name and did not exit with 0; else nil.
func (w *Watcher) Output(hook string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failing == nil || w.failing.Hook != hook {
		return nil
	}
	return w.failing.Result.Last
}

// Holder says who holds the lock.
func (w *Watcher) Holder() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.status(time.Now())
	return s.Holder()
}
