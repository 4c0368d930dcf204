package foreman

import (
	"context"
	"errors"
	"fmt"
	"time"

	"foreman-dlm-updater/internal/lock"
)

// Give gives the lock back, and doesn't give up easily: a lock that stays blocks the whole cluster. It ends the
// refreshing first. *lock.NotNow: release_timeout is over. *lock.Elsewhere: what is seen here tells nothing about the
// lock that was taken. The context's error: it was cancelled.
func (l *Lock) Give(ctx context.Context) error {
	l.StopKeepAlive()
	r := &releasing{Lock: l, settlesAt: l.allSettleAt()}
	if l.ReleaseTimeout > 0 {
		r.deadline = time.Now().Add(l.ReleaseTimeout)
		if r.settlesAt.After(r.deadline) { // whoever gave up before would do so each time
			r.deadline = r.settlesAt
		}
	}
	err := r.run(ctx)
	l.released = err == nil || r.granted
	return err
}

// Released reports whether Foreman has said yes to the release, even where that could not be verified.
func (l *Lock) Released() bool { return l.released }

// allSettleAt is when every claim of this run must have been written. A refresh that got no answer is given more time,
// however long ago it was.
func (l *Lock) allSettleAt() time.Time {
	at := l.settlesAt
	if k := l.keeper; k != nil && k.settlesAt.After(at) {
		at = k.settlesAt
	}
	if after := time.Now().Add(2 * l.settle()); l.keeper != nil && l.keeper.unanswered && after.After(at) {
		at = after
	}
	return at
}

// run looks and releases in turn until the lock is seen not to be this host's.
func (r *releasing) run(ctx context.Context) error {
	for backoff := lock.Backoff(0); ; backoff = lock.Backoff(backoff) {
		over, err := r.attempt(ctx)
		var elsewhere *lock.Elsewhere
		switch {
		case over:
			return nil
		case ctx.Err() != nil && !r.proved:
			return ctx.Err()
		case errors.As(err, &elsewhere): // time changes nothing about it
			return err
		case err != nil:
			r.explain(err)
			err = r.wait(ctx, backoff, err)
		case !r.proved:
			err = r.wait(ctx, max(backoff, 2*r.settle(), time.Until(r.settlesAt)*4/3), errUnsettled)
		}
		if err != nil && !r.proved {
			return err
		}
	}
}

// releasing is a release in progress.
type releasing struct {
	*Lock
	// settlesAt is the time by which every claim that this host has sent must have been written; until then one may still
	// be written after the release.
	settlesAt time.Time
	deadline  time.Time
	told      string // the trouble that was logged last
	// tried: a DELETE was sent that may have released it.
	tried bool
	// granted: the last DELETE was answered with yes. proved: and nothing could come after it.
	granted, proved bool
}

// errDisabled: the holder itself can't release a disabled lock.
var errDisabled = errors.New("this host holds the lock, but it is disabled in Foreman: enable it there")

// errUnsettled: a claim of this host may be written after the release, or was.
var errUnsettled = errors.New("a claim that was sent before the release may reach Foreman after it")

// attempt looks, and sends a DELETE if the lock is this host's. It never sends one without having seen that: the
// server's "SELECT mine, UPDATE free" is not atomic, and a blind repeat could free the lock under the next host.
func (r *releasing) attempt(ctx context.Context) (over bool, err error) {
	unsettled := time.Now().Before(r.settlesAt) // decided before the request, as in prove
	view, err := r.Look(ctx)
	free := err == nil && !view.Self
	switch {
	case free && !r.tried && r.moved():
		return false, r.elsewhere(view)
	case free && unsettled:
		return false, nil
	case free:
		if r.tried {
			r.log.Info("lock released")
		} else {
			r.log.Warn("the lock was not this host's any more", "now", whoseNow(view))
		}
		return true, nil
	case err != nil && r.proved:
		r.log.Info("lock released; Foreman could not be asked once more", "error", err)
		return true, nil
	case err != nil:
		return false, err
	}
	settled := !time.Now().Before(r.settlesAt)
	err = meaningOnce(r.api.Release(context.WithoutCancel(ctx), r.name))
	refused := isNotNow(err)
	if refused && !view.Enabled {
		err = errDisabled
	}
	r.tried = r.tried || !refused
	r.proved = err == nil && settled && !r.granted
	r.granted = err == nil
	return false, err
}

// wait lets time pass before the next attempt, less than asked for where the deadline is near.
func (r *releasing) wait(ctx context.Context, d time.Duration, reason error) error {
	d -= r.Random(d / 4) // hosts that wait for the same Foreman don't come back in step
	d = max(d, retryAfter(reason))
	if !r.deadline.IsZero() {
		left := time.Until(r.deadline)
		if left <= 0 {
			return &lock.NotNow{Text: fmt.Sprintf("lock %q could not be released within %s (release_timeout): %v", r.name, r.ReleaseTimeout,
				reason)}
		}
		d = min(d, left)
	}
	if !pause(ctx, d) {
		return ctx.Err()
	}
	return nil
}

// explain logs the trouble, once per change.
func (r *releasing) explain(err error) {
	text := releaseTrouble(err)
	if text == r.told {
		return
	}
	r.told = text
	r.log.Error("the lock can't be released; trying again", "why", text, "error", err)
}

// releaseTrouble says in a word why a release fails.
func releaseTrouble(err error) string {
	switch {
	case errors.Is(err, errDisabled):
		return err.Error()
	case isNotNow(err):
		return "Foreman refuses the release"
	case passes(err):
		return "Foreman is unavailable"
	}
	return "Foreman can't be used"
}
