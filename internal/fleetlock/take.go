package fleetlock

import (
	"context"
	"errors"
	"time"

	"foreman-dlm-updater/internal/lock"
)

// Take takes the lock, and returns nil when this host holds it. The errors are *lock.NotNow, *lock.Elsewhere,
// *lock.Error, the error of Announce, and the context's. After an error, an earlier request may still be granted: call
// Abandon.
func (l *Lock) Take(ctx context.Context, terms lock.Terms) error {
	if l.moved() {
		return l.elsewhere()
	}
	if now := l.now(); l.origin == nil || now.Client != "" { // the certificate that names this host may be unreadable now
		l.origin = &now
	}
	t := &taking{l, lock.Taking{Pace: l.Pace, Terms: terms, Name: l.name, Server: Wording.Server, Log: l.log}}
	return t.Until(ctx, t.round)
}

// taking is a Take in progress.
type taking struct {
	*Lock
	lock.Taking
}

// round asks for the lock once, if the run may begin.
func (t *taking) round(ctx context.Context) (lock.Obstacle, error) {
	for _, at := range []lock.Point{lock.BeforeLook, lock.BeforeClaim} {
		if busy, err := t.may(ctx, at); busy.Why != "" || err != nil {
			return busy, err
		}
	}
	if busy, err := t.twice(ctx); busy.Why != "" || err != nil {
		return busy, err
	}
	return t.may(ctx, lock.Verified)
}

// twice asks for the lock, lets the grant settle, and asks again.
func (t *taking) twice(ctx context.Context) (lock.Obstacle, error) {
	if !lock.Sleep(ctx, time.Until(t.freedAt())) {
		return lock.Obstacle{}, ctx.Err()
	}
	if t.Announce != nil {
		if err := t.Announce(t.name); err != nil {
			return lock.Obstacle{}, err
		}
	}
	err := t.askAgain(ctx)
	if err == nil {
		t.Answered, t.Spread = true, false // if another host was granted the lock, too, both ask in step
		err = t.askSettled(ctx)
	}
	var refused *Refusal
	if errors.As(err, &refused) {
		t.Answered = true
		return heldBy(refused), nil
	}
	return lock.Obstacle{}, err
}

// may asks whether this host may have the lock now. If not, it gives back what it may have.
func (t *taking) may(ctx context.Context, at lock.Point) (lock.Obstacle, error) {
	return t.Permitted(ctx, at, func(ctx context.Context, why string) error {
		if !t.Asked() || t.notOurs {
			return nil
		}
		t.log.Info("releasing the lock, if this host has it: the run may not begin", "why", why)
		return t.Give(ctx)
	})
}
