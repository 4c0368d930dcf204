package logging

import (
	"bytes"
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

// trickle takes a write now and then, often enough, until it is stopped.
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

// queued is a logger that writes lines to out.
func queued(out io.Writer) (hclog.Logger, sink) {
	root := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Exclude: func(hclog.Level, string, ...interface{}) bool { return true }})
	s := Options{}.output(root, out, func(out io.Writer) *hclog.LoggerOptions {
		return &hclog.LoggerOptions{Level: hclog.Trace, Output: out, DisableTime: true}
	})
	root.RegisterSink(s)
	return root, s
}

// long is a line of some length; 512 KiB of them are less than 400.
func long(i int) string { return strconv.Itoa(i) + strings.Repeat("x", 2000) }

// TestUnread: an output that nobody reads holds whoever logs up for a moment, once, and the end of the program
// likewise. What it loses is told as soon as somebody reads.
func TestUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newPipe()
		log, s := queued(out)
		began := time.Now()
		for i := range 1000 {
			log.Info("line", "n", long(i))
		}
		if held := time.Since(began); held != unread {
			t.Errorf("a thousand lines were held up for %s", held)
		}
		s.queue.flush()
		if held := time.Since(began); held != 2*unread {
			t.Errorf("closing was held up for %s", held-unread)
		}

		out.drain()
		synctest.Wait()
		through := strings.Count(out.got.String(), "line: n=")
		log.Info("somebody reads again")
		if !s.close() {
			t.Error("it is not closed")
		}
		_, end, _ := strings.Cut(out.got.String(), fmt.Sprintf("n=%s\n", long(through-1)))
		want := fmt.Sprintf("[WARN]  log lines lost: nobody read the log: lines=%d\n[INFO]  somebody reads again\n", 1000-through)
		if diff := cmp.Diff(want, end); diff != "" || through < 200 {
			t.Errorf("%d got through; then %s", through, diff)
		}
	})
}

// TestLostAtTheEnd: lines that are lost are told of even if no other follows.
func TestLostAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newPipe()
		log, s := queued(out)
		for i := range 400 {
			log.Info("line", "n", long(i))
		}
		time.AfterFunc(time.Second, out.drain)
		if !s.close() || !strings.Contains(out.got.String(), "log lines lost: nobody read the log: lines=") {
			t.Errorf("the end is %q", out.got.String()[out.got.Len()-100:])
		}
	})
}

// TestNeverRead: the program ends although its output hangs for ever, and leaves it alone.
func TestNeverRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newPipe()
		log, s := queued(out)
		log.Info("line")
		began := time.Now()
		if s.close() {
			t.Error("it is closed, in the middle of a write")
		}
		if took := time.Since(began); took > 3*unread {
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

// TestSlowReader: whoever reads slowly gets every line, and whoever logs is held up for it.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newPipe()
		log, s := queued(out)
		stop := out.trickle()
		began := time.Now()
		for i := range 400 {
			log.Info("line", "n", long(i))
		}
		if held := time.Since(began); held < time.Minute {
			t.Errorf("400 lines were held up for %s only", held)
		}
		stop()
		out.drain()
		s.close()
		if n := strings.Count(out.got.String(), "line: n="); n != 400 {
			t.Errorf("%d lines got through", n)
		}
	})
}

// TestSlowReaderAtTheEnd: the program doesn't wait for a slow reader for ever.
func TestSlowReaderAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newPipe()
		log, s := queued(out)
		for i := range 200 {
			log.Info("line", "n", long(i))
		}
		stop := out.trickle()
		began := time.Now()
		s.close()
		if took := time.Since(began); took < mostClosing || took > mostClosing+unread {
			t.Errorf("closing took %s", took)
		}
		stop()
		out.drain()
	})
}

// TestFullSpeed: a reader of a real pipe gets everything that a fast writer logs, in order.
func TestFullSpeed(t *testing.T) {
	r, w, err := os.Pipe()
	must(t, err)
	log, closer, err := New(Options{Stderr: w, Journal: true})
	must(t, err)
	must(t, w.Close())
	const lines = 100_000
	go func() {
		for i := range lines {
			log.Info("output", "n", i)
		}
		closer.Close()
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
