package events

import (
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Listener hears of events, one at a time and in order, in a goroutine of its own. The run does not wait for listeners,
// except for a few seconds before a reboot.
type Listener func(Event)

const (
	backlog      = 100              // how many events may wait for a slow listener; more are dropped
	endPatience  = 60 * time.Second // how long the program waits for listeners when it ends
	bootPatience = 10 * time.Second // how long a reboot waits for listeners
)

// queue brings events to one listener, in a goroutine of its own: a slow listener does not delay the others.
type queue struct {
	listener Listener
	log      hclog.Logger
	items    chan item
	done     chan struct{}
	start    sync.Once
}

// item is an event, or, if event is nil, a request to close heard once the listener has heard everything before it.
type item struct {
	event *Event
	heard chan<- struct{}
}

// queues holds one queue for each listener.
type queues []*queue

func newQueues(listeners []Listener, log hclog.Logger) (all queues) {
	for _, listener := range listeners {
		all = append(all, &queue{listener: listener, log: log, items: make(chan item, backlog), done: make(chan struct{})})
	}
	return all
}

// send sends an event to all listeners. It never blocks.
func (all queues) send(event Event) {
	for _, q := range all {
		select {
		case q.open() <- item{event: &event}:
		default:
			q.log.Warn("event dropped: listener too slow", "event", string(event.Kind), "run", event.Run)
		}
	}
}

// open starts the goroutine when the first event comes.
func (q *queue) open() chan<- item {
	q.start.Do(func() { go q.deliver() })
	return q.items
}

func (q *queue) deliver() {
	defer close(q.done)
	for one := range q.items {
		if one.event == nil {
			close(one.heard)
			continue
		}
		q.call(*one.event)
	}
}

// call calls the listener. A panic of the listener must not end the run.
func (q *queue) call(event Event) {
	defer func() {
		if problem := recover(); problem != nil {
			q.log.Error("listener failed", "event", string(event.Kind), "error", fmt.Sprint(problem),
				"stack", string(debug.Stack()))
		}
	}()
	q.listener(event)
}

// flush waits until the listeners have heard everything, and reports whether they did within the limit.
func (all queues) flush(limit time.Duration) bool {
	end := time.After(limit)
	for _, q := range all {
		heard := make(chan struct{})
		select {
		case q.open() <- item{heard: heard}:
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

// close waits until the listeners have heard everything, or for endPatience. Send nothing afterwards.
func (all queues) close() {
	end := time.After(endPatience)
	for _, q := range all {
		close(q.open())
	}
	for _, q := range all {
		select {
		case <-q.done:
		case <-end:
			q.log.Warn("listener left behind: too slow", "waited", endPatience)
			return
		}
	}
}
