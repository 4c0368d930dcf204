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
		r.shownToOther.Store(err == nil && view.Holder != "" && !view.Self)
		r.Workflow.tell(Event{Kind: LockSeen, Lock: r.lock.Name(), View: view, Err: err})
	}}
	options.Origin = OriginOf(&r.Record)
	slots := Slots(r.LockName, r.LockSlots)
	if slotNumber(r.LockName, r.Lock) > 0 && (len(slots) > 1 || r.Lock != r.LockName) {
		options.Slots = slots
	}
	r.lock = r.OpenLock(r.Lock, options)
}

// OriginOf says which server the run in progress asked for its lock, and under which name; nil: the record does not
// say.
func OriginOf(record *state.Record) *lock.Origin {
	if !record.InProgress() || record.Taken == nil {
		return nil
	}
	return &lock.Origin{Server: record.Taken.URL, Client: record.Taken.CN, Holder: record.Taken.Holder}
}

// noteOrigin notes in the record which server was asked for the lock, or is about to be.
func (r *run) noteOrigin() {
	origin := r.lock.Origin()
	r.Taken = &state.Taken{URL: origin.Server, CN: origin.Client, Holder: origin.Holder, Config: r.ConfigPath}
}

// takeLock is the stage that takes the lock. The run is over if it gives up and nothing is left at the server.
func (r *run) takeLock(ctx context.Context) (outcome, error) {
	err := r.vetHost(ctx)
	if err == nil {
		err = r.take(ctx, lock.Terms{Purpose: lock.ForRun, May: r.may, Announce: r.announceClaim, Waits: r.waits})
	}
	if err == nil {
		r.acquiredDue = true
		return done, nil
	}
	return "", r.giveUp(ctx, err)
}

// take takes the lock, and notes which server gave it.
func (r *run) take(ctx context.Context, terms lock.Terms) error {
	err := r.lock.Take(ctx, terms)
	switch {
	case err == nil:
		r.tookLock, r.held, r.obstacle = true, Yes, lock.Wait{}
		r.story.LockTaken()
		r.Lock = r.lock.Name()
		r.noteOrigin()
	case ctx.Err() != nil:
		return errStopped
	}
	return err
}

// giveUp ends a run that could not take the lock. err is why.
func (r *run) giveUp(ctx context.Context, err error) error {
	r.tellResumed()
	var notByRun *lock.NotByRun
	switch {
	case r.lock.Asked() && !r.lock.Abandon(ctx):
		r.held = Perhaps
		return err
	case errors.As(err, &notByRun): // whoever took it has to release it
		r.held = NotByRun
	default:
		r.held = No
	}
	if !r.lowerFlags(ctx, 0) { // the next invocation tries again: once the record is gone, nobody would
		return err
	}
	r.endStage(err)
	r.endWait()
	if clearErr := r.finish(); clearErr != nil {
		return errors.Join(err, clearErr)
	}
	return &clearedError{err}
}

// clearedError: the run ended without the lock, and its state has been removed.
type clearedError struct{ error }

func (e *clearedError) Unwrap() error { return e.error }

// announceClaim saves that the run is about to ask for the lock, and for which slot. If a later invocation finds the
// lock held by this host and no such record, it leaves the lock alone: a person or another configuration may have taken
// it.
func (r *run) announceClaim(name string) error {
	if !r.ClaimSent.IsZero() && r.Lock == name {
		return nil
	}
	r.ClaimSent, r.Lock = time.Now(), name
	if err := r.save(); err != nil {
		return &saveError{err}
	}
	return nil
}

// retakeLock takes the lock again to resume a guarded stage: in the meantime an administrator may have released it, and
// another host may have taken it. The host is out of service, so only a signal ends the wait.
func (r *run) retakeLock(ctx context.Context) error {
	err := r.take(ctx, lock.Terms{Purpose: lock.OutOfService, Waits: r.waits, Announce: func(string) error {
		if r.durable { // else a power cut could leave the lock with this host, and no run on record
			return nil
		}
		return r.saveInTime(ctx, true, func() {})
	}})
	switch {
	case r.lock.NotOurs():
		r.held = No
	case errors.Is(err, errStopped) && r.shownToOther.Load(): // a claim of an earlier invocation may still overtake that
		r.held = Perhaps
	}
	if err == nil {
		r.tellResumed()
	}
	return err
}

// guard is the last look at the lock before a guarded stage. If the server does not answer, the stage still runs: a
// lock doesn't expire, and stopping halfway is worse. A stage with patience waits that long for an answer.
// If the run had the lock when this invocation began, the other guarded stages wait without limit.
func (r *run) guard(ctx context.Context) error {
	r.lock.KeepAlive()
	limit := r.row.patience
	if limit == 0 && r.hadLock {
		limit = forEver
	}
	err := r.confirm(ctx, limit)
	if lost := r.lock.Lost(); lost != nil { // even if this host has it again: another may have held it in between
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
		r.Log.Warn("lock not confirmed: no answer from the lock server; going on, since locks don't expire",
			"lock", r.Lock, "stage", r.Stage, "waited", limit, "error", err)
	}
	return nil
}

const forEver time.Duration = math.MaxInt64

// confirm calls Confirm until there is an answer: once at least, and for no longer than limit.
func (r *run) confirm(ctx context.Context, limit time.Duration) error {
	began, lastWhy := time.Now(), ""
	for backoff := lock.Backoff(0); ; backoff = lock.Backoff(backoff) {
		err := r.lock.Confirm(ctx)
		left := limit - time.Since(began)
		if r.lock.Lost() != nil || isAnswer(err) || ctx.Err() != nil || left <= 0 {
			if lastWhy != "" {
				r.endWait()
				r.saveStory()
			}
			if lastWhy != "" && err == nil {
				r.tell(Event{Kind: Acquired})
			}
			if ctx.Err() == nil {
				r.obstacle = lock.Wait{}
			}
			return err
		}
		if why := lock.Why(err); why != lastWhy {
			lastWhy = why
			r.inhibit(false) // no hook is running
			r.Log.Warn("waiting for the lock server to confirm the lock", "lock", r.Lock, "stage", r.Stage, "why", why,
				"error", err, "next", lock.FindCause)
			r.waits(lock.Wait{Why: why, Err: err})
		}
		if !lock.Sleep(ctx, min(backoff, left)) {
			return errStopped
		}
	}
}

// isAnswer reports whether what Confirm returned says for certain who holds the lock, or that asking again is useless.
func isAnswer(err error) bool {
	var lost *lock.Lost
	var elsewhere *lock.Elsewhere
	return err == nil || errors.As(err, &lost) || errors.As(err, &elsewhere)
}

// confirmOnce only warns if the lock is lost: the stage brings the host back to service, and runs in any case.
func (r *run) confirmOnce(ctx context.Context) {
	err := r.lock.Confirm(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		r.Log.Warn("lock not confirmed; going on, to bring the host back to service", "lock", r.Lock, "error", err)
	}
	var lost *lock.Lost
	var elsewhere *lock.Elsewhere
	switch {
	case err == nil:
		r.story.LockTaken()
		r.lock.KeepAlive()
	case errors.As(err, &lost):
		r.held = No
	case !errors.As(err, &elsewhere):
		r.lock.KeepAlive()
	}
}

// ReleaseGrace is how long a release goes on after a signal: all other work is done, and a lock that stays held blocks
// the whole cluster.
const ReleaseGrace = 8 * time.Second

// releaseLock releases the lock.
func (r *run) releaseLock(ctx context.Context) (outcome, error) {
	if ctx.Err() == nil { // first, so that the next host in this slot can raise it
		r.lowerFlags(ctx, 0)
	}
	ctx, cancel := graceful(ctx, ReleaseGrace)
	defer cancel()
	if err := r.lock.Give(ctx); err != nil {
		if r.lock.Released() && r.held == Yes { // the server accepted it, and did not show it
			r.held = Perhaps
		}
		if ctx.Err() != nil {
			err = errStopped
		}
		return "", err
	}
	if !r.lowerFlags(ctx, flagPatience) {
		if ctx.Err() != nil {
			r.held = No
			return "", errStopped
		}
		for _, flag := range r.Flags {
			r.Log.Error("flag left behind: other hosts still count this host as failed", "flag", flag.Name, "next",
				"have an administrator free that lock in the lock server")
		}
	}
	r.Log.Info("run finished", "run", r.RunID, "took", time.Since(r.Began).Round(time.Second))
	if due := r.RebootDue; due != nil {
		r.Log.Error("a reboot may be due: a needs_reboot hook could not find out, and the host was not rebooted",
			"hook", due.Hook, "said", due.Message, "next",
			"reboot this host when its cluster can spare it, or see why the hook can't tell")
	}
	return done, nil
}

// graceful returns a context that ends when the grace period after the end of ctx is over.
func graceful(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		lock.Sleep(longer, grace)
		cancel()
	})
	return longer, func() { stop(); cancel() }
}
