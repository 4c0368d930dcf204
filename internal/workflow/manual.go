package workflow

import (
	"context"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
)

// TakeLock takes a lock for a person, with the same checks as for a run. wait: it waits as a run does. If it gives up,
// it releases what it may have taken, but not a lock that this host held before.
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
		w.Log.Warn("this host already held the lock; left as it is", "lock", name)
	case !l.Abandon(ctx) && l.Asked(): // who has asked for nothing has taken nothing
		w.Log.Warn("this host may hold the lock; check with `foreman-dlm-updater lock show`", "lock", name)
	}
	if ctx.Err() != nil {
		return errStopped
	}
	return err
}

// ReleaseLock releases the lock that this host holds.
func (w *Workflow) ReleaseLock(ctx context.Context, name string) error {
	err := w.OpenLock(name, lock.Options{Config: w.ConfigPath}).Give(ctx)
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
			w.Log.Info("not now", "why", wait.Why)
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
