// Package events tells others what happens to a run. It hears it from the workflow (workflow.Observer), knows by it
// where this host stands at each moment, and brings events to listeners. Nothing in it changes or delays a run, but that
// a reboot waits a few seconds until the listeners have heard of it.
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
	record     *state.Record // on record; nil: nothing is
	last       *state.Record // the same, and what it was before it was removed
	boot       *state.Boot   // of now; nil: not known
	hook       string        // the one that runs
	failing    *workflow.Event
	inhibitors []workflow.Inhibitor // who keeps the host from being shut down
	lock       status.Lock          // as the server showed it last
	trouble    string               // why it could not; empty if it could
	stopped    error                // why the invocation has ended
	ended      time.Time            // when it has
	over       Result               // how the run has ended, if it has
	told       string
	alive      *time.Timer // ticks from the first event to the end; nil before
	// unwritten says why a record can't be saved, and since when, while the workflow waits for that; else nil.
	unwritten *status.Stop
}

// Result is how a run ended.
type Result string

// The results.
const (
	RunFinished Result = "finished"
	RunFailed   Result = "failed"
	RunGaveUp   Result = "gave-up"
)

// Options say who wants to know, and what can't be known here.
type Options struct {
	// Show is called with each new sentence. It must not block.
	Show func(sentence string)
	// See is called likewise, with an event that has no kind. Nil: with none.
	See Listener
	// Next says what to do about an invocation that ended with an error.
	Next func(error) string
	// Later reports whether an invocation that ended with this error has nothing wrong with it, and the next one tries
	// again: the same decision as the exit code's. Nil: by what the workflow says of it.
	Later func(error) bool
	// RebootDue is a reboot that may have been due when the last invocation ended; nil: none.
	RebootDue *state.RebootDue
	// Listeners hear of events; there may be none.
	Listeners []Listener
	// Wording is what sentences say of the lock server.
	Wording lock.Wording
}

// Watch makes a watcher that hears what the workflow does.
func Watch(w *workflow.Workflow, o Options) *Watcher {
	if o.Later == nil {
		o.Later = later
	}
	seen := &Watcher{Options: o, running: true, lock: status.Lock{Name: w.LockName}, listeners: newQueues(o.Listeners, w.Log), log: w.Log}
	w.Observe = seen.Observe
	return seen
}

// Observe hears from the workflow.
func (w *Watcher) Observe(e workflow.Event) {
	w.note(func() []Kind { return w.take(e) })
	// The listeners hear of a reboot before the command runs, for the host may be gone a moment later. Not for long: they
	// delay nothing. And before the workflow looks for the last time whether it may.
	if e.Kind == workflow.Rebooting && !w.listeners.flush(bootPatience) {
		w.log.Warn("listener left behind: the reboot does not wait for it any longer", "waited", bootPatience)
	}
}

// news are the workflow's events that are news for listeners, too.
var news = map[workflow.EventKind]Kind{
	workflow.Started: Started, workflow.Resumed: Resumed, workflow.Waiting: Waiting, workflow.Acquired: Acquired,
	workflow.Rebooting: Rebooting, workflow.Finished: Finished,
}

// take takes over what has happened, and returns what of it is news for listeners.
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
	case workflow.StageBegan:
		w.unwritten = nil
	case workflow.LockSeen:
		w.lockSeen(e)
	case workflow.Waiting:
		w.lock.Barred = e.Wait.Barred
	case workflow.Inhibited:
		w.inhibitors = e.Inhibitors
	case workflow.NotSaved:
		if w.unwritten == nil {
			w.unwritten = &status.Stop{At: time.Now(), Why: e.Err.Error()}
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
	w.lock.Name, w.trouble = e.Lock, ""
	if e.Err != nil {
		w.lock, w.trouble = status.Lock{Name: e.Lock}, fmt.Sprintf("the lock in %s: %v", w.Wording.Server, e.Err)
		return
	}
	w.lock.See(e.View)
}

// finishesWithoutReboot reports whether the run that finishes may have needed a reboot. If its hooks have said that it
// did not, none is due any more.
func (w *Watcher) finishesWithoutReboot() bool {
	due := stillDue(w.last.RebootDue, w.boot)
	asked := slices.ContainsFunc(w.last.Story.Steps, func(step state.Step) bool {
		return step.Stage == state.NeedsReboot && step.Hook == "" && step.Error == ""
	})
	if due != nil || asked {
		w.RebootDue = due
	}
	return due != nil
}

// stillDue is nil for a reboot that has happened since, whoever did it.
func stillDue(due *state.RebootDue, boot *state.Boot) *state.RebootDue {
	if due != nil && boot != nil && !due.Boot.Same(*boot) {
		return nil
	}
	return due
}

// note changes what is known, tells the listeners of what has happened by that, and shows the sentence if it is another
// one.
func (w *Watcher) note(change func() []Kind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	kinds := change()
	s := w.status(time.Now())
	if s.Sentence != w.told {
		w.told = s.Sentence
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

// tick tells that the invocation is alive, and does so again and again. In its goroutine, a timer's, a mistake would end
// the program, and with it the run.
func (w *Watcher) tick() {
	defer func() {
		if mistake := recover(); mistake != nil {
			w.log.Error("internal error", "error", fmt.Sprint(mistake), "stack", string(debug.Stack()))
		}
	}()
	w.note(func() []Kind {
		if !w.running {
			return nil
		}
		w.alive.Reset(aliveTick)
		return []Kind{Alive}
	})
}

// status is where the host stands.
func (w *Watcher) status(now time.Time) status.Status {
	s := status.Status{Running: w.running, PID: os.Getpid(), Hook: w.hook, Lock: w.lock, Wording: w.Wording}
	s.SetInhibitors(w.inhibitors)
	if !w.running {
		s.PID = 0
	}
	if w.stopped != nil {
		stop := status.Stop{At: w.ended, Why: w.stopped.Error(), Next: w.Next(w.stopped), Later: w.Later(w.stopped)}
		var stage *workflow.StageError
		if errors.As(w.stopped, &stage) {
			stop.Stage, stop.Why = stage.Stage, stage.Err.Error()
		}
		s.SetStopped(stop)
	}
	s.SetRebootDue(w.RebootDue)
	s.SetRecord(w.record)
	if w.unwritten != nil && w.running {
		s.SetStopped(*w.unwritten)
	}
	s.SetAcquired()
	if w.boot != nil {
		s.SetBoot(*w.boot)
	}
	if w.trouble != "" {
		s.Unseen = []string{w.trouble}
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
	event.Error = w.stopped.Error()
	var stage *workflow.StageError
	if errors.As(w.stopped, &stage) {
		event.Run, event.Stage, event.Hook, event.Lock, event.Error = stage.Run, stage.Stage, stage.Hook, stage.Lock, stage.Err.Error()
		if w.failing != nil && w.failing.Hook == stage.Hook {
			event.Exit, event.Output = w.failing.Result.Exit, w.failing.Result.Last
		}
	}
	return event
}

// Ended is to be called when the workflow has: this invocation does nothing more. err is why, if it is not that all is
// done, or that a reboot is under way.
func (w *Watcher) Ended(err error) {
	w.note(func() (kinds []Kind) {
		w.running, w.stopped, w.ended = false, err, time.Now()
		if w.alive != nil {
			w.alive.Stop()
		}
		later := w.Later(err)
		began := w.last.InProgress()
		switch {
		case err == nil:
		case !later:
			kinds = []Kind{Failed}
		case began: // a mirror that is down, every hour, is no news
			kinds = []Kind{GaveUp}
		}
		anew := w.last != nil && !began && w.last.Error != nil // the next invocation begins a new run
		switch {
		case !anew && (!began || w.record != nil):
		case err == nil:
			w.over = RunFinished
		case later:
			w.over = RunGaveUp
		default:
			w.over = RunFailed
		}
		return kinds
	})
}

// later reports whether nothing is wrong with this host, and the next invocation tries again.
func later(err error) bool {
	return errors.Is(err, workflow.ErrTryLater) || errors.Is(err, lock.ErrUnavailable)
}

// Close waits, not for ever, until the listeners have heard everything.
func (w *Watcher) Close() { w.listeners.close() }

// Over returns the last record of a run that has ended with this invocation, with its story, and how it ended; nil if it
// goes on, or there was nothing to do.
func (w *Watcher) Over() (*state.Record, Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over == "" {
		return nil, ""
	}
	return w.last, w.over
}

// Last is what there is to tell by now, without a kind.
func (w *Watcher) Last() Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.event("", w.status(time.Now()))
}

// Due is the reboot that may be due by now; nil: none.
func (w *Watcher) Due() *state.RebootDue {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.RebootDue
}

// Output are the last lines of a hook of this name, if it did not end well in this invocation.
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
