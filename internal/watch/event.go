package watch

import (
	"fmt"
	"time"

	"foreman-dlm-updater/internal/standing"
	"foreman-dlm-updater/internal/state"

	"github.com/hashicorp/go-hclog"
)

// Kind is what happened to a run.
type Kind string

// The kinds. Other programs know them: none ever changes its meaning.
const (
	Started   Kind = "started"   // a new run has found something to do; those that find nothing are no news
	Waiting   Kind = "waiting"   // the lock can't be had now
	Acquired  Kind = "acquired"  // the lock was got, or got again after a wait
	Failed    Kind = "failed"    // a stage failed, or nothing could be begun; a person is needed
	Rebooting Kind = "rebooting" // the reboot command comes next
	Resumed   Kind = "resumed"   // an invocation goes on with the run in progress
	Finished  Kind = "finished"  // the lock is given back, the run is over
	GaveUp    Kind = "gave-up"   // the invocation ended before the run was over, and nothing is wrong with this host: the next one tries again
)

// Kinds lists them all.
var Kinds = []Kind{Started, Waiting, Acquired, Failed, Rebooting, Resumed, Finished, GaveUp}

// Event is something that happened to a run, with all that a listener may want to tell of it. Listeners must not change what it points to.
type Event struct {
	Kind  Kind        `json:"event"`
	Time  time.Time   `json:"time"`
	Run   string      `json:"run,omitempty"`
	Lock  string      `json:"lock"`
	Stage state.Stage `json:"stage,omitempty"`
	// Hook is the hook that failed, Exit its exit code (-1: it had none), Output the last lines that it wrote.
	Hook   string   `json:"hook,omitempty"`
	Exit   int      `json:"exit,omitempty"`
	Error  string   `json:"error,omitempty"`
	Output []string `json:"output,omitempty"`
	// Standing is where the host stands by now, sentence included.
	Standing standing.Standing `json:"standing"`
	// Record is what is, or was last, on record of the run, story included; nil: no run was begun.
	Record *state.Record `json:"-"`
}

// Listener hears of events, one at a time and in their order. It runs beside the run, which waits for no listener.
type Listener func(Event)

const (
	backlog  = 100              // events that wait for slow listeners; more are dropped
	patience = 60 * time.Second // how long the end of the program waits for them
)

// speaker brings events to the listeners, in a goroutine that begins with the first one.
type speaker struct {
	listeners []Listener
	log       hclog.Logger
	queue     chan Event
	over      chan struct{}
}

// say never blocks.
func (s *speaker) say(event Event) {
	if len(s.listeners) == 0 {
		return
	}
	if s.queue == nil {
		s.queue, s.over = make(chan Event, backlog), make(chan struct{})
		go s.speak(s.queue)
	}
	select {
	case s.queue <- event:
	default:
		s.log.Warn("an event is lost: who listens is too slow", "event", string(event.Kind), "run", event.Run)
	}
}

func (s *speaker) speak(queue <-chan Event) {
	defer close(s.over)
	for event := range queue {
		for _, listener := range s.listeners {
			s.call(listener, event)
		}
	}
}

// call keeps a listener's mistake away from the run.
func (s *speaker) call(listener Listener, event Event) {
	defer func() {
		if mistake := recover(); mistake != nil {
			s.log.Error("who listens to events has failed", "event", string(event.Kind), "error", fmt.Sprint(mistake))
		}
	}()
	listener(event)
}

// close waits until all is heard, and not for ever.
func (s *speaker) close() {
	if s.queue == nil {
		return
	}
	close(s.queue)
	select {
	case <-s.over:
	case <-time.After(patience):
		s.log.Warn("who listens to events is too slow; it is not waited for any longer", "waited", patience)
	}
}
