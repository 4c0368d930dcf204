package workflow

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
)

// Gate names the hooks that are asked whether this host may go out of service now. It is no stage: lock_get asks them.
const Gate state.Stage = "gate"

// Slots are the names of the locks that let n hosts of a cluster update at once. The first one is the cluster's lock.
func Slots(name string, n int) []string {
	slots := []string{name}
	for k := 2; k <= n; k++ {
		slots = append(slots, fmt.Sprintf("%s.slot%d", name, k))
	}
	return slots
}

// slotNumber is the number of a cluster's slot, from 1; 0: it is none of them, however many there are.
func slotNumber(name, slot string) int {
	k, err := strconv.Atoi(strings.TrimPrefix(slot, name+".slot"))
	switch {
	case slot == name:
		return 1
	case err == nil && k > 1 && slot == fmt.Sprintf("%s.slot%d", name, k):
		return k
	}
	return 0
}

// Flags are the names of the locks that tell of failed runs: one for each slot, in the order of Slots.
func Flags(name string, n int) []string {
	flags := make([]string, n)
	for k := range flags {
		flags[k] = flagName(name, k+1)
	}
	return flags
}

func flagName(name string, slot int) string { return fmt.Sprintf("%s.failed%d", name, slot) }

// Refusal: a pause, a freeze or a closed window keeps a run from beginning now. It wraps ErrTryLater.
type Refusal struct {
	Question lock.Question
	// Why is a few words: always the same words for the same reason.
	Why string
	// Until is when the answer changes; zero: nobody knows.
	Until time.Time
}

func (e *Refusal) Error() string {
	if e.Until.IsZero() {
		return e.Why
	}
	return fmt.Sprintf("%s (until %s)", e.Why, e.Until.Local().Format("2006-01-02 15:04"))
}

// Unwrap returns ErrTryLater.
func (e *Refusal) Unwrap() error { return ErrTryLater }

// refused asks for pause, freeze and window. The error is a *Refusal, or says why they can't be found out.
func (w *Workflow) refused() error {
	if w.MayBegin == nil {
		return nil
	}
	refusal, err := w.MayBegin(time.Now())
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrUnclear, err)
	case refusal != nil:
		return refusal
	}
	return nil
}

// ErrUnclear: a pause, freeze or window can't be read, so no run may begin.
var ErrUnclear = errors.New("can't tell whether a run may begin")

// may answers the questions that a run asks before it takes the lock (lock.Terms), in their order. All are asked again
// once the lock is verified: the answers are some time old by then.
//
// The budget is not looked at while all slots are held, so that a waiting host sends one request for each slot.
func (r *run) may(ctx context.Context, at lock.Point) (lock.Wait, error) {
	switch at {
	case lock.BeforeLook:
		if err := r.refused(); err != nil {
			return lock.Wait{}, err
		}
		if err := r.notByHand(ctx); err != nil {
			return lock.Wait{}, err
		}
		if wait, err := r.gates(ctx, false); wait.Why != "" || err != nil {
			return wait, err
		}
		r.withinBudget = false
		if r.overBudget {
			return r.budget(ctx)
		}
	case lock.BeforeClaim:
		if !r.withinBudget {
			return r.budget(ctx)
		}
	case lock.Verified:
		if wait, err := r.gates(ctx, true); wait.Why != "" || err != nil {
			return wait, err
		}
		if wait, err := r.budget(ctx); wait.Why != "" || err != nil {
			return wait, err
		}
		return lock.Wait{}, r.refused() // the last one, since the others take time
	}
	return lock.Wait{}, nil
}

// gatesAsked is what the gates answered, and when.
type gatesAsked struct {
	at   time.Time
	wait lock.Wait
}

// gates asks all gates whether this host may go out of service. It asks again only after gate_interval, unless all have
// said yes or it has to be known now.
func (r *run) gates(ctx context.Context, now bool) (lock.Wait, error) {
	last := &r.gatesAsked
	if left := r.GateInterval - time.Since(last.at); !now && last.wait.Why != "" && left > 0 {
		last.wait.Again = left
		return last.wait, nil
	}
	names, err := r.Hooks.List(Gate)
	if err = errors.Join(err, r.Hooks.VetSettings()); err != nil { // a wait may last for days
		return lock.Wait{}, fmt.Errorf("%w: %w", ErrUnsafeHooks, err)
	}
	var reasons []string
	for _, name := range names {
		reason, err := r.gate(ctx, name)
		if err != nil {
			return lock.Wait{}, err
		}
		if reason != "" { // some hooks begin with their name, and a link has a number in front of it
			name = strings.TrimLeft(strings.TrimLeft(name, "0123456789"), "-")
			reasons = append(reasons, fmt.Sprintf("gate %s: %s", name, strings.TrimPrefix(reason, name+": ")))
		}
	}
	*last = gatesAsked{at: time.Now()}
	if len(reasons) > 0 {
		last.wait = lock.Wait{Why: strings.Join(reasons, "; "), For: lock.Gate, Again: r.GateInterval}
	}
	return last.wait, nil
}

// gate asks one gate. It returns why the host may not go out of service; empty: it may.
func (r *run) gate(ctx context.Context, name string) (reason string, err error) {
	if ctx.Err() != nil {
		return "", errStopped
	}
	result := r.Hooks.Run(Gate, name, r.env(Gate, name))
	switch {
	case result.Stopped:
		return "", errStopped
	case result.Err != nil:
		why := result.explain(result.Err.Error())
		r.Log.Error("gate gave no answer, which counts as no", "gate", name, "error", why)
		return fmt.Sprintf("it gave no answer (%v)", why), nil
	case result.Exit == 0:
		return "", nil
	case result.Said == "":
		return fmt.Sprintf("exit %d", result.Exit), nil
	}
	return result.Said, nil
}

// budget looks whether too many hosts have failed, or another host holds a lock that blocks this one. The errors are
// the lock server's.
func (r *run) budget(ctx context.Context) (lock.Wait, error) {
	wait, err := r.lookAtBudget(ctx)
	r.withinBudget = wait.Why == "" && err == nil
	r.overBudget = !r.withinBudget
	return wait, err
}

func (r *run) lookAtBudget(ctx context.Context) (lock.Wait, error) {
	var failed []FailedHost
	if r.MaxFailed > 0 {
		for _, flag := range Flags(r.LockName, r.LockSlots) {
			view, err := r.lookAt(ctx, flag)
			switch {
			case err != nil:
				return lock.Wait{}, err
			case view.Self: // of an earlier run that was given up
				r.noteFlag(flag, true)
			case view.Holder != "":
				failed = append(failed, FailedHost{view.Holder, view.Since})
			}
		}
		if len(failed) >= r.MaxFailed {
			return lock.Wait{Why: Exceeded(r.MaxFailed, failed), For: lock.Budget}, nil
		}
	}
	for _, name := range r.BlockedBy {
		view, err := r.lookAt(ctx, name)
		switch {
		case err != nil:
			return lock.Wait{}, err
		case view.Holder != "" && !view.Self:
			return lock.Wait{Why: BlockedBy(name, view), For: lock.Blocked}, nil
		}
	}
	return lock.Wait{}, nil
}

// FailedHost is a host whose flag is up. Since is when it was raised; zero: not known.
type FailedHost struct {
	Name  string
	Since time.Time
}

// Exceeded says that the failure budget is used up.
func Exceeded(budget int, failed []FailedHost) string {
	failures := "failures are"
	if budget == 1 {
		failures = "failure is"
	}
	if len(failed) == 1 {
		return fmt.Sprintf("stopped: %d %s allowed, and %s has failed%s", budget, failures, failed[0].Name,
			sinceText(failed[0].Since))
	}
	var hosts []string
	for _, host := range failed {
		hosts = append(hosts, host.Name+sinceText(host.Since))
	}
	return fmt.Sprintf("stopped: %d %s allowed, and %d hosts have failed: %s", budget, failures, len(failed),
		strings.Join(hosts, ", "))
}

// BlockedBy says that another host holds a lock of blocked_by.
func BlockedBy(name string, view lock.View) string {
	return fmt.Sprintf("blocked by lock %q, which %s holds%s", name, view.Holder, sinceText(view.Since))
}

func sinceText(since time.Time) string {
	if since.IsZero() {
		return ""
	}
	return " (since " + since.Local().Format("2006-01-02 15:04") + ")"
}

// lookAt asks once who holds another lock. Nobody else hears of it.
func (w *Workflow) lookAt(ctx context.Context, name string) (lock.View, error) {
	return w.OpenLock(name, lock.Options{Config: w.ConfigPath}).Look(ctx)
}

// AskGates asks all gates, for a person. The Wait says why this host may not go out of service now; empty: it may.
func (w *Workflow) AskGates(ctx context.Context) (lock.Wait, error) {
	r := &run{Workflow: w, Record: state.Record{Stage: state.LockGet, RunID: "by-hand", Lock: w.LockName}}
	return r.gates(ctx, true)
}

// AskBudget looks whether failed hosts, or a lock that blocks this host, keep a run from beginning now. It changes
// nothing.
func (w *Workflow) AskBudget(ctx context.Context) (lock.Wait, error) {
	return (&run{Workflow: w}).budget(ctx)
}
