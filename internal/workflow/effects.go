package workflow

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"foreman-dlm-updater/internal/state"

	"github.com/hashicorp/go-hclog"
)

// Workflow is a host's workflow: its settings, and the world that it acts on.
type Workflow struct {
	Settings
	Store  Store
	Server LockServer
	Hooks  Hooks
	Host   Host
	Log    hclog.Logger
	// Random returns a random part of d; nil: math/rand. A simulation that is to be repeated brings its own.
	Random func(d time.Duration) time.Duration
}

// random is a random part of d, which is above 0.
func (w *Workflow) random(d time.Duration) time.Duration {
	if w.Random != nil {
		return w.Random(d)
	}
	return rand.N(d)
}

// Settings are the configuration's values that decide what the workflow does. Durations of 0 mean "never" or "for
// ever", as the configuration's documentation says.
type Settings struct {
	LockName       string
	RetryInterval  time.Duration
	RetryJitter    time.Duration
	LockTimeout    time.Duration
	Settle         time.Duration
	Refresh        time.Duration
	ReleaseTimeout time.Duration
	RebootTimeout  time.Duration
	Retries        int // of a claim that met trouble
	CannotTellExit int // 0: unset
	// CannotTellReboot: a needs_reboot hook that could not find out counts as yes.
	CannotTellReboot bool
	MaxReboots       int
	ConfigPath       string // for hooks, and for the record
	// OtherConfig reports whether a path is that of another configuration, which is still there. Nil: no path is.
	OtherConfig func(path string) bool
}

// Store keeps the record of the run. Load returns nil if no run is in progress.
type Store interface {
	Load() (*state.Record, error)
	Save(state.Record) error
	Clear() error
}

// Lock is a lock as the server shows it.
type Lock struct {
	Enabled bool
	Holder  string // empty: free
	Self    bool   // this host is the holder
	Updated time.Time
}

// LockServer is Foreman. Its errors wrap *Unavailable, *Renewing, ErrNotNow or ErrNoLock where they mean that; all others
// are definite. Show tries again by itself; Acquire and Release never do.
type LockServer interface {
	Show(ctx context.Context, name string) (Lock, error)
	Acquire(ctx context.Context, name string) error
	Release(ctx context.Context, name string) error
	// Slowest is the longest that the server has taken for an answer so far.
	Slowest() time.Duration
	// Identity says which server is asked now, and as whom. It sends no request.
	Identity() Identity
}

// Identity is which server is asked, and as whom. What is not known is empty.
type Identity struct {
	URL string
	CN  string // of this host's certificate
}

// Unavailable: no answer, or one that is not the lock server's and proves as little; the request may have had its
// effect.
type Unavailable struct {
	RetryAfter time.Duration // how long the server wants to be left alone; 0: it didn't say
	Why        string        // in a few words, the same for the same kind of trouble; empty: the server is unavailable
	Err        error
}

func (e *Unavailable) Error() string { return e.Err.Error() }
func (e *Unavailable) Unwrap() error { return e.Err }

// Renewing: this host's own certificate or key can't be used, or the web server refuses it. That is certain at a first
// look; where all was well before, the files may be in the middle of their renewal.
type Renewing struct {
	Why string // as in Unavailable
	Err error
}

func (e *Renewing) Error() string { return e.Err.Error() }
func (e *Renewing) Unwrap() error { return e.Err }

var (
	// ErrNotNow: the server refuses because of the lock's state.
	ErrNotNow = errors.New("not now")
	// ErrNoLock: the server has no lock of this name.
	ErrNoLock = errors.New("no such lock")
)

// Hooks are the hooks of the stages.
type Hooks interface {
	// VetSettings returns an error if somebody else could change the settings that hooks read.
	VetSettings() error
	// List returns the names of a stage's hooks in the order in which they run; an error if any is unsafe.
	List(state.Stage) ([]string, error)
	// Run runs one to its end. env are KEY=VALUE pairs for it.
	Run(stage state.Stage, name string, env []string) HookResult
}

// HookResult is how a hook ended.
type HookResult struct {
	Exit int
	// Err: the hook ended in a way that tells nothing (killed, timed out, can't be executed).
	Err error
	// Said is the last that it wrote to standard error, in short; empty if nothing.
	Said string
	// Last are the last lines of its output.
	Last []string
	// Stopped: it was ended because we were told to stop for a second time.
	Stopped bool
}

// Host is the host itself.
type Host interface {
	Boot(context.Context) (state.Boot, error)
	// Uptime is a clock that runs on within a boot, whatever happens to the wall clock.
	Uptime() (time.Duration, error)
	// MachineID is empty where the host has none.
	MachineID() string
	// Vet looks, before the lock is asked for, for what is likely to leave it held for ever. It returns warnings for
	// the log, or an error if that is certain.
	Vet(context.Context) (warnings []string, err error)
	// InhibitShutdown keeps the host from being shut down, as far as it can be, until allow is called.
	InhibitShutdown(why string) (allow func())
	// Inhibitors lists who keeps the host from being shut down now, this program included; nobody where that can't be
	// found out.
	Inhibitors(context.Context) []Inhibitor
	// Reboot runs the reboot command; it returns when the command has ended, mostly before the host goes down. The
	// error quotes what the command said last.
	Reboot() error
	// Leftovers are the processes that hooks or the reboot command have left running, and that are killed when this
	// invocation ends. keep: they are moved to where they live on; the error says which could not be moved.
	Leftovers(keep bool) ([]Leftover, error)
}

// Leftover is a process that a hook has left running.
type Leftover struct {
	PID     int
	Command string
	Hook    string // STAGE/NAME; empty if it is not known
	Scope   string // the unit that it was moved to; empty if it was not
}

// Inhibitor is a program that keeps the host from being shut down, in its own words.
type Inhibitor struct {
	Who, Why string
	UID, PID uint32
}

func (i Inhibitor) String() string {
	return fmt.Sprintf("%q (pid %d, uid %d): %q", i.Who, i.PID, i.UID, i.Why)
}

// ErrTryLater: nothing is wrong with this host or its update, but it could not be done now.
var ErrTryLater = errors.New("try later")

// ErrUnsafeHooks: a stage's hooks can't be trusted, found before the run took anything.
var ErrUnsafeHooks = errors.New("hooks refused")

// ErrUnfitHost: something about the host would lose the run, found before the lock was asked for.
var ErrUnfitHost = errors.New("this host can't keep a run")

// ErrOtherMachine: the state was written by another machine.
var ErrOtherMachine = errors.New("the state is another machine's")

// ErrDisabled and ErrBarred say what was in the way of a lock last, where somebody has to change that in Foreman.
var (
	ErrDisabled = errors.New("the lock is disabled")
	ErrBarred   = errors.New("this host is barred")
)

// laterError wraps ErrTryLater, and another error if there is one, without saying so in its text.
type laterError struct {
	text string
	as   error
}

func (e *laterError) Error() string { return e.text }
func (e *laterError) Unwrap() []error {
	if e.as == nil {
		return []error{ErrTryLater}
	}
	return []error{ErrTryLater, e.as}
}

func later(format string, args ...any) error { return &laterError{text: fmt.Sprintf(format, args...)} }

// errStopped: a signal ended the invocation.
var errStopped = later("stopped by a signal")

// Held says whether a run that stopped holds the lock, by what Foreman said last.
type Held int

const (
	No       Held = iota
	Perhaps       // it was given up while getting the lock, and an answer is missing
	NotByRun      // this host holds it, and not for this run
	Yes
)

// ElsewhereError: the lock was asked for at another server, or under another name, and here and now it is not shown as
// this host's. That tells nothing about the lock that was asked for.
type ElsewhereError struct {
	Lock  string
	Taken state.Taken // where it was asked for, and under which name
	Now   Identity
	shows string // what the server that is configured now shows
}

func (e *ElsewhereError) Error() string {
	return fmt.Sprintf("lock %q was asked for at %s by %s; now the configuration names %s and %s, and what is seen there (%s) tells nothing about "+
		"the lock that was asked for, which may still be this host's", e.Lock, e.Taken.URL, named(e.Taken.CN), e.Now.URL, named(e.Now.CN), e.shows)
}

// Elsewhere is that error, for a run whose lock was asked for as taken says. lock and err are what Show answered now.
func Elsewhere(name string, taken state.Taken, now Identity, lock Lock, err error) error {
	return &ElsewhereError{name, taken, now, whoseNow(lock, err)}
}

func named(cn string) string {
	if cn == "" {
		return "an unknown certificate"
	}
	return fmt.Sprintf("the certificate %q", cn)
}

// NotByRunError: this host holds the lock, and the run has never asked for it.
type NotByRunError struct{ Lock, Config string }

func (e *NotByRunError) Error() string {
	return fmt.Sprintf("lock %q is held by this host, and no run of %s has it on record: a person has taken it (lock acquire), the run "+
		"of another configuration of this host, or another machine with this host's certificate", e.Lock, e.Config)
}
func (e *NotByRunError) Unwrap() error { return ErrTryLater }

// StageError says which stage was not finished, why, and what became of the lock.
type StageError struct {
	Stage state.Stage
	Run   string
	Hook  string // the hook that failed, if it was one
	Lock  string
	Held  Held
	Err   error
}

func (e *StageError) Error() string { return fmt.Sprintf("stage %s: %v", e.Stage, e.Err) }
func (e *StageError) Unwrap() error { return e.Err }

// hookError is a hook that failed.
type hookError struct {
	name string
	err  error
}

func (e *hookError) Error() string { return fmt.Sprintf("hook %s: %v", e.name, e.err) }
func (e *hookError) Unwrap() error { return e.err }

// saveError: the state could not be written, so nothing may be executed.
type saveError struct{ error }

func (e *saveError) Unwrap() error { return e.error }
