package workflow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"foreman-dlm-updater/internal/state"

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
	// fresh: a new run, which has claimed nothing yet. If the lock is this host's all the same, it is not this run's.
	fresh bool
	// announce is called before a claim is sent; an error keeps it from being sent. May be nil.
	announce func() error
	// patient: the host is out of service, and nothing but a signal ends the wait.
	patient bool
	// taken says where the lock was asked for before, and under which name; nil: not known. moved: the configuration
	// now says something else.
	taken *state.Taken
	moved bool

	began    time.Time
	deadline time.Time
	answered bool          // the server has shown the lock, or that there is none, since it began
	backoff  time.Duration // of the last wait for a server in trouble, if it is patient
	apart    bool          // it has waited since it began or sent a claim, as other hosts may have done just then
	told     string        // why it waits, as logged last
	lock     Lock          // as shown last
	remedy   error         // ErrDisabled, ErrBarred, or nil: the same, for whoever says what to do

	// holder is what the server has proved; every claim that is sent makes it unknown again.
	holder holder
	// before is the first thing that it proved.
	before holder
	// claimed: a claim was sent, and nothing is proved since.
	claimed bool
	// settled is when every claim must have been written that this host has sent, answered or not: a proxy may have sent
	// it twice. A look before that proves nothing unless it shows this host.
	settled time.Time
}

// holder is who holds a lock.
type holder int

const (
	unknown holder = iota
	notUs
	us
)

// obstacle is why a lock can't be had now; the zero value is none.
type obstacle struct {
	why   string
	since time.Time // zero: not known
	as    error     // ErrDisabled, ErrBarred, or nil
}

func (o obstacle) String() string {
	if o.since.IsZero() {
		return o.why
	}
	return o.why + " since " + clock(o.since)
}

func (w *Workflow) acquisition(name string) *acquisition {
	a := &acquisition{Workflow: w, name: name, log: w.Log.With("lock", name), began: time.Now()}
	if w.LockTimeout > 0 {
		a.deadline = a.began.Add(w.LockTimeout)
	}
	return a
}

// troubleTimeout bounds a wait in which the server has never answered, where lock_timeout doesn't: the next night's
// invocation reads the configuration anew, in which a wrong address may have been corrected.
const troubleTimeout = 23 * time.Hour

// get returns nil when this host holds the lock.
func (a *acquisition) get(ctx context.Context) error {
	for {
		busy, err := a.attempt(ctx)
		if err == nil {
			a.backoff = 0
		}
		switch {
		case ctx.Err() != nil:
			return errStopped
		case err == nil && busy.why == "":
			a.log.Info("lock acquired")
			return nil
		case err == nil && a.once:
			return &laterError{fmt.Sprintf("lock %q: %s", a.name, busy), busy.as}
		case err != nil && (a.once || !a.bears(err)):
			return err
		case err != nil:
			busy = obstacle{why: whyNoAnswer(err)}
		}
		a.explain(busy, err)
		if err := a.wait(ctx, err); err != nil {
			return err
		}
	}
}

// bears reports whether an error is waited out: it proves nothing, or this host is out of service, and gives up for
// nothing that time or an administrator may change. Files that can't be used prove as little once the server has
// answered.
func (a *acquisition) bears(err error) bool {
	var trouble *Unavailable
	var renewing *Renewing
	var elsewhere *ElsewhereError
	return errors.As(err, &trouble) || a.answered && errors.As(err, &renewing) || a.patient && !errors.As(err, &elsewhere)
}

// whyNoAnswer says in short why the server could not be asked: the same words for the same trouble.
func whyNoAnswer(err error) string {
	var trouble *Unavailable
	var renewing *Renewing
	switch {
	case errors.As(err, &renewing):
		return renewing.Why
	case !errors.As(err, &trouble):
		return err.Error()
	case trouble.Why != "":
		return trouble.Why
	}
	return "Foreman is unavailable"
}

// attempt looks at the lock and claims it if it is free. It returns why the lock can't be had now, and nothing if
// this host holds it.
func (a *acquisition) attempt(ctx context.Context) (obstacle, error) {
	lock, err := a.show(ctx)
	if errors.Is(err, ErrNoLock) {
		lock, err = a.firstOfItsName(ctx)
	}
	switch {
	case err != nil && !errors.Is(err, ErrNoLock):
		return obstacle{}, err
	case a.moved:
		return obstacle{}, a.elsewhere(lock, err)
	case lock.Self && a.fresh && a.settled.IsZero():
		return obstacle{}, &NotByRunError{a.name, a.ConfigPath}
	}
	if err == nil && !(lock.Self && a.ours) { // PUT only what is free: each refused one is a row in Foreman's database
		if busy := a.inTheWay(lock); busy.why != "" {
			return busy, nil
		}
	}
	return a.claim(ctx)
}

// elsewhere is the error for a lock that this host does not hold here, and that it asked for elsewhere.
func (a *acquisition) elsewhere(lock Lock, err error) error {
	return &ElsewhereError{a.name, *a.taken, a.Server.Identity(), whoseNow(lock, err)}
}

// firstOfItsName gives another host time to create the lock: two first claims that meet break the name for good.
func (a *acquisition) firstOfItsName(ctx context.Context) (Lock, error) {
	a.log.Warn("Foreman has no lock of this name and will make one; if the name is mistyped, nothing keeps two hosts " +
		"of the cluster from updating at once")
	if !pause(ctx, a.random(a.Settle)) {
		return Lock{}, errStopped
	}
	return a.show(ctx)
}

// claim asks for the lock, lets the claim settle, and looks who holds it.
func (a *acquisition) claim(ctx context.Context) (obstacle, error) {
	if a.announce != nil {
		if err := a.announce(); err != nil {
			return obstacle{}, err
		}
	}
	for try := 0; ; try++ {
		a.holder, a.claimed, a.apart = unknown, true, false
		// Never cut short: an answer that was not waited for may still come true.
		claimErr := a.Server.Acquire(context.WithoutCancel(ctx), a.name)
		a.settled = time.Now().Add(a.settle())
		var trouble *Unavailable
		switch {
		case errors.Is(claimErr, ErrNotNow):
			return a.refused(ctx)
		case claimErr != nil && !errors.As(claimErr, &trouble):
			return obstacle{}, claimErr
		}
		settle := a.settle()
		if trouble != nil {
			settle = max(settle, trouble.RetryAfter)
		}
		if !pause(ctx, settle) {
			return obstacle{}, errStopped
		}
		switch lock, err := a.show(ctx); {
		case err != nil && !errors.Is(err, ErrNoLock):
			return obstacle{}, err
		case lock.Self:
			return obstacle{}, nil
		case lock.Holder != "":
			return a.inTheWay(lock), nil
		case claimErr == nil:
			return obstacle{why: "another host was faster, and has let go again"}, nil
		case try >= a.Retries:
			return obstacle{}, claimErr
		}
	}
}

// refused finds out what a refusal means.
func (a *acquisition) refused(ctx context.Context) (obstacle, error) {
	lock, err := a.show(ctx)
	busy := a.inTheWay(lock)
	switch {
	case errors.Is(err, ErrNoLock):
		return obstacle{why: "the lock was refused, and is gone"}, nil
	case err != nil:
		return obstacle{}, err
	case busy.why == "":
		busy = obstacle{why: "nobody else holds it, and yet Foreman refuses it: this host is barred (host parameter can_acquire_update_locks)",
			as: ErrBarred}
	}
	if lock.Self && a.ours {
		a.log.Warn("Foreman does not confirm the lock, but this host holds it; going on", "why", busy.why)
		return obstacle{}, nil
	}
	return busy, nil
}

// inTheWay says why a lock can't be had; nothing if it is enabled and free, or ours.
func (a *acquisition) inTheWay(lock Lock) obstacle {
	switch {
	case !lock.Enabled:
		return obstacle{why: "the lock is disabled in Foreman", as: ErrDisabled}
	case lock.Holder != "" && !lock.Self && a.taken != nil && lock.Holder == a.taken.Holder:
		busy := heldBy(lock)
		busy.why += ", which is what Foreman called this host when it took the lock: an administrator has to free it in Foreman"
		return busy
	case lock.Holder != "" && !lock.Self:
		return heldBy(lock)
	}
	return obstacle{}
}

func heldBy(lock Lock) obstacle { return obstacle{why: "held by " + lock.Holder, since: lock.Updated} }

// show looks at the lock and keeps what the answer proves.
func (a *acquisition) show(ctx context.Context) (Lock, error) {
	// Decided before the request: a host may stand still and hear the answer long after it was given.
	unsettled := time.Now().Before(a.settled)
	lock, err := a.Server.Show(ctx, a.name)
	if err != nil && !errors.Is(err, ErrNoLock) {
		return Lock{}, err
	}
	a.answered, a.lock = true, lock
	switch {
	case lock.Self:
		a.holder, a.claimed, a.moved = us, false, false
	case a.moved, unsettled:
		a.holder = unknown
	default:
		a.holder, a.claimed = notUs, false
	}
	if a.before == unknown {
		a.before = a.holder
	}
	return lock, err
}

// settle is how long a claim needs before it can be trusted: a slow server has a wide race.
func (w *Workflow) settle() time.Duration { return max(w.Settle, 3*w.Server.Slowest()) }

// explain logs why the lock can't be had, once per change.
func (a *acquisition) explain(busy obstacle, err error) {
	a.remedy = busy.as
	if busy.why == a.told {
		return
	}
	a.told = busy.why
	pairs := []any{"why", busy.why}
	if !busy.since.IsZero() {
		pairs = append(pairs, "since", clock(busy.since))
	}
	if err != nil {
		a.log.Warn("waiting for the lock", append(pairs, "error", err)...)
	} else {
		a.log.Info("waiting for the lock", pairs...)
	}
}

// wait lets an interval pass, changed by a random part of the jitter, which is half an interval at least for a host
// that may be in step with others: those that began or claimed the lock together are so spread over a whole interval.
// The more hosts wait, the sooner one of them sees that the lock is free; and few see it at once. err is why the server
// could not be asked.
func (a *acquisition) wait(ctx context.Context, err error) error {
	interval, jitter := a.RetryInterval, a.RetryJitter
	if err != nil && a.patient {
		a.backoff = nextBackoff(a.backoff)
		interval, jitter = a.backoff, min(jitter, a.backoff/4)
	}
	if !a.apart {
		jitter = max(jitter, interval/2)
	}
	a.apart = true
	if jitter > 0 {
		interval += a.random(2*jitter) - jitter
	}
	var trouble *Unavailable
	if errors.As(err, &trouble) {
		interval = max(interval, trouble.RetryAfter)
	}
	if deadline := a.until(); !deadline.IsZero() {
		left := time.Until(deadline)
		if left <= 0 {
			return a.timedOut(err)
		}
		interval = min(interval, left)
	}
	if !pause(ctx, interval) {
		return errStopped
	}
	return nil
}

// until is when the wait ends; zero: never.
func (a *acquisition) until() time.Time {
	switch {
	case a.patient:
		return time.Time{}
	case a.deadline.IsZero() && !a.answered:
		return a.began.Add(troubleTimeout)
	}
	return a.deadline
}

// timedOut is the error for a wait that has ended. One in which the server never answered, or in which this host's own
// files could not be used at last, ends with what was wrong.
func (a *acquisition) timedOut(err error) error {
	if err != nil && !a.answered {
		return fmt.Errorf("lock %q not had, and no usable answer of Foreman, within %s: %w", a.name, time.Since(a.began).Round(time.Second), err)
	}
	var renewing *Renewing
	if errors.As(err, &renewing) {
		return fmt.Errorf("lock %q not had within %s (lock_timeout): %w", a.name, a.LockTimeout, err)
	}
	return &laterError{fmt.Sprintf("lock %q not had within %s (lock_timeout): %s", a.name, a.LockTimeout, a.told), a.remedy}
}

// nextBackoff is the next wait for a server in trouble: 2 s at first, 5 minutes at most.
func nextBackoff(last time.Duration) time.Duration {
	return min(max(2*last, firstBackoff), maxBackoff)
}

const (
	firstBackoff = 2 * time.Second
	maxBackoff   = 5 * time.Minute
)

// abandon makes sure, as far as it can, that nothing is left behind of an attempt that is given up. It reports
// whether it is certain that this host does not hold the lock.
func (a *acquisition) abandon(ctx context.Context) bool {
	if a.holder == unknown && !a.claimed && a.settled.IsZero() { // nothing was sent that could be undone, and asking again won't help
		return false
	}
	if a.holder == notUs {
		return true
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	for range 3 { // a second DELETE for a claim that came late; more would change nothing
		lock, err := a.show(ctx)
		switch {
		case err != nil && !errors.Is(err, ErrNoLock):
			return false
		case a.holder == notUs:
			return true
		case lock.Self && a.Server.Release(ctx, a.name) != nil:
			return false
		case lock.Self:
			a.log.Info("lock given back")
		}
		if !pause(ctx, time.Until(a.settled)) {
			return false
		}
	}
	return false
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
