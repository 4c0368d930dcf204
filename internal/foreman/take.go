package foreman

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"foreman-dlm-updater/internal/lock"

	"github.com/hashicorp/go-hclog"
)

// taking is a Take in progress.
type taking struct {
	*Lock
	lock.Terms

	began    time.Time
	deadline time.Time
	answered bool          // the server has shown the lock, or that there is none, since Take began
	silent   time.Time     // when the server was first asked and gave no answer
	backoff  time.Duration // the last wait for a server in trouble, if Take is patient
	spread   bool          // it has waited a random time since its begin or last claim: it is not in step with other hosts
	lastWhy  string        // why it waits, as logged last
	lastFor  lock.Question // what that is the answer to; empty: the lock can't be had
	next     string        // what somebody has to change before the lock can be had, if anything
	shown    string        // the holder that the server showed last
}

// obstacle says why the lock can't be had now. If its Why is empty, nothing is in the way.
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

// troubleTimeout ends a wait without lock_timeout if the server never answers: somebody may have corrected a wrong
// address in the configuration, and the next night's invocation reads it.
const troubleTimeout = 23 * time.Hour

// Take takes the lock, and returns nil when this host holds it. The errors are *lock.NotNow, *lock.NotByRun,
// *lock.Elsewhere, *lock.Error, the error of Announce, and the context's. After an error, a claim may still come true:
// call Abandon.
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
	l.hold(t.shown)
	return nil
}

func (t *taking) patient() bool { return t.Purpose == lock.OutOfService }

func (t *taking) run(ctx context.Context) error {
	for {
		busy, err := t.round(ctx)
		if err == nil {
			t.backoff = 0
		}
		once := t.Purpose == lock.ByHandNow || t.Purpose == lock.ForFlag
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && busy.Why == "":
			level := hclog.Info
			if t.Purpose == lock.ForFlag { // the run says that its flag is up
				level = hclog.Debug
			}
			t.log.Log(level, "lock acquired")
			return nil
		case err == nil && once:
			return &lock.NotNow{Text: t.about(busy), Next: busy.next}
		case err != nil && (once || !t.waitsOut(err)):
			return err
		case err != nil:
			busy = obstacle{Wait: lock.Wait{Why: lock.Why(err), Err: err}}
		}
		t.explain(busy)
		if err := t.wait(ctx, busy, err); err != nil {
			return err
		}
	}
}

// round tries each slot once, if the run may begin. It stays with a slot for which a claim may still come true.
func (t *taking) round(ctx context.Context) (obstacle, error) {
	if busy, err := t.may(ctx, lock.BeforeLook); busy.Why != "" || err != nil {
		return busy, err
	}
	if len(t.options.Slots) > 0 && t.Purpose == lock.ForRun && !slices.Contains(t.options.Slots, t.name) {
		if err := t.leave(ctx); err != nil {
			return obstacle{}, err
		}
	}
	slots, first := []string{t.name}, 0
	if at := slices.Index(t.options.Slots, t.name); at >= 0 && t.Purpose != lock.OutOfService {
		slots, first = slices.Concat(t.options.Slots[at:], t.options.Slots[:at]), at
	}
	var all []obstacle
	for _, name := range slots {
		if name != t.name {
			t.use(name)
		}
		busy, err := t.attempt(ctx)
		if err != nil || busy.Why == "" || busy.For != "" || t.holder != notUs {
			return busy, err
		}
		all = append(all, busy)
	}
	// In the slots' own order: otherwise the reason would be another one in each round, and told each time.
	last := len(all) - first
	return together(slices.Concat(all[last:], all[:last])), nil
}

// leave gives back a lock that an earlier invocation may have claimed and that is none of the slots any more. Nobody
// else wants it now, so this host would be one too many.
func (t *taking) leave(ctx context.Context) error {
	if _, err := t.show(ctx); err != nil {
		return err
	}
	if t.holder != notUs {
		if err := t.giveBack(ctx); err != nil {
			return err
		}
	}
	t.use(t.options.Slots[t.Random(time.Duration(len(t.options.Slots)))])
	return nil
}

// may asks whether this host may have the lock now. If not, it gives back what it has taken, whether the wait goes on
// or ends with that.
func (t *taking) may(ctx context.Context, at lock.Point) (obstacle, error) {
	if t.May == nil {
		return obstacle{}, nil
	}
	wait, refusal := t.May(ctx, at)
	switch {
	case refusal == nil && wait.Why == "":
		return obstacle{}, nil
	case ctx.Err() != nil, isFailure(refusal): // Abandon has less patience
		return obstacle{Wait: wait}, refusal
	case refusal != nil:
		wait.Why = refusal.Error()
	default:
		t.explain(obstacle{Wait: wait})
	}
	if t.Asked() && t.holder != notUs {
		t.log.Info("releasing the lock, if this host has it: the run may not begin", "why", wait.Why)
		if err := t.giveBack(ctx); err != nil && refusal == nil {
			return obstacle{}, err
		}
	}
	return obstacle{Wait: wait}, refusal
}

// together says why none of the slots can be had.
func together(all []obstacle) obstacle {
	if len(all) == 1 {
		return all[0]
	}
	held := obstacle{}
	var holders, whys []string
	for _, one := range all {
		if holder, is := strings.CutPrefix(one.Why, heldByText); is {
			holders = append(holders, holder)
		}
		whys = append(whys, one.Why)
		held.next, held.Barred = cmp.Or(held.next, one.next), held.Barred || one.Barred
		if held.Since.IsZero() || !one.Since.IsZero() && one.Since.Before(held.Since) {
			held.Since = one.Since
		}
	}
	held.Why = strings.Join(slices.Compact(whys), "; ")
	if len(holders) == len(all) {
		held.Why = fmt.Sprintf("all %d slots are held: by %s", len(all), strings.Join(holders, ", "))
	}
	return held
}

// about says why the lock can't be had, and names it unless the reason is another one.
func (t *taking) about(busy obstacle) string {
	if busy.For != "" {
		return busy.String()
	}
	name := t.name
	if slots := t.options.Slots; len(slots) > 0 { // not the slot that happened to be looked at last
		name = slots[0]
	}
	return fmt.Sprintf("lock %q: %s", name, busy)
}

// waitsOut reports whether to try again after an error: one that proves nothing, or that may come from a renewal of the
// certificate because the server has answered before. While the host is out of service, it tries again after any error
// that time or an administrator may fix.
func (t *taking) waitsOut(err error) bool {
	var elsewhere *lock.Elsewhere
	return isTemporary(err) || t.answered && isRenewing(err) || t.patient() && !errors.As(err, &elsewhere)
}

// explain logs and tells why the lock can't be had, once for each reason.
func (t *taking) explain(busy obstacle) {
	t.next = busy.next
	if busy.Why == t.lastWhy {
		return
	}
	t.lastWhy, t.lastFor = busy.Why, busy.For
	if t.Waits != nil {
		t.Waits(busy.Wait)
	}
	pairs := []any{"why", busy.Why}
	if !busy.Since.IsZero() {
		pairs = append(pairs, "since", clock(busy.Since))
	}
	switch {
	case busy.For != "":
		t.log.Info("waiting: the run may not begin", pairs...)
	case busy.Err != nil:
		t.log.Warn("waiting for the lock", append(pairs, "error", busy.Err, "next", lock.FindCause)...)
	default:
		t.log.Info("waiting for the lock", pairs...)
	}
}

// wait waits for an interval, plus or minus a random part of the jitter. Hosts that began or claimed the lock together
// ask in step; for them the jitter is at least half an interval, which spreads them over a whole one. So, with many
// hosts waiting, one of them soon notices that the lock is free, and few notice at once. busy is what is in the way,
// err is why the server could not be asked.
func (t *taking) wait(ctx context.Context, busy obstacle, err error) error {
	interval, jitter := t.RetryInterval, t.RetryJitter
	if err != nil && t.patient() {
		t.backoff = lock.Backoff(t.backoff)
		interval, jitter = t.backoff, min(jitter, t.backoff/4)
	}
	if !t.spread {
		jitter = max(jitter, interval/2)
	}
	t.spread = true
	if jitter > 0 {
		interval += t.Random(2*jitter) - jitter
	}
	interval = max(interval, retryAfter(err))
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
	if !pause(ctx, interval) {
		return ctx.Err()
	}
	return nil
}

// until is when the wait ends; zero: never. err is why the server could not be asked.
func (t *taking) until(err error) time.Time {
	switch {
	case t.patient():
		return time.Time{}
	case t.deadline.IsZero() && !t.answered && err != nil:
		if t.silent.IsZero() { // not when Take began: gates may have kept it from asking for days
			t.silent = time.Now()
		}
		return t.silent.Add(troubleTimeout)
	}
	return t.deadline
}

// timedOut is the error for a wait that is over. If the server never answered, or this host's certificate or key still
// can't be used, it says so.
func (t *taking) timedOut(err error) error {
	if err != nil && !t.answered {
		return fmt.Errorf("gave up waiting for lock %q after %s, without a usable answer from Foreman: %w", t.name,
			time.Since(t.began).Round(time.Second), err)
	}
	if isRenewing(err) {
		return fmt.Errorf("gave up waiting for lock %q after %s (lock_timeout): %w", t.name, t.LockTimeout, err)
	}
	what := fmt.Sprintf(" for lock %q", t.name)
	if t.lastFor != "" {
		what = ""
	}
	text := fmt.Sprintf("gave up waiting%s after %s (lock_timeout): %s", what, t.LockTimeout, t.lastWhy)
	return &lock.NotNow{Text: text, For: t.lastFor, Next: t.next}
}

// Abandon releases, as far as possible, what a failed Take may have claimed. It reports whether it is certain that this
// host does not hold the lock. After a signal it takes 20 s at most, else as long as a claim needs to settle.
func (l *Lock) Abandon(ctx context.Context) bool {
	if l.holder == unknown && !l.Asked() { // there is nothing to undo, and asking again won't help
		return false
	}
	if l.holder == notUs {
		return true
	}
	timeout := abandonTimeout
	if ctx.Err() == nil {
		timeout = max(timeout, 2*l.settle())
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	for range 3 { // the second DELETE is for a claim that was written late; more would change nothing
		view, err := l.prove(ctx)
		switch {
		case err != nil:
			return false
		case l.holder == notUs:
			return true
		case view.Self && l.api.Release(ctx, l.name) != nil:
			return false
		case view.Self:
			l.log.Info("lock released")
		}
		if !pause(ctx, time.Until(l.settlesAt)) {
			return false
		}
	}
	return false
}

// abandonTimeout is short because systemd may be waiting for this program to stop.
const abandonTimeout = 20 * time.Second
