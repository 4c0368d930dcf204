package foreman

import (
	"context"
	"time"

	"foreman-dlm-updater/internal/lock"
)

// attempt looks at the lock and claims it if it is free. It returns why the lock can't be had now; no reason if this
// host holds it.
func (t *taking) attempt(ctx context.Context) (lock.Obstacle, error) {
	view, err := t.show(ctx)
	if err == nil && !view.Exists {
		view, err = t.firstOfItsName(ctx)
	}
	switch {
	case err != nil:
		return lock.Obstacle{}, err
	case !view.Self && t.wasMoved:
		return lock.Obstacle{}, t.elsewhere(view)
	case view.Self && t.Purpose == lock.ForRun && !t.Asked():
		return lock.Obstacle{}, &lock.NotByRun{Lock: t.name, Config: t.options.Config}
	}
	if view.Exists && !(view.Self && t.Patient()) { // no PUT then: each refused one is a row in Foreman's database
		if busy := t.inTheWay(view); busy.Why != "" {
			return busy, nil
		}
	}
	if busy, err := t.may(ctx, lock.BeforeClaim); busy.Why != "" || err != nil {
		return busy, err
	}
	if busy, err := t.claim(ctx); busy.Why != "" || err != nil {
		return busy, err
	}
	return t.may(ctx, lock.Verified)
}

// firstOfItsName waits, so that another host may create the lock: two first claims at once create two locks of the same
// name, which nobody can take any more.
func (t *taking) firstOfItsName(ctx context.Context) (lock.View, error) {
	if t.Purpose != lock.ForFlag {
		t.log.Warn("Foreman has no lock of this name and will make one; if the name is mistyped, nothing keeps two hosts " +
			"of the cluster from updating at once")
	}
	if !lock.Sleep(ctx, t.RandomBelow(t.Settle)) {
		return lock.View{}, ctx.Err()
	}
	return t.show(ctx)
}

// claim asks for the lock, lets the claim settle, and looks who holds it.
func (t *taking) claim(ctx context.Context) (lock.Obstacle, error) {
	if !lock.Sleep(ctx, time.Until(t.freedAt)) {
		return lock.Obstacle{}, ctx.Err()
	}
	if t.Announce != nil {
		if err := t.Announce(t.name); err != nil {
			return lock.Obstacle{}, err
		}
	}
	for try := 0; ; try++ {
		t.holder, t.Spread = unknown, false
		// A signal does not cut this short: Foreman may grant a claim even if nobody waits for the answer.
		claimErr := meaningOnce(t.api.Acquire(context.WithoutCancel(ctx), t.name))
		t.settlesAt = time.Now().Add(t.settle())
		switch {
		case isNotNow(claimErr):
			return t.refused(ctx)
		case claimErr != nil && !lock.IsTemporary(claimErr):
			return lock.Obstacle{}, claimErr
		}
		if !lock.Sleep(ctx, max(t.settle(), lock.RetryAfter(claimErr))) {
			return lock.Obstacle{}, ctx.Err()
		}
		switch view, err := t.show(ctx); {
		case err != nil:
			return lock.Obstacle{}, err
		case view.Self:
			return lock.Obstacle{}, nil
		case view.Holder != "":
			return t.inTheWay(view), nil
		case claimErr == nil:
			return lock.Obstacle{Wait: lock.Wait{Why: "another host was faster, and has released the lock again"}}, nil
		case try >= t.Retries:
			return lock.Obstacle{}, claimErr
		}
	}
}

// refused finds out why Foreman refused a claim.
func (t *taking) refused(ctx context.Context) (lock.Obstacle, error) {
	view, err := t.show(ctx)
	switch {
	case err != nil:
		return lock.Obstacle{}, err
	case !view.Exists:
		return lock.Obstacle{Wait: lock.Wait{Why: "Foreman refused the lock, and somebody has deleted it since"}}, nil
	}
	busy := t.inTheWay(view)
	if busy.Why == "" {
		busy = lock.Obstacle{Wait: lock.Wait{Barred: true,
			Why: "Foreman refuses the lock although nobody holds it: this host is barred (host parameter " +
				"can_acquire_update_locks)"},
			Next: t.Remedy("if this host is to update, set its parameter can_acquire_update_locks to true in Foreman")}
	}
	if view.Self && t.Patient() {
		t.log.Warn("Foreman does not confirm the lock, but this host holds it; going on", "why", busy.Why)
		return lock.Obstacle{}, nil
	}
	return busy, nil
}

// inTheWay says why the lock can't be had: somebody else holds it, or it is disabled.
func (t *taking) inTheWay(view lock.View) lock.Obstacle {
	switch {
	case !view.Enabled:
		return lock.Obstacle{Wait: lock.Wait{Why: "the lock is disabled in Foreman"},
			Next: t.Remedy("when it is time, enable the lock in Foreman (Monitor > Distributed Locks)")}
	case view.Holder != "" && !view.Self && view.Holder == t.origin.Holder:
		busy := heldBy(view)
		busy.Why += ", which was Foreman's name for this host when it took the lock: an administrator has to free it " +
			"in Foreman"
		return busy
	case view.Holder != "" && !view.Self:
		return heldBy(view)
	}
	return lock.Obstacle{}
}

const heldByText = "held by "

func heldBy(view lock.View) lock.Obstacle {
	return lock.Obstacle{Wait: lock.Wait{Why: heldByText + view.Holder, Since: view.Since}}
}

// show looks at the lock and notes what the answer proves, and whom it names.
func (t *taking) show(ctx context.Context) (lock.View, error) {
	view, err := t.prove(ctx)
	if err == nil {
		t.Answered = true
		t.shown = view.Holder
	}
	return view, err
}

// prove looks at the lock and notes what the answer proves.
func (l *Lock) prove(ctx context.Context) (lock.View, error) {
	// Read the clock before the request: a suspended host may get the answer long after the server gave it.
	unsettled := time.Now().Before(l.settlesAt)
	view, err := l.Look(ctx)
	if err != nil {
		return view, err
	}
	switch moved := l.moved(); {
	case view.Self:
		l.holder, l.wasMoved = us, false
		if moved {
			l.hold(view.Holder)
		}
	case moved, unsettled:
		l.holder = unknown
	default:
		l.holder = notUs
	}
	if l.firstHolder == unknown {
		l.firstHolder = l.holder
	}
	return view, nil
}
