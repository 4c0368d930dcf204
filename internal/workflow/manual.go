package workflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
)

// ByHand says how a person takes a lock.
type ByHand struct {
	// Name is the lock. If there are Slots, any of them will do.
	Name  string
	Slots []string
	// Wait: until it is free, as a run does.
	Wait bool
	// Has: this host is on record to have the lock already, so that it is not released if it can't be taken again.
	Has bool
	// Asks: gates and the failure budget count, as for a run. Pauses, freezes and windows never do.
	Asks bool
	// Announce, Waits and Heard are those of lock.Terms and lock.Options. They may be nil.
	Announce func(name string) error
	Waits    func(lock.Wait)
	Heard    func(lock.View, error)
}

// TakeLock takes a lock for a person, with the same checks as for a run. If it gives up, it releases what it may have
// taken, but not a lock that this host held before. It returns the Lock in any case.
func (w *Workflow) TakeLock(ctx context.Context, how ByHand) (Lock, error) {
	terms := lock.Terms{Purpose: lock.ByHandNow, Announce: how.Announce, Waits: how.Waits}
	if how.Wait {
		terms.Purpose = lock.ByHand
	}
	if how.Asks {
		without := *w
		without.MayBegin, without.Hand = nil, nil
		terms.May = (&run{Workflow: &without, Record: state.Record{RunID: "by-hand", Lock: how.Name}}).may
	}
	l := w.OpenLock(how.Name, lock.Options{Config: w.ConfigPath, Slots: how.Slots, Heard: how.Heard})
	err := l.Take(ctx, terms)
	switch {
	case err == nil:
		return l, nil
	case l.WasOurs():
		w.Log.Warn("this host already held the lock; left as it is", "lock", l.Name())
	case how.Has: // the server may have said that another host has it by now
		w.Log.Warn("this host is on record to hold the lock; nothing is given back, and the record stays", "lock", l.Name())
	case !l.Abandon(ctx) && l.Asked(): // who has asked for nothing has taken nothing
		w.Log.Warn("this host may hold the lock: `foreman-dlm-updater lock release` gives it back", "lock", l.Name())
	}
	if ctx.Err() != nil {
		err = errStopped
	}
	return l, err
}

// Holding is a lock that a person has taken, according to the record on this host.
type Holding struct {
	Lock string
	// Origin says which server was asked, and under which name; nil: not known.
	Origin *lock.Origin
	// Who says in a few words who has it, since when and why.
	Who string
}

// HandRecord is the record of a lock that a person has taken. Load returns nil if there is none.
type HandRecord interface {
	Load() (*Holding, error)
	Clear() error
}

// notByHand returns a *lock.NotByRun if a person has taken a lock on this host, whichever slot it is. A record that the
// lock server contradicts is removed: an administrator has freed the lock, or it was never granted.
func (r *run) notByHand(ctx context.Context) error {
	if r.Hand == nil {
		return nil
	}
	held, err := r.Hand.Load()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnclear, err)
	}
	if held == nil {
		return nil
	}
	l := r.OpenLock(held.Lock, lock.Options{Config: r.ConfigPath, Origin: held.Origin})
	err = l.Confirm(ctx)
	var lost *lock.Lost
	switch {
	case isAnswer(err) && !errors.As(err, &lost): // another server's answer proves nothing
		return &lock.NotByRun{Lock: held.Lock, Config: r.ConfigPath, Who: held.Who}
	case lost == nil:
		return err
	case l.Asked() && !l.Abandon(ctx): // the question was a request for the lock, which may still be granted
		return &lock.NotByRun{Lock: held.Lock, Config: r.ConfigPath, Who: held.Who}
	}
	r.Log.Warn("lock by hand lost: its record is removed",
		"lock", held.Lock, "taken", held.Who, "now", lost.Why)
	if err := r.Hand.Clear(); err != nil {
		r.Log.Warn("record not removed: the next run tries again", "error", err)
	}
	return nil
}

// heldByHand reports whether a person has taken the run's lock, or perhaps has: the record can't be read.
func (r *run) heldByHand() bool {
	if r.Hand == nil {
		return false
	}
	held, err := r.Hand.Load()
	return err != nil || held != nil && held.Lock == cmp.Or(r.Lock, r.LockName)
}

// ReleaseLock releases the lock that this host holds. origin says which server was asked for it; nil: not known.
func (w *Workflow) ReleaseLock(ctx context.Context, name string, origin *lock.Origin) error {
	err := w.OpenLock(name, lock.Options{Config: w.ConfigPath, Origin: origin}).Give(ctx)
	if err != nil && ctx.Err() != nil {
		return errStopped
	}
	return err
}

// RunHooks runs the hooks of a stage, or the gates, for a person, as a run would, but touches neither state nor lock.
// saysYes is the answer of gates, and of the hooks in a stage that asks.
func (w *Workflow) RunHooks(ctx context.Context, stage state.Stage) (saysYes bool, err error) {
	record, err := w.Store.Load()
	if err != nil {
		return false, err
	}
	r := &run{Workflow: w, Record: state.Record{RunID: "by-hand", Lock: w.LockName}}
	if record.InProgress() && record.RunID != "" { // hooks may have saved something under the run's id
		r.RunID, r.Rebooted = record.RunID, record.Rebooted
		if record.Lock != "" {
			r.Lock = record.Lock
		}
	}
	if stage == Gate {
		wait, err := r.gates(ctx, true)
		if wait.Why != "" {
			w.Log.Info("gates say no", "why", wait.Why)
		}
		return wait.Why == "", err
	}
	r.Stage, r.row = stage, rowOf(stage)
	result, err := r.perform(ctx)
	if due := r.RebootDue; err == nil && due != nil {
		err = &hookError{due.Hook, later("%s", due.Message)}
	}
	return result == yes, err
}
