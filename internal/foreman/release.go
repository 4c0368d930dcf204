package foreman

import (
	"context"
	"errors"
	"fmt"
	"time"

	"foreman-dlm-updater/internal/lock"
)

// Give ends the refreshing and releases the lock. It keeps trying until release_timeout, since a lock that stays held
// blocks the whole cluster. The errors are *lock.NotNow (release_timeout is over), *lock.Elsewhere (another server gave
// this host the lock) and the context's error.
func (l *Lock) Give(ctx context.Context) error {
	r := l.release()
	err := r.run(ctx)
	l.released = err == nil || r.accepted
	return err
}

// giveBack releases what a Take has taken and must not keep, as Give does.
func (l *Lock) giveBack(ctx context.Context) error {
	r := l.release()
	r.perhaps = true
	if err := r.run(ctx); err != nil {
		return err
	}
	l.holder = notUs
	return nil
}

func (l *Lock) release() *releasing {
	l.StopKeepAlive()
	r := &releasing{Lock: l, settlesAt: l.allSettleAt()}
	if l.ReleaseTimeout > 0 {
		r.deadline = time.Now().Add(l.ReleaseTimeout)
		if r.settlesAt.After(r.deadline) { // an earlier end would give up each time
			r.deadline = r.settlesAt
		}
	}
	return r
}

// Released reports whether Foreman accepted the release, even if nobody could verify it afterwards.
func (l *Lock) Released() bool { return l.released }

// allSettleAt is when Foreman must have written all claims of this run. A refresh that got no answer gets more time,
// counted from now.
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

// run looks and releases in turn until Foreman shows that this host does not hold the lock.
func (r *releasing) run(ctx context.Context) error {
	for backoff := lock.Backoff(0); ; backoff = lock.Backoff(backoff) {
		over, err := r.attempt(ctx)
		var elsewhere *lock.Elsewhere
		switch {
		case over:
			return nil
		case ctx.Err() != nil && !r.certain:
			return ctx.Err()
		case errors.As(err, &elsewhere): // trying again changes nothing
			return err
		case err != nil:
			r.explain(err)
			err = r.wait(ctx, backoff, err)
		case !r.certain:
			err = r.wait(ctx, max(backoff, 2*r.settle(), time.Until(r.settlesAt)*4/3), errUnsettled)
		}
		if err != nil && !r.certain {
			return err
		}
	}
}

// releasing is a release in progress.
type releasing struct {
	*Lock
	// settlesAt is when Foreman must have written all claims of this host. Before that, one may be written after the
	// release.
	settlesAt time.Time
	deadline  time.Time
	// perhaps: this host may not hold the lock at all.
	perhaps bool
	lastWhy string // why it waits, as logged last
	// sent: a DELETE was sent that may have released the lock.
	sent bool
	// accepted: Foreman answered the last DELETE with yes. certain: no claim of this host can be written after it.
	accepted, certain bool
}

// errDisabled: in Foreman, not even the holder can release a disabled lock.
var errDisabled = errors.New("this host holds the lock, but it is disabled in Foreman: enable it there")

// errUnsettled: Foreman may write a claim of this host after the release, or has done so.
var errUnsettled = errors.New("a claim that was sent before the release may reach Foreman after it")

// attempt looks, and sends a DELETE if this host holds the lock. It looks each time: the server's "SELECT mine, UPDATE
// free" is not atomic, and a blind second DELETE could free the lock while the next host holds it.
func (r *releasing) attempt(ctx context.Context) (over bool, err error) {
	unsettled := time.Now().Before(r.settlesAt) // decided before the request, as in prove
	view, err := r.Look(ctx)
	free := err == nil && !view.Self
	switch {
	case free && !r.sent && r.moved():
		return false, r.elsewhere(view)
	case free && unsettled:
		return false, nil
	case free:
		switch {
		case r.sent:
			r.log.Info("lock released")
		case !r.perhaps:
			r.log.Warn("the lock was not this host's any more", "now", whoseNow(view))
		}
		return true, nil
	case err != nil && r.certain:
		r.log.Info("lock released; Foreman could not be asked again", "error", err)
		return true, nil
	case err != nil:
		return false, err
	}
	settled := !time.Now().Before(r.settlesAt)
	err = meaningOnce(r.api.Release(context.WithoutCancel(ctx), r.name))
	r.freedAt = time.Now().Add(r.settle())
	refused := isNotNow(err)
	if refused && !view.Enabled {
		err = errDisabled
	}
	r.sent = r.sent || !refused
	r.certain = err == nil && settled && !r.accepted
	r.accepted = err == nil
	return false, err
}

// wait waits before the next attempt: for d, or until the deadline if that is earlier.
func (r *releasing) wait(ctx context.Context, d time.Duration, reason error) error {
	d -= r.RandomBelow(d / 4) // so that hosts don't ask the same Foreman all at once
	d = max(d, lock.RetryAfter(reason))
	if !r.deadline.IsZero() {
		left := time.Until(r.deadline)
		if left <= 0 {
			return &lock.NotNow{Text: fmt.Sprintf("gave up releasing lock %q after %s (release_timeout): %v", r.name,
				r.ReleaseTimeout, reason)}
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
	text := whyNotReleased(err)
	if text == r.lastWhy {
		return
	}
	r.lastWhy = text
	r.log.Error("the lock can't be released; trying again", "why", text, "error", err)
}

// whyNotReleased says in a few words why a release fails.
func whyNotReleased(err error) string {
	switch {
	case errors.Is(err, errDisabled):
		return err.Error()
	case isNotNow(err):
		return "Foreman refuses the release"
	case lock.IsTemporary(err):
		return "Foreman is unavailable"
	}
	return "Foreman can't be used"
}
