package workflow

import "context"

// AcquireLock takes a lock for a person, settled and verified as for a run. wait: wait for it as a run does. If it
// is given up, as far as possible nothing is left in Foreman.
func (w *Workflow) AcquireLock(ctx context.Context, name string, wait bool) error {
	a := w.acquisition(name)
	a.once = !wait
	err := a.get(ctx)
	if err != nil && !a.abandon(ctx) {
		w.Log.Warn("it is not certain that the lock is not this host's; look with `foreman-dlm-updater lock show`", "lock", name)
	}
	return err
}

// ReleaseLock gives back the lock that this host holds.
func (w *Workflow) ReleaseLock(ctx context.Context, name string) error {
	return w.release(ctx, name, false)
}
