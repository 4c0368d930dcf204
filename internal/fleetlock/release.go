package fleetlock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"foreman-dlm-updater/internal/lock"
)

// Give releases the lock. It keeps trying until release_timeout, since a lock that stays held blocks the whole cluster.
// The errors are *lock.NotNow (release_timeout is over), *lock.Elsewhere (another server gave this host the lock) and
// the context's error.
func (l *Lock) Give(ctx context.Context) error { return l.give(ctx, false) }

func (l *Lock) give(ctx context.Context, perhaps bool) error {
	r := &releasing{Lock: l, perhaps: perhaps}
	if l.ReleaseTimeout > 0 {
		r.deadline = time.Now().Add(l.ReleaseTimeout)
		if certain := l.settlesAt.Add(2 * l.settle()); certain.After(r.deadline) { // an earlier end would give up each time
			r.deadline = certain
		}
	}
	return r.run(ctx)
}

// releasing is a release in progress.
type releasing struct {
	*Lock
	deadline time.Time
	perhaps  bool // nobody knows whether this host has the lock
	// yes: the server has said yes to a release that was sent when all requests for the lock had settled.
	yes     bool
	lastWhy string // why it fails, as logged last
}

// run releases until the server has said yes twice in a row, a settle time apart.
func (r *releasing) run(ctx context.Context) error {
	for backoff := lock.Backoff(0); ; backoff = lock.Backoff(backoff) {
		if r.moved() { // also while it tries
			return r.elsewhere()
		}
		over, err := r.once(ctx)
		switch {
		case over:
			r.notOurs = true
			if r.perhaps {
				r.log.Info("lock released, if this host had it")
			} else {
				r.log.Info("lock released")
			}
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			r.explain(err)
			backoff -= r.RandomBelow(backoff / 4) // so that hosts don't ask the same server all at once
			err = r.wait(ctx, max(backoff, lock.RetryAfter(err)), err)
		default:
			err = r.wait(ctx, max(r.settle(), time.Until(r.settlesAt)), errUnsettled)
		}
		if err != nil {
			return err
		}
	}
}

// errUnsettled: the server has said yes, once.
var errUnsettled = errors.New("the FleetLock server has not said yes twice")

// once sends one release. over: it is certain that this host does not hold the lock.
func (r *releasing) once(ctx context.Context) (over bool, err error) {
	settled := !time.Now().Before(r.settlesAt) // before the request, which may take long
	err = r.api.SteadyState(ctx, r.name)
	r.released = r.released || err == nil
	over = err == nil && r.yes
	r.yes = err == nil && settled
	return over, err
}

// wait waits before the next release: for d, or until the deadline if that is earlier.
func (r *releasing) wait(ctx context.Context, d time.Duration, reason error) error {
	if !r.deadline.IsZero() {
		left := time.Until(r.deadline)
		if left <= 0 {
			gaveUp := &lock.NotNow{Text: fmt.Sprintf("gave up releasing lock %q after %s (release_timeout): %v", r.name,
				r.ReleaseTimeout, reason)}
			var answer *lock.Error
			if errors.As(reason, &answer) {
				gaveUp.Next = answer.Next
			}
			return gaveUp
		}
		d = min(d, left)
	}
	if !lock.Sleep(ctx, d) {
		return ctx.Err()
	}
	return nil
}

// explain logs why the release fails, once for each reason.
func (r *releasing) explain(err error) {
	if why := lock.Why(err); why != r.lastWhy {
		r.lastWhy = why
		r.log.Error("the lock can't be released; trying again", "why", why, "error", err)
	}
}

// abandonTimeout is short because systemd may be waiting for this program to stop.
const abandonTimeout = 20 * time.Second

// Abandon releases, as far as possible, what a failed Take may have taken. It reports whether it is certain that this
// host does not hold the lock. After a signal it takes 20 s at most, else as long as requests need to settle.
func (l *Lock) Abandon(ctx context.Context) bool {
	switch {
	case l.notOurs:
		return true
	case !l.Asked(): // there is nothing to undo
		return false
	}
	timeout := abandonTimeout
	if ctx.Err() == nil {
		timeout = max(timeout, 4*l.settle())
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	return l.give(ctx, true) == nil
}
