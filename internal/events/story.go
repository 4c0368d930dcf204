package events

import (
	"errors"
	"slices"
	"time"

	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"
	"foreman-dlm-updater/internal/workflow"
)

// load takes over the record that an earlier invocation left.
func (w *Watcher) load(record *state.Record) {
	if record.Stage == state.NeedsUpdate { // of a run that came to nothing
		return
	}
	w.record, w.last, w.found, w.resumed = record, record, true, record.Stage != state.LockGet
	if record.Story != nil {
		w.story = *record.Story.Clone()
	}
	w.story.Waiting = nil // whoever waited does no more
	if began := record.StageBegan; !began.IsZero() && !slices.ContainsFunc(w.story.Steps, func(step state.Step) bool {
		return step.Hook == "" && step.Began.Equal(began)
	}) {
		w.story.Add(state.Step{Stage: record.Stage, Began: began, Error: "interrupted"})
	}
}

// tellStory completes a record that is about to be saved, and returns what has happened once it is, and how far the run
// has come otherwise. Which stage begins or fails shows by what has changed in the record.
func (w *Watcher) tellStory(record *state.Record) (kinds []Kind, unsaved progress) {
	w.mu.Lock()
	defer w.mu.Unlock()
	unsaved = w.progress
	unsaved.story = *w.story.Clone()
	before := w.last
	if before == nil || before.RunID != record.RunID {
		before, w.story = &state.Record{}, state.Story{}
	}
	kinds = w.resumes()
	if !w.begun {
		w.begun = true
		w.story.Invocations++
	}
	switch {
	case record.Error != nil && (before.Error == nil || !before.Error.Time.Equal(record.Error.Time)):
		w.stageFailed(record)
	case record.Asked != nil && (before.Asked == nil || !before.Asked.Time.Equal(record.Asked.Time)):
		w.closeStage(nil)
		if !w.reboots { // a command that fails is tried again
			kinds, w.reboots = append(kinds, Rebooting), true
		}
	case !record.StageBegan.Equal(before.StageBegan):
		w.closeStage(nil)
		if before.Stage == state.NeedsUpdate && record.Stage == state.LockGet {
			kinds = append(kinds, Started)
		}
		if before.Stage == state.LockGet && record.Stage == state.PreUpdate {
			w.story.Acquired = record.StageBegan
			kinds = append(kinds, Acquired)
		} else if w.story.Waiting != nil {
			kinds = append(kinds, Acquired)
		}
		w.endWait()
		w.open, w.atWork, w.unanswered = &state.Step{Stage: record.Stage, Began: record.StageBegan}, false, 0
	case before.Stage == state.PostUpdate && record.Stage == state.Reboot:
		w.reopenStage()
	}
	record.Story = w.story.Clone()
	w.dirty, w.saving = true, true
	return kinds, unsaved
}

// notSaved notes that the workflow waits until it can save a record.
func (w *Watcher) notSaved(record state.Record, err error) []Kind {
	if !w.resumed || w.unwritten != nil || record.Error != nil {
		return nil
	}
	w.unwritten = &status.Stop{At: time.Now(), Why: err.Error()}
	return append(w.resumes(), Waiting)
}

func (w *Watcher) stageFailed(record *state.Record) {
	failure := &state.Failure{Error: *record.Error}
	if hook := w.failing; hook != nil && hook.Hook == failure.Hook && hook.Stage == failure.Stage {
		failure.Exit, failure.Output = hook.Exit, hook.Output
	}
	w.story.Failure = failure
	if w.open == nil { // while it took the lock again
		w.open = &state.Step{Stage: record.Stage, Began: record.Error.Time}
	}
	w.closeStage(errors.New(record.Error.Message))
}

// resumes tells once that the invocation goes on with the run that it found.
func (w *Watcher) resumes() []Kind {
	if !w.found {
		return nil
	}
	w.found = false
	return []Kind{Resumed}
}

// noAnswer: the run waits for Foreman to answer while the lock is being got, before a stage is resumed, and before the
// first hook of a guarded stage. There the first look may be the only one: an invocation that has taken the lock itself
// goes on without an answer.
func (w *Watcher) noAnswer() (kinds []Kind) {
	rebooting := w.record != nil && w.record.Asked != nil && w.record.Stage == state.PostUpdate
	if w.record == nil || w.saving || rebooting || w.open != nil && w.open.Stage != state.LockGet && (w.atWork || !workflow.Guarded(w.open.Stage)) {
		return nil
	}
	w.unanswered++
	if w.story.Waiting != nil || w.open != nil && w.open.Stage != state.LockGet && w.unanswered == 1 {
		return nil
	}
	kinds = append(w.resumes(), Waiting)
	w.story.Waiting = &state.Waiting{Since: time.Now()}
	w.save()
	return kinds
}

// lookedAt finds out by a look at the lock whether it is waited for now: while the lock is being got, or before a stage is resumed.
func (w *Watcher) lookedAt(lock workflow.Lock, exists bool) (kinds []Kind) {
	if w.record == nil || w.saving || w.open != nil && w.open.Stage != state.LockGet {
		if w.open != nil && !w.saving && !w.atWork && lock.Self && w.story.Waiting != nil { // it waited for this answer
			w.endWait()
			w.save()
			return []Kind{Acquired}
		}
		return nil
	}
	kinds = w.resumes()
	barred := w.refused && exists && lock.Enabled && lock.Holder == ""
	w.lock.Barred = barred
	disabled := !lock.Enabled && !(lock.Self && w.open == nil)
	if !exists || !barred && !disabled && (lock.Self || lock.Holder == "") {
		return kinds
	}
	switch wait := w.story.Waiting; {
	case wait == nil:
		w.story.Waiting = &state.Waiting{Since: time.Now(), Barred: barred}
		kinds = append(kinds, Waiting)
	case wait.Barred == barred:
		return kinds
	default:
		w.story.Waiting = &state.Waiting{Since: wait.Since, Barred: barred}
		kinds = append(kinds, Waiting)
	}
	w.save() // for `status`, which can't see it; who waits has the time
	return kinds
}

func (w *Watcher) endWait() {
	if w.story.Waiting != nil {
		w.story.WaitedMS += time.Since(w.story.Waiting.Since).Milliseconds()
		w.story.Waiting = nil
		w.dirty = true
	}
}

func (w *Watcher) hookEnded(stage state.Stage, name string, began time.Time, result workflow.HookResult) {
	step := state.Step{Stage: stage, Hook: name, Began: began, TookMS: time.Since(began).Milliseconds(), Exit: result.Exit}
	w.failing = nil
	if result.Err != nil {
		step.Error = cut(result.Err)
	}
	if result.Exit != 0 || result.Err != nil {
		w.failing = &state.Failure{Error: state.Error{Stage: stage, Hook: name}, Exit: result.Exit, Output: result.Last}
	}
	w.story.Add(step)
	w.dirty = true
}

// closeStage ends the stage that is under way, if there is one. err is why it was not finished.
func (w *Watcher) closeStage(err error) {
	if w.open == nil {
		return
	}
	step := *w.open
	step.TookMS = time.Since(step.Began).Milliseconds()
	var stage *workflow.StageError
	if errors.As(err, &stage) {
		err = stage.Err
	}
	if err != nil {
		step.Error = cut(err)
	}
	w.story.Add(step)
	w.open, w.dirty = nil, true
}

// reopenStage takes back that the stage reboot has ended: its command failed, and is tried again.
func (w *Watcher) reopenStage() {
	last := len(w.story.Steps) - 1
	if w.open != nil || last < 0 || w.story.Steps[last].Stage != state.Reboot {
		return
	}
	w.open = &state.Step{Stage: state.Reboot, Began: w.story.Steps[last].Began}
	w.story.Steps = w.story.Steps[:last]
}

// finishesWithoutReboot reports whether the run that finishes may have needed a reboot. If its hooks have said that it
// did not, none is due any more.
func (w *Watcher) finishesWithoutReboot() bool {
	due := stillDue(w.last.RebootDue, w.boot)
	asked := slices.ContainsFunc(w.story.Steps, func(step state.Step) bool {
		return step.Stage == state.NeedsReboot && step.Hook == "" && step.Error == ""
	})
	if due != nil || asked {
		w.due = due
	}
	return due != nil
}

// stillDue is nil for a reboot that has happened since, whoever did it.
func stillDue(due *state.RebootDue, boot *state.Boot) *state.RebootDue {
	if due != nil && boot != nil && !due.Boot.Same(*boot) {
		return nil
	}
	return due
}

// save puts the story on disk, in the record that is there.
func (w *Watcher) save() {
	record := *w.record
	record.Story = w.story.Clone()
	if err := w.store.Save(record); err != nil {
		w.log.Warn("what happened in the run so far could not be put on record", "error", err)
		return
	}
	w.record, w.last, w.dirty = &record, &record, false
}

// cut shortens a reason for the story.
func cut(err error) string {
	const most = 300
	text := []rune(err.Error())
	if len(text) > most {
		return string(text[:most]) + "..."
	}
	return string(text)
}
