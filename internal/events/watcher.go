// Package events stands between a workflow and its world. By what it sees there it tells where the invocation stands, keeps the story of
// the run (durations, waiting, failures) on its record, and tells listeners what happened. The workflow knows nothing of it, and nothing
// here changes or delays what it does, but that a reboot waits a few seconds until it was heard.
package events

import (
	"errors"
	"os"
	"sync"
	"time"

	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

// Watcher watches one invocation. It may be told of several things at once: the lock is looked at while hooks run.
type Watcher struct {
	store workflow.Store
	show  func(sentence string)
	see   Listener
	speak speakers
	hint  func(error) string
	later func(error) bool
	log   hclog.Logger

	mu         sync.Mutex
	running    bool
	record     *state.Record        // as it is on disk
	last       *state.Record        // the same, and what it was before it was cleared
	boot       *state.Boot          // of now; nil: not known
	hook       string               // that runs
	inhibitors []workflow.Inhibitor // who keeps the host from being shut down
	lock       status.Lock          // as Foreman showed it last
	trouble    string               // why it could not; empty if it could
	stopped    error                // why the invocation has ended
	ended      time.Time            // when it has
	due        *state.RebootDue
	over       Result // how the run has ended, if it has
	told       string
	alive      *time.Timer // ticks from the first event to the end; nil before

	saving bool // the workflow saves a record just now
	// resumed: the run was found out of service, so the workflow waits for a record that can't be saved.
	resumed bool
	// unwritten says why a record can't be saved, and since when, while the workflow waits for that; else nil.
	unwritten *status.Stop
	progress
}

// progress is what changes together with the record on disk. If a record can't be saved, it is as it was before.
type progress struct {
	found   bool // the record was found by this invocation, which has not gone on with it yet
	story   state.Story
	dirty   bool           // the story on disk is older
	begun   bool           // this invocation has saved something
	reboots bool           // the listeners were told that it asks for a reboot
	open    *state.Step    // the stage that is under way
	failing *state.Failure // the hook that ended last, if it did not end with 0
	atWork  bool           // a hook of the stage under way has begun
	refused bool           // the last claim was
	// unanswered counts the looks at the lock that got no answer since the stage under way was begun.
	unanswered int
}

// Result is how a run ended.
type Result string

// The results.
const (
	RunFinished Result = "finished"
	RunFailed   Result = "failed"
	RunGaveUp   Result = "gave-up"
)

// Options are who wants to know.
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
}

// Watch makes the watcher see all that the workflow does.
func Watch(w *workflow.Workflow, o Options) *Watcher {
	if o.Later == nil {
		o.Later = later
	}
	seen := &Watcher{store: w.Store, later: o.Later, show: o.Show, see: o.See, hint: o.Next, running: true, lock: status.Lock{Name: w.LockName}, due: o.RebootDue,
		speak: newSpeakers(o.Listeners, w.Log), log: w.Log}
	w.Store = watchedStore{w.Store, seen}
	w.Server = watchedServer{w.Server, seen}
	w.Hooks = watchedHooks{w.Hooks, seen}
	w.Host = watchedHost{w.Host, seen}
	return seen
}

// note changes what is known, tells the listeners of what has happened by that, and shows the sentence if it is another one.
func (w *Watcher) note(change func() []Kind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	kinds := change()
	s := w.standing(time.Now())
	if s.Sentence != w.told {
		w.told = s.Sentence
		w.show(s.Sentence)
		if w.see != nil {
			w.see(w.event("", s))
		}
	}
	for _, kind := range kinds {
		w.speak.say(w.event(kind, s))
	}
	if len(kinds) > 0 && w.alive == nil && w.running {
		w.alive = time.AfterFunc(aliveTick, w.tick)
	}
}

// tick tells that the invocation is alive, and does so again and again.
func (w *Watcher) tick() {
	w.note(func() []Kind {
		if !w.running {
			return nil
		}
		w.alive.Reset(aliveTick)
		return []Kind{Alive}
	})
}

func (w *Watcher) standing(now time.Time) status.Status {
	s := status.Status{Running: w.running, PID: os.Getpid(), Hook: w.hook, Lock: w.lock}
	s.SetInhibitors(w.inhibitors)
	if !w.running {
		s.PID = 0
	}
	if w.stopped != nil {
		stop := status.Stop{At: w.ended, Why: w.stopped.Error(), Next: w.hint(w.stopped), Later: w.later(w.stopped)}
		var stage *workflow.StageError
		if errors.As(w.stopped, &stage) {
			stop.Stage, stop.Why = stage.Stage, stage.Err.Error()
		}
		s.SetStopped(stop)
	}
	s.SetRebootDue(w.due)
	s.SetRecord(w.record)
	if w.unwritten != nil && w.running {
		s.SetStopped(*w.unwritten)
	}
	if wait := w.story.Waiting; wait != nil && w.running {
		s.WaitingSince = &wait.Since
	}
	if acquired := w.story.Acquired; s.Lock.Self && !acquired.IsZero() { // Foreman knows only when it was refreshed
		s.Lock.Since = &acquired // not the story's own, which goes on while listeners read
	}
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
		record := *w.last
		record.Story = w.story.Clone()
		event.Record, event.Run, event.Stage, event.Lock = &record, record.RunID, record.Stage, record.Lock
	}
	switch kind {
	case RebootDue:
		event.Hook, event.Error = w.due.Hook, w.due.Message
		return event
	case Failed, GaveUp:
	default:
		return event
	}
	event.Error = w.stopped.Error()
	var stage *workflow.StageError
	if errors.As(w.stopped, &stage) {
		event.Run, event.Stage, event.Hook, event.Lock, event.Error = stage.Run, stage.Stage, stage.Hook, stage.Lock, stage.Err.Error()
		if w.failing != nil && w.failing.Hook == stage.Hook && stage.Hook != "" {
			event.Exit, event.Output = w.failing.Exit, w.failing.Output
		}
	}
	return event
}

// Ended is to be called when the workflow has: this invocation does nothing more. err is why, if it is not that all is done, or that
// a reboot is under way.
func (w *Watcher) Ended(err error) {
	w.note(func() (kinds []Kind) {
		w.running, w.stopped, w.ended = false, err, time.Now()
		if w.alive != nil {
			w.alive.Stop()
		}
		w.closeStage(err)
		w.endWait()
		later := w.later(err)
		began := w.last != nil && w.last.Stage != state.NeedsUpdate
		switch {
		case err == nil:
		case !later:
			kinds = []Kind{Failed}
		case began: // a mirror that is down, every hour, is no news
			kinds = []Kind{GaveUp}
		}
		anew := w.last != nil && w.last.Stage == state.NeedsUpdate && w.last.Error != nil // the next invocation begins a new run
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
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.record != nil && w.dirty && w.record.Stage != state.NeedsUpdate {
		w.save()
	}
}

// later reports whether nothing is wrong with this host, and the next invocation tries again.
func later(err error) bool {
	var trouble *workflow.Unavailable
	return errors.Is(err, workflow.ErrTryLater) || errors.As(err, &trouble)
}

// Close waits, not for ever, until the listeners have heard everything.
func (w *Watcher) Close() { w.speak.close() }

// Over returns the last record of a run that has ended with this invocation, its story, and how it ended; nil if it goes on, or there
// was nothing to do.
func (w *Watcher) Over() (*state.Record, Result) {
	if w.over == "" {
		return nil, ""
	}
	record := *w.last
	record.Story = w.story.Clone()
	return &record, w.over
}

// Last is what there is to tell by now, without a kind.
func (w *Watcher) Last() Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.event("", w.standing(time.Now()))
}

// RebootDue is the reboot that may be due by now; nil: none.
func (w *Watcher) RebootDue() *state.RebootDue {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.due
}

// Output is the last that a hook of this name wrote in this invocation, if it did not end well.
func (w *Watcher) Output(hook string) []string {
	if w.failing == nil || w.failing.Hook != hook {
		return nil
	}
	return w.failing.Output
}

// Holder says who holds the lock.
func (w *Watcher) Holder() string {
	s := w.standing(time.Now())
	return s.Holder()
}
