package events

import (
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Listener hears of events, one at a time and in their order. It runs beside the run, which waits for no listener, but
// for a few seconds before a reboot.
type Listener func(Event)

const (
	backlog      = 100              // events that wait for a slow listener; more are dropped
	endPatience  = 60 * time.Second // how long the end of the program waits for listeners
	bootPatience = 10 * time.Second // how long a reboot does
)

// queue brings events to one listener, in a goroutine of its own: a slow listener is no other's trouble.
type queue struct {
	listener Listener
	log      hclog.Logger
	items    chan item
	done     chan struct{}
	start    sync.Once
}

// item is an event on its way, or, without one, the question whether all before it was heard.
type item struct {
	event *Event
	heard chan<- struct{}
}

// queues are one for each listener.
type queues []*queue

func newQueues(listeners []Listener, log hclog.Logger) (all queues) {
	for _, listener := range listeners {
		all = append(all, &queue{listener: listener, log: log, items: make(chan item, backlog), done: make(chan struct{})})
	}
	return all
}

// send never blocks.
func (all queues) send(event Event) {
	for _, q := range all {
		select {
		case q.open() <- item{event: &event}:
		default:
			q.log.Warn("event dropped: listener too slow", "event", string(event.Kind), "run", event.Run)
		}
	}
}

// open starts the goroutine with the first event.
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

// call keeps a listener's mistake away from the run.
func (q *queue) call(event Event) {
	defer func() {
		if mistake := recover(); mistake != nil {
			q.log.Error("listener failed", "event", string(event.Kind), "error", fmt.Sprint(mistake),
				"stack", string(debug.Stack()))
		}
	}()
	q.listener(event)
}

// flush waits until everything that was sent is heard, and reports whether that was so within the limit.
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

// close waits until everything is heard, and not for ever. Nothing is sent after it.
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
