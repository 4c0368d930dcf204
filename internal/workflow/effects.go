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

// Workflow is a host's workflow: its settings, and everything that it acts on.
type Workflow struct {
	Settings
	Store Store
	// OpenLock opens a lock. It sends no request.
	OpenLock func(name string, o lock.Options) Lock
	Hooks    Hooks
	Host     Host
	Log      hclog.Logger
	// MayBegin returns the pause, freeze or closed window that keeps a run from beginning at a time, or nil. An error says
	// that this can't be found out, and no run begins. May be nil.
	MayBegin func(time.Time) (*Refusal, error)
	// Hand is the record of a lock that a person has taken; nil: nobody has taken one.
	Hand HandRecord
	// Failing is called with the error that Run is about to return, if it takes some more time until then: the flag of a
	// run that has failed is still to be raised. May be nil.
	Failing func(error)
	// Observe hears what happens; may be nil.
	Observe Observer
}

// Settings are the configuration's values that the workflow depends on. A duration of 0 means "never" or "for ever", as
// the configuration's documentation says.
type Settings struct {
	LockName string
	// LockSlots is how many hosts of the cluster may update at once; 0 and 1: one.
	LockSlots int
	// MaxFailed is how many failed hosts keep all others from beginning; 0: none does, and no flags are used.
	MaxFailed int
	// BlockedBy names locks. While another host holds one of them, no run begins.
	BlockedBy []string
	// GateInterval is how long to wait before gates are asked again.
	GateInterval   time.Duration
	RebootTimeout  time.Duration
	CannotTellExit int // 0: unset
	// CannotTellReboot: a needs_reboot hook that could not find out counts as yes.
	CannotTellReboot bool
	MaxReboots       int
	ConfigPath       string // for the hooks' environment and the record
	StatePath        string // for the hooks' environment
	// OtherConfig reports whether another configuration exists at this path. Nil: none does.
	OtherConfig func(path string) bool
}

// Store keeps the record of the run. Load returns nil if no run is in progress.
type Store interface {
	Load() (*state.Record, error)
	Save(state.Record) error
	Clear() error
}

// Lock is one lock during one invocation: the interface to a lock server (package foreman implements it). Only Lost may
// be called by several goroutines. The methods return the errors of package lock.
type Lock interface {
	// Take returns nil when this host holds the lock.
	Take(context.Context, lock.Terms) error
	// Confirm asks once whether this host still holds the lock. It returns nil if it does, *lock.Lost if it does not,
	// and any other error if the answer is not known.
	Confirm(context.Context) error
	// KeepAlive refreshes the lock from now on, until Give or StopKeepAlive.
	KeepAlive()
	StopKeepAlive()
	// Lost returns a *lock.Lost once a refresh has found that this host does not hold the lock any more; else nil. Any
	// goroutine may call it.
	Lost() error
	// Give releases the lock. It returns nil only when that is certain.
	Give(context.Context) error
	// Released reports whether the server accepted the release, even if nobody could verify it afterwards.
	Released() bool
	// Asked reports whether this invocation, or an earlier one of the run, may have asked for the lock.
	Asked() bool
	// Abandon releases what a failed Take may have left at the server. It reports whether this host certainly does not
	// hold the lock.
	Abandon(context.Context) bool
	// NotOurs reports whether the last answer proved that this host does not hold the lock. WasOurs reports whether the
	// first answer proved that it did.
	NotOurs() bool
	WasOurs() bool
	// Origin says which server was asked for the lock, and under which name; before that, which one would be asked now.
	Origin() lock.Origin
	// Name is the lock's name. Of several slots, it is the one that this host holds, has asked for, or has looked at last.
	Name() string
	// Look asks once for the lock's state.
	Look(context.Context) (lock.View, error)
}

// Hooks are the hooks of the stages.
type Hooks interface {
	// VetSettings returns an error if somebody else could change the settings that hooks read.
	VetSettings() error
	// List returns the names of a stage's hooks, or the gates, in the order in which they run, or an error if one of them
	// is unsafe.
	List(state.Stage) ([]string, error)
	// Run runs one hook of a stage, or a gate, to its end. env are KEY=VALUE pairs for its environment.
	Run(stage state.Stage, name string, env []string) HookResult
}

// HookResult is how a hook ended.
type HookResult struct {
	Exit int
	// Err: the hook has no usable exit code (it was killed, timed out, or could not be executed).
	Err error
	// Said is the end of its standard error, shortened; empty if it wrote nothing there.
	Said string
	// Last are the last lines of its output.
	Last []string
	// Notes are what it wants people to find again, such as how to undo what it did.
	Notes []string
	// Stopped: a second signal to this program ended the hook.
	Stopped bool
}

// Host is the host itself.
type Host interface {
	Boot(context.Context) (state.Boot, error)
	// Uptime is the time since the boot. Changes of the wall clock do not affect it.
	Uptime() (time.Duration, error)
	// MachineID is empty where the host has none.
	MachineID() string
	// Vet checks the host before the lock is asked for: a host that loses its run would hold the lock for ever. It
	// returns warnings if that is likely, and an error if it is certain.
	Vet(context.Context) (warnings []string, err error)
	// InhibitShutdown keeps the host from being shut down, as far as possible, until allow is called.
	InhibitShutdown(why string) (allow func())
	// Inhibitors lists the programs that keep the host from being shut down now, this one included. The list is empty if
	// they can't be found out.
	Inhibitors(context.Context) []Inhibitor
	// Reboot runs the reboot command and returns when the command has ended, usually before the host goes down. The
	// error quotes the end of the command's output.
	Reboot() error
	// Leftovers lists the processes that hooks or the reboot command left running, which are killed when this invocation
	// ends. keep: it moves them to scopes of their own, where they survive; the error names those that it could not move.
	Leftovers(keep bool) ([]Leftover, error)
}

// Leftover is a process that a hook has left running.
type Leftover struct {
	PID     int
	Command string
	Hook    string // STAGE/NAME; empty if it is not known
	Scope   string // the unit that it was moved to; empty: it was not moved
}

// Inhibitor is a program that keeps the host from being shut down, in its own words.
type Inhibitor struct {
	Who, Why string
	UID, PID uint32
}

func (i Inhibitor) String() string {
	return fmt.Sprintf("%q (pid %d, uid %d): %q", i.Who, i.PID, i.UID, i.Why)
}

// ErrTryLater: nothing is wrong with this host or its update, but it is not possible now.
var ErrTryLater = lock.ErrTryLater

// ErrCannotTell: a needs_update hook could not find out whether there are updates. It wraps ErrTryLater.
var ErrCannotTell = later("a hook could not find out")

// ErrUnsafeHooks: a stage's hooks are unsafe. The run has not asked for the lock.
var ErrUnsafeHooks = errors.New("hooks refused")

// ErrUnfitHost: this host would lose the run. The run has not asked for the lock.
var ErrUnfitHost = errors.New("this host can't keep a run")

// ErrOtherMachine: another machine wrote the state.
var ErrOtherMachine = errors.New("the state is another machine's")

// laterError wraps ErrTryLater; its text does not mention that.
type laterError struct{ text string }

func (e *laterError) Error() string { return e.text }
func (e *laterError) Unwrap() error { return ErrTryLater }

func later(format string, args ...any) error { return &laterError{fmt.Sprintf(format, args...)} }

// errStopped: a signal ended the invocation.
var errStopped = later("stopped by a signal")

// Held says whether a run that stopped holds the lock, according to the last answer of the lock server.
type Held int

const (
	No       Held = iota
	Perhaps       // the run gave up while taking the lock, and an answer is missing
	NotByRun      // this host holds the lock, but not for this run
	Yes
)

// StageError says which stage was not finished, why, and whether this host holds the lock.
type StageError struct {
	Stage state.Stage
	Run   string
	Hook  string // the hook that failed, if any
	Lock  string
	Held  Held
	Err   error
	// Obstacle is what the run waited for when a signal, a pause, a freeze or the end of a window ended it; zero: for
	// nothing.
	Obstacle lock.Wait
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

// saveError: the state could not be written, so no stage may begin.
type saveError struct{ error }

func (e *saveError) Unwrap() error { return e.error }
