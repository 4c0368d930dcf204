package workflow

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"foreman-dlm-updater/internal/state"
)

// getLock is the stage that gets the lock. If it is given up, and nothing of it is left in Foreman, the run is over.
func (r *run) getLock(ctx context.Context) (outcome, error) {
	if err := r.vetHost(ctx); err != nil {
		return "", r.refuse(ctx, err)
	}
	a := r.acquisition(r.Lock)
	a.settled, a.fresh, a.announce = r.settled, true, r.announceClaim
	a.taken, a.moved = r.Taken, r.moved
	err := a.get(ctx)
	if err == nil {
		r.holds(a.lock)
		return done, nil
	}
	var notByRun *NotByRunError
	switch {
	case errors.As(err, &notByRun): // whoever took it has to give it back
		r.held = NotByRun
	case a.settled.IsZero(), a.abandon(ctx): // no claim was ever sent, or none is left
		r.held = No
	default:
		r.held = Perhaps
		return "", err
	}
	if clearErr := r.Store.Clear(); clearErr != nil {
		return "", errors.Join(err, clearErr)
	}
	return "", &clearedError{err}
}

// announceClaim puts on record that the lock is about to be asked for. An invocation that goes on without that on record
// takes nothing over: by then the lock may be this host's because a person, or another configuration, has taken it.
func (r *run) announceClaim() error {
	if !r.ClaimSent.IsZero() {
		return nil
	}
	r.ClaimSent = time.Now()
	if err := r.Store.Save(r.Record); err != nil {
		return &saveError{err}
	}
	return nil
}

// holds notes that the lock is this host's, and where and under which name it was asked for.
func (r *run) holds(lock Lock) {
	r.took, r.held, r.moved = true, Yes, false
	before := r.Taken
	r.Taken = r.identity()
	if r.Taken.CN == "" && before != nil { // it can't be read at this moment
		r.Taken.CN = before.CN
	}
	r.Taken.Holder = lock.Holder
}

// identity says where the lock is asked for now, and under which name.
func (r *run) identity() *state.Taken {
	now := r.Server.Identity()
	return &state.Taken{URL: now.URL, CN: now.CN, Config: r.ConfigPath}
}

// hasMoved reports whether the lock was asked for at another server, or under another name, than now. What is not known
// tells nothing.
func (r *run) hasMoved() bool {
	now := r.Server.Identity()
	return r.Taken.Elsewhere(now.URL, now.CN)
}

// refuse ends a run before it asks for the lock. An earlier invocation of it may have done so.
func (r *run) refuse(ctx context.Context, err error) error {
	a := r.acquisition(r.Lock)
	a.claimed, a.settled = true, r.settled
	a.taken, a.moved = r.Taken, r.moved
	if !r.settled.IsZero() && !a.abandon(ctx) {
		r.held = Perhaps
		return err
	}
	if clearErr := r.Store.Clear(); clearErr != nil {
		return errors.Join(err, clearErr)
	}
	r.held = No
	return &clearedError{err}
}

// clearedError: the run ended without the lock, and its state is removed.
type clearedError struct{ error }

func (e *clearedError) Unwrap() error { return e.error }

// retakeLock takes the lock again for a guarded stage that is resumed: an administrator may have released it
// meanwhile, and somebody else may have it. The host is out of service, so only a signal ends the wait.
func (r *run) retakeLock(ctx context.Context) error {
	a := r.acquisition(r.Lock)
	a.ours, a.patient = true, true
	a.taken, a.moved = r.Taken, r.moved
	err := a.get(ctx)
	if a.holder == notUs {
		r.held = No
	}
	if err != nil {
		return err
	}
	r.holds(a.lock)
	return nil
}

// lostError: the server says that the lock is not this host's any more.
type lostError struct {
	name string
	why  string
}

func (e *lostError) Error() string {
	return fmt.Sprintf("lock %q is not this host's any more: %s", e.name, e.why)
}

// rebootPatience is how long a reboot waits for the answer whether the lock is still this host's. Nothing is lost by
// waiting.
const rebootPatience = 15 * time.Minute

// guard is the last look at the lock before a guarded stage. Foreman being unreachable is no reason to stop halfway:
// a lock doesn't expire. An invocation that resumed the run has no such haste, and neither has a reboot.
func (r *run) guard(ctx context.Context) error {
	r.startRefresh()
	var limit time.Duration
	switch {
	case r.Stage == state.Reboot:
		limit = rebootPatience
	case r.resumed:
		limit = forEver
	}
	err := r.lookFor(ctx, limit)
	if lost := r.refresher.lost.Load(); lost != nil { // even if it is ours again: somebody may have had it in between
		r.held = No
		return lost
	}
	var lost *lostError
	var elsewhere *ElsewhereError
	switch {
	case ctx.Err() != nil:
		return errStopped
	case errors.As(err, &elsewhere):
		return err
	case errors.As(err, &lost):
		r.held = No
		return err
	case err != nil:
		r.Log.Warn("Foreman can't be asked whether the lock is still this host's; going on, since locks don't expire",
			"lock", r.Lock, "stage", r.Stage, "waited", limit, "error", err)
	}
	return nil
}

const forEver time.Duration = math.MaxInt64

// lookFor looks until there is an answer, which it returns as look does; for at most the limit, and at least once.
func (r *run) lookFor(ctx context.Context, limit time.Duration) error {
	began, told := time.Now(), ""
	for backoff := nextBackoff(0); ; backoff = nextBackoff(backoff) {
		err := r.look(ctx)
		var lost *lostError
		var elsewhere *ElsewhereError
		left := limit - time.Since(began)
		if err == nil || errors.As(err, &lost) || errors.As(err, &elsewhere) || ctx.Err() != nil || r.refresher.lost.Load() != nil || left <= 0 {
			return err
		}
		if why := whyNoAnswer(err); why != told {
			told = why
			r.inhibit(false) // no hook is at work
			r.Log.Warn("waiting for an answer whether the lock is still this host's", "lock", r.Lock, "stage", r.Stage, "why", why, "error", err)
		}
		if !pause(ctx, min(backoff, left)) {
			return errStopped
		}
	}
}

// lookBeforePostUpdate only warns: post_update brings the host back to service.
func (r *run) lookBeforePostUpdate(ctx context.Context) {
	err := r.look(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		r.Log.Warn("going on without being sure of the lock, to bring the host back to service", "lock", r.Lock, "error", err)
	}
	var lost *lostError
	var elsewhere *ElsewhereError
	switch {
	case errors.As(err, &lost):
		r.held = No
	case !errors.As(err, &elsewhere):
		r.startRefresh()
	}
}

// look returns nil if this host holds the lock, a *lostError if the server says that it does not, and an
// *ElsewhereError if that tells nothing, since the lock was asked for at another server or under another name.
func (r *run) look(ctx context.Context) error {
	lock, err := r.Server.Show(ctx, r.Lock)
	switch {
	case err != nil && !errors.Is(err, ErrNoLock):
		return err
	case lock.Self:
		return nil
	case r.moved || r.hasMoved():
		return &ElsewhereError{r.Lock, *r.Taken, r.Server.Identity(), whoseNow(lock, err)}
	}
	return &lostError{r.Lock, whoseNow(lock, err)}
}

// whoseNow describes a lock that is not this host's: what Show answered, ErrNoLock included.
func whoseNow(lock Lock, err error) string {
	switch {
	case errors.Is(err, ErrNoLock):
		return "it was deleted in Foreman"
	case lock.Holder == "":
		return "it is free"
	}
	return heldBy(lock).String()
}

// refresher repeats the holder's claim while the stages run, so that Foreman doesn't call the lock stale.
type refresher struct {
	stop, stopped chan struct{}
	// lost is set when the lock turned out to be somebody else's, or nobody's.
	lost atomic.Pointer[lostError]
	// settled is when the last claim must have been written; unanswered: it got no answer. Read once it has stopped.
	settled    time.Time
	unanswered bool
}

func (r *run) startRefresh() {
	if r.refresher != nil {
		return
	}
	f := &refresher{stop: make(chan struct{}), stopped: make(chan struct{})}
	r.refresher = f
	if r.Refresh == 0 {
		close(f.stopped)
		return
	}
	go f.run(r)
}

// stopRefresh returns when no refresh is under way any more, which takes as long as one request may.
func (r *run) stopRefresh() {
	if r.refresher == nil {
		return
	}
	select {
	case <-r.refresher.stop:
	default:
		close(r.refresher.stop)
	}
	<-r.refresher.stopped
}

func (f *refresher) run(r *run) {
	defer close(f.stopped)
	ticker := time.NewTicker(r.Refresh)
	defer ticker.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-ticker.C:
		}
		select {
		case <-f.stop: // both were due, after a claim that took long
			return
		default:
		}
		if !f.refresh(r) {
			return
		}
	}
}

// refresh looks before it claims: the claim of a lock that is free by now would take it behind everybody's back. It
// reports whether to go on.
func (f *refresher) refresh(r *run) bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // a look may be cut short; a claim, once sent, is waited for
		select {
		case <-f.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := r.look(ctx)
	if err == nil {
		if ctx.Err() != nil {
			return false
		}
		err = r.Server.Acquire(context.WithoutCancel(ctx), r.Lock)
		var trouble *Unavailable
		f.settled, f.unanswered = time.Now().Add(r.settle()), errors.As(err, &trouble)
		if errors.Is(err, ErrNotNow) { // lost in between, or ours and disabled
			if lookErr := r.look(ctx); lookErr != nil {
				err = lookErr
			}
		}
	}
	var lost *lostError
	switch {
	case err == nil:
		r.Log.Debug("lock refreshed", "lock", r.Lock)
	case errors.As(err, &lost):
		f.lost.Store(lost)
		r.Log.Error("lock lost; the run stops before the next guarded stage", "lock", r.Lock, "why", lost.why)
		return false
	case ctx.Err() == nil:
		r.Log.Warn("the lock could not be refreshed", "lock", r.Lock, "error", err)
	}
	return true
}
