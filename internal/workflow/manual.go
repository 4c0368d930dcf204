package workflow

import (
	"context"
	"time"

	"foreman-dlm-updater/internal/state"
)

// AcquireLock takes a lock for a person, settled and verified as for a run. wait: wait for it as a run does. If it
// is given up, as far as possible nothing is left in Foreman, but for a lock that this host had before.
func (w *Workflow) AcquireLock(ctx context.Context, name string, wait bool) error {
	a := w.acquisition(name)
	a.once = !wait
	err := a.get(ctx)
	switch {
	case err == nil:
	case a.before == us:
		w.Log.Warn("the lock was this host's before, and is left as it is", "lock", name)
	case !a.abandon(ctx):
		w.Log.Warn("whether the lock is this host's is not known; look with `foreman-dlm-updater lock show`", "lock", name)
	}
	return err
}

// ReleaseLock gives back the lock that this host holds.
func (w *Workflow) ReleaseLock(ctx context.Context, name string) error {
	return w.releasing(name, time.Time{}).run(ctx)
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
	r.Stage = stage
	result, err := r.perform(ctx, table[stage])
	if due := r.RebootDue; err == nil && due != nil {
		err = &hookError{due.Hook, later("%s", due.Message)}
	}
	return result == yes, err
}
