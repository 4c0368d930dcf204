package workflow

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/go-hclog"
)

// releaseGrace is how long a release goes on after a signal: all work is done, and a lock that is kept blocks the whole
// cluster.
const releaseGrace = 8 * time.Second

// releaseLock gives the lock back, and doesn't give up easily: a lock that stays blocks the whole cluster.
func (r *run) releaseLock(ctx context.Context) (outcome, error) {
	ctx, cancel := graceful(ctx, releaseGrace)
	defer cancel()
	release := r.releasing(r.Lock, r.allSettled())
	if r.Taken != nil {
		release.elsewhere = func(lock Lock, err error) error {
			if !r.moved && !r.hasMoved() {
				return nil
			}
			return &ElsewhereError{r.Lock, *r.Taken, r.Server.Identity(), whoseNow(lock, err)}
		}
	}
	if err := release.run(ctx); err != nil {
		if release.granted && r.held == Yes { // and only not seen to be so
			r.held = Perhaps
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

// allSettled is when every claim of this run must have been written. A refresh that got no answer is given more time, however
// long ago it was.
func (r *run) allSettled() time.Time {
	settled := r.settled
	if f := r.refresher; f != nil && f.settled.After(settled) {
		settled = f.settled
	}
	if after := time.Now().Add(2 * r.settle()); r.refresher != nil && r.refresher.unanswered && after.After(settled) {
		settled = after
	}
	return settled
}

// releasing makes a release. settled is the time by which every claim that this host has sent must have been written;
// until then one may still be written after the release.
func (w *Workflow) releasing(name string, settled time.Time) *releasing {
	r := &releasing{Workflow: w, name: name, log: w.Log.With("lock", name), settled: settled}
	if w.ReleaseTimeout > 0 {
		r.deadline = time.Now().Add(w.ReleaseTimeout)
		if settled.After(r.deadline) { // whoever gave up before would do so each time
			r.deadline = settled
		}
	}
	return r
}

// run looks and releases in turn until the lock is seen not to be this host's.
func (r *releasing) run(ctx context.Context) error {
	for backoff := nextBackoff(0); ; backoff = nextBackoff(backoff) {
		over, err := r.attempt(ctx)
		var elsewhere *ElsewhereError
		switch {
		case over:
			return nil
		case ctx.Err() != nil && !r.proved:
			return errStopped
		case errors.As(err, &elsewhere): // time changes nothing about it
			return err
		case err != nil:
			r.explain(err)
			err = r.wait(ctx, backoff, err)
		case !r.proved:
			err = r.wait(ctx, max(backoff, 2*r.settle(), time.Until(r.settled)*4/3), errUnsettled)
		}
		if err != nil && !r.proved {
			return err
		}
	}
}

// releasing is a release in progress.
type releasing struct {
	*Workflow
	name     string
	log      hclog.Logger
	settled  time.Time
	deadline time.Time
	told     string // the trouble that was logged last
	// tried: a DELETE was sent that may have released it.
	tried bool
	// granted: the last DELETE was answered with yes. proved: and nothing could come after it.
	granted, proved bool
	// elsewhere makes the error for a lock that is not shown as this host's, where that tells nothing; no error, or
	// nil: it tells.
	elsewhere func(Lock, error) error
}

// errDisabled: the holder itself can't release a disabled lock.
var errDisabled = errors.New("this host holds the lock, but it is disabled in Foreman: enable it there")

// errUnsettled: a claim of this host may be written after the release, or was.
var errUnsettled = errors.New("a claim that was sent before the release may reach Foreman after it")

// attempt looks, and sends a DELETE if the lock is this host's. It never sends one without having seen that: the
// server's "SELECT mine, UPDATE free" is not atomic, and a blind repeat could free the lock under the next host.
func (r *releasing) attempt(ctx context.Context) (over bool, err error) {
	unsettled := time.Now().Before(r.settled) // decided before the request, as in show
	lock, err := r.Server.Show(ctx, r.name)
	free := errors.Is(err, ErrNoLock) || err == nil && !lock.Self
	if free && r.elsewhere != nil && !r.tried {
		if elsewhere := r.elsewhere(lock, err); elsewhere != nil {
			return false, elsewhere
		}
	}
	switch {
	case free && unsettled:
		return false, nil
	case free:
		if r.tried {
			r.log.Info("lock released")
		} else {
			r.log.Warn("the lock was not this host's any more", "now", whoseNow(lock, err))
		}
		return true, nil
	case err != nil && r.proved:
		r.log.Info("lock released; Foreman could not be asked once more", "error", err)
		return true, nil
	case err != nil:
		return false, err
	}
	settled := !time.Now().Before(r.settled)
	err = r.Server.Release(context.WithoutCancel(ctx), r.name)
	refused := errors.Is(err, ErrNotNow)
	if refused && !lock.Enabled {
		err = errDisabled
	}
	r.tried = r.tried || !refused
	r.proved = err == nil && settled && !r.granted
	r.granted = err == nil
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
