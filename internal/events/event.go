package events

import (
	"fmt"
	"sync"
	"time"

	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"

	"github.com/hashicorp/go-hclog"
)

// Kind is what happened to a run.
type Kind string

// The kinds. Other programs know them: none ever changes its meaning.
const (
	Started   Kind = "started"    // a new run has found something to do; those that find nothing are no news
	Waiting   Kind = "waiting"    // the lock can't be had now; once more if it turns out that Foreman bars this host
	Acquired  Kind = "acquired"   // the lock was got, or got again after a wait
	Failed    Kind = "failed"     // a stage failed, or nothing could be begun; a person is needed
	Rebooting Kind = "rebooting"  // the reboot command comes next
	Resumed   Kind = "resumed"    // an invocation goes on with the run in progress
	Finished  Kind = "finished"   // the lock is given back, the run is over
	RebootDue Kind = "reboot-due" // the run has just finished without a reboot that may be needed: no hook could find out
	GaveUp    Kind = "gave-up"    // the invocation ended before the run was over; nothing is wrong, the next one tries again
	Alive     Kind = "alive"      // still at work; every five minutes, so that a listener notices when the invocation dies
)

// Kinds lists them all.
var Kinds = []Kind{Started, Waiting, Acquired, Failed, Rebooting, Resumed, Finished, RebootDue, GaveUp, Alive}

// Event is something that happened to a run, with all that a listener may want to tell of it. Listeners must not change what it points to.
type Event struct {
	Kind  Kind        `json:"event"`
	Time  time.Time   `json:"time"`
	Run   string      `json:"run,omitempty"`
	Lock  string      `json:"lock"`
	Stage state.Stage `json:"stage,omitempty"`
	// Hook is the hook that failed, Exit its exit code (-1: it had none), Output the last lines that it wrote. Of
	// RebootDue, Hook is the one that could not find out, and Error what it said.
	Hook   string   `json:"hook,omitempty"`
	Exit   int      `json:"exit,omitempty"`
	Error  string   `json:"error,omitempty"`
	Output []string `json:"output,omitempty"`
	// Status is where the host stands by now, sentence included.
	Status status.Status `json:"standing"`
	// Record is what is, or was last, on record of the run, story included; nil: no run was begun.
	Record *state.Record `json:"-"`
}

// Listener hears of events, one at a time and in their order. It runs beside the run, which waits for no listener, but for a few seconds
// before a reboot.
type Listener func(Event)

const (
	backlog   = 100              // events that wait for a slow listener; more are dropped
	patience  = 60 * time.Second // how long the end of the program waits for listeners
	lastWords = 10 * time.Second // how long a reboot does
	aliveTick = 5 * time.Minute
)

// speaker brings events to one listener, in a goroutine of its own: a slow listener is no other's trouble.
type speaker struct {
	listener Listener
	log      hclog.Logger
	queue    chan said
	over     chan struct{}
	begin    sync.Once
}

// said is an event on its way, or, without one, the question whether all before it was heard.
type said struct {
	event *Event
	heard chan<- struct{}
}

// speakers are one for each listener.
type speakers []*speaker

func newSpeakers(listeners []Listener, log hclog.Logger) (all speakers) {
	for _, listener := range listeners {
		all = append(all, &speaker{listener: listener, log: log, queue: make(chan said, backlog), over: make(chan struct{})})
	}
	return all
}

// say never blocks.
func (all speakers) say(event Event) {
	for _, s := range all {
		select {
		case s.open() <- said{event: &event}:
		default:
			s.log.Warn("an event is lost: who listens is too slow", "event", string(event.Kind), "run", event.Run)
		}
	}
}

// open begins with the first that is said.
func (s *speaker) open() chan<- said {
	s.begin.Do(func() { go s.speak() })
	return s.queue
}

func (s *speaker) speak() {
	defer close(s.over)
	for one := range s.queue {
		if one.event == nil {
			close(one.heard)
			continue
		}
		s.call(*one.event)
	}
}

// call keeps a listener's mistake away from the run.
func (s *speaker) call(event Event) {
	defer func() {
		if mistake := recover(); mistake != nil {
			s.log.Error("who listens to events has failed", "event", string(event.Kind), "error", fmt.Sprint(mistake))
		}
	}()
	s.listener(event)
}

// flush waits until all that was said is heard, and reports whether that was so within the limit.
func (all speakers) flush(limit time.Duration) bool {
	end := time.After(limit)
	for _, s := range all {
		heard := make(chan struct{})
		select {
		case s.open() <- said{heard: heard}:
		case <-end:
			return false
		}
		select {
		case <-heard:
		case <-end:
			return false
		}
	}
	return true
}

// close waits until all is heard, and not for ever. Nothing is said after it.
func (all speakers) close() {
	end := time.After(patience)
	for _, s := range all {
		close(s.open())
	}
	for _, s := range all {
		select {
		case <-s.over:
		case <-end:
			s.log.Warn("who listens to events is too slow; it is not waited for any longer", "waited", patience)
			return
		}
	}
}
