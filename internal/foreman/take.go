package foreman

import (
	"context"
	"errors"
	"fmt"
	"time"

	"foreman-dlm-updater/internal/lock"
)

// taking is a Take in progress.
type taking struct {
	*Lock
	lock.Terms

	began    time.Time
	deadline time.Time
	answered bool          // the server has shown the lock, or that there is none, since it began
	backoff  time.Duration // of the last wait for a server in trouble, if it is patient
	apart    bool          // it has waited since it began or sent a claim, as other hosts may have done just then
	told     string        // why it waits, as told last
	next     string        // what somebody has to change, if that is why it waits
	holds    string        // what the server calls this host, once it has shown the lock as its own
}

// obstacle is why a lock can't be had now; the zero value is none.
type obstacle struct {
	lock.Wait
	next string // what somebody has to change; empty: nothing
}

func (o obstacle) String() string {
	if o.Since.IsZero() {
		return o.Why
	}
	return o.Why + " since " + clock(o.Since)
}

// troubleTimeout bounds a wait in which the server has never answered, where lock_timeout doesn't: the next night's
// invocation reads the configuration anew, in which a wrong address may have been corrected.
const troubleTimeout = 23 * time.Hour

// Take returns nil when this host holds the lock. The errors are *lock.NotNow, *lock.NotByRun, *lock.Elsewhere,
// *lock.Error, the error of Announce, or the context's: an answer may be missing then, which Abandon finds out.
func (l *Lock) Take(ctx context.Context, terms lock.Terms) error {
	t := &taking{Lock: l, Terms: terms, began: time.Now()}
	if l.LockTimeout > 0 {
		t.deadline = t.began.Add(l.LockTimeout)
	}
	if l.origin == nil {
		now := l.now()
		l.origin = &now
	}
	if err := t.run(ctx); err != nil {
		return err
	}
	l.hold(t.holds)
	return nil
}

func (t *taking) patient() bool { return t.Purpose == lock.OutOfService }

func (t *taking) run(ctx context.Context) error {
	for {
		busy, err := t.attempt(ctx)
		if err == nil {
			t.backoff = 0
		}
		once := t.Purpose == lock.ByHandNow
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && busy.Why == "":
			t.log.Info("lock acquired")
			return nil
		case err == nil && once:
			return &lock.NotNow{Text: fmt.Sprintf("lock %q: %s", t.name, busy), Next: busy.next}
		case err != nil && (once || !t.bears(err)):
			return err
		case err != nil:
			busy = obstacle{Wait: lock.Wait{Why: lock.Why(err), Err: err}}
		}
		t.explain(busy)
		if err := t.wait(ctx, err); err != nil {
			return err
		}
	}
}

// bears reports whether an error is waited out: it proves nothing, or this host is out of service, and gives up for
// nothing that time or an administrator may change. Files that can't be used prove as little once the server has
// answered.
func (t *taking) bears(err error) bool {
	var elsewhere *lock.Elsewhere
	return passes(err) || t.answered && renewing(err) || t.patient() && !errors.As(err, &elsewhere)
}

// attempt looks at the lock and claims it if it is free. It returns why the lock can't be had now, and nothing if
// this host holds it.
func (t *taking) attempt(ctx context.Context) (obstacle, error) {
	view, err := t.show(ctx)
	if err == nil && !view.Exists {
		view, err = t.firstOfItsName(ctx)
	}
	switch {
	case err != nil:
		return obstacle{}, err
	case !view.Self && t.moved():
		return obstacle{}, t.elsewhere(view)
	case view.Self && t.Purpose == lock.ForRun && !t.Asked():
		return obstacle{}, &lock.NotByRun{Lock: t.name, Config: t.options.Config}
	}
	if view.Exists && !(view.Self && t.patient()) { // PUT only what is free: each refused one is a row in Foreman's database
		if busy := t.inTheWay(view); busy.Why != "" {
			return busy, nil
		}
	}
	return t.claim(ctx)
}

// firstOfItsName gives another host time to create the lock: two first claims that meet break the name for good.
func (t *taking) firstOfItsName(ctx context.Context) (lock.View, error) {
	t.log.Warn("Foreman has no lock of this name and will make one; if the name is mistyped, nothing keeps two hosts " +
		"of the cluster from updating at once")
	if !pause(ctx, t.Random(t.Settle)) {
		return lock.View{}, ctx.Err()
	}
	return t.show(ctx)
}

// claim asks for the lock, lets the claim settle, and looks who holds it.
func (t *taking) claim(ctx context.Context) (obstacle, error) {
	if t.Announce != nil {
		if err := t.Announce(); err != nil {
			return obstacle{}, err
		}
	}
	for try := 0; ; try++ {
		t.holder, t.apart = unknown, false
		// Never cut short: an answer that was not waited for may still come true.
		claimErr := meaningOnce(t.api.Acquire(context.WithoutCancel(ctx), t.name))
		t.settlesAt = time.Now().Add(t.settle())
		switch {
		case isNotNow(claimErr):
			return t.refused(ctx)
		case claimErr != nil && !passes(claimErr):
			return obstacle{}, claimErr
		}
		if !pause(ctx, max(t.settle(), retryAfter(claimErr))) {
			return obstacle{}, ctx.Err()
		}
		switch view, err := t.show(ctx); {
		case err != nil:
			return obstacle{}, err
		case view.Self:
			return obstacle{}, nil
		case view.Holder != "":
			return t.inTheWay(view), nil
		case claimErr == nil:
			return obstacle{Wait: lock.Wait{Why: "another host was faster, and has let go again"}}, nil
		case try >= t.Retries:
			return obstacle{}, claimErr
		}
	}
}

// refused finds out what a refusal means.
func (t *taking) refused(ctx context.Context) (obstacle, error) {
	view, err := t.show(ctx)
	switch {
	case err != nil:
		return obstacle{}, err
	case !view.Exists:
		return obstacle{Wait: lock.Wait{Why: "the lock was refused, and is gone"}}, nil
	}
	busy := t.inTheWay(view)
	if busy.Why == "" {
		busy = obstacle{lock.Wait{Barred: true,
			Why: "nobody else holds it, and yet Foreman refuses it: this host is barred (host parameter can_acquire_update_locks)"},
			"if it is to update, set this host's parameter can_acquire_update_locks to true in Foreman; the next " +
				"`foreman-dlm-updater run` tries again"}
	}
	if view.Self && t.patient() {
		t.log.Warn("Foreman does not confirm the lock, but this host holds it; going on", "why", busy.Why)
		return obstacle{}, nil
	}
	return busy, nil
}

// inTheWay says why a lock can't be had; nothing if it is enabled and free, or ours.
func (t *taking) inTheWay(view lock.View) obstacle {
	switch {
	case !view.Enabled:
		return obstacle{lock.Wait{Why: "the lock is disabled in Foreman"}, "when it is time, enable the lock in Foreman (Monitor > " +
			"Distributed Locks); the next `foreman-dlm-updater run` tries again"}
	case view.Holder != "" && !view.Self && view.Holder == t.origin.Holder:
		busy := heldBy(view)
		busy.Why += ", which is what Foreman called this host when it took the lock: an administrator has to free it in Foreman"
		return busy
	case view.Holder != "" && !view.Self:
		return heldBy(view)
	}
	return obstacle{}
}

func heldBy(view lock.View) obstacle {
	return obstacle{Wait: lock.Wait{Why: "held by " + view.Holder, Since: view.Since}}
}

// show looks at the lock and keeps what the answer proves.
func (t *taking) show(ctx context.Context) (lock.View, error) {
	view, err := t.prove(ctx)
	if err == nil {
		t.answered = true
		t.holds = view.Holder
	}
	return view, err
}

// prove looks at the lock and keeps what the answer proves.
func (l *Lock) prove(ctx context.Context) (lock.View, error) {
	// Decided before the request: a host may stand still and hear the answer long after it was given.
	unsettled := time.Now().Before(l.settlesAt)
	view, err := l.Look(ctx)
	if err != nil {
		return view, err
	}
	switch moved := l.moved(); {
	case view.Self:
		l.holder = us
		if moved {
			l.hold(view.Holder)
		}
	case moved, unsettled:
		l.holder = unknown
	default:
		l.holder = notUs
	}
	if l.before == unknown {
		l.before = l.holder
	}
	return view, nil
}

// explain tells why the lock can't be had, once per change.
func (t *taking) explain(busy obstacle) {
	t.next = busy.next
	if busy.Why == t.told {
		return
	}
	t.told = busy.Why
	if t.Waits != nil {
		t.Waits(busy.Wait)
	}
	pairs := []any{"why", busy.Why}
	if !busy.Since.IsZero() {
		pairs = append(pairs, "since", clock(busy.Since))
	}
	if busy.Err != nil {
		t.log.Warn("waiting for the lock", append(pairs, "error", busy.Err)...)
	} else {
		t.log.Info("waiting for the lock", pairs...)
	}
}

// wait lets an interval pass, changed by a random part of the jitter, which is half an interval at least for a host
// that may be in step with others: those that began or claimed the lock together are so spread over a whole interval.
// The more hosts wait, the sooner one of them sees that the lock is free; and few see it at once. err is why the server
// could not be asked.
func (t *taking) wait(ctx context.Context, err error) error {
	interval, jitter := t.RetryInterval, t.RetryJitter
	if err != nil && t.patient() {
		t.backoff = lock.Backoff(t.backoff)
		interval, jitter = t.backoff, min(jitter, t.backoff/4)
	}
	if !t.apart {
		jitter = max(jitter, interval/2)
	}
	t.apart = true
	if jitter > 0 {
		interval += t.Random(2*jitter) - jitter
	}
	interval = max(interval, retryAfter(err))
	if deadline := t.until(); !deadline.IsZero() {
		left := time.Until(deadline)
		if left <= 0 {
			return t.timedOut(err)
		}
		interval = min(interval, left)
	}
	if !pause(ctx, interval) {
		return ctx.Err()
	}
	return nil
}

// until is when the wait ends; zero: never.
func (t *taking) until() time.Time {
	switch {
	case t.patient():
		return time.Time{}
	case t.deadline.IsZero() && !t.answered:
		return t.began.Add(troubleTimeout)
	}
	return t.deadline
}

// timedOut is the error for a wait that has ended. One in which the server never answered, or in which this host's own
// files could not be used at last, ends with what was wrong.
func (t *taking) timedOut(err error) error {
	if err != nil && !t.answered {
		return fmt.Errorf("gave up waiting for lock %q after %s, without a usable answer of Foreman: %w", t.name,
			time.Since(t.began).Round(time.Second), err)
	}
	if renewing(err) {
		return fmt.Errorf("gave up waiting for lock %q after %s (lock_timeout): %w", t.name, t.LockTimeout, err)
	}
	return &lock.NotNow{Text: fmt.Sprintf("gave up waiting for lock %q after %s (lock_timeout): %s", t.name, t.LockTimeout, t.told),
		Next: t.next}
}

// Abandon makes sure, as far as it can, that nothing is left behind of a claim that is given up. It reports whether it
// is certain that this host does not hold the lock.
func (l *Lock) Abandon(ctx context.Context) bool {
	if l.holder == unknown && !l.Asked() { // nothing was sent that could be undone, and asking again won't help
		return false
	}
	if l.holder == notUs {
		return true
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	for range 3 { // a second DELETE for a claim that came late; more would change nothing
		view, err := l.prove(ctx)
		switch {
		case err != nil:
			return false
		case l.holder == notUs:
			return true
		case view.Self && l.api.Release(ctx, l.name) != nil:
			return false
		case view.Self:
			l.log.Info("lock given back")
		}
		if !pause(ctx, time.Until(l.settlesAt)) {
			return false
		}
	}
	return false
}

// abandonTimeout bounds the cleaning up after an attempt, which may run while systemd waits for us to stop.
const abandonTimeout = 20 * time.Second
