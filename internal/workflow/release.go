package workflow

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	firstReleaseBackoff = 2 * time.Second
	maxReleaseBackoff   = 5 * time.Minute
)

// releaseLock gives the lock back, and doesn't give up easily: a lock that stays blocks the whole cluster.
func (r *run) releaseLock(ctx context.Context) (outcome, error) {
	r.Notify(fmt.Sprintf("releasing lock %s", r.Lock))
	late := r.refresher != nil && r.refresher.unanswered.Load()
	if err := r.release(ctx, r.Lock, late); err != nil {
		return "", err
	}
	r.Log.Info("run finished", "run", r.RunID, "took", time.Since(r.Began).Round(time.Second))
	return done, nil
}

// release looks and releases in turn until the lock is seen not to be this host's. It never sends a DELETE without
// having seen that: the server's "SELECT mine, UPDATE free" is not atomic, and a blind repeat could free the lock
// under the next host. late: a claim of this host's may still be on its way, and be written after the release.
func (w *Workflow) release(ctx context.Context, name string, late bool) error {
	log := w.Log.With("lock", name)
	var deadline time.Time
	if w.ReleaseTimeout > 0 {
		deadline = time.Now().Add(w.ReleaseTimeout)
	}
	var told string
	tried, released := false, false
	for backoff := firstReleaseBackoff; ; backoff = min(2*backoff, maxReleaseBackoff) {
		lock, err := w.Server.Show(ctx, name)
		switch {
		case err != nil && !errors.Is(err, ErrNoLock) && released:
			log.Info("lock released; Foreman could not be asked once more", "error", err)
			return nil
		case ctx.Err() != nil:
			return errStopped
		case errors.Is(err, ErrNoLock), err == nil && !lock.Self:
			if tried {
				log.Info("lock released")
			} else {
				log.Warn("the lock was not this host's any more", "now", stateOf(lock, err))
			}
			return nil
		}
		again := released
		if err == nil {
			tried = true
			err = w.Server.Release(context.WithoutCancel(ctx), name)
			released = err == nil
		}
		wait := backoff
		var trouble *Unavailable
		switch {
		case released && late:
			wait = w.settle()
		case released && !again:
			wait = 0 // look at once
		case errors.As(err, &trouble):
			wait = max(wait, trouble.RetryAfter)
		}
		if err != nil {
			wait -= rand.N(wait / 4) // a cluster's hosts that wait for the same Foreman don't come back in step
			if text := releaseTrouble(lock, err); text != told {
				told = text
				log.Error("the lock can't be released; trying again", "why", text, "error", err)
				w.Notify(fmt.Sprintf("releasing lock %s: %s", name, text))
			}
		}
		if err := w.waitToRelease(ctx, deadline, wait); err != nil && !released {
			return err
		}
	}
}

func (w *Workflow) waitToRelease(ctx context.Context, deadline time.Time, wait time.Duration) error {
	if !deadline.IsZero() {
		left := time.Until(deadline)
		if left <= 0 {
			return fmt.Errorf("%w: the lock could not be released within %s (release_timeout)", ErrTryLater, w.ReleaseTimeout)
		}
		wait = min(wait, left)
	}
	if !pause(ctx, wait) {
		return errStopped
	}
	return nil
}

// releaseTrouble says in a word why a release fails.
func releaseTrouble(lock Lock, err error) string {
	var trouble *Unavailable
	switch {
	case errors.Is(err, ErrNotNow) && !lock.Enabled:
		return "this host holds it, but it is disabled in Foreman: enable it there"
	case errors.Is(err, ErrNotNow):
		return "Foreman refuses the release"
	case errors.As(err, &trouble):
		return "Foreman is unavailable"
	}
	return "Foreman can't be used"
}

// stateOf describes a lock that is not ours.
func stateOf(lock Lock, err error) string {
	switch {
	case errors.Is(err, ErrNoLock):
		return "deleted in Foreman"
	case lock.Holder == "":
		return "free"
	}
	return describe(lock)
}
