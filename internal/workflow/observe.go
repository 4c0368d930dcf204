package workflow

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
)

// Observer hears what happens to a run, as it happens. It can't change the run. It may be called by several goroutines:
// LockSeen comes from the one that refreshes the lock, too. It must not block; only for Rebooting it may take a few
// seconds, since it can't tell anybody once the host is down.
type Observer func(Event)

// EventKind says what has happened.
type EventKind string

// The kinds.
const (
	Found      EventKind = "found"       // there is a record of an earlier invocation
	BootRead   EventKind = "boot-read"   // Boot is known
	Started    EventKind = "started"     // a new run has found something to do
	Resumed    EventKind = "resumed"     // this invocation goes on with the run on record
	StageBegan EventKind = "stage-began" // the record says so
	StageEnded EventKind = "stage-ended" // Err is nil if it was finished
	HookBegan  EventKind = "hook-began"
	HookEnded  EventKind = "hook-ended"
	LockSeen   EventKind = "lock-seen" // the lock server answered (View) or did not (Err)
	Waiting    EventKind = "waiting"   // the run can't go on now; Wait says why
	Acquired   EventKind = "acquired"  // the lock was taken, or confirmed after a wait
	NotSaved   EventKind = "not-saved" // the run waits until its record can be written
	Saved      EventKind = "saved"     // after NotSaved: it was written
	Failed     EventKind = "failed"    // a stage failed, and the record says so
	Inhibited  EventKind = "inhibited" // Inhibitors is known
	Rebooting  EventKind = "rebooting" // the record says so, and the reboot command comes next
	Finished   EventKind = "finished"  // the lock is released, and the run is over
	Cleared    EventKind = "cleared"   // the run is over without having taken the lock
)

// Event is one thing that has happened. Observers must not change what its pointers and slices lead to.
type Event struct {
	Kind EventKind
	// Record is the run's last saved record, with the story up to now; nil: no run is known.
	Record *state.Record
	// Cleared: the record has been removed from the disk.
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

// tell adds the record to an event and passes it to the observer.
func (r *run) tell(e Event) {
	if r.onDisk != nil {
		record := *r.onDisk
		record.Story = r.story.Clone()
		e.Record, e.Cleared = &record, r.cleared
	}
	r.Workflow.tell(e)
}

// tellResumed sends Resumed once, as soon as it is known whether the run has to wait.
func (r *run) tellResumed() {
	if r.resumedDue {
		r.resumedDue = false
		r.tell(Event{Kind: Resumed})
	}
}

func (w *Workflow) tell(e Event) {
	if w.Observe != nil {
		w.Observe(e)
	}
}

// storyteller keeps a run's story and tells the observer. The story is saved with the record whenever the workflow
// saves it; it is saved on its own only while a run waits or ends.
type storyteller struct {
	story state.Story
	// onDisk is the record as it was saved last. cleared: it has been removed since.
	onDisk  *state.Record
	cleared bool
	// doubtful: the last save failed, but may have reached the disk: onDisk must not be written again.
	doubtful bool
	// durable: this invocation has saved the record, so a power cut leaves a record of the run. The record that an
	// invocation finds may come from a save whose sync failed.
	durable bool
	step    *state.Step // the stage in progress
	failing *hookEnd    // the last hook, if it did not exit with 0
	unsaved bool        // the story on disk is older
	counted bool        // the story counts this invocation

	// Events that are still to be told. All but resumedDue wait until the next stage is on record.
	resumedDue  bool // Resumed
	startedDue  bool // Started
	acquiredDue bool // Acquired, of a lock that was just taken
	waitEnded   bool // Acquired, after a wait
	// rebootTold: Rebooting has been told.
	rebootTold bool
}

// hookEnd is a hook that did not end with 0.
type hookEnd struct {
	name   string
	result HookResult
}

// foundRecord begins the story with the record that an earlier invocation left.
func (r *run) foundRecord(record *state.Record) {
	if !record.InProgress() {
		return
	}
	r.onDisk, r.resumedDue = record, true
	if record.Story != nil {
		r.story = *record.Story.Clone()
	}
	r.story.Waiting = nil // the earlier invocation waits no more
	began := record.StageBegan
	ended := func(step state.Step) bool { return step.Hook == "" && step.Began.Equal(began) }
	if !began.IsZero() && !slices.ContainsFunc(r.story.Steps, ended) {
		r.story.Add(state.Step{Stage: record.Stage, Began: began, Error: "interrupted"})
	}
	r.tell(Event{Kind: Found})
}

// save writes the record to the disk, with the story.
func (r *run) save() error {
	if !r.counted {
		r.counted = true
		r.story.Invocations++
	}
	r.Story = r.story.Clone()
	if r.MachineID == "" && r.InProgress() { // a night with nothing to do does not look for it
		r.MachineID = r.Host.MachineID()
	}
	if err := r.Store.Save(r.Record); err != nil {
		r.doubtful = true
		return err
	}
	record := r.Record
	r.onDisk, r.unsaved, r.doubtful, r.durable = &record, false, false, true
	return nil
}

// saveStory writes the story to the disk, in the record that is there. The run goes on if that fails.
func (r *run) saveStory() {
	if r.onDisk == nil || r.cleared || r.doubtful || !r.onDisk.InProgress() {
		return
	}
	record := *r.onDisk
	record.Story = r.story.Clone()
	if err := r.Store.Save(record); err != nil {
		r.Log.Warn("steps of the run not saved: history may lack them", "error", err)
		return
	}
	r.onDisk, r.unsaved, r.durable = &record, false, true
}

// errCutShort is noted for a stage that is still open when the invocation ends, because of a bug in this program.
var errCutShort = errors.New("cut short")

// closeStory saves what has happened since the last save.
func (r *run) closeStory() {
	r.endStage(errCutShort)
	r.endWait()
	if r.unsaved {
		r.saveStory()
	}
}

// beginStage notes that a stage begins, before the record is saved.
func (r *run) beginStage() {
	now := time.Now()
	r.startedDue = r.onDisk != nil && !r.onDisk.InProgress()
	r.waitEnded = r.story.Waiting != nil
	if r.acquiredDue {
		r.story.Acquired = now
	}
	r.endWait()
	r.step, r.unsaved = &state.Step{Stage: r.Stage, Began: now}, true
}

// stageBegan tells that the stage began, and the events that waited for that.
func (r *run) stageBegan() {
	r.tell(Event{Kind: StageBegan})
	r.tellResumed()
	if r.startedDue {
		r.tell(Event{Kind: Started})
	}
	if r.acquiredDue || r.waitEnded {
		r.tell(Event{Kind: Acquired})
	}
	r.startedDue, r.acquiredDue, r.waitEnded = false, false, false
}

// endStage ends the stage in progress, if any. err is why it was not finished.
func (r *run) endStage(err error) {
	if r.step == nil {
		return
	}
	r.endStep(err)
	r.tell(Event{Kind: StageEnded, Err: err})
}

// endStep adds the stage in progress to the story, and tells nobody.
func (r *run) endStep(err error) {
	if r.step == nil {
		return
	}
	step := *r.step
	step.TookMS = time.Since(step.Began).Milliseconds()
	if err != nil {
		step.Error = short(err)
	}
	r.story.Add(step)
	r.step, r.unsaved = nil, true
}

// reopenStep undoes endStep: the reboot command failed, and the stage tries it again.
func (r *run) reopenStep() {
	last := len(r.story.Steps) - 1
	if r.step != nil || last < 0 || r.story.Steps[last].Stage != r.Stage {
		return
	}
	r.step = &state.Step{Stage: r.Stage, Began: r.story.Steps[last].Began}
	r.story.Steps = r.story.Steps[:last]
}

// noteFailure notes in the story why the run failed, with the last lines of the hook that failed, if any.
func (r *run) noteFailure() {
	failure := &state.Failure{Error: *r.Error}
	if hook := r.failing; hook != nil && hook.name == failure.Hook {
		failure.Exit, failure.Output = hook.result.Exit, hook.result.Last
	}
	r.story.Failure = failure
}

// waits tells that the run can't go on now, and saves that for other processes (`status`).
func (r *run) waits(wait lock.Wait) {
	r.obstacle = wait
	now := &state.Waiting{Since: time.Now(), Barred: wait.Barred, Refusal: wait.Why}
	if wait.For != "" {
		now.For, now.Why, now.Refusal = string(wait.For), wait.Why, ""
	}
	if before := r.story.Waiting; before != nil {
		now.Since = before.Since
		if *now == *before {
			return
		}
		same := *before
		if same.Refusal = now.Refusal; *now == same { // for people who look, and no news
			r.story.Waiting = now
			r.saveStory()
			return
		}
	}
	if what := cmp.Or(now.For, "lock"); !slices.Contains(r.story.WaitedFor, what) {
		r.story.WaitedFor = append(r.story.WaitedFor, what)
	}
	r.story.Waiting = now
	r.saveStory() // a run that waits has time for it
	r.tellResumed()
	r.tell(Event{Kind: Waiting, Wait: wait})
}

// endWait ends the wait in progress, if any.
func (r *run) endWait() {
	if r.story.Waiting == nil {
		return
	}
	r.story.WaitedMS += time.Since(r.story.Waiting.Since).Milliseconds()
	r.story.Waiting = nil
	r.unsaved = true
}

// hookEnded notes how a hook ended, and tells it.
func (r *run) hookEnded(name string, began time.Time, result HookResult) {
	step := state.Step{Stage: r.Stage, Hook: name, Began: began, TookMS: time.Since(began).Milliseconds(),
		Exit: result.Exit, Notes: result.Notes}
	r.failing = nil
	if result.Err != nil {
		step.Error = short(result.Err)
	}
	if result.Exit != 0 || result.Err != nil {
		r.failing = &hookEnd{name, result}
	}
	r.story.Add(step)
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
