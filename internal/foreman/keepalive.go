package foreman

import (
	"context"
	"errors"
	"time"

	"foreman-dlm-updater/internal/lock"
)

// keeper repeats the holder's claim while the stages run, so that Foreman doesn't call the lock stale.
type keeper struct {
	*Lock
	stop, stopped chan struct{}
	// settlesAt is when the last claim must have been written; unanswered: it got no answer. Read once it has stopped.
	settlesAt  time.Time
	unanswered bool
}

// KeepAlive refreshes the lock from now on, until Give or StopKeepAlive. Further calls do nothing.
func (l *Lock) KeepAlive() {
	if l.keeper != nil {
		return
	}
	l.keeper = &keeper{Lock: l, stop: make(chan struct{}), stopped: make(chan struct{})}
	if l.Refresh == 0 {
		close(l.keeper.stopped)
		return
	}
	go l.keeper.run()
}

// StopKeepAlive returns when no refresh is under way any more, which takes as long as one request may.
func (l *Lock) StopKeepAlive() {
	if l.keeper == nil {
		return
	}
	select {
	case <-l.keeper.stop:
	default:
		close(l.keeper.stop)
	}
	<-l.keeper.stopped
}

// Lost is a *lock.Lost once a refresh has found that the lock is somebody else's, or nobody's; else nil.
func (l *Lock) Lost() error {
	if lost := l.lost.Load(); lost != nil {
		return lost
	}
	return nil
}

func (k *keeper) run() {
	defer close(k.stopped)
	ticker := time.NewTicker(k.Refresh)
	defer ticker.Stop()
	for {
		select {
		case <-k.stop:
			return
		case <-ticker.C:
		}
		select {
		case <-k.stop: // both were due, after a claim that took long
			return
		default:
		}
		if !k.refresh() {
			return
		}
	}
}

// refresh looks before it claims: the claim of a lock that is free by now would take it behind everybody's back. It
// reports whether to go on.
func (k *keeper) refresh() bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // a look may be cut short; a claim, once sent, is waited for
		select {
		case <-k.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := k.Confirm(ctx)
	if err == nil {
		if ctx.Err() != nil {
			return false
		}
		err = meaningOnce(k.api.Acquire(context.WithoutCancel(ctx), k.name))
		k.settlesAt, k.unanswered = time.Now().Add(k.settle()), passes(err)
		if isNotNow(err) { // lost in between, or ours and disabled
			if lookErr := k.Confirm(ctx); lookErr != nil {
				err = lookErr
			}
		}
	}
	var lost *lock.Lost
	switch {
	case err == nil:
		k.log.Debug("lock refreshed")
	case errors.As(err, &lost):
		k.lost.Store(lost)
		k.log.Error("lock lost; the run stops before the next guarded stage", "why", lost.Why)
		return false
	case ctx.Err() == nil:
		k.log.Warn("the lock could not be refreshed", "error", err)
	}
	return true
}
