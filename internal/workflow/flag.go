package workflow

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
)

// flagPatience is how long a run that fails tries to raise its flag, and a run that finishes to lower it. If a flag
// can't be raised, the next invocation does; for one that can't be lowered an administrator is needed.
const flagPatience = 2 * time.Minute

// flagOf is the flag of a slot.
func flagOf(lockName, slot string) string {
	if k := slotNumber(lockName, slot); k > 0 {
		return flagName(lockName, k)
	}
	if at := strings.LastIndex(slot, ".slot"); at > 0 && slot[:at] != lockName { // it has changed since the run took it
		return flagOf(slot[:at], slot)
	}
	return flagName(slot, 1)
}

// noteFlag notes in the record that this host has a flag, or is about to ask for it. set: the server has shown that.
func (r *run) noteFlag(name string, set bool) {
	flags := slices.DeleteFunc(slices.Clone(r.Flags), func(f state.Flag) bool { return f.Name == name })
	r.Flags = append(flags, state.Flag{Name: name, Set: set})
}

// flagDue returns the flag that this run has to raise if it has failed; empty: none, or it is up already.
func (r *run) flagDue() string {
	name := flagOf(r.LockName, r.Lock)
	if r.MaxFailed == 0 || r.held != Yes || !OutOfService(r.Stage) ||
		slices.Contains(r.Flags, state.Flag{Name: name, Set: true}) {
		return ""
	}
	return name
}

// raiseFlag raises the flag of this run's slot, so that all hosts see that the run has failed. Nobody else wants that
// flag, since the slot is this host's. The flag is on record already. If the lock server gives no answer, raiseFlag
// tries again for as long as patience says.
func (r *run) raiseFlag(ctx context.Context, name string, patience time.Duration) {
	ctx, cancel := graceful(ctx, ReleaseGrace)
	defer cancel()
	l, began := r.OpenLock(name, lock.Options{Config: r.ConfigPath}), time.Now()
	err := l.Take(ctx, lock.Terms{Purpose: lock.ForFlag})
	for backoff := lock.Backoff(0); errors.Is(err, lock.ErrUnavailable) && time.Since(began) < patience; {
		if !lock.Sleep(ctx, backoff) {
			break
		}
		err, backoff = l.Take(ctx, lock.Terms{Purpose: lock.ForFlag}), lock.Backoff(backoff)
	}
	if err != nil {
		r.Log.Warn("flag not raised: other hosts don't hear that this one has failed (max_failed)", "flag", name,
			"error", err)
		return
	}
	r.Log.Warn("flag raised: other hosts hear that this one has failed (max_failed)", "flag", name)
	r.noteFlag(name, true)
	r.saveFlags()
}

// saveFlags saves the flags with the record that is on disk. If that fails, the next invocation raises them again.
func (r *run) saveFlags() {
	if r.onDisk == nil || r.cleared || r.doubtful {
		return
	}
	record := *r.onDisk
	record.Flags = r.Flags
	if err := r.Store.Save(record); err != nil {
		r.doubtful = true
		r.Log.Warn("flag not saved in the state", "error", err)
		return
	}
	r.onDisk = &record
}

// lowerFlags releases the flags of this run. It tries again for as long as patience says, and reports whether all are
// certainly released.
func (r *run) lowerFlags(ctx context.Context, patience time.Duration) bool {
	began := time.Now()
	for backoff := lock.Backoff(0); ; backoff = lock.Backoff(backoff) {
		if r.Flags = r.LowerFlags(ctx, r.Flags); len(r.Flags) == 0 {
			return true
		}
		if time.Since(began) >= patience || !lock.Sleep(ctx, backoff) {
			return false
		}
	}
}

// LowerFlags releases flags of this host, and returns those for which that is not certain.
func (w *Workflow) LowerFlags(ctx context.Context, flags []state.Flag) (left []state.Flag) {
	for _, flag := range flags {
		l := w.OpenLock(flag.Name, lock.Options{Config: w.ConfigPath, Claimed: true})
		if !l.Abandon(ctx) {
			left = append(left, flag)
		}
	}
	return left
}
