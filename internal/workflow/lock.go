package workflow

import (
	"context"
	"errors"
	"math"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
)

// openLock opens the run's lock. claimed: an earlier invocation may have asked for it.
func (r *run) openLock(claimed bool) {
	options := lock.Options{Config: r.ConfigPath, Claimed: claimed, Heard: func(view lock.View, err error) {
		r.Workflow.tell(Event{Kind: LockSeen, Lock: r.Lock, View: view, Err: err})
	}}
	options.Origin = OriginOf(&r.Record)
	r.lock = r.OpenLock(r.Lock, options)
}

// OriginOf says where the run in progress asked for its lock, and under which name; nil: that is not on record.
func OriginOf(record *state.Record) *lock.Origin {
	if !record.InProgress() || record.Taken == nil {
		return nil
	}
	return &lock.Origin{Server: record.Taken.URL, Client: record.Taken.CN, Holder: record.Taken.Holder}
}

// noteOrigin puts into the record where the lock was asked for, or is about to be.
func (r *run) noteOrigin() {
	origin := r.lock.Origin()
	r.Taken = &state.Taken{URL: origin.Server, CN: origin.Client, Holder: origin.Holder, Config: r.ConfigPath}
}

// takeLock is the stage that takes the lock. If it is given up, and nothing of it is left at the server, the run is
// over.
func (r *run) takeLock(ctx context.Context) (outcome, error) {
	err := r.vetHost(ctx)
	if err == nil {
		err = r.take(ctx, lock.Terms{Purpose: lock.ForRun, Announce: r.announceClaim, Waits: r.waits})
	}
	if err == nil {
		r.got = true
		return done, nil
	}
	return "", r.giveUp(ctx, err)
}

// take takes the lock, and notes where it was had.
func (r *run) take(ctx context.Context, terms lock.Terms) error {
	err := r.lock.Take(ctx, terms)
	switch {
	case err == nil:
		r.took, r.held = true, Yes
		r.noteOrigin()
	case ctx.Err() != nil:
		return errStopped
	}
	return err
}

// giveUp ends a run that has not got the lock. err is why.
func (r *run) giveUp(ctx context.Context, err error) error {
	var notByRun *lock.NotByRun
	switch {
	case errors.As(err, &notByRun): // whoever took it has to give it back
		r.held = NotByRun
	case !r.lock.Asked(), r.lock.Abandon(ctx):
		r.held = No
	default:
		r.held = Perhaps
		return err
	}
	r.endStage(err)
	r.endWait()
	if clearErr := r.finish(); clearErr != nil {
		return errors.Join(err, clearErr)
	}
	return &clearedError{err}
}

// clearedError: the run ended without the lock, and its state is removed.
type clearedError struct{ error }

func (e *clearedError) Unwrap() error { return e.error }

// announceClaim puts on record that the lock is about to be asked for. An invocation that goes on without that on record
// takes nothing over: by then the lock may be this host's because a person, or another configuration, has taken it.
func (r *run) announceClaim() error {
	if !r.ClaimSent.IsZero() {
		return nil
	}
	r.ClaimSent = time.Now()
	if err := r.save(); err != nil {
		return &saveError{err}
	}
	return nil
}

// retakeLock takes the lock again for a guarded stage that is resumed: an administrator may have released it
// meanwhile, and somebody else may have it. The host is out of service, so only a signal ends the wait.
func (r *run) retakeLock(ctx context.Context) error {
	err := r.take(ctx, lock.Terms{Purpose: lock.OutOfService, Waits: r.waits})
	if r.lock.NotOurs() {
		r.held = No
	}
	if err == nil {
		r.tellResumed()
	}
	return err
}

// guard is the last look at the lock before a guarded stage. A server that can't be asked is no reason to stop halfway:
// a lock doesn't expire. An invocation that resumed the run has no such haste, and neither has a stage with patience.
func (r *run) guard(ctx context.Context) error {
	r.lock.KeepAlive()
	limit := r.row.patience
	if limit == 0 && r.resumed {
		limit = forEver
	}
	err := r.confirm(ctx, limit)
	if lost := r.lock.Lost(); lost != nil { // even if it is ours again: somebody may have had it in between
		r.held = No
		return lost
	}
	var lost *lock.Lost
	var elsewhere *lock.Elsewhere
	switch {
	case ctx.Err() != nil:
		return errStopped
	case errors.As(err, &elsewhere):
		return err
	case errors.As(err, &lost):
		r.held = No
		return err
	case err != nil:
		r.Log.Warn("the lock server can't be asked whether the lock is still this host's; going on, since locks don't expire",
			"lock", r.Lock, "stage", r.Stage, "waited", limit, "error", err)
	}
	return nil
}

const forEver time.Duration = math.MaxInt64

// confirm asks until there is an answer, which it returns as Confirm does; for at most the limit, and at least once.
func (r *run) confirm(ctx context.Context, limit time.Duration) error {
	began, told := time.Now(), ""
	for backoff := lock.Backoff(0); ; backoff = lock.Backoff(backoff) {
		err := r.lock.Confirm(ctx)
		left := limit - time.Since(began)
		if r.lock.Lost() != nil || answered(err) || ctx.Err() != nil || left <= 0 {
			if told != "" {
				r.endWait()
				r.saveStory()
			}
			if told != "" && err == nil {
				r.tell(Event{Kind: Acquired})
			}
			return err
		}
		if why := lock.Why(err); why != told {
			told = why
			r.inhibit(false) // no hook is at work
			r.Log.Warn("waiting for an answer whether the lock is still this host's", "lock", r.Lock, "stage", r.Stage, "why", why, "error", err)
			r.waits(lock.Wait{Why: why, Err: err})
		}
		if !pause(ctx, min(backoff, left)) {
			return errStopped
		}
	}
}

// answered reports whether the answer of Confirm settles it.
func answered(err error) bool {
	var lost *lock.Lost
	var elsewhere *lock.Elsewhere
	return err == nil || errors.As(err, &lost) || errors.As(err, &elsewhere)
}

// confirmOnce only warns: the stage brings the host back to service.
func (r *run) confirmOnce(ctx context.Context) {
	err := r.lock.Confirm(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		r.Log.Warn("going on without being sure of the lock, to bring the host back to service", "lock", r.Lock, "error", err)
	}
	var lost *lock.Lost
	var elsewhere *lock.Elsewhere
	switch {
	case errors.As(err, &lost):
		r.held = No
	case !errors.As(err, &elsewhere):
		r.lock.KeepAlive()
	}
}

// releaseGrace is how long a release goes on after a signal: all work is done, and a lock that is kept blocks the whole
// cluster.
const releaseGrace = 8 * time.Second

// giveLock gives the lock back.
func (r *run) giveLock(ctx context.Context) (outcome, error) {
	ctx, cancel := graceful(ctx, releaseGrace)
	defer cancel()
	if err := r.lock.Give(ctx); err != nil {
		if r.lock.Released() && r.held == Yes { // and only not seen to be so
			r.held = Perhaps
		}
		if ctx.Err() != nil {
			err = errStopped
		}
		return "", err
	}
	r.Log.Info("run finished", "run", r.RunID, "took", time.Since(r.Began).Round(time.Second))
	if due := r.RebootDue; due != nil {
		r.Log.Error("a reboot may be due: a needs_reboot hook could not find out, and the host was not rebooted", "hook", due.Hook,
			"said", due.Message, "next", "reboot this host when its cluster can spare it, or see why the hook can't tell")
	}
	return done, nil
}

// graceful is a context that ends the grace after ctx does.
func graceful(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		pause(longer, grace)
		cancel()
	})
	return longer, func() { stop(); cancel() }
}
