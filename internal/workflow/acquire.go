package workflow

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/go-hclog"
)

// acquisition gets one lock. The server grants a free lock to two hosts whose requests meet, and the last one to be
// written wins, so a grant is only a claim: it becomes the lock when, after a settle time in which any other host's
// request must have been written too, the server still names this host as the holder.
type acquisition struct {
	*Workflow
	name string
	log  hclog.Logger
	// ours: a holder may go on even if the server refuses to confirm its claim (lock disabled, host barred).
	ours bool
	// once: give up instead of waiting.
	once bool

	deadline time.Time
	waiting  bool   // it has begun to wait, and transient trouble doesn't cost it its turn
	reason   string // why it waits, as logged last
	// claimed: a claim was sent, and the server has not told yet who has the lock.
	claimed bool
	// settled is when a claim that got no answer must have been written, if it ever is.
	settled time.Time
	// self: when last seen, the lock was this host's.
	self bool
	// certain: the server's last word was that this host does not hold the lock, and no claim is on its way.
	certain bool
}

func (w *Workflow) acquisition(name string) *acquisition {
	a := &acquisition{Workflow: w, name: name, log: w.Log.With("lock", name)}
	if w.LockTimeout > 0 {
		a.deadline = time.Now().Add(w.LockTimeout)
	}
	return a
}

// get returns nil when this host holds the lock.
func (a *acquisition) get(ctx context.Context) error {
	for {
		busy, err := a.attempt(ctx)
		var trouble *Unavailable
		switch {
		case ctx.Err() != nil:
			return errStopped
		case err == nil && busy == "":
			a.log.Info("lock acquired")
			return nil
		case err == nil && a.once:
			return fmt.Errorf("%w: lock %q: %s", ErrTryLater, a.name, busy)
		case errors.As(err, &trouble) && (a.waiting || a.claimed) && !a.once:
			busy = "Foreman is unavailable"
			a.explain(busy, err)
		case err != nil:
			return err
		default:
			a.explain(busy, nil)
		}
		if err := a.wait(ctx); err != nil {
			return err
		}
	}
}

// attempt looks at the lock and claims it if it is free. It returns why the lock can't be had now, and nothing if
// this host holds it.
func (a *acquisition) attempt(ctx context.Context) (busy string, err error) {
	lock, err := a.show(ctx)
	if errors.Is(err, ErrNoLock) {
		lock, err = a.firstOfItsName(ctx)
	}
	if err != nil && !errors.Is(err, ErrNoLock) {
		return "", err
	}
	if err == nil { // PUT only what is free: each refused one is a row in Foreman's database
		if busy := describe(lock); busy != "" && !lock.Self {
			return busy, nil
		}
	}
	return a.claim(ctx)
}

// firstOfItsName gives another host time to create the lock: two first claims that meet break the name for good.
func (a *acquisition) firstOfItsName(ctx context.Context) (Lock, error) {
	a.log.Warn("Foreman has no lock of this name and will make one; if the name is mistyped, nothing keeps two hosts " +
		"of the cluster from updating at once")
	if !pause(ctx, rand.N(a.Settle)) {
		return Lock{}, errStopped
	}
	return a.show(ctx)
}

// claim asks for the lock, lets the claim settle, and looks who holds it.
func (a *acquisition) claim(ctx context.Context) (busy string, err error) {
	for try := 0; ; try++ {
		// Never cut short: an answer that was not waited for may still come true.
		claimErr := a.Server.Acquire(context.WithoutCancel(ctx), a.name)
		var trouble *Unavailable
		switch {
		case errors.Is(claimErr, ErrNotNow):
			return a.refused(ctx)
		case claimErr != nil && !errors.As(claimErr, &trouble):
			return "", claimErr
		}
		settle := a.settle()
		a.claimed, a.certain = true, false
		if trouble != nil {
			a.settled = time.Now().Add(settle)
			settle = max(settle, trouble.RetryAfter)
		}
		if !pause(ctx, settle) {
			return "", errStopped
		}
		switch lock, err := a.show(ctx); {
		case err != nil && !errors.Is(err, ErrNoLock):
			return "", err
		case lock.Self:
			return "", nil
		case lock.Holder != "":
			return describe(lock), nil
		case claimErr == nil:
			return "another host was faster, and has let go again", nil
		case try >= a.Retries:
			return "", claimErr
		}
	}
}

// refused finds out what a refusal means.
func (a *acquisition) refused(ctx context.Context) (busy string, err error) {
	lock, err := a.show(ctx)
	switch {
	case errors.Is(err, ErrNoLock):
		return "the lock was refused, and is gone", nil
	case err != nil:
		return "", err
	case lock.Self && a.ours:
		a.log.Warn("Foreman does not confirm the lock, but this host holds it; going on", "why", refusal(lock))
		return "", nil
	}
	if busy := describe(lock); busy != "" && !lock.Self {
		return busy, nil
	}
	return refusal(lock), nil
}

// refusal explains why a lock that nobody else holds is refused.
func refusal(lock Lock) string {
	switch {
	case !lock.Enabled:
		return describe(lock)
	case lock.Self:
		return "this host holds it, and yet Foreman refuses it: this host is barred (host parameter can_acquire_update_locks)"
	}
	return "it is free, and yet Foreman refuses it: this host is barred (host parameter can_acquire_update_locks)"
}

// describe says why a lock can't be had; empty if it is free and enabled, or ours.
func describe(lock Lock) string {
	switch {
	case !lock.Enabled:
		return "the lock is disabled in Foreman"
	case lock.Holder != "" && !lock.Self && lock.Updated.IsZero():
		return "held by " + lock.Holder
	case lock.Holder != "" && !lock.Self:
		return fmt.Sprintf("held by %s since %s", lock.Holder, clock(lock.Updated))
	}
	return ""
}

// show looks at the lock and keeps what the answer proves.
func (a *acquisition) show(ctx context.Context) (Lock, error) {
	lock, err := a.Server.Show(ctx, a.name)
	if err == nil || errors.Is(err, ErrNoLock) {
		a.claimed, a.self, a.certain = false, lock.Self, !lock.Self && a.hasSettled()
	}
	return lock, err
}

// settle is how long a claim needs before it can be trusted: a slow server has a wide race.
func (w *Workflow) settle() time.Duration { return max(w.Settle, 3*w.Server.Slowest()) }

func (a *acquisition) hasSettled() bool { return !time.Now().Before(a.settled) }

// explain logs why the lock can't be had, once per change.
func (a *acquisition) explain(busy string, err error) {
	a.waiting = true
	if busy == a.reason {
		return
	}
	a.reason = busy
	if err != nil {
		a.log.Warn("waiting for the lock", "why", busy, "error", err)
	} else {
		a.log.Info("waiting for the lock", "why", busy)
	}
	a.Notify(fmt.Sprintf("waiting for lock %s: %s", a.name, busy))
}

// wait lets an interval pass, changed by a random part of the jitter so that a fleet doesn't poll in step.
func (a *acquisition) wait(ctx context.Context) error {
	interval := a.RetryInterval
	if a.RetryJitter > 0 {
		interval += rand.N(2*a.RetryJitter) - a.RetryJitter
	}
	if !a.deadline.IsZero() {
		left := time.Until(a.deadline)
		if left <= 0 {
			return fmt.Errorf("%w: lock %q not had within %s (lock_timeout): %s", ErrTryLater, a.name, a.LockTimeout, a.reason)
		}
		interval = min(interval, left)
	}
	if !pause(ctx, interval) {
		return errStopped
	}
	return nil
}

// abandon makes sure, as far as it can, that nothing is left behind of an attempt that is given up. It reports
// whether it is certain that this host does not hold the lock.
func (a *acquisition) abandon(ctx context.Context) bool {
	if a.certain || !a.claimed && !a.self { // in the second case nothing is known, and asking again won't help
		return a.certain
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	lock, err := a.show(ctx)
	if err == nil && lock.Self {
		err = a.Server.Release(ctx, a.name)
		if err == nil {
			a.log.Info("lock given back")
		}
		a.certain = err == nil && a.hasSettled()
	}
	return a.certain
}

// abandonTimeout bounds the cleaning up after an attempt, which may run while systemd waits for us to stop.
const abandonTimeout = 20 * time.Second

// pause waits; false if the context ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
