package workflow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"

	"github.com/hashicorp/go-hclog"
)

// Workflow is a host's workflow: its settings, and the world that it acts on.
type Workflow struct {
	Settings
	Store Store
	// OpenLock opens a lock. It sends no request.
	OpenLock func(name string, o lock.Options) Lock
	Hooks    Hooks
	Host     Host
	Log      hclog.Logger
	// Observe hears what happens; nil: nobody does.
	Observe Observer
}

// Settings are the configuration's values that decide what the workflow does. Durations of 0 mean "never" or "for
// ever", as the configuration's documentation says.
type Settings struct {
	LockName       string
	RebootTimeout  time.Duration
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

// Lock is one lock, as one invocation deals with it: the seam to a lock server (package foreman is one). All its
// methods are for one goroutine, but for Lost. Their errors are those of package lock.
type Lock interface {
	// Take returns nil when this host holds the lock.
	Take(context.Context, lock.Terms) error
	// Confirm asks once whether the lock is still this host's; nil: it is. *lock.Lost: it is not. Any other error: it is
	// not known.
	Confirm(context.Context) error
	// KeepAlive refreshes the lock from now on, until Give or StopKeepAlive.
	KeepAlive()
	StopKeepAlive()
	// Lost is a *lock.Lost once that has found the lock to be somebody else's, or nobody's; else nil. Any goroutine may
	// call it.
	Lost() error
	// Give gives the lock back, and does not return nil before that is certain.
	Give(context.Context) error
	// Released reports whether the server has said yes to that, even where it could not be verified.
	Released() bool
	// Asked reports whether this invocation, or an earlier one of the run, may have asked for the lock.
	Asked() bool
	// Abandon undoes what an attempt to take it may have left. It reports whether this host certainly does not hold it.
	Abandon(context.Context) bool
	// NotOurs reports whether the last answer proved that this host does not hold the lock; WasOurs, whether the first
	// one proved that it did.
	NotOurs() bool
	WasOurs() bool
	// Origin says where the lock was asked for, and under which name; before that, where it would be asked for now.
	Origin() lock.Origin
	// Look asks once for the lock's state.
	Look(context.Context) (lock.View, error)
}

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
var ErrTryLater = lock.ErrTryLater

// ErrUnsafeHooks: a stage's hooks can't be trusted, found before the run took anything.
var ErrUnsafeHooks = errors.New("hooks refused")

// ErrUnfitHost: something about the host would lose the run, found before the lock was asked for.
var ErrUnfitHost = errors.New("this host can't keep a run")

// ErrOtherMachine: the state was written by another machine.
var ErrOtherMachine = errors.New("the state is another machine's")

// laterError wraps ErrTryLater without saying so in its text.
type laterError struct{ text string }

func (e *laterError) Error() string { return e.text }
func (e *laterError) Unwrap() error { return ErrTryLater }

func later(format string, args ...any) error { return &laterError{fmt.Sprintf(format, args...)} }

// errStopped: a signal ended the invocation.
var errStopped = later("stopped by a signal")

// Held says whether a run that stopped holds the lock, by what the lock server said last.
type Held int

const (
	No       Held = iota
	Perhaps       // it was given up while getting the lock, and an answer is missing
	NotByRun      // this host holds it, and not for this run
	Yes
)

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
