package host

import (
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Status shows sentences in `systemctl status`. Without systemd, or in a unit whose NotifyAccess doesn't allow it,
// nothing happens: nobody depends on it. A goroutine of its own sends them: a socket whose queue is full blocks until
// systemd reads (unix(7)).
type Status struct {
	mu     sync.Mutex
	newest chan string   // that was not sent yet; nil once closed
	over   chan struct{} // closed when the last one is sent
}

// NewStatus begins to send. It is to be closed.
func NewStatus() *Status {
	s := &Status{newest: make(chan string, 1), over: make(chan struct{})}
	go s.send(s.newest)
	return s
}

func (s *Status) send(sentences <-chan string) {
	defer close(s.over)
	for sentence := range sentences {
		_, _ = daemon.SdNotify(false, "STATUS="+sentence)
	}
}

// Show may be called by any goroutine, and never blocks: a sentence that still waits to be sent makes room for the new
// one.
func (s *Status) Show(sentence string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newest == nil {
		return
	}
	select {
	case <-s.newest:
	default:
	}
	s.newest <- sentence
}

// statusPatience is how long Close waits until systemd takes the last sentence.
const statusPatience = time.Second

// Close gives the last sentence some time to be sent.
func (s *Status) Close() {
	s.mu.Lock()
	close(s.newest)
	s.newest = nil
	s.mu.Unlock()
	timer := time.NewTimer(statusPatience)
	defer timer.Stop()
	select {
	case <-s.over:
	case <-timer.C:
	}
}
