package state

import (
	"slices"
	"time"
)

// mostSteps bounds a story: a run that fails again and again for weeks must not fill the state file.
const mostSteps = 200

// Story is what happened in the run so far, over all its invocations. Nothing is decided by it; it is for history, metrics and
// people. It is saved along with the record and never by itself on the way of a hook, so what came after the last save is lost if
// the power fails: the stage that was under way.
type Story struct {
	// Steps are the stages and hooks that have ended, in the order of their ends.
	Steps []Step `json:"steps,omitempty"`
	// Dropped is how many older steps were left out.
	Dropped     int `json:"dropped,omitempty"`
	Invocations int `json:"invocations,omitempty"`
	// Acquired is when the lock was got.
	Acquired time.Time `json:"acquired,omitzero"`
	// WaitedMS is how long the run has waited for the lock in all, a wait in progress left out.
	WaitedMS int64 `json:"waited_ms,omitempty"`
	// Waiting is the wait for the lock in progress; nil: none.
	Waiting *Waiting `json:"waiting,omitempty"`
	// Failure is the last failure of the run, which may have been fixed since.
	Failure *Failure `json:"failure,omitempty"`
}

// Step is a stage, or a hook of one, that has ended one way or another.
type Step struct {
	Stage Stage     `json:"stage"`
	Hook  string    `json:"hook,omitempty"` // empty: the stage as a whole
	Began time.Time `json:"began"`
	// TookMS is in milliseconds; 0 too where it is not known, after a crash.
	TookMS int64 `json:"took_ms"`
	Exit   int   `json:"exit,omitempty"`
	// Error is why a stage was not finished, or how a hook ended that told nothing.
	Error string `json:"error,omitempty"`
}

// Waiting is a wait of the run: for the lock, or for something else.
type Waiting struct {
	Since time.Time `json:"since"`
	// Why says what the run waits for if it is not the lock; else it is empty.
	Why string `json:"why,omitempty"`
	// Barred: nobody else has the lock, and yet Foreman does not give it.
	Barred bool `json:"barred,omitempty"`
}

// Failure is a stage that failed, with the last that its hook wrote.
type Failure struct {
	Error
	Exit int `json:"exit,omitempty"`
	// Output are the last lines of the hook that failed.
	Output []string `json:"output,omitempty"`
}

// Add appends a step, and drops the oldest if there are too many.
func (s *Story) Add(step Step) {
	s.Steps = append(s.Steps, step)
	if extra := len(s.Steps) - mostSteps; extra > 0 {
		s.Steps = slices.Delete(s.Steps, 0, extra)
		s.Dropped += extra
	}
}

// Clone returns a copy that shares no step with the story.
func (s Story) Clone() *Story {
	s.Steps = slices.Clone(s.Steps)
	return &s
}
