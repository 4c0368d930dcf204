package process

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	scribeQueue = 64          // how many entries may wait for the log
	lastWords   = time.Second // how long the log may take for the rest once a hook was ended
)

// scribe logs the story of one process, in order, in a goroutine of its own: a log that nobody reads (a full pipe) must
// delay no timeout and no signal. A process that writes faster than the log can take it waits, but only until it must
// be gone: what the log has not taken by then is left out.
type scribe struct {
	queue   chan entry
	written chan struct{}   // closed once the queue is closed and everything is written
	late    context.Context // done once nobody waits for the log any more
	off     func()
}

type entry struct {
	level hclog.Level
	text  string
	pairs []any
}

// scribe returns a scribe for a process that starts now. The caller must close it.
func (r *Runner) scribe() *scribe {
	late, giveUp := context.WithCancel(context.Background())
	s := &scribe{queue: make(chan entry, scribeQueue), written: make(chan struct{}), late: late}
	log := r.Log
	if log == nil {
		log = hclog.NewNullLogger()
	}
	go func() {
		defer close(s.written)
		for e := range s.queue {
			log.Log(e.level, e.text, e.pairs...)
			if r.Wait != nil {
				r.Wait()
			}
		}
	}()
	patience := orDefault(r.Grace, defaultGrace) + killed + lastWords
	stopTimer, stopKill := func() bool { return true }, func() bool { return true }
	if r.Timeout > 0 {
		stopTimer = time.AfterFunc(r.Timeout+patience, giveUp).Stop
	}
	if r.Kill != nil {
		stopKill = context.AfterFunc(r.Kill, func() { time.AfterFunc(patience, giveUp) })
	}
	s.off = func() { stopTimer(); stopKill(); giveUp() }
	return s
}

// log may be called by several goroutines, but not after close.
func (s *scribe) log(level hclog.Level, text string, pairs ...any) {
	select {
	case s.queue <- entry{level, text, pairs}:
	case <-s.late.Done():
	}
}

// close waits until everything is written, or nobody waits for the log any more.
func (s *scribe) close() {
	close(s.queue)
	select {
	case <-s.written:
	case <-s.late.Done():
	}
	s.off()
}
