package logging

import (
	"errors"
	"io"
	"sync"
	"time"
)

const (
	mostQueued = 1 << 20        // bytes that wait for an output; each line counts with what it costs in memory
	mostAtEase = mostQueued / 2 // bytes that wait for an output before Wait waits
	perLine    = 64             // bytes that a line costs beyond its text
	atOnce     = 4 << 10        // bytes that are written at once: a page of a pipe, so a slow reader is seen to read
	// unread is how long an output may take nothing before nobody waits for it any more: longer than a disk or a
	// journal that is busy needs.
	unread = 3 * time.Second
	// mostClosing is how long Close waits for outputs that take something now and then.
	mostClosing = 30 * time.Second
)

// errUnwritten says that an output was closed, or left alone, before it had everything.
var errUnwritten = errors.New("log closed before all of it was written: nobody reads it")

// queue passes on what is written to an output that may block, in a goroutine of its own. Writing never blocks. A line
// that finds no room is lost, and counted.
type queue struct {
	out io.WriteCloser

	mu     sync.Mutex
	lines  [][]byte
	size   int           // of the lines, and of what is being written
	taken  int           // of what is being written
	lost   int           // lines, since the last one that got through
	dead   bool          // the output has taken nothing for too long, and nothing since then
	closed bool          // nothing is queued any more
	err    error         // of closing out; to be read once over is closed
	work   chan struct{} // has an element if the goroutine may find something to do
	took   chan struct{} // closed when the output has taken something; nil if nobody waits for that
	over   chan struct{} // closed when the goroutine has ended
}

func newQueue(out io.WriteCloser) *queue {
	q := &queue{out: out, work: make(chan struct{}, 1), over: make(chan struct{})}
	go q.write()
	return q
}

// admit reports whether there is room for one more line, and if so, how many were lost before.
func (q *queue) admit() (lost int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.size >= mostQueued {
		q.lost++
		return 0, false
	}
	lost, q.lost = q.lost, 0
	return lost, true
}

// missed is how many lines were lost since the last one that got through.
func (q *queue) missed() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lost
}

// wait holds up whoever has bulk to log while much is queued, as long as the output takes something now and then.
func (q *queue) wait() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.size >= mostAtEase && !q.dead && !q.closed {
		q.dead = !q.await(unread)
	}
}

// await lets mu go until the output has taken something, and reports whether that was in time.
func (q *queue) await(limit time.Duration) bool {
	if q.took == nil {
		q.took = make(chan struct{})
	}
	took := q.took
	q.mu.Unlock()
	defer q.mu.Lock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-took:
		return true
	case <-timer.C:
		return false
	}
}

// Write queues a line, which was admitted. It never fails.
func (q *queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.lines = append(q.lines, append([]byte(nil), line...))
		q.size += len(line) + perLine
		q.wake()
	}
	return len(line), nil
}

func (q *queue) wake() {
	select {
	case q.work <- struct{}{}:
	default:
	}
}

func (q *queue) write() {
	defer close(q.over)
	var batch []byte
	for {
		var more bool
		if batch, more = q.take(batch[:0]); len(batch) > 0 {
			_, _ = q.out.Write(batch) // whoever wants to know of errors sees them in out
		} else if more {
			<-q.work
		} else {
			break
		}
	}
	q.err = q.out.Close()
}

// take moves the next whole lines to batch. To call it again means that the batch before is written. more: there are
// lines, or some may come.
func (q *queue) take(batch []byte) (_ []byte, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for n < len(q.lines) && (n == 0 || len(batch)+len(q.lines[n]) <= atOnce) {
		batch = append(batch, q.lines[n]...)
		n++
	}
	clear(q.lines[:n]) // for the garbage collector
	if q.lines = q.lines[n:]; len(q.lines) == 0 {
		q.lines = nil
	}
	q.size -= q.taken
	q.taken = len(batch) + n*perLine
	q.dead = false
	if q.took != nil {
		close(q.took)
		q.took = nil
	}
	return batch, len(q.lines) > 0 || !q.closed
}

// close has the rest written and the output closed, and waits for that: until the deadline, and not for an output that
// takes nothing. If it returns errUnwritten, the output is left alone in the middle of a write, and the rest is lost.
func (q *queue) close(deadline time.Time) error {
	if !q.drain(deadline) {
		return errUnwritten
	}
	timer := time.NewTimer(unread)
	defer timer.Stop()
	select {
	case <-q.over:
		return q.err
	case <-timer.C: // a file system may hang at that, too
		return errUnwritten
	}
}

// drain takes no more lines, and reports whether the rest was written by the deadline.
func (q *queue) drain(deadline time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wake()
	for q.size > 0 {
		if !q.await(min(unread, time.Until(deadline))) {
			q.lines = nil
			return false
		}
	}
	return true
}
