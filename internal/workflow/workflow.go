// Package workflow takes a host through an update while it holds a lock in Foreman: which stage follows which, when
// the lock is taken, looked at, refreshed and given back, and how a run goes on after a reboot, a crash or a
// failure. It touches nothing by itself: hooks, lock server, state file and host are interfaces (effects.go).
package workflow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"foreman-dlm-updater/internal/state"
)

// outcome is what came of a stage that did not fail.
type outcome string

const (
	done      outcome = "done"
	yes       outcome = "yes"
	no        outcome = "no"
	rebooting outcome = "rebooting" // the invocation ends; the one after the boot goes on
)

// end is where a run ends: the state file is removed.
const end state.Stage = ""

// row is one line of the workflow: what a stage does and where its outcomes lead. A stage that fails stays the
// next one to execute.
type row struct {
	do func(*run, context.Context) (outcome, error)
	// guarded stages run only while this host holds the lock.
	guarded bool
	// inhibits: nobody shall shut the host down meanwhile.
	inhibits bool
	// keeps: what its hooks, or the reboot command, leave running lives on when the invocation ends.
	keeps bool
	next  map[outcome]state.Stage
}

type to = map[outcome]state.Stage

// table is the whole workflow.
var table = map[state.Stage]row{
	state.NeedsUpdate: {do: (*run).askAllHooks, next: to{yes: state.LockGet, no: end}},
	state.LockGet:     {do: (*run).getLock, next: to{done: state.PreUpdate}},
	state.PreUpdate:   {do: (*run).runHooks, guarded: true, inhibits: true, next: to{done: state.Update}},
	state.Update:      {do: (*run).runHooks, guarded: true, inhibits: true, next: to{done: state.NeedsReboot}},
	state.NeedsReboot: {do: (*run).askForReboot, guarded: true, inhibits: true, next: to{yes: state.Reboot, no: state.PostUpdate}},
	state.Reboot:      {do: (*run).reboot, guarded: true, keeps: true, next: to{rebooting: state.PostUpdate}},
	state.PostUpdate:  {do: (*run).runHooks, keeps: true, next: to{done: state.LockRelease}},
	state.LockRelease: {do: (*run).releaseLock, next: to{done: end}},
}

// Guarded reports whether a stage runs only while this host holds the lock.
func Guarded(stage state.Stage) bool { return table[stage].guarded }

// HookStages are the stages that have a directory of hooks.
var HookStages = []state.Stage{state.NeedsUpdate, state.PreUpdate, state.Update, state.NeedsReboot, state.PostUpdate}

// run is one run as this invocation sees it.
type run struct {
	*Workflow
	state.Record
	boot state.Boot // of now
	// took: this invocation got the lock and verified it. resumed: for a run that an earlier one had taken out of
	// service.
	took, resumed bool
	found         state.Stage // on record when this invocation began; empty: a new run
	// moved: the lock was asked for at another server, or under another name, than now; what is seen now tells nothing
	// about that one, unless it is this host's.
	moved bool
	// settled is when every claim must have been written that earlier invocations of this run may have sent.
	settled   time.Time
	refresher *refresher
	// held is what is known of the lock, for who reads why the run stopped.
	held Held
	// allowShutdown ends the inhibitor; nil if there is none.
	allowShutdown func()
	// executed: the stage has run a hook, or the reboot command.
	executed bool
	// named are the leftovers that a warning has named, by pid.
	named map[int]bool
}

// Run begins a run, or goes on with the one in progress. atBoot: the host has just booted, so there is only
// something to do if a run is in progress. Cancelling ctx is the first signal: a hook that runs may finish.
//
// nil: the run is finished, there was nothing to do, or a reboot is under way. Otherwise the error is, or wraps,
// a *StageError where a stage was begun, and says whether to try again later (ErrTryLater).
func (w *Workflow) Run(ctx context.Context, atBoot bool) error {
	r, err := w.open(ctx, atBoot)
	if r == nil || err != nil {
		return err
	}
	defer r.stopRefresh()
	defer r.inhibit(false)
	for r.Stage != end {
		stage := table[r.Stage]
		if err := r.enter(ctx, stage); err != nil {
			return r.fail(err)
		}
		result, err := r.perform(ctx, stage)
		switch {
		case err != nil:
			return r.fail(err)
		case result == rebooting:
			return nil
		}
		r.Log.Debug("stage finished", "stage", r.Stage, "result", string(result))
		if stage.next[result] == end {
			if err := r.Store.Clear(); err != nil {
				return r.fail(err)
			}
		}
		r.Stage, r.Interrupted = stage.next[result], 0
	}
	return nil
}

// enter gets everything in place for a stage to begin: the lock, the state on disk, and a last look at the lock.
func (r *run) enter(ctx context.Context, stage row) error {
	if ctx.Err() != nil && r.Stage != state.LockRelease {
		return errStopped
	}
	if stage.guarded && !r.took { // resumed: the state names the stage already
		if err := r.retakeLock(ctx); err != nil {
			return err
		}
	}
	if r.Stage == state.LockGet && r.Taken == nil {
		r.Taken = r.identity()
	}
	r.Boot, r.Error = &r.boot, nil
	if err := r.announceStage(ctx); err != nil {
		return err
	}
	r.Log.Info("stage begins", "stage", r.Stage, "run", r.RunID)
	if !stage.inhibits {
		r.inhibit(false)
	}
	switch {
	case stage.guarded:
		if err := r.guard(ctx); err != nil {
			return err
		}
		r.inhibit(stage.inhibits)
	case r.Stage == state.PostUpdate:
		r.lookBeforePostUpdate(ctx)
	case r.Stage == state.LockRelease:
		r.stopRefresh()
	}
	return nil
}

// announceStage puts on record that the stage begins. An invocation that found the host out of service waits until it
// can, as it does for Foreman: a person may be making room on the disk.
func (r *run) announceStage(ctx context.Context) error {
	told, onDisk := "", r.resumed && r.Stage == state.LockRelease && r.found == r.Stage
	for backoff := nextBackoff(0); ; backoff = nextBackoff(backoff) {
		r.StageBegan = time.Now()
		err := r.Store.Save(r.Record)
		switch {
		case err == nil:
			return nil
		case onDisk:
			r.Log.Warn("the state can't be written; it says already that the lock is to be given back", "error", err)
			return nil
		case !r.resumed:
			return &saveError{err}
		case err.Error() != told:
			told = err.Error()
			r.inhibit(false) // no hook is at work
			r.Log.Error("the state can't be written, and without that no stage may begin; it is tried again", "stage", r.Stage, "error", err)
		}
		if !pause(ctx, backoff) {
			return errStopped
		}
	}
}

// inhibit keeps the host from being shut down, or lets it again.
func (r *run) inhibit(on bool) {
	switch {
	case on && r.allowShutdown == nil:
		r.allowShutdown = r.Host.InhibitShutdown(fmt.Sprintf("an update is in progress (run %s)", r.RunID))
	case !on && r.allowShutdown != nil:
		r.allowShutdown()
		r.allowShutdown = nil
	}
}

// fail puts what stopped the stage on record, and says what it means for the lock.
func (r *run) fail(err error) error {
	failure := &StageError{Stage: r.Stage, Run: r.RunID, Lock: r.Lock, Held: r.held, Err: err}
	message := err.Error()
	var hook *hookError
	if errors.As(err, &hook) {
		failure.Hook, message = hook.name, hook.err.Error()
	}
	var notSaved *saveError
	var cleared *clearedError
	// After a signal there is no error: a stage that is cut short by the host going down must show as such.
	if errors.As(err, &cleared) || errors.Is(err, errStopped) || errors.As(err, &notSaved) {
		return failure
	}
	r.Error = &state.Error{Time: time.Now(), Stage: r.Stage, Hook: failure.Hook, Message: message}
	if saveErr := r.Store.Save(r.Record); saveErr != nil {
		r.Log.Warn("the reason of the failure could not be put on record", "error", saveErr)
	}
	return failure
}
