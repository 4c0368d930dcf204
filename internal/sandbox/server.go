// Package sandbox is a stand-in for Foreman's DLM lock server, for tests and for people who have no Foreman at hand. It
// answers, byte for byte, as foreman_dlm 4.0.0 on Foreman 3.13 behind Apache did when it was recorded (testdata of
// package dlm). This includes the plugin's two races, its lookup of names that begin with digits, and its broken
// duplicate names. Faults of a network, a proxy or a failing Foreman can be switched on.
//
// It keeps everything in memory. It has only two users, no permissions, no web pages and no search. Calls of
// administrators that were not recorded get a 501, except the call that creates a lock.
package sandbox

import (
	"context"
	"log"
	"sync"
	"time"
)

// Options are the properties of a Server that don't change while it runs.
type Options struct {
	// Hosts are the certificate CNs of the hosts that Foreman knows; their ids count from 1 in this order. Nil: every
	// client with an acceptable certificate is a known host, and gets the next id at its first request.
	Hosts []string

	// RaceWindow is how long PUT and DELETE wait between the check and the write. If the lock does not exist yet, they
	// also wait that long between finding that out and the insert, so a first PUT takes two windows. 0: each request is
	// atomic, unlike Foreman's (foreman_dlm 4.0.0, dlmlock.rb:99).
	RaceWindow time.Duration

	// Window, if set, is called each time instead, and for the other gaps too. It must not call the Server. ctx is the
	// request's.
	Window func(ctx context.Context, cn, method string, gap Gap) time.Duration

	// Guarded answers as a Foreman whose database has the guard of contrib/foreman: a lock does not go from one host to
	// another without being free in between, and no second row gets the name of another. A late DELETE can still free the
	// next host's lock.
	Guarded bool

	// AdminPassword lets the user "admin" create, change and destroy locks with Basic
	// authentication; a user "viewer", who lacks every permission, has the
	// same password. Empty: Basic authentication is refused.
	AdminPassword string

	// Record is called for each event row that is written, one call at a
	// time and in order. It must not call the Server.
	Record func(Event)

	// Answered is called after a request was processed, one call at a time.
	Answered func(Request)

	// ErrorLog gets the messages of the network server, mostly about refused TLS handshakes. Nil: they are dropped.
	ErrorLog *log.Logger
}

// Gap is a time within a PUT or DELETE in which others can change the lock. If another host takes or releases it in a
// gap, the answer can be 500 although the change is made (dlmlock.rb:116, 120, 133).
type Gap int

// The gaps, in their order.
const (
	BeforeCheck  Gap = iota // between the lookup and the check
	BeforeWrite             // between the check and the write, and between finding no lock and the insert
	BeforeAnswer            // between the write and the answer, for which the lock is read again
)

// Server is a stand-in for Foreman. It is an http.Handler, has a
// RoundTripper that needs no sockets (Transport), and can listen with mutual
// TLS (Start). All methods may be called at any time from any goroutine.
type Server struct {
	opts Options

	working  sync.WaitGroup // requests of Transport being processed
	answered sync.Mutex     // serialises calls of Options.Answered; taken without mu

	mu       sync.Mutex // guards what follows; never held while waiting
	hosts    map[string]*host
	hostID   int
	rows     []*row // in the order of their ids
	rowID    int
	eventID  int
	events   []Event
	requests []Request
	faults   []*Fault
}

// New returns a server with the known hosts of o and no locks.
func New(o Options) *Server {
	s := &Server{opts: o, hosts: map[string]*host{}}
	for _, cn := range o.Hosts {
		s.addHost(cn)
	}
	return s
}

// Request is one request as the server saw it.
type Request struct {
	Time     time.Time     // of its arrival
	Method   string        // GET, PUT, ...
	Path     string        // as sent, escaped
	Name     string        // of the lock, unescaped; "" when the path names none
	CN       string        // of the caller's certificate; "" without one
	User     string        // the name in Basic authentication, right or wrong; "" without it
	Status   int           // of the answer; 0 while there is none, or if none was sent
	Duration time.Duration // from arrival to the answer; 0 while it is processed
}

// Requests returns the requests so far in the order of their arrival.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// handle processes one request to its end, even if the client goes away, as Foreman does.
func (s *Server) handle(in *request) answer {
	start := time.Now()
	s.mu.Lock()
	n := len(s.requests)
	s.requests = append(s.requests, Request{
		Time: start, Method: in.method, Path: in.path, Name: in.lockName(), CN: in.cn, User: in.user,
	})
	s.mu.Unlock()

	a := s.process(in)

	s.mu.Lock()
	if a.end == sent {
		s.requests[n].Status = a.status
	}
	a.number, a.took = n+1, time.Since(start)
	s.requests[n].Duration = a.took
	done := s.requests[n]
	s.mu.Unlock()
	if s.opts.Answered != nil {
		s.answered.Lock()
		defer s.answered.Unlock()
		s.opts.Answered(done)
	}
	return a
}

// process passes the request to the application, with the fault that is switched on for it, if any.
func (s *Server) process(in *request) answer {
	f := s.faultFor(in)
	if f.Kind != DelayAnswer {
		Pause(in.ctx, f.Delay)
	}
	if a := f.instead(); a != nil {
		return *a
	}
	a := s.app(in, f)
	if f.Kind == DelayAnswer {
		Pause(in.ctx, f.Delay)
	}
	return f.spoil(a)
}

// app is Foreman behind its Apache: the checks in the order in which the
// recording shows them (415 before 401), then the action.
func (s *Server) app(in *request, f Fault) answer {
	if a := frontend(in); a != nil {
		return *a
	}
	to, a := route(in)
	if a != nil {
		return *a
	}
	if a := checkBody(in); a != nil {
		return *a
	}
	who, a := s.authenticate(in, to)
	if a != nil {
		return *a
	}
	if a := f.insteadOfAction(to); a != nil {
		return *a
	}
	got := s.act(in, to, who)
	if to.xml && got.status == 200 {
		return xmlFailure()
	}
	return got.unlessMatching(in.ifNoneMatch)
}
