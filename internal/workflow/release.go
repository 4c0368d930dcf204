package workflow

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	firstReleaseBackoff = 2 * time.Second
	maxReleaseBackoff   = 5 * time.Minute
)

// releaseLock gives the lock back, and doesn't give up easily: a lock that stays blocks the whole cluster.
func (r *run) releaseLock(ctx context.Context) (outcome, error) {
	late := r.refresher != nil && r.refresher.unanswered.Load()
	if err := r.release(ctx, r.Lock, late); err != nil {
		return "", err
	}
	r.Log.Info("run finished", "run", r.RunID, "took", time.Since(r.Began).Round(time.Second))
	return done, nil
}

// release looks and releases in turn until the lock is seen not to be this host's. late: a claim of this host's got
// no answer, and may be written after the release.
func (w *Workflow) release(ctx context.Context, name string, late bool) error {
	r := &releasing{Workflow: w, name: name, log: w.Log.With("lock", name), late: late}
	if w.ReleaseTimeout > 0 {
		r.deadline = time.Now().Add(w.ReleaseTimeout)
	}
	for backoff := firstReleaseBackoff; ; backoff = min(2*backoff, maxReleaseBackoff) {
		over, err := r.attempt(ctx)
		switch {
		case over:
			return nil
		case ctx.Err() != nil && !r.proved():
			return errStopped
		case err != nil:
			r.explain(err)
			err = r.wait(ctx, backoff, err)
		case r.late || r.again:
			err = r.wait(ctx, 2*r.settle(), nil)
		}
		if err != nil && !r.proved() {
			return err
		}
	}
}

// releasing is a release in progress.
type releasing struct {
	*Workflow
	name     string
	log      hclog.Logger
	late     bool
	deadline time.Time
	told     string // the trouble that was logged last
	// tried: a DELETE was sent that may have released it. released: the last one was answered with yes. again: so
	// was the one before.
	tried, released, again bool
}

// proved: the server said that the lock is released, and nothing can come after that.
func (r *releasing) proved() bool { return r.released && !r.late }

// errDisabled: the holder itself can't release a disabled lock.
var errDisabled = errors.New("this host holds the lock, but it is disabled in Foreman: enable it there")

// attempt looks, and sends a DELETE if the lock is this host's. It never sends one without having seen that: the
// server's "SELECT mine, UPDATE free" is not atomic, and a blind repeat could free the lock under the next host.
func (r *releasing) attempt(ctx context.Context) (over bool, err error) {
	lock, err := r.Server.Show(ctx, r.name)
	switch {
	case errors.Is(err, ErrNoLock), err == nil && !lock.Self:
		if r.tried {
			r.log.Info("lock released")
		} else {
			r.log.Warn("the lock was not this host's any more", "now", whoseNow(lock, err))
		}
		return true, nil
	case err != nil && r.proved():
		r.log.Info("lock released; Foreman could not be asked once more", "error", err)
		return true, nil
	case err != nil:
		return false, err
	}
	err = r.Server.Release(context.WithoutCancel(ctx), r.name)
	r.released, r.again = err == nil, r.released
	switch refused := errors.Is(err, ErrNotNow); {
	case !refused:
		r.tried = true
	case !lock.Enabled:
		err = errDisabled
	}
	return false, err
}

// wait lets time pass before the next attempt, less than asked for where the deadline is near.
func (r *releasing) wait(ctx context.Context, d time.Duration, reason error) error {
	d -= r.random(d / 4) // hosts that wait for the same Foreman don't come back in step
	var trouble *Unavailable
	if errors.As(reason, &trouble) {
		d = max(d, trouble.RetryAfter)
	}
	if !r.deadline.IsZero() {
		left := time.Until(r.deadline)
		if left <= 0 {
			return later("lock %q could not be released within %s (release_timeout): %v", r.name, r.ReleaseTimeout, reason)
		}
		d = min(d, left)
	}
	if !pause(ctx, d) {
		return errStopped
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
	var trouble *Unavailable
	switch {
	case errors.Is(err, errDisabled):
		return err.Error()
	case errors.Is(err, ErrNotNow):
		return "Foreman refuses the release"
	case errors.As(err, &trouble):
		return "Foreman is unavailable"
	}
	return "Foreman can't be used"
}
