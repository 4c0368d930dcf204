package logging

import (
	"io"
	"sync"
	"time"
)

const (
	mostQueued = 512 << 10 // bytes that wait for an output; each line counts with what it costs in memory
	perLine    = 64        // bytes that a line costs beyond its text
	atOnce     = 4 << 10   // bytes that are written at once: a page of a pipe, so a slow reader is seen to read
	// unread is how long an output may take nothing before lines are lost: longer than a disk or a journal that is busy
	// needs.
	unread = 3 * time.Second
	// mostClosing is how long Close waits for an output that takes something now and then.
	mostClosing = 30 * time.Second
)

// queue passes on what is written to an output that may block, in a goroutine of its own. Whoever writes more than the
// output takes must wait, as long as the output takes anything at all: the output of a hook is held up, not lost. An
// output that nobody reads holds nobody up.
type queue struct {
	out io.Writer

	mu     sync.Mutex
	lines  [][]byte
	size   int           // of the lines, and of what is being written
	taken  int           // of what is being written
	lost   int           // lines, since the last one that got through
	dead   bool          // the output has taken nothing for too long, and nothing since then
	closed bool          // nothing is queued any more
	work   chan struct{} // has an element if the goroutine may find something to do
	took   chan struct{} // closed when the output has taken something; nil if nobody waits for that
	over   chan struct{} // closed when the goroutine has ended
}

func newQueue(out io.Writer) *queue {
	q := &queue{out: out, work: make(chan struct{}, 1), over: make(chan struct{})}
	go q.write()
	return q
}

// admit reports whether the output takes one more line now, and if so, how many were lost before. It waits while there
// is no room, and the output takes something now and then.
func (q *queue) admit() (lost int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.size >= mostQueued && !q.dead && !q.closed {
		q.dead = !q.await()
	}
	if q.closed || q.size >= mostQueued {
		q.lost++
		return 0, false
	}
	lost, q.lost = q.lost, 0
	return lost, true
}

// await lets mu go until the output has taken something, and reports whether that was in time.
func (q *queue) await() bool {
	if q.took == nil {
		q.took = make(chan struct{})
	}
	took := q.took
	q.mu.Unlock()
	defer q.mu.Lock()
	timer := time.NewTimer(unread)
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
		} else if !more {
			return
		} else {
			<-q.work
		}
	}
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

// flush waits until all is written, and reports whether it is. It doesn't wait for an output that takes nothing.
func (q *queue) flush() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for deadline := time.Now().Add(mostClosing); q.size > 0; {
		if time.Now().After(deadline) || !q.await() {
			return false
		}
	}
	return true
}

// close ends the goroutine, and reports whether it has ended. If not, it is in the middle of a write, and what is
// queued is lost.
func (q *queue) close() bool {
	q.mu.Lock()
	q.closed, q.lines = true, nil
	q.wake()
	q.mu.Unlock()
	timer := time.NewTimer(unread / 10)
	defer timer.Stop()
	select {
	case <-q.over:
		return true
	case <-timer.C:
		return false
	}
}
