package foreman

import (
	"context"
	"errors"
	"time"

	"foreman-dlm-updater/internal/lock"
)

// keeper refreshes the lock while the stages run, by repeating the claim, so that Foreman doesn't call the lock stale.
type keeper struct {
	*Lock
	stop, stopped chan struct{}
	// settlesAt is when Foreman must have written the last claim; unanswered: the claim got no answer. Others may read
	// both once stopped is closed.
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

// StopKeepAlive ends the refreshing. It returns when no refresh is in progress, after one request at most.
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

// Lost returns a *lock.Lost once a refresh has found that this host does not hold the lock any more; else nil.
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
		case <-k.stop: // the tick and the stop may come together, after a slow claim
			return
		default:
		}
		if !k.refresh() {
			return
		}
	}
}

// refresh looks before it claims: if the lock was freed, a claim would take it, and nobody would know that it had been
// lost. refresh reports whether to go on.
func (k *keeper) refresh() bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // a stop may cut a look short, but not a claim
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
		k.settlesAt, k.unanswered = time.Now().Add(k.settle()), lock.IsTemporary(err)
		if isNotNow(err) { // the lock was lost in between, or is this host's and disabled
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
		k.log.Error("lock lost; a run stops before its next guarded stage", "why", lost.Why)
		return false
	case ctx.Err() == nil:
		k.log.Warn("lock not refreshed", "error", err)
	}
	return true
}
