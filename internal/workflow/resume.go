package workflow

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"

	"github.com/kballard/go-shellquote"
)

// crashLoop is how many unexpected reboots in one stage keep it from being resumed at boot.
const crashLoop = 2

// begin finds out which stage comes first. It returns nil and no error if there is nothing to do.
func (w *Workflow) begin(ctx context.Context, atBoot bool) (*run, error) {
	record, err := w.Store.Load()
	if err != nil {
		return nil, err
	}
	r := &run{Workflow: w}
	r.foundRecord(record)
	inProgress, machine := record.InProgress(), ""
	if inProgress {
		if machine = w.Host.MachineID(); !record.Of(machine) {
			return nil, fmt.Errorf("%w (machine id %s, this one has %s): this disk was cloned in the middle of a run",
				ErrOtherMachine, record.MachineID, machine)
		}
	}
	if atBoot && (!inProgress || !HasLock(record.Stage)) {
		w.Log.Info("no run to go on with at boot")
		return nil, nil
	}
	if !inProgress {
		if err := w.refused(); err != nil {
			return nil, err
		}
	}
	if r.boot, err = w.Host.Boot(ctx); err != nil {
		return nil, err
	}
	w.tell(Event{Kind: BootRead, Boot: &r.boot})
	if !inProgress {
		r.Record = state.Record{Stage: table[0].stage, RunID: runID(), Began: time.Now(), Lock: w.LockName}
		r.openLock(false)
		return r, r.vetAll()
	}
	if began := record.Configuration(); began != "" && w.OtherConfig != nil && w.OtherConfig(began) {
		return nil, &lock.NotNow{
			Text: fmt.Sprintf("run %s, now in stage %s, was begun with the configuration %s, and goes on with that one only",
				record.RunID, record.Stage, began),
			Next: fmt.Sprintf("`foreman-dlm-updater --config %s run`; give this configuration (%s) a state of its own",
				shellquote.Join(began), w.ConfigPath)}
	}
	r.Record, r.held = *record, Yes
	claimed := true
	if !HasLock(r.Stage) {
		r.held = Perhaps
		switch {
		case r.heldByHand(): // since the run asked for it: it is not the run's to give back
			claimed, r.Taken, r.ClaimSent, r.held = false, nil, time.Time{}, No
		case !r.ClaimSent.IsZero():
		case r.Taken == nil: // an earlier version or a person wrote the record, and it does not say
			r.ClaimSent = time.Now()
		default: // the run was cut short before it asked for the lock
			claimed, r.Taken, r.held = false, nil, No
		}
	}
	r.adopt(machine)
	r.openLock(claimed)
	if proceed, err := r.resume(ctx, atBoot); !proceed || err != nil {
		return nil, err
	}
	if !HasLock(r.Stage) {
		// If the run ends here, an earlier claim must not block the cluster.
		if err := cmp.Or(w.refused(), r.vetAll()); err != nil {
			if err = r.giveUp(ctx, err); r.held == Perhaps { // so that the log says so
				err = &StageError{Stage: r.Stage, Run: r.RunID, Lock: r.Lock, Held: r.held, Err: err}
			}
			return nil, err
		}
		return r, nil
	}
	r.hadLock, r.firstStage, r.failedBefore = true, record.Stage, record.Error != nil
	return r, nil
}

// vetHost checks the host before the lock is asked for, and not earlier: it may wait for systemd, and most invocations
// find nothing to do.
func (r *run) vetHost(ctx context.Context) error {
	warnings, err := r.Host.Vet(ctx)
	for _, warning := range warnings {
		r.Log.Warn("host check before the lock is asked for", "warning", warning)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnfitHost, err)
	}
	return nil
}

// NewRunID makes a name for a run. Names sort by time.
func NewRunID() string { return runID() }

func runID() string { return time.Now().UTC().Format("20060102-150405-") + rand.Text()[:4] }

// adopt completes a record. The original program's records hold only the stage.
func (r *run) adopt(machine string) {
	if r.RunID == "" {
		r.RunID, r.Began = runID(), time.Now()
		r.Log.Warn("going on with a run that the original began; whether it rebooted the host is not known",
			"stage", r.Stage, "run", r.RunID)
	}
	r.MachineID = machine
	switch {
	case r.Lock == "":
		r.Lock = r.LockName
	case slices.Contains(Slots(r.LockName, r.LockSlots), r.Lock):
	case !HasLock(r.Stage) && slotNumber(r.LockName, r.Lock) > 0:
		r.Log.Warn("lock_slots was lowered while this run waited: it takes one of the slots that are left", "asked_for",
			r.Lock, "lock_slots", r.LockSlots)
	default:
		r.Log.Warn("lock_name or lock_slots changed during a run: this run keeps its lock, the next one takes the new lock",
			"lock", r.Lock, "lock_name", r.LockName)
	}
}

// vetAll checks all hooks before the lock is asked for: an unsafe one must not block other hosts.
func (r *run) vetAll() error {
	unsafe := []error{r.Hooks.VetSettings()}
	for _, stage := range HookDirs() {
		if _, err := r.Hooks.List(stage); err != nil {
			unsafe = append(unsafe, err)
		}
	}
	if err := errors.Join(unsafe...); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsafeHooks, err)
	}
	return nil
}

// resume decides how a run in progress goes on. The boot's identity proves whether the host was rebooted.
func (r *run) resume(ctx context.Context, atBoot bool) (proceed bool, err error) {
	rebootAsked := r.Asked != nil && (r.Stage == AfterReboot() || r.Stage == state.Reboot)
	interrupted := r.Boot != nil && !r.Boot.Same(r.boot)
	if due := r.RebootDue; due != nil && !due.Boot.Same(r.boot) { // somebody has rebooted the host
		r.RebootDue = nil
	}
	switch {
	case rebootAsked && !r.Asked.Boot.Same(r.boot):
		// Even if the command seemed to fail, or the host went down late: the run asked for a reboot, and there was one.
		r.Log.Info("the host was rebooted as asked", "asked", clock(r.Asked.Time))
		r.Stage, r.Asked, r.Boot, r.Rebooted, r.Interrupted = AfterReboot(), nil, nil, true, 0
		return true, nil
	case rebootAsked && r.Stage != state.Reboot:
		return r.rebootPending()
	case interrupted:
		return r.interrupted(ctx, atBoot)
	case atBoot && r.crashLoops():
		return false, r.crashLoopError(ctx)
	}
	r.Log.Info("going on with the run in progress", "stage", r.Stage, "run", r.RunID)
	return true, nil
}

// rebootPending handles a reboot that the run asked for and that has not happened.
func (r *run) rebootPending() (proceed bool, err error) {
	uptime, err := r.Host.Uptime()
	if err != nil {
		return false, err
	}
	since := (uptime - r.Asked.Uptime).Round(time.Second)
	if since < r.RebootTimeout {
		r.Log.Info("reboot pending", "since", clock(r.Asked.Time), "for", since)
		return false, nil
	}
	r.Log.Error("reboot did not happen; asking again", "since", clock(r.Asked.Time), "for", since,
		"reboot_timeout", r.RebootTimeout)
	r.Stage, r.Boot = state.Reboot, nil
	return true, nil
}

// interrupted handles a stage during which the host went down.
func (r *run) interrupted(ctx context.Context, atBoot bool) (proceed bool, err error) {
	failedBefore := r.Error != nil
	r.Boot, r.Rebooted = nil, HasLock(r.Stage)
	if !Guarded(r.Stage) || failedBefore { // the stage had failed before, or may simply run again
		r.Log.Info("going on after a reboot", "stage", r.Stage, "run", r.RunID)
		return true, nil
	}
	r.Interrupted++
	r.Log.Error("the host went down during a stage, and this run had not asked for a reboot", "stage", r.Stage,
		"run", r.RunID, "began", clock(r.StageBegan), "times", r.Interrupted)
	if err := r.save(); err != nil {
		r.Log.Error("number of interruptions not saved", "error", err) // the stage waits until the state can be saved
	}
	if atBoot && r.crashLoops() {
		return false, r.crashLoopError(ctx)
	}
	return true, nil
}

func (r *run) crashLoops() bool { return Guarded(r.Stage) && r.Interrupted >= crashLoop }

// crashLoopError stops a run whose host goes down in the same stage again and again.
func (r *run) crashLoopError(ctx context.Context) error {
	r.held = Yes
	return r.fail(ctx, fmt.Errorf("the host went down %d times in this stage, and this run had not asked for a reboot; "+
		"the stage is not tried again at boot", r.Interrupted))
}
