package cli

import (
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Some code only reports: the sentence for systemd, notifiers, metrics, history, the outcome. It must neither block nor
// end the run that it reports on: not when a disk hangs, not when nobody reads, not by a mistake of its own. So it runs
// in goroutines of its own, which this file starts. The end of an invocation waits for them, but not for long. The log
// has its own goroutine.

// reportPatience is how long the end of an invocation waits for each such report: a busy disk may need seconds.
const reportPatience = 10 * time.Second

// safely calls a function that only reports. A panic is logged and returned as an error.
func safely(log hclog.Logger, report func() error) (err error) {
	defer catch(log, &err)
	return report()
}

// beside calls a function that only reports, in its own goroutine. over is closed once the function has returned.
func beside(log hclog.Logger, report func()) (over <-chan struct{}) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = safely(log, func() error { report(); return nil })
	}()
	return ended
}

// together calls functions that only report, all at once, and waits for all of them. None may take for ever.
func together(log hclog.Logger, reports ...func()) {
	var overs []<-chan struct{}
	for _, report := range reports {
		overs = append(overs, beside(log, report))
	}
	for _, over := range overs {
		<-over
	}
}

// inTime calls a function that only reports, and waits for it, but not for ever: the host's next invocation and systemd
// must not wait for a disk that hangs, or for a pipe that nobody reads. If the function has not returned after
// patience, inTime leaves it behind and returns an error.
func inTime(log hclog.Logger, patience time.Duration, report func() error) error {
	result := make(chan error, 1)
	go func() { result <- safely(log, report) }()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-result:
		return err
	case <-timer.C:
		return fmt.Errorf("not finished within %s, as if the disk hung; no longer waiting for it", patience)
	}
}

// newest passes values to a goroutine that may be slow, or hang. While the goroutine is busy, only the newest value
// waits; older ones are dropped. Any goroutine may call its methods.
type newest[T any] struct {
	mu     sync.Mutex
	values chan T // holds at most one value; nil once closed
	over   <-chan struct{}
}

// passNewest starts a goroutine that hears the values, until the channel is closed.
func passNewest[T any](log hclog.Logger, hear func(<-chan T)) *newest[T] {
	values := make(chan T, 1)
	return &newest[T]{values: values, over: beside(log, func() { hear(values) })}
}

// pass never blocks. After close it does nothing.
func (n *newest[T]) pass(value T) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.values == nil {
		return
	}
	select {
	case <-n.values:
	default:
	}
	n.values <- value
}

// close waits until the last value has been heard, if need be for ever.
func (n *newest[T]) close() error {
	n.mu.Lock()
	if n.values != nil {
		close(n.values)
		n.values = nil
	}
	n.mu.Unlock()
	<-n.over
	return nil
}
