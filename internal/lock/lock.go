// Package lock is the seam between those who need a lock and the servers that keep it: what can be asked of a lock,
// what comes of it, and what can go wrong. Exit codes, hints and sentences depend on nothing else. A lock protocol is a
// package that returns these types; package foreman is one.
package lock

import (
	"errors"
	"fmt"
	"time"
)

// View is a lock as its server shows it.
type View struct {
	Exists  bool // the server has a lock of this name
	Enabled bool
	Holder  string // what the server calls the host that holds it; empty: it is free
	Self    bool   // this host holds it
	// Since is when the holder took the lock, or refreshed it last; zero: not known.
	Since time.Time
}

// Origin says where a lock was asked for, and under which name. What is not known is empty.
type Origin struct {
	Server string // its address
	Client string // what this host called itself: its certificate's common name
	Holder string // what the server calls this host, once the lock was seen to be its own
}

// Differs reports whether the lock was asked for at another server than now, or under another name. What is not known
// differs from nothing.
func (o Origin) Differs(now Origin) bool {
	differ := func(a, b string) bool { return a != "" && b != "" && a != b }
	return differ(o.Server, now.Server) || differ(o.Client, now.Client)
}

// Options say for whom a lock is opened. The callbacks may be called by several goroutines, and must not block. They
// may be nil.
type Options struct {
	// Origin says where earlier invocations of the run asked for the lock; nil: not known, or they have not.
	Origin *Origin
	// Config is the path of the configuration, for messages.
	Config string
	// Claimed: earlier invocations of the run may have asked for the lock, and a request of theirs may still come true.
	Claimed bool
	// Heard is called with each answer about the lock, or the lack of one.
	Heard func(View, error)
}

// Purpose is what a lock is taken for. It decides how patient Take is, and which lock of this host it accepts.
type Purpose int

const (
	// ForRun: a run begins, or goes on before it had the lock. It waits as long as the configuration says. A lock that
	// this host holds already, and that no invocation of the run has asked for, is somebody else's: NotByRun.
	ForRun Purpose = iota
	// OutOfService: the run had the lock, and the host is out of service. Only a signal ends the wait. A lock that is
	// shown as this host's is taken even if the server does not confirm it (disabled, host barred).
	OutOfService
	// ByHand: a person wants it, and waits as a run does. ByHandNow: and does not wait.
	ByHand
	ByHandNow
)

// Terms are how a lock is taken.
type Terms struct {
	Purpose Purpose
	// Announce is called before a request is sent that may take the lock; an error keeps it from being sent. May be nil.
	Announce func() error
	// Waits is called when the lock can't be had now, and again when the reason changes. May be nil.
	Waits func(Wait)
}

// Wait is why something is waited for.
type Wait struct {
	// Why is in a few words, and the same for the same reason.
	Why string
	// Since is when the reason began; zero: not known.
	Since time.Time
	// Barred: nobody else has the lock, and yet the server does not give it to this host.
	Barred bool
	// Other: the lock is not what is waited for, and Why says what is.
	Other bool
	// Err is why the server could not be asked; nil if it was.
	Err error
}

// Wording is what sentences say of a kind of lock server.
type Wording struct {
	Server string // its name: "Foreman"
	// Barred says that the server refuses a lock that nobody has.
	Barred string
	// Where says where an administrator frees a lock there: "Monitor > Distributed Locks".
	Where string
	// Keys are those of the configuration that name the server and this host: "foreman_url, client_crt and client_key".
	Keys string
	// StaleAfter is how old a lock is when the server calls it stale; 0: it never does.
	StaleAfter time.Duration
}

// What an error of a lock means for whoever has to end with it. Compare with errors.Is.
var (
	// ErrTryLater: nothing is wrong with this host, and the lock could not be had now.
	ErrTryLater = errors.New("try later")
	// ErrUnavailable: the server gave no usable answer.
	ErrUnavailable = errors.New("lock server unavailable")
	// ErrRefused: the server does not accept this host, or this host can't accept the server.
	ErrRefused = errors.New("refused by the lock server")
	// ErrMisconfigured: the configuration, or a file that it names, has to be corrected.
	ErrMisconfigured = errors.New("wrong configuration of the lock server")
)

// Error is an error of a lock or its server, in the server's own words.
type Error struct {
	// Meaning is one of the sentinels above; nil: none of them fits.
	Meaning error
	// Why is in a few words, the same for the same kind of trouble.
	Why string
	// Next says what to do about it; empty: what the meaning suggests.
	Next string
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the meaning and the cause.
func (e *Error) Unwrap() []error {
	if e.Meaning == nil {
		return []error{e.Err}
	}
	return []error{e.Meaning, e.Err}
}

// Why says in a few words why a server could not be asked: the same words for the same trouble.
func Why(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Why != "" {
		return e.Why
	}
	return err.Error()
}

// NotNow: the lock could not be had, and nothing is wrong with this host. It wraps ErrTryLater.
type NotNow struct {
	Text string
	// Next says what somebody has to change before the lock can be had; empty: it is only a matter of time.
	Next string
}

func (e *NotNow) Error() string { return e.Text }

// Unwrap returns ErrTryLater.
func (e *NotNow) Unwrap() error { return ErrTryLater }

// NotByRun: this host holds the lock, and the run that wants it has never asked for it. It wraps ErrTryLater.
type NotByRun struct{ Lock, Config string }

func (e *NotByRun) Error() string {
	return fmt.Sprintf("lock %q is held by this host, and no run of %s has it on record: a person has taken it (lock acquire), the run "+
		"of another configuration of this host, or another machine with this host's certificate", e.Lock, e.Config)
}

// Unwrap returns ErrTryLater.
func (e *NotByRun) Unwrap() error { return ErrTryLater }

// Lost: the server says that the lock is not this host's any more.
type Lost struct{ Lock, Why string }

func (e *Lost) Error() string {
	return fmt.Sprintf("lock %q is not this host's any more: %s", e.Lock, e.Why)
}

// Elsewhere: the lock was asked for at another server, or under another name, and here and now it is not shown as this
// host's. That tells nothing about the lock that was asked for.
type Elsewhere struct {
	Text string
	Next string // what to do about it
}

func (e *Elsewhere) Error() string { return e.Text }

// Backoff is the next wait for a server in trouble, after the last one (0: none yet): 2 s at first, 5 minutes at most.
func Backoff(last time.Duration) time.Duration { return min(max(2*last, 2*time.Second), 5*time.Minute) }
