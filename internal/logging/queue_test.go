package logging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
)

// pipe is an output that takes one write for each token that it is given.
type pipe struct {
	tokens chan struct{}
	got    bytes.Buffer
}

func newPipe() *pipe { return &pipe{tokens: make(chan struct{})} }

func (p *pipe) Write(b []byte) (int, error) {
	<-p.tokens
	return p.got.Write(b)
}

// drain takes everything from now on.
func (p *pipe) drain() { close(p.tokens) }

// trickle takes a write now and then, often enough to count as a reader, until it is stopped.
func (p *pipe) trickle() (stop func()) {
	ticker, over := time.NewTicker(unread-time.Second), make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for {
			select {
			case <-ticker.C:
				p.tokens <- struct{}{}
			case <-over:
				return
			}
		}
	})
	return func() { close(over); done.Wait() }
}

// Close implements io.Closer.
func (p *pipe) Close() error { return nil }

// queued is a logger that writes lines to outs.
func queued(outs ...io.WriteCloser) (hclog.Logger, *Outputs) { return queuedBy(Options{}, outs...) }

func queuedBy(o Options, outs ...io.WriteCloser) (hclog.Logger, *Outputs) {
	root := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard,
		Exclude: func(hclog.Level, string, ...interface{}) bool { return true }})
	all := &Outputs{}
	for _, out := range outs {
		s := o.output(root, out, func(out io.Writer) *hclog.LoggerOptions {
			return &hclog.LoggerOptions{Level: hclog.Trace, Output: out, DisableTime: true}
		})
		root.RegisterSink(s)
		all.sinks = append(all.sinks, s)
	}
	return root, all
}

// long is a long line; fewer than 600 of them make 1 MiB.
func long(i int) string { return strconv.Itoa(i) + strings.Repeat("x", 2000) }

// TestHungOutput: an output that hangs delays neither whoever logs nor another output. A stopped terminal is such an
// output, and so is a file on a disk that hangs.
func TestHungOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung, read := newPipe(), newPipe()
		read.drain()
		log, outs := queued(hung, read)
		began := time.Now()
		for i := range 1000 {
			log.Info("line", "n", long(i))
			synctest.Wait()
			if n := strings.Count(read.got.String(), "line: n="); n != i+1 {
				t.Fatalf("after %d lines the other output had %d", i+1, n)
			}
		}
		if held := time.Since(began); held != 0 {
			t.Errorf("a thousand lines were held up for %s", held)
		}
		if err := outs.Close(); !errors.Is(err, errUnwritten) {
			t.Error(err)
		}
		if took := time.Since(began); took != unread {
			t.Errorf("closing took %s", took)
		}
		hung.drain()
	})
}

// TestUnread: an output that nobody reads delays whoever logs a lot once, for a moment. As soon as somebody reads
// again, the log says how many lines were lost.
func TestUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newPipe()
		log, outs := queued(out)
		began := time.Now()
		for i := range 1000 {
			log.Info("line", "n", long(i))
			outs.Wait(t.Context())
		}
		if held := time.Since(began); held != unread {
			t.Errorf("a thousand lines were held up for %s", held)
		}

		out.drain()
		synctest.Wait()
		through := strings.Count(out.got.String(), "line: n=")
		log.Info("somebody reads again")
		if err := outs.Close(); err != nil {
			t.Error(err)
		}
		_, end, _ := strings.Cut(out.got.String(), fmt.Sprintf("n=%s\n", long(through-1)))
		want := fmt.Sprintf("[WARN]  log lines lost: nobody read the log: lines=%d\n[INFO]  somebody reads again\n",
			1000-through)
		if diff := cmp.Diff(want, end); diff != "" || through < 400 {
			t.Errorf("%d got through; then %s", through, diff)
		}
	})
}

// TestLostAtTheEnd: the log says how many lines were lost, even if no other line follows.
func TestLostAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newPipe()
		log, outs := queued(out)
		for i := range 1000 {
			log.Info("line", "n", long(i))
		}
		time.AfterFunc(time.Second, out.drain)
		err := outs.Close()
		through := strings.Count(out.got.String(), "line: n=")
		if want := fmt.Sprintf("log lines lost: nobody read the log: lines=%d\n", 1000-through); err != nil ||
			!strings.HasSuffix(out.got.String(), want) {
			t.Errorf("%v: the end is %q", err, out.got.String()[out.got.Len()-100:])
		}
	})
}

// TestNeverRead: the program ends although its output hangs for ever.
func TestNeverRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newPipe()
		log, outs := queued(out)
		log.Info("line")
		synctest.Wait()
		log.Info("and one that is lost")
		began := time.Now()
		if !errors.Is(outs.Close(), errUnwritten) {
			t.Error("it is closed, in the middle of a write")
		}
		if took := time.Since(began); took != unread {
			t.Errorf("closing took %s", took)
		}
		log.Info("after the end")
		out.drain()
		synctest.Wait()
		if got := out.got.String(); got != "[INFO]  line\n" {
			t.Errorf("%q", got)
		}
	})
}

// hangs is an output that can't be closed, as a file on a network's file system may be.
type hangs struct {
	*pipe
	hung chan struct{}
}

func (h hangs) Close() error { <-h.hung; return nil }

// TestCloseHangs: the end of the program does not wait for an output that can't be closed.
func TestCloseHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := hangs{newPipe(), make(chan struct{})}
		out.drain()
		log, outs := queued(out)
		log.Info("line")
		began := time.Now()
		if err := outs.Close(); !errors.Is(err, errUnwritten) || time.Since(began) != unread {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		close(out.hung)
	})
}

// TestSlowReader: a slow reader gets every line, and whoever logs a lot waits for it.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newPipe()
		log, outs := queued(out)
		stop := out.trickle()
		began := time.Now()
		for i := range 800 {
			log.Info("line", "n", long(i))
			outs.Wait(t.Context())
		}
		if held := time.Since(began); held < time.Minute {
			t.Errorf("800 lines were held up for %s only", held)
		}
		stop()
		out.drain()
		outs.Close()
		if n := strings.Count(out.got.String(), "line: n="); n != 800 {
			t.Errorf("%d lines got through", n)
		}
	})
}

// TestPatient: a person who reads page by page gets every line, even after an hour, and whoever logs a lot waits.
func TestPatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newPipe()
		log, outs := queuedBy(Options{Patient: t.Context()}, out)
		time.AfterFunc(time.Hour, out.drain)
		began := time.Now()
		for i := range 1000 {
			log.Info("line", "n", long(i))
			outs.Wait(t.Context())
		}
		if err := outs.Close(); err != nil || time.Since(began) != time.Hour {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		if n := strings.Count(out.got.String(), "line: n="); n != 1000 {
			t.Errorf("%d lines got through", n)
		}
	})
}

// TestPatienceEnds: nothing waits for a person any more once the program is told to end at once.
func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kill, cancel := context.WithCancel(t.Context())
		out := newPipe()
		log, outs := queuedBy(Options{Patient: kill}, out)
		time.AfterFunc(time.Hour, cancel)
		began := time.Now()
		for i := range 1000 {
			log.Info("line", "n", long(i))
			outs.Wait(t.Context())
		}
		if err := outs.Close(); !errors.Is(err, errUnwritten) || time.Since(began) != time.Hour+2*unread {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		out.drain()
	})
}

// TestLastLinesAfterPatience: what is logged after the second signal is still written, if somebody reads.
func TestLastLinesAfterPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kill, cancel := context.WithCancel(t.Context())
		out := newPipe()
		log, outs := queuedBy(Options{Patient: kill}, out)
		cancel()
		log.Warn("this host may hold the lock")
		time.AfterFunc(time.Second, out.drain)
		if err := outs.Close(); err != nil || !strings.Contains(out.got.String(), "may hold the lock") {
			t.Errorf("%v: %q", err, out.got.String())
		}
	})
}

// TestWaitEnds: Wait ends with its context, and the output does not count as one that nobody reads.
func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newPipe()
		log, outs := queued(out)
		for i := range 400 {
			log.Info("line", "n", long(i))
		}
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			began := time.Now()
			outs.Wait(ctx)
			if held := time.Since(began); held != time.Second {
				t.Errorf("held up for %s", held)
			}
			cancel()
		}
		out.drain()
		if err := outs.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestSlowReadersAtTheEnd: the program doesn't wait for slow readers for ever, however many there are.
func TestSlowReadersAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, other := newPipe(), newPipe()
		log, outs := queued(one, other)
		for i := range 200 {
			log.Info("line", "n", long(i))
		}
		stopOne, stopOther := one.trickle(), other.trickle()
		began := time.Now()
		if err := outs.Close(); !errors.Is(err, errUnwritten) || time.Since(began) != mostClosing {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		stopOne()
		stopOther()
		one.drain()
		other.drain()
	})
}

// TestFullSpeed: a reader of a real pipe gets everything that a fast writer logs, in order.
func TestFullSpeed(t *testing.T) {
	r, w, err := os.Pipe()
	must(t, err)
	log, outs, err := New(Options{Stderr: w, Journal: true})
	must(t, err)
	must(t, w.Close())
	const lines = 100_000
	go func() {
		for i := range lines {
			log.Info("output", "n", i)
			outs.Wait(t.Context())
		}
		outs.Close()
	}()
	got, err := io.ReadAll(r)
	must(t, err)
	n := 0
	for line := range strings.Lines(string(got)) {
		if want := fmt.Sprintf("<6>[INFO]  output: n=%d\n", n); line != want {
			t.Fatalf("%q, want %q", line, want)
		}
		n++
	}
	if n != lines {
		t.Errorf("%d lines", n)
	}
}
