package logging

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

const (
	mostQueued = 1 << 20        // how many bytes may wait for an output, each line with its overhead in memory
	mostAtEase = mostQueued / 2 // Wait waits while more bytes than this are queued
	perLine    = 64             // the overhead of a line in bytes
	atOnce     = 4 << 10        // bytes written at once: a page of a pipe, so that a slow reader's progress shows
	// unread is how long an output may take nothing before nobody waits for it any more. A busy disk or journal needs
	// less.
	unread = 3 * time.Second
	// mostClosing is how long Close waits for outputs that still make progress.
	mostClosing = 30 * time.Second
)

// errUnwritten says that an output was closed, or given up, before everything was written.
var errUnwritten = errors.New("log closed before all of it was written: nobody reads it")

// queue passes lines to an output that may block, in a goroutine of its own. Writing to the queue never blocks. A line
// that finds no room is lost, and counted.
type queue struct {
	out io.WriteCloser
	// Until patient is done, wait and close also wait for an output that takes nothing; nil: they do not.
	patient context.Context

	mu     sync.Mutex
	lines  [][]byte
	size   int           // bytes of the lines, and of the batch that is being written
	taken  int           // bytes of the batch that is being written
	lost   int           // how many lines were lost since the last one that got through
	dead   bool          // the output has taken nothing for too long, and still takes nothing
	closed bool          // nothing is queued any more
	err    error         // the error of closing out; to be read once over is closed
	work   chan struct{} // has an element if the goroutine may find something to do
	took   chan struct{} // closed when the output has taken something; nil if nobody waits for that
	over   chan struct{} // closed when the goroutine has ended
}

func newQueue(out io.WriteCloser, patient context.Context) *queue {
	q := &queue{out: out, patient: patient, work: make(chan struct{}, 1), over: make(chan struct{})}
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

// wait delays whoever logs a lot while much is queued, as long as the output makes progress and ctx is not done.
func (q *queue) wait(ctx context.Context) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.size >= mostAtEase && !q.dead && !q.closed && ctx.Err() == nil {
		q.dead = !q.await(ctx) && ctx.Err() == nil
	}
}

// await unlocks mu and waits until the output has taken something. It reports whether that was before ctx was done, and
// before the output had taken nothing for too long.
func (q *queue) await(ctx context.Context) bool {
	if q.took == nil {
		q.took = make(chan struct{})
	}
	took := q.took
	q.mu.Unlock()
	defer q.mu.Lock()
	tooLong, cancel := q.tooLong()
	defer cancel()
	select {
	case <-took:
		return true
	case <-ctx.Done():
	case <-tooLong.Done():
	}
	return false
}

// tooLong returns a context that is done once nobody should wait any longer for an output that takes nothing.
func (q *queue) tooLong() (context.Context, context.CancelFunc) { return q.within(unread) }

// within returns a context that is done after d. If the queue is patient, d begins when it is patient no more.
func (q *queue) within(d time.Duration) (context.Context, context.CancelFunc) {
	if q.patient == nil {
		return context.WithTimeout(context.Background(), d)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stop := context.AfterFunc(q.patient, func() { time.AfterFunc(d, cancel) })
	return ctx, func() { stop(); cancel() }
}

// Write queues a line that was admitted. It never fails.
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
			_, _ = q.out.Write(batch) // out reports its own errors
		} else if more {
			<-q.work
		} else {
			break
		}
	}
	q.err = q.out.Close()
}

// take moves the next whole lines to batch. Calling it again means that the last batch is written. more: there are
// lines, or more may come.
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

// close writes the rest and closes the output. It waits until ctx is done, and only for unread if the output takes
// nothing. For a patient queue both times begin when it is patient no more. If close returns errUnwritten, the output
// was given up in the middle of a write, and the rest is lost.
func (q *queue) close(ctx context.Context) error {
	if q.patient != nil {
		longer, cancel := q.within(mostClosing)
		defer cancel()
		ctx = longer
	}
	if !q.drain(ctx) {
		return errUnwritten
	}
	tooLong, cancel := q.tooLong()
	defer cancel()
	select {
	case <-q.over:
		return q.err
	case <-tooLong.Done(): // closing may hang too
		return errUnwritten
	}
}

// drain accepts no more lines, and reports whether the rest was written before ctx was done.
func (q *queue) drain(ctx context.Context) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wake()
	for q.size > 0 {
		if !q.await(ctx) {
			q.lines = nil
			return false
		}
	}
	return true
}
