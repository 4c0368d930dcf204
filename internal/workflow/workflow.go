// Package workflow takes a host through an update while it holds a lock: which stage follows which, when the lock is
// taken, confirmed and released, and how a run goes on after a reboot, a crash or a failure. The whole workflow is
// the table in table.go. The package touches nothing by itself: hooks, lock, state file and host are interfaces
// (effects.go). An Observer hears what happens (observe.go).
package workflow

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
)

// run is one run as this invocation sees it.
type run struct {
	*Workflow
	state.Record
	row  row // of the current stage
	lock Lock
	boot state.Boot // the current one
	// tookLock: this invocation took the lock and verified it.
	tookLock bool
	// hadLock: the run had the lock when this invocation began.
	hadLock bool
	// firstStage is the stage on record when this invocation began; empty: a new run.
	firstStage state.Stage
	// shownToOther: the last answer named another host as the holder.
	shownToOther atomic.Bool
	// held says whether this host holds the lock, for the error that stops the run.
	held Held
	// allowShutdown ends the inhibitor; nil if there is none.
	allowShutdown func()
	// obstacle is what the run waits for; zero: it does not wait.
	obstacle lock.Wait
	// ranSomething: the stage has run a hook or the reboot command.
	ranSomething bool
	// failedBefore: the record says that the run had failed when this invocation began.
	failedBefore bool
	gatesAsked   gatesAsked
	// withinBudget: the budget was looked at in this round, and allows a run. overBudget: the last look did not allow one.
	withinBudget, overBudget bool
	// warnedOf are the processes left running that the log has named, by pid.
	warnedOf map[int]bool
	storyteller
}

// Run begins a run, or goes on with the one in progress. atBoot: the host has just booted; without a run in progress
// there is nothing to do. Cancelling ctx is the first signal: the hook that is running may finish.
//
// Run returns nil if the run is finished, there was nothing to do, or a reboot is under way. If a stage had begun, the
// error is or wraps a *StageError. The error wraps ErrTryLater if nothing is wrong and a later invocation tries again.
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
			return r.fail(ctx, err)
		}
		result, err := r.perform(ctx)
		switch {
		case err != nil:
			return r.fail(ctx, err)
		case result == rebooting:
			return nil
		}
		r.Log.Debug("stage finished", "stage", r.Stage, "result", string(result))
		r.endStage(nil)
		if r.row.next[result] == end {
			if err := r.finish(); err != nil {
				return r.fail(ctx, err)
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

// enter prepares a stage: it takes the lock if needed, saves the state, and looks at the lock one last time.
func (r *run) enter(ctx context.Context) error {
	if ctx.Err() != nil && r.row.lock != releasesLock {
		return errStopped
	}
	if r.row.lock == guarded && !r.tookLock { // a resumed run: the state already names the stage
		if err := r.retakeLock(ctx); err != nil {
			return err
		}
	}
	if r.Taken == nil && r.row.stage == state.LockGet {
		r.noteOrigin()
	}
	r.Boot, r.Error = &r.boot, nil
	if flag := r.flagDue(); r.failedBefore && flag != "" {
		r.noteFlag(flag, false)
	}
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
	case releasesLock:
		r.lock.StopKeepAlive()
	}
	if flag := r.flagDue(); r.failedBefore && flag != "" {
		r.raiseFlag(ctx, flag, 0)
	}
	r.failedBefore = false
	return nil
}

// announceStage saves that the stage begins.
func (r *run) announceStage(ctx context.Context) error {
	r.beginStage()
	alreadySaved := r.hadLock && r.row.lock == releasesLock && r.firstStage == r.Stage
	err := r.saveInTime(ctx, r.hadLock && !alreadySaved, func() {
		r.StageBegan = time.Now()
		r.step.Began = r.StageBegan
	})
	switch {
	case err == nil:
		r.stageBegan()
	case alreadySaved:
		r.Log.Warn("state not written; it already says to release the lock", "error", err)
		r.tellResumed()
		return nil
	}
	return err
}

// saveInTime lets prepare bring the record up to date, and saves it. If waits is set, it tries again until that
// succeeds, as a run that has the lock waits for the lock server: a person may be making room on the disk.
func (r *run) saveInTime(ctx context.Context, waits bool, prepare func()) error {
	lastError := ""
	for backoff := lock.Backoff(0); ; backoff = lock.Backoff(backoff) {
		prepare()
		err := r.save()
		switch {
		case err == nil:
			if lastError != "" {
				r.tell(Event{Kind: Saved})
			}
			r.obstacle = lock.Wait{}
			return nil
		case !waits:
			return &saveError{err}
		case err.Error() != lastError:
			r.tellResumed()
			r.inhibit(false) // no hook is running
			r.Log.Error("state not written, and no stage begins before it is: trying again", "stage", r.Stage, "error", err)
			r.tell(Event{Kind: NotSaved, Err: err})
			r.obstacle = lock.Wait{Why: "the state can't be written", Err: err}
			if lastError == "" {
				r.tell(Event{Kind: Waiting, Wait: r.obstacle})
			}
			lastError = err.Error()
		}
		if !lock.Sleep(ctx, backoff) {
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
	if r.row.lock == releasesLock {
		r.tell(Event{Kind: Finished})
	} else {
		r.tell(Event{Kind: Cleared})
	}
	return nil
}

// inhibit keeps the host from being shut down (on), or allows it again.
func (r *run) inhibit(on bool) {
	switch {
	case on && r.allowShutdown == nil:
		r.allowShutdown = r.Host.InhibitShutdown(fmt.Sprintf("an update is in progress (run %s)", r.RunID))
	case !on && r.allowShutdown != nil:
		r.allowShutdown()
		r.allowShutdown = nil
	}
}

// fail saves why the stage stopped, and returns it as a *StageError.
func (r *run) fail(ctx context.Context, err error) error {
	if r.lock.Lost() != nil { // also if the stage failed for another reason before anybody asked
		r.held = No
	}
	if r.held != Yes && r.shownToOther.Load() && HasLock(r.Stage) {
		r.story.LockLost() // for `status`, where nobody can look at the lock
		r.unsaved = true
	}
	failure := &StageError{Stage: r.Stage, Run: r.RunID, Lock: r.Lock, Held: r.held, Err: err}
	var refusal *Refusal
	if errors.Is(err, errStopped) || errors.As(err, &refusal) {
		failure.Obstacle = r.obstacle
	}
	message := err.Error()
	var hook *hookError
	if errors.As(err, &hook) {
		failure.Hook, message = hook.name, hook.err.Error()
	}
	var notSaved *saveError
	var cleared *clearedError
	// A signal is not recorded as an error: a shutdown sends one, and the stage must then show as interrupted.
	if errors.As(err, &cleared) || errors.Is(err, errStopped) || errors.As(err, &notSaved) {
		r.endStage(err)
		return failure
	}
	r.tellResumed()
	r.Error = &state.Error{Time: time.Now(), Stage: r.Stage, Hook: failure.Hook, Message: message}
	if r.step == nil { // the stage failed before it began
		r.step = &state.Step{Stage: r.Stage, Began: r.Error.Time}
	}
	r.noteFailure()
	flag := ""
	if !errors.Is(err, ErrTryLater) {
		flag = r.flagDue()
	}
	if flag != "" {
		r.noteFlag(flag, false)
	}
	r.endStage(errors.New(message))
	if saveErr := r.save(); saveErr != nil {
		r.Log.Warn("reason for the failure not saved", "error", saveErr)
		flag = "" // it would not be on record
	}
	r.tell(Event{Kind: Failed, Err: err})
	if flag != "" {
		r.Log.Error("stage failed", "stage", r.Stage, "hook", failure.Hook, "error", message)
		if r.Failing != nil {
			r.Failing(failure)
		}
		r.raiseFlag(ctx, flag, flagPatience)
	}
	return failure
}

// clock writes a time for a sentence.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }
