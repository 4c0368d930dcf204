package foreman

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"foreman-dlm-updater/internal/lock"
)

// taking is a Take in progress.
type taking struct {
	*Lock
	lock.Taking
	shown string // the holder that the server showed last
}

// Take takes the lock, and returns nil when this host holds it. The errors are *lock.NotNow, *lock.NotByRun,
// *lock.Elsewhere, *lock.Error, the error of Announce, and the context's. After an error, a claim may still come true:
// call Abandon.
func (l *Lock) Take(ctx context.Context, terms lock.Terms) error {
	t := &taking{Lock: l, Taking: lock.Taking{Pace: l.Pace, Terms: terms, Server: Wording.Server}}
	t.use(l.name)
	if l.origin == nil {
		now := l.now()
		l.origin = &now
	}
	if err := t.Until(ctx, t.round); err != nil {
		return err
	}
	l.hold(t.shown)
	return nil
}

// use turns to another lock, unless it is the one in question already.
func (t *taking) use(name string) {
	if name != t.name {
		t.Lock.use(name)
	}
	t.Log, t.Taking.Name = t.log, name
	if slots := t.options.Slots; len(slots) > 0 { // not the slot that happened to be looked at last
		t.Taking.Name = slots[0]
	}
}

// round tries each slot once, if the run may begin. It stays with a slot for which a claim may still come true.
func (t *taking) round(ctx context.Context) (lock.Obstacle, error) {
	if busy, err := t.may(ctx, lock.BeforeLook); busy.Why != "" || err != nil {
		return busy, err
	}
	if len(t.options.Slots) > 0 && t.Purpose == lock.ForRun && !slices.Contains(t.options.Slots, t.name) {
		if err := t.leave(ctx); err != nil {
			return lock.Obstacle{}, err
		}
	}
	slots, first := []string{t.name}, 0
	if at := slices.Index(t.options.Slots, t.name); at >= 0 && t.Purpose != lock.OutOfService {
		slots, first = slices.Concat(t.options.Slots[at:], t.options.Slots[:at]), at
	}
	var all []lock.Obstacle
	for _, name := range slots {
		t.use(name)
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
	t.use(t.options.Slots[t.RandomBelow(time.Duration(len(t.options.Slots)))])
	return nil
}

// may asks whether this host may have the lock now. If not, it gives back what it has taken.
func (t *taking) may(ctx context.Context, at lock.Point) (lock.Obstacle, error) {
	return t.Permitted(ctx, at, func(ctx context.Context, why string) error {
		if !t.Asked() || t.holder == notUs {
			return nil
		}
		t.log.Info("releasing the lock, if this host has it: the run may not begin", "why", why)
		return t.giveBack(ctx)
	})
}

// together says why none of the slots can be had.
func together(all []lock.Obstacle) lock.Obstacle {
	if len(all) == 1 {
		return all[0]
	}
	held := lock.Obstacle{}
	var holders, whys []string
	for _, one := range all {
		if holder, is := strings.CutPrefix(one.Why, heldByText); is {
			holders = append(holders, holder)
		}
		whys = append(whys, one.Why)
		held.Next, held.Barred = cmp.Or(held.Next, one.Next), held.Barred || one.Barred
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
		if !lock.Sleep(ctx, time.Until(l.settlesAt)) {
			return false
		}
	}
	return false
}

// abandonTimeout is short because systemd may be waiting for this program to stop.
const abandonTimeout = 20 * time.Second
