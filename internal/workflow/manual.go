package workflow

import (
	"context"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
)

// TakeLock takes a lock for a person, settled and verified as for a run. wait: wait for it as a run does. If it is given
// up, as far as possible nothing is left at the server, but for a lock that this host had before.
func (w *Workflow) TakeLock(ctx context.Context, name string, wait bool) error {
	purpose := lock.ByHandNow
	if wait {
		purpose = lock.ByHand
	}
	l := w.OpenLock(name, lock.Options{Config: w.ConfigPath})
	err := l.Take(ctx, lock.Terms{Purpose: purpose})
	switch {
	case err == nil:
		return nil
	case l.WasOurs():
		w.Log.Warn("the lock was this host's before, and is left as it is", "lock", name)
	case !l.Abandon(ctx):
		w.Log.Warn("whether the lock is this host's is not known; look with `foreman-dlm-updater lock show`", "lock", name)
	}
	if ctx.Err() != nil {
		return errStopped
	}
	return err
}

// GiveLock gives back the lock that this host holds.
func (w *Workflow) GiveLock(ctx context.Context, name string) error {
	err := w.OpenLock(name, lock.Options{Config: w.ConfigPath}).Give(ctx)
	if err != nil && ctx.Err() != nil {
		return errStopped
	}
	return err
}

// RunHooks runs the hooks of a stage for a person, as a run would, and touches neither state nor lock. It returns what a
// stage that asks was told.
func (w *Workflow) RunHooks(ctx context.Context, stage state.Stage) (saysYes bool, err error) {
	record, err := w.Store.Load()
	if err != nil {
		return false, err
	}
	r := &run{Workflow: w, Record: state.Record{RunID: "by-hand", Lock: w.LockName}}
	if record.InProgress() && record.RunID != "" { // for hooks that have noted something for this run
		r.RunID, r.Rebooted = record.RunID, record.Rebooted
		if record.Lock != "" {
			r.Lock = record.Lock
		}
	}
	r.Stage, r.row = stage, rowOf(stage)
	result, err := r.perform(ctx)
	if due := r.RebootDue; err == nil && due != nil {
		err = &hookError{due.Hook, later("%s", due.Message)}
	}
	return result == yes, err
}
