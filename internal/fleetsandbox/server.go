// Package fleetsandbox is a stand-in for a FleetLock server, for tests and for people who have none at hand. FleetLock
// is the protocol of CoreOS for "one host at a time": POST v1/pre-reboot takes a slot of a group, POST v1/steady-state
// gives it back, and nothing expires. It answers as one of four servers does, its Dialect; their races are played as
// well. Faults of a network, a proxy or a failing server can be switched on.
//
// Where the protocol is stricter than a server, it is followed: every dialect refuses a group that does not match
// ^[a-zA-Z0-9.-]+$ and any method but POST, and giving back what one does not have is a 200. It keeps everything in
// memory.
package fleetsandbox

import (
	"context"
	"crypto/x509"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"foreman-dlm-updater/internal/sandbox"
)

// The calls of the protocol.
const (
	PreReboot   = "pre-reboot"
	SteadyState = "steady-state"
)

// Options are the properties of a Server that don't change while it runs.
type Options struct {
	Dialect Dialect // "": Airlock

	// Groups are the groups that the server knows, and their slots. Nil: it knows every group. The dialects Poseidon and
	// Consul know every group in any case, with one slot.
	Groups map[string]int

	// Slots is how many slots each group has if Groups is nil. 0: one.
	Slots int

	// Drain is what happens to a host of the dialect Heathcliff that was granted a slot, before it hears of it.
	Drain Drain

	// Window, if set, is called for each gap in a request, and the server waits that long. It must not call the Server.
	// ctx is the request's, id the one that the client gives, call PreReboot or SteadyState.
	Window func(ctx context.Context, id, call string, gap Gap) time.Duration

	// Record is called for each event, one call at a time and in order. It must not call the Server.
	Record func(Event)

	// Answered is called after a request was processed, one call at a time.
	Answered func(Request)

	// ErrorLog gets the messages of the network server, mostly about refused TLS handshakes. Nil: they are dropped.
	ErrorLog *log.Logger
}

// Drain is how long a host that has a slot is told to wait, with a 202: for so many requests, and so much time.
type Drain struct {
	Requests int
	Time     time.Duration
}

// Gap is a time within a request in which others can change the group.
type Gap int

// The gaps, in their order.
const (
	BeforeWrite  Gap = iota // between reading the group and writing it
	BeforeAnswer            // between the write and the answer
)

// Server is a stand-in for a FleetLock server. It is an http.Handler that answers below any path, has a RoundTripper
// that needs no sockets (Transport), and can listen (Start). All methods may be called at any time from any goroutine.
type Server struct {
	opts Options

	working  sync.WaitGroup // requests of Transport being processed, and releases that come late
	answered sync.Mutex     // serialises calls of Options.Answered; taken without mu

	mu       sync.Mutex // guards what follows; never held while waiting
	groups   map[string]*group
	events   []Event
	requests []Request
	faults   []*Fault
}

// New returns a server without holders.
func New(o Options) *Server {
	if o.Dialect == "" {
		o.Dialect = Airlock
	}
	return &Server{opts: o, groups: map[string]*group{}}
}

// Request is one request as the server saw it.
type Request struct {
	Time     time.Time     // of its arrival
	Method   string        // POST, ...
	Path     string        // as sent, escaped
	Call     string        // PreReboot, SteadyState, or "" for another path
	Group    string        // as the client gives it, right or wrong
	ID       string        // as the client gives it
	CN       string        // of the caller's certificate; "" without one
	Status   int           // of the answer; 0 while there is none, or if none was sent
	Lost     bool          // it lost a race: others wrote to the group between its reading and its writing
	Duration time.Duration // from arrival to the answer; 0 while it is processed
}

// Requests returns the requests so far in the order of their arrival.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Transport returns a RoundTripper that sends requests to this server without sockets, as a client with a certificate
// for cn, or without a certificate if cn is "". It works inside a testing/synctest bubble. Like a network it gives up
// with the context's error when the request's context ends, while the server goes on with the request; see Wait.
func (s *Server) Transport(cn string) http.RoundTripper {
	return sandbox.NewTransport(s, cn, &s.working)
}

// Wait blocks until every request of a Transport was processed to its end, even if its client has gone, and every
// release that comes late was made. A synctest bubble with delays calls it last, when it makes no more requests.
func (s *Server) Wait() { s.working.Wait() }

// Start listens as sandbox.Start does; the caller closes what it returns.
func (s *Server) Start(ca *sandbox.CA) (*sandbox.Running, error) {
	return sandbox.Start(s, ca, s.opts.ErrorLog)
}

// Serve answers on l as sandbox.Serve does.
func (s *Server) Serve(l net.Listener, clients *x509.CertPool, certFile, keyFile string) (*sandbox.Running, error) {
	return sandbox.Serve(s, l, clients, certFile, keyFile, s.opts.ErrorLog)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in, err := newRequest(r)
	if err != nil {
		return // the client went away in the middle of its request
	}
	a := s.handle(in)
	switch a.end {
	case silent:
		sandbox.Hang(w, r)
	case cut:
		sandbox.HangUp(w)
	default:
		for k, v := range a.header {
			w.Header().Set(k, v)
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
		w.WriteHeader(a.status)
		if r.Method != http.MethodHead {
			w.Write([]byte(a.body)) // a client that is gone does not read it
		}
	}
}

// handle processes one request to its end, even if the client goes away, as the servers do.
func (s *Server) handle(in *request) answer {
	start := time.Now()
	s.mu.Lock()
	n := len(s.requests)
	s.requests = append(s.requests, Request{
		Time: start, Method: in.method, Path: in.path, Call: in.call, Group: in.group, ID: in.id, CN: in.cn,
	})
	s.mu.Unlock()

	a := s.process(in)

	s.mu.Lock()
	if a.end == sent {
		s.requests[n].Status = a.status
	}
	s.requests[n].Lost = a.lost
	s.requests[n].Duration = time.Since(start)
	done := s.requests[n]
	s.mu.Unlock()
	if s.opts.Answered != nil {
		s.answered.Lock()
		defer s.answered.Unlock()
		s.opts.Answered(done)
	}
	return a
}

// process passes the request to the server proper, with the fault that is switched on for it, if any.
func (s *Server) process(in *request) answer {
	f := s.faultFor(in)
	if f.waitsFirst() {
		sandbox.Pause(in.ctx, f.Delay)
	}
	if a := f.instead(); a != nil {
		return *a
	}
	a := s.act(in, f)
	if f.Kind == DelayAnswer {
		sandbox.Pause(in.ctx, f.Delay)
	}
	return f.spoil(in, a, s.dialect())
}

// act checks the request, and does what it asks for.
func (s *Server) act(in *request, f Fault) answer {
	d := s.dialect()
	if a := d.check(in); a != nil {
		return *a
	}
	if _, known := s.slots(in.group); !known {
		return d.unknownGroup(in.group)
	}
	if f.Kind == ErrorBefore {
		return f.failure(in, d)
	}
	if f.Kind == Forget {
		s.forget(in.group)
	}
	if in.call == PreReboot {
		return s.take(in, f)
	}
	return s.giveBack(in, f)
}
