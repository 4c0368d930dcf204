package workflow

import (
	"errors"
	"slices"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
)

// Observer hears what happens to a run, as it happens, and one event at a time. It must not block, but for Rebooting,
// which may take a few seconds to reach others: the host may be gone a moment later. Nothing that it does changes the
// run.
type Observer func(Event)

// EventKind is what has happened.
type EventKind string

// The kinds.
const (
	Found      EventKind = "found"       // a record of an earlier invocation
	BootRead   EventKind = "boot-read"   // which boot this is
	Started    EventKind = "started"     // a new run has found something to do
	Resumed    EventKind = "resumed"     // this invocation goes on with the run that it found
	StageBegan EventKind = "stage-began" // and that is on record
	StageEnded EventKind = "stage-ended" // well, or with Err
	HookBegan  EventKind = "hook-began"
	HookEnded  EventKind = "hook-ended"
	LockSeen   EventKind = "lock-seen" // the lock server has answered with View, or not (Err)
	Waiting    EventKind = "waiting"   // the run can't go on now, and why
	Acquired   EventKind = "acquired"  // the lock was got, or is certain again after a wait
	NotSaved   EventKind = "not-saved" // the run waits until its record can be written
	Failed     EventKind = "failed"    // a stage has, and that is on record
	Inhibited  EventKind = "inhibited" // who keeps the host from being shut down has been looked at
	Rebooting  EventKind = "rebooting" // that is on record, and the reboot command comes next
	Finished   EventKind = "finished"  // the lock is given back, and the run is over
	Cleared    EventKind = "cleared"   // the run is over, for another reason: its record is gone
)

// Event is one thing that has happened. What its pointers and slices lead to must not be changed.
type Event struct {
	Kind EventKind
	// Record is the run as it is on record, or was last, with its story up to now; nil: no run is known.
	Record *state.Record
	// Cleared: Record is not on record any more.
	Cleared bool

	Boot       *state.Boot // of BootRead
	Hook       string      // of HookBegan and HookEnded
	Result     HookResult  // of HookEnded
	Lock       string      // of LockSeen
	View       lock.View   // of LockSeen
	Wait       lock.Wait   // of Waiting
	Inhibitors []Inhibitor // of Inhibited
	Err        error       // of StageEnded, LockSeen, NotSaved
}

// tell tells the observer, with what is on record.
func (r *run) tell(e Event) {
	if r.onDisk != nil {
		record := *r.onDisk
		record.Story = r.tales.Clone()
		e.Record, e.Cleared = &record, r.cleared
	}
	r.Workflow.tell(e)
}

// tellResumed tells once that this invocation goes on with the run that it found: as soon as it is known whether it has
// to wait.
func (r *run) tellResumed() {
	if r.resumes {
		r.resumes = false
		r.tell(Event{Kind: Resumed})
	}
}

func (w *Workflow) tell(e Event) {
	if w.Observe != nil {
		w.Observe(e)
	}
}

// story is what happened to a run so far, and what of it is under way. It is saved with the record: by the workflow's
// own saves, and by itself only while a run waits or ends.
type story struct {
	tales state.Story
	// onDisk is the record as it was saved last. cleared: and removed since.
	onDisk  *state.Record
	cleared bool
	// doubtful: the last save failed, and may have had its effect all the same: onDisk must not be written again.
	doubtful bool
	resumes  bool        // the run was found, and nobody has been told yet that it goes on
	step     *state.Step // the stage that is under way
	failing  *hookEnd    // the hook that ended last, if it did not end with 0
	newRun   bool        // it has found something to do, which is told once the next stage is on record
	got      bool        // the same of the lock that it got
	pending  bool        // the same of a wait that is over
	unsaved  bool        // the story on disk is older
	told     bool        // that the host is about to reboot
	counted  bool        // this invocation is, among the run's
}

// hookEnd is a hook that did not end with 0.
type hookEnd struct {
	name   string
	result HookResult
}

// foundRecord takes over the record that an earlier invocation left.
func (r *run) foundRecord(record *state.Record) {
	if !record.InProgress() { // of a run that came to nothing
		return
	}
	r.onDisk, r.resumes = record, true
	if record.Story != nil {
		r.tales = *record.Story.Clone()
	}
	r.tales.Waiting = nil // whoever waited does no more
	began := record.StageBegan
	ended := func(step state.Step) bool { return step.Hook == "" && step.Began.Equal(began) }
	if !began.IsZero() && !slices.ContainsFunc(r.tales.Steps, ended) {
		r.tales.Add(state.Step{Stage: record.Stage, Began: began, Error: "interrupted"})
	}
	r.tell(Event{Kind: Found})
}

// save puts the record on disk, with the story.
func (r *run) save() error {
	if !r.counted {
		r.counted = true
		r.tales.Invocations++
	}
	r.Story = r.tales.Clone()
	if err := r.Store.Save(r.Record); err != nil {
		r.doubtful = true
		return err
	}
	record := r.Record
	r.onDisk, r.unsaved, r.doubtful = &record, false, false
	return nil
}

// saveStory puts the story on disk, in the record that is there. A story that can't be saved stops nothing.
func (r *run) saveStory() {
	if r.onDisk == nil || r.cleared || r.doubtful || !r.onDisk.InProgress() {
		return
	}
	record := *r.onDisk
	record.Story = r.tales.Clone()
	if err := r.Store.Save(record); err != nil {
		r.Log.Warn("what happened in the run so far could not be put on record", "error", err)
		return
	}
	r.onDisk, r.unsaved = &record, false
}

// errCutShort ends the story of a stage that a mistake of this program has ended.
var errCutShort = errors.New("cut short")

// closeStory saves what came after the last save.
func (r *run) closeStory() {
	r.endStage(errCutShort)
	r.endWait()
	if r.unsaved {
		r.saveStory()
	}
}

// beginStage notes that a stage begins, before that is on record.
func (r *run) beginStage() {
	now := time.Now()
	r.newRun = r.onDisk != nil && !r.onDisk.InProgress()
	r.pending = r.tales.Waiting != nil
	if r.got {
		r.tales.Acquired = now
	}
	r.endWait()
	r.step, r.unsaved = &state.Step{Stage: r.Stage, Began: now}, true
}

// stageBegan tells that it has, and what that means.
func (r *run) stageBegan() {
	r.tell(Event{Kind: StageBegan})
	r.tellResumed()
	if r.newRun {
		r.tell(Event{Kind: Started})
	}
	if r.got || r.pending {
		r.tell(Event{Kind: Acquired})
	}
	r.newRun, r.got, r.pending = false, false, false
}

// endStage ends the stage that is under way, if there is one. err is why it was not finished.
func (r *run) endStage(err error) {
	if r.step == nil {
		return
	}
	r.endStep(err)
	r.tell(Event{Kind: StageEnded, Err: err})
}

// endStep is the same for the story alone.
func (r *run) endStep(err error) {
	if r.step == nil {
		return
	}
	step := *r.step
	step.TookMS = time.Since(step.Began).Milliseconds()
	if err != nil {
		step.Error = short(err)
	}
	r.tales.Add(step)
	r.step, r.unsaved = nil, true
}

// reopenStep takes back that the stage has ended: the reboot command failed, and is tried again.
func (r *run) reopenStep() {
	last := len(r.tales.Steps) - 1
	if r.step != nil || last < 0 || r.tales.Steps[last].Stage != r.Stage {
		return
	}
	r.step = &state.Step{Stage: r.Stage, Began: r.tales.Steps[last].Began}
	r.tales.Steps = r.tales.Steps[:last]
}

// noteFailure takes over why the run failed, and what the hook said that made it fail.
func (r *run) noteFailure() {
	failure := &state.Failure{Error: *r.Error}
	if hook := r.failing; hook != nil && hook.name == failure.Hook {
		failure.Exit, failure.Output = hook.result.Exit, hook.result.Last
	}
	r.tales.Failure = failure
}

// waits tells that the run can't go on now, and puts it on record for those who can't see it.
func (r *run) waits(wait lock.Wait) {
	now := &state.Waiting{Since: time.Now(), Barred: wait.Barred}
	if wait.Other {
		now.Why = wait.Why
	}
	if before := r.tales.Waiting; before != nil {
		now.Since = before.Since
		if *now == *before {
			return
		}
	}
	r.tales.Waiting = now
	r.saveStory() // whoever waits has the time
	r.tellResumed()
	r.tell(Event{Kind: Waiting, Wait: wait})
}

// endWait ends a wait, if there is one.
func (r *run) endWait() {
	if r.tales.Waiting == nil {
		return
	}
	r.tales.WaitedMS += time.Since(r.tales.Waiting.Since).Milliseconds()
	r.tales.Waiting = nil
	r.unsaved = true
}

// hookEnded notes how a hook has ended.
func (r *run) hookEnded(name string, began time.Time, result HookResult) {
	step := state.Step{Stage: r.Stage, Hook: name, Began: began, TookMS: time.Since(began).Milliseconds(), Exit: result.Exit}
	r.failing = nil
	if result.Err != nil {
		step.Error = short(result.Err)
	}
	if result.Exit != 0 || result.Err != nil {
		r.failing = &hookEnd{name, result}
	}
	r.tales.Add(step)
	r.unsaved = true
	r.tell(Event{Kind: HookEnded, Hook: name, Result: result})
}

// short shortens a reason for the story.
func short(err error) string {
	const most = 300
	text := []rune(err.Error())
	if len(text) > most {
		return string(text[:most]) + "..."
	}
	return string(text)
}
