package lock

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Pace says how long to wait for a lock, and how often to ask for it.
type Pace struct {
	// RetryInterval is the time between two tries, give or take a random part of RetryJitter.
	RetryInterval, RetryJitter time.Duration
	// LockTimeout is how long to wait for the lock; 0: for ever.
	LockTimeout time.Duration
	// Random returns a random duration below d; nil: math/rand. A simulation sets its own, to be repeatable.
	Random func(d time.Duration) time.Duration
}

// RandomBelow returns a random duration below d, which is above 0.
func (p Pace) RandomBelow(d time.Duration) time.Duration {
	if p.Random == nil {
		return rand.N(d)
	}
	return p.Random(d)
}

// Obstacle says why a lock can't be had now. If its Why is empty, nothing is in the way.
type Obstacle struct {
	Wait
	Next string // what somebody has to change; empty: nothing
}

func (o Obstacle) String() string {
	if o.Since.IsZero() {
		return o.Why
	}
	return o.Why + " since " + o.Since.Local().Format(time.DateTime)
}

// troubleTimeout ends a wait without lock_timeout if the server never answers: somebody may have corrected a wrong
// address in the configuration, and the next night's invocation reads it.
const troubleTimeout = 23 * time.Hour

// Taking is a Take in progress, whatever the protocol: it tries until the lock is had, or the wait is over.
type Taking struct {
	Pace
	Terms
	// Name is the lock's name, Server the lock server's, for messages. Log names the lock.
	Name, Server string
	Log          hclog.Logger
	// Answered: the server has answered about the lock since Take began.
	Answered bool
	// Spread: this host has waited a random time since its begin or its last claim, so it is not in step with others.
	Spread bool

	began    time.Time
	deadline time.Time
	silent   time.Time     // when the server was first asked and gave no answer
	backoff  time.Duration // the last wait for a server in trouble, if Take is patient
	lastWhy  string        // why it waits, as logged last
	lastFor  Question      // what that is the answer to; empty: the lock can't be had
	next     string        // what somebody has to change before the lock can be had, if anything
}

// Patient reports whether only a signal ends the wait.
func (t *Taking) Patient() bool { return t.Purpose == OutOfService }

// Until calls round until this host has the lock, or the wait is over. round tries once: it returns what is in the way,
// or an error. An *Error says by itself whether to try again.
func (t *Taking) Until(ctx context.Context, round func(context.Context) (Obstacle, error)) error {
	t.began = time.Now()
	if t.LockTimeout > 0 {
		t.deadline = t.began.Add(t.LockTimeout)
	}
	for {
		busy, err := round(ctx)
		if err == nil {
			t.backoff = 0
		}
		once := t.Purpose == ByHandNow || t.Purpose == ForFlag
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && busy.Why == "":
			level := hclog.Info
			if t.Purpose == ForFlag { // the run says that its flag is up
				level = hclog.Debug
			}
			t.Log.Log(level, "lock acquired")
			return nil
		case err == nil && once:
			return &NotNow{Text: t.about(busy), Next: busy.Next}
		case err != nil && (once || !t.waitsOut(err)):
			return err
		case err != nil:
			busy = Obstacle{Wait: Wait{Why: Why(err), Err: err}}
		}
		t.explain(busy)
		if err := t.wait(ctx, busy, err); err != nil {
			return err
		}
	}
}

// Permitted asks Terms.May whether this host may have the lock now. If not, it calls giveBack with the reason, whether
// the wait goes on or ends with that.
func (t *Taking) Permitted(ctx context.Context, at Point, giveBack func(ctx context.Context, why string) error,
) (Obstacle, error) {
	if t.May == nil {
		return Obstacle{}, nil
	}
	wait, refusal := t.May(ctx, at)
	var failure *Error
	switch {
	case refusal == nil && wait.Why == "":
		return Obstacle{}, nil
	case ctx.Err() != nil, errors.As(refusal, &failure): // Abandon has less patience
		return Obstacle{Wait: wait}, refusal
	case refusal != nil:
		wait.Why = refusal.Error()
	default:
		t.explain(Obstacle{Wait: wait})
	}
	if err := giveBack(ctx, wait.Why); err != nil && refusal == nil {
		return Obstacle{}, err
	}
	return Obstacle{Wait: wait}, refusal
}

// Remedy is what a person can do about an obstacle. It adds that a run tries again by itself.
func (t *Taking) Remedy(what string) string {
	if t.Purpose != ForRun && t.Purpose != OutOfService {
		return what
	}
	return what + "; the next `foreman-dlm-updater run` tries again"
}

// about says why the lock can't be had, and names it unless the reason is another one.
func (t *Taking) about(busy Obstacle) string {
	if busy.For != "" {
		return busy.String()
	}
	return fmt.Sprintf("lock %q: %s", t.Name, busy)
}

// waitsOut reports whether to try again after an error: one that proves nothing, or that may come from a renewal of the
// certificate because the server has answered before. While the host is out of service, it tries again after any error
// that time or an administrator may fix.
func (t *Taking) waitsOut(err error) bool {
	var elsewhere *Elsewhere
	return IsTemporary(err) || t.Answered && isRenewing(err) || t.Patient() && !errors.As(err, &elsewhere)
}

// explain logs and tells why the lock can't be had, once for each reason.
func (t *Taking) explain(busy Obstacle) {
	t.next = busy.Next
	if busy.Why == t.lastWhy {
		return
	}
	t.lastWhy, t.lastFor = busy.Why, busy.For
	if t.Waits != nil {
		t.Waits(busy.Wait)
	}
	pairs := []any{"why", busy.Why}
	if !busy.Since.IsZero() {
		pairs = append(pairs, "since", busy.Since.Local().Format(time.DateTime))
	}
	switch {
	case busy.For != "":
		t.Log.Info("waiting: the run may not begin", pairs...)
	case busy.Err != nil:
		t.Log.Warn("waiting for the lock", append(pairs, "error", busy.Err, "next", FindCause)...)
	default:
		t.Log.Info("waiting for the lock", pairs...)
	}
}

// wait waits for an interval, plus or minus a random part of the jitter. Hosts that began or claimed the lock together
// ask in step; for them the jitter is at least half an interval, which spreads them over a whole one. So, with many
// hosts waiting, one of them soon notices that the lock is free, and few notice at once. busy is what is in the way,
// err is why the server could not be asked.
func (t *Taking) wait(ctx context.Context, busy Obstacle, err error) error {
	interval, jitter := t.RetryInterval, t.RetryJitter
	if err != nil && t.Patient() {
		t.backoff = Backoff(t.backoff)
		interval, jitter = t.backoff, min(jitter, t.backoff/4)
	}
	if !t.Spread {
		jitter = max(jitter, interval/2)
	}
	t.Spread = true
	if jitter > 0 {
		interval += t.RandomBelow(2*jitter) - jitter
	}
	interval = max(interval, RetryAfter(err))
	if busy.Again > 0 {
		interval = min(interval, busy.Again)
	}
	if deadline := t.until(err); !deadline.IsZero() {
		left := time.Until(deadline)
		if left <= 0 {
			return t.timedOut(err)
		}
		interval = min(interval, left)
	}
	if !Sleep(ctx, interval) {
		return ctx.Err()
	}
	return nil
}

// until is when the wait ends; zero: never. err is why the server could not be asked.
func (t *Taking) until(err error) time.Time {
	switch {
	case t.Patient():
		return time.Time{}
	case t.deadline.IsZero() && !t.Answered && err != nil:
		if t.silent.IsZero() { // not when Take began: gates may have kept it from asking for days
			t.silent = time.Now()
		}
		return t.silent.Add(troubleTimeout)
	}
	return t.deadline
}

// timedOut is the error for a wait that is over. If the server never answered, or this host's certificate or key still
// can't be used, it says so.
func (t *Taking) timedOut(err error) error {
	if err != nil && !t.Answered {
		return fmt.Errorf("gave up waiting for lock %q after %s, without a usable answer from %s: %w", t.Name,
			time.Since(t.began).Round(time.Second), t.Server, err)
	}
	if isRenewing(err) {
		return fmt.Errorf("gave up waiting for lock %q after %s (lock_timeout): %w", t.Name, t.LockTimeout, err)
	}
	what := fmt.Sprintf(" for lock %q", t.Name)
	if t.lastFor != "" {
		what = ""
	}
	text := fmt.Sprintf("gave up waiting%s after %s (lock_timeout): %s", what, t.LockTimeout, t.lastWhy)
	return &NotNow{Text: text, For: t.lastFor, Next: t.next}
}

// Sleep waits for d. It returns false if the context ended first.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
