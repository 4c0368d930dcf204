// Package workflow takes a host through an update while it holds a lock: which stage follows which, when the lock is
// taken, confirmed and given back, and how a run goes on after a reboot, a crash or a failure. The whole workflow is
// the table in table.go. The package touches nothing by itself: hooks, lock, state file and host are interfaces
// (effects.go). An Observer hears what happens (observe.go).
package workflow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
)

// run is one run as this invocation sees it.
type run struct {
	*Workflow
	state.Record
	row  row // of the stage
	lock Lock
	boot state.Boot // of now
	// took: this invocation got the lock and verified it. resumed: for a run that an earlier one had taken out of
	// service.
	took, resumed bool
	found         state.Stage // on record when this invocation began; empty: a new run
	// held is what is known of the lock, for whoever reads why the run stopped.
	held Held
	// allowShutdown ends the inhibitor; nil if there is none.
	allowShutdown func()
	// executed: the stage has run a hook, or the reboot command.
	executed bool
	// named are the leftovers that a warning has named, by pid.
	named map[int]bool
	story
}

// Run begins a run, or goes on with the one in progress. atBoot: the host has just booted, so there is only
// something to do if a run is in progress. Cancelling ctx is the first signal: a hook that runs may finish.
//
// nil: the run is finished, there was nothing to do, or a reboot is under way. Otherwise the error is, or wraps,
// a *StageError where a stage was begun, and says whether to try again later (ErrTryLater).
func (w *Workflow) Run(ctx context.Context, atBoot bool) error {
	r, err := w.begin(ctx, atBoot)
	if r == nil || err != nil {
		return err
	}
	defer r.closeStory()
	defer r.lock.StopKeepAlive()
	defer r.inhibit(false)
	for r.Stage != end {
		r.row = rowOf(r.Stage)
		if r.passesOver() {
			r.Stage = r.row.next[done]
			continue
		}
		if err := r.enter(ctx); err != nil {
			return r.fail(err)
		}
		result, err := r.perform(ctx)
		switch {
		case err != nil:
			return r.fail(err)
		case result == rebooting:
			return nil
		}
		r.Log.Debug("stage finished", "stage", r.Stage, "result", string(result))
		r.endStage(nil)
		if r.row.next[result] == end {
			if err := r.finish(); err != nil {
				return r.fail(err)
			}
		}
		r.Stage, r.Interrupted = r.row.next[result], 0
	}
	return nil
}

// passesOver reports whether the stage is optional and this host has no hook for it: then nobody hears of it.
func (r *run) passesOver() bool {
	if !r.row.optional {
		return false
	}
	names, err := r.Hooks.List(r.Stage)
	return err == nil && len(names) == 0
}

// enter gets everything in place for a stage to begin: the lock, the state on disk, and a last look at the lock.
func (r *run) enter(ctx context.Context) error {
	if ctx.Err() != nil && r.row.lock != givesLock {
		return errStopped
	}
	if r.row.lock == guarded && !r.took { // resumed: the state names the stage already
		if err := r.retakeLock(ctx); err != nil {
			return err
		}
	}
	if r.Taken == nil && r.row.stage == state.LockGet {
		r.noteOrigin()
	}
	r.Boot, r.Error = &r.boot, nil
	if err := r.announceStage(ctx); err != nil {
		return err
	}
	r.Log.Info("stage begins", "stage", r.Stage, "run", r.RunID)
	if !r.row.inhibits {
		r.inhibit(false)
	}
	switch r.row.lock {
	case guarded:
		if err := r.guard(ctx); err != nil {
			return err
		}
		r.inhibit(r.row.inhibits)
	case keepsLock:
		r.confirmOnce(ctx)
	case givesLock:
		r.lock.StopKeepAlive()
	}
	return nil
}

// announceStage puts on record that the stage begins. An invocation that found the host out of service waits until it
// can, as it does for the lock server: a person may be making room on the disk.
func (r *run) announceStage(ctx context.Context) error {
	r.beginStage()
	told, onDisk := "", r.resumed && r.row.lock == givesLock && r.found == r.Stage
	for backoff := lock.Backoff(0); ; backoff = lock.Backoff(backoff) {
		r.StageBegan = time.Now()
		r.step.Began = r.StageBegan
		err := r.save()
		switch {
		case err == nil:
			r.stageBegan()
			return nil
		case onDisk:
			r.Log.Warn("the state can't be written; it says already that the lock is to be given back", "error", err)
			return nil
		case !r.resumed:
			return &saveError{err}
		case err.Error() != told:
			r.inhibit(false) // no hook is at work
			r.Log.Error("the state can't be written, and without that no stage may begin; it is tried again", "stage", r.Stage, "error", err)
			r.tell(Event{Kind: NotSaved, Err: err})
			if told == "" {
				r.tellResumed()
				r.tell(Event{Kind: Waiting, Wait: lock.Wait{Why: "the state can't be written", Err: err}})
			}
			told = err.Error()
		}
		if !pause(ctx, backoff) {
			return errStopped
		}
	}
}

// finish removes the record: the run is over.
func (r *run) finish() error {
	if err := r.Store.Clear(); err != nil {
		return err
	}
	r.cleared = true
	if r.row.lock == givesLock {
		r.tell(Event{Kind: Finished})
	} else {
		r.tell(Event{Kind: Cleared})
	}
	return nil
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
	if r.lock.Lost() != nil { // also if the stage failed for another reason before anybody asked
		r.held = No
	}
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
		r.endStage(err)
		return failure
	}
	r.Error = &state.Error{Time: time.Now(), Stage: r.Stage, Hook: failure.Hook, Message: message}
	if r.step == nil { // it failed before it began
		r.step = &state.Step{Stage: r.Stage, Began: r.Error.Time}
	}
	r.noteFailure()
	r.endStage(errors.New(message))
	if saveErr := r.save(); saveErr != nil {
		r.Log.Warn("the reason of the failure could not be put on record", "error", saveErr)
	}
	r.tell(Event{Kind: Failed, Err: err})
	return failure
}

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

// clock writes a time for a sentence.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }
