// Package lock has the words that the workflow and a lock server share: how to take a lock, what a look shows, and what
// can go wrong. Exit codes, hints and sentences depend only on these types. A lock protocol is a package that
// returns them; package foreman is one.
package lock

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// View is a lock as its server shows it.
type View struct {
	Exists  bool // the server has a lock of this name
	Enabled bool
	Holder  string // the server's name for the host that holds it; empty: it is free
	Self    bool   // this host holds it
	// Since is when the holder took the lock, or refreshed it last; zero: not known.
	Since time.Time
}

// Origin says which server was asked for a lock, and under which name. A field is empty if its value is not known.
type Origin struct {
	Server string // the server's address
	Client string // the common name of this host's certificate
	Holder string // the server's name for this host, once the server has shown it as the holder
}

// Differs reports whether o names another server than now, or another name of this host. An unknown value differs from
// nothing.
func (o Origin) Differs(now Origin) bool {
	differ := func(a, b string) bool { return a != "" && b != "" && a != b }
	return differ(o.Server, now.Server) || differ(o.Client, now.Client)
}

// Options tell a lock about its run. The callback may be called by several goroutines and must not block. It may be
// nil.
type Options struct {
	// Origin says which server earlier invocations of the run asked for the lock; nil: not known, or they did not ask.
	Origin *Origin
	// Config is the path of the configuration, for messages.
	Config string
	// Claimed: earlier invocations of the run may have asked for the lock, and the server may still grant it.
	Claimed bool
	// Slots are the names of the locks of which any will do; none: only the lock that is opened. If earlier invocations
	// have asked for the lock, another one is asked for only once that one is certainly not this host's.
	Slots []string
	// Heard is called with each answer about the lock, or with the error if there is none.
	Heard func(View, error)
}

// Purpose says what a lock is taken for. It decides how long Take waits, and whether a lock that this host already
// holds will do.
type Purpose int

const (
	// ForRun: a run needs the lock for the first time. Take waits as long as the configuration says. If this host already
	// holds the lock, and no invocation of the run has asked for it, Take returns NotByRun.
	ForRun Purpose = iota
	// OutOfService: the run had the lock, and the host is out of service. Only a signal ends the wait. If the server shows
	// this host as the holder, that is enough, even if it refuses a new claim (lock disabled, host barred).
	OutOfService
	// ByHand: a person wants the lock, and waits as a run does. ByHandNow: the same without waiting.
	ByHand
	ByHandNow
	// ForFlag: a run that has failed raises its flag. Take does not wait.
	ForFlag
)

// Terms say how to take a lock.
type Terms struct {
	Purpose Purpose
	// May is asked whether this host may have the lock now. If it returns a Wait that says why not, Take gives back what
	// it has taken, and waits. If it returns an error that says nothing about the server, Take ends with it. May be nil.
	May func(context.Context, Point) (Wait, error)
	// Announce is called with the name of the lock before each request that may take it. If it returns an error, the
	// request is not sent. May be nil.
	Announce func(name string) error
	// Waits is called when the lock can't be had now, and again when the reason changes. May be nil.
	Waits func(Wait)
}

// Point is a point in taking a lock at which Terms.May is asked.
type Point int

const (
	// BeforeLook: before the server is asked who holds the lock, at each interval.
	BeforeLook Point = iota
	// BeforeClaim: the lock is free, and is about to be asked for.
	BeforeClaim
	// Verified: this host holds the lock.
	Verified
)

// Question is what a run that wants to begin has to ask first. Other programs rely on the words.
type Question string

// The questions, in their order. The last one is whether the lock is free.
const (
	Pause   Question = "pause"   // has an operator paused this host?
	Freeze  Question = "freeze"  // is today frozen?
	Window  Question = "window"  // is a maintenance window open?
	Gate    Question = "gate"    // is the cluster well enough to lose this host?
	Budget  Question = "budget"  // have too many hosts failed?
	Blocked Question = "blocked" // does another host hold a lock that blocks this one?
)

// Wait says why a run waits.
type Wait struct {
	// Why is a few words: always the same words for the same reason. Empty: nothing is in the way.
	Why string
	// Since is when the reason began; zero: not known.
	Since time.Time
	// Barred: the server refuses the lock to this host although nobody holds it.
	Barred bool
	// For is the question that was answered with no; empty: the run waits for the lock.
	For Question
	// Again is when to ask again at the latest; 0: at the usual interval.
	Again time.Duration
	// Err is why the server could not be asked; nil: it was asked.
	Err error
}

// Wording holds the words for a kind of lock server in sentences.
type Wording struct {
	Server string // its name: "Foreman"
	// Barred says that the server refuses a lock that nobody holds.
	Barred string
	// Where says where an administrator frees a lock: "Monitor > Distributed Locks".
	Where string
	// Keys are the configuration keys that name the server and this host: "lock_server, foreman_url, client_crt
	// and client_key".
	Keys string
	// NoLook says that the protocol has no way to look at a lock; empty: it has.
	NoLook string
	// StaleAfter is the age at which the server calls a lock stale; 0: it never does.
	StaleAfter time.Duration
}

// ErrNoLook: the protocol has no way to look at a lock, and the server answers. It is the Meaning of an *Error.
var ErrNoLook = errors.New("no way to look at a lock")

// What an error of a lock means for an invocation that ends with it. Compare with errors.Is.
var (
	// ErrTryLater: nothing is wrong with this host, but it can't have the lock now.
	ErrTryLater = errors.New("try later")
	// ErrUnavailable: the server gave no usable answer.
	ErrUnavailable = errors.New("lock server unavailable")
	// ErrRefused: the server does not accept this host, or this host can't accept the server.
	ErrRefused = errors.New("refused by the lock server")
	// ErrMisconfigured: somebody has to correct the configuration, or a file that it names.
	ErrMisconfigured = errors.New("wrong configuration of the lock server")
)

// Error is an error of a lock or its server, with what follows from it.
type Error struct {
	// Meaning is one of the sentinels above; nil: none of them fits.
	Meaning error
	// Why is a few words: always the same words for the same kind of trouble.
	Why string
	// Next says what to do about it; empty: what the meaning suggests.
	Next string
	// Temporary: it proves nothing, and the next try may succeed.
	Temporary bool
	// Renewing: this host's certificate or key can't be used, or the web server refuses it. On a first try that is
	// certain; if all was well before, somebody may be renewing the files at this moment.
	Renewing bool
	// RetryAfter is how long the server asks to wait before the next request; 0: it doesn't say.
	RetryAfter time.Duration
	Err        error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the meaning and the cause.
func (e *Error) Unwrap() []error {
	if e.Meaning == nil {
		return []error{e.Err}
	}
	return []error{e.Meaning, e.Err}
}

// IsTemporary reports whether an error proves nothing, and the next try may succeed.
func IsTemporary(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Temporary
}

func isRenewing(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Renewing
}

// RetryAfter is how long the server asks to wait before the next request; 0: it doesn't say.
func RetryAfter(err error) time.Duration {
	var e *Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.RetryAfter
}

// FindCause is what a person can do about a server that could not be asked, while a run waits for it.
const FindCause = "look for the cause with `foreman-dlm-updater config check`"

// Why says in a few words why a server could not be asked: always the same words for the same kind of trouble.
func Why(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Why != "" {
		return e.Why
	}
	return err.Error()
}

// NotNow: this host can't have the lock or go on with the run now, but nothing is wrong with it. It wraps ErrTryLater.
type NotNow struct {
	Text string
	// For is the question that was answered with no until the wait was given up; empty: it has another reason.
	For Question
	// Next says what somebody has to change first; empty: it is only a matter of time.
	Next string
}

func (e *NotNow) Error() string { return e.Text }

// Unwrap returns ErrTryLater.
func (e *NotNow) Unwrap() error { return ErrTryLater }

// NotByRun: this host holds the lock, but the run that wants it never asked for it. It wraps ErrTryLater.
type NotByRun struct {
	Lock, Config string
	// Who has taken it, since when and why, in a few words; empty: nobody knows.
	Who string
}

func (e *NotByRun) Error() string {
	if e.Who != "" {
		return fmt.Sprintf("lock %q is held by hand on this host: %s", e.Lock, e.Who)
	}
	return fmt.Sprintf("lock %q is held by this host, but no run of %s took it: perhaps a person did (lock acquire), "+
		"a run that was forgotten (state clear) or of another configuration of this host, or another machine with this "+
		"host's certificate", e.Lock, e.Config)
}

// Unwrap returns ErrTryLater.
func (e *NotByRun) Unwrap() error { return ErrTryLater }

// Lost: the server says that this host does not hold the lock any more.
type Lost struct{ Lock, Why string }

func (e *Lost) Error() string {
	return fmt.Sprintf("lock %q is not this host's any more: %s", e.Lock, e.Why)
}

// Elsewhere: the run asked another server for the lock, or used another name there, and the server that is asked now
// does not show this host as the holder. So nobody knows whether this host still holds the lock.
type Elsewhere struct {
	Text string
	Next string // what to do about it
}

func (e *Elsewhere) Error() string { return e.Text }

// Backoff is how long to wait for a server in trouble, given the last wait (0: none yet): 2 s at first, 5 minutes at
// most.
func Backoff(last time.Duration) time.Duration { return min(max(2*last, 2*time.Second), 5*time.Minute) }
