package state

import (
	"slices"
	"time"
)

// maxSteps limits a story: a run that fails again and again for weeks must not fill the state file.
const maxSteps = 200

// Story is what has happened in the run so far, in all its invocations. It is for people, history and metrics; no
// decision depends on it. It is saved together with the record, and not separately while hooks run: a power cut loses
// the story of the stage in progress.
type Story struct {
	// Steps are the stages and hooks that have ended, in the order in which they ended.
	Steps []Step `json:"steps,omitempty"`
	// Dropped is how many older steps are left out.
	Dropped     int `json:"dropped,omitempty"`
	Invocations int `json:"invocations,omitempty"`
	// Acquired is when the run took the lock.
	Acquired time.Time `json:"acquired,omitzero"`
	// Released is when a person released the lock of this run; zero: nobody did since the run last took it.
	Released time.Time `json:"released,omitzero"`
	// Lost is when the lock server said that another host has the lock of this run; zero: it has not since the run last
	// took it.
	Lost time.Time `json:"lost,omitzero"`
	// WaitedMS is how long the run has waited in all, without the wait in progress.
	WaitedMS int64 `json:"waited_ms,omitempty"`
	// WaitedFor is what the run has waited for, in the order in which it first did: "lock", or a question (package lock).
	WaitedFor []string `json:"waited_for,omitempty"`
	// Waiting is the wait in progress; nil: none.
	Waiting *Waiting `json:"waiting,omitempty"`
	// Failure is the run's last failure, which somebody may have fixed since.
	Failure *Failure `json:"failure,omitempty"`
}

// Step is a stage or hook that has ended, well or not.
type Step struct {
	Stage Stage     `json:"stage"`
	Hook  string    `json:"hook,omitempty"` // empty: the stage as a whole
	Began time.Time `json:"began"`
	// TookMS is how long it took, in milliseconds; also 0 if that is not known, as after a crash.
	TookMS int64 `json:"took_ms"`
	Exit   int   `json:"exit,omitempty"`
	// Error is why the stage was not finished, or why the hook has no usable exit code.
	Error string `json:"error,omitempty"`
	// Notes are what the hook wants people to find again, such as how to undo what it did.
	Notes []string `json:"notes,omitempty"`
}

// Waiting is a wait of the run: for the lock, or for something else.
type Waiting struct {
	Since time.Time `json:"since"`
	// For is the question that was answered with no (package lock), and Why the answer; both empty: the run waits for the
	// lock.
	For string `json:"for,omitempty"`
	Why string `json:"why,omitempty"`
	// Barred: Foreman refuses the lock although nobody holds it.
	Barred bool `json:"barred,omitempty"`
	// Refusal says why the run could not have the lock when it last asked; only if it waits for that.
	Refusal string `json:"refusal,omitempty"`
}

// Failure says why a stage failed, with the output of its hook.
type Failure struct {
	Error
	Exit int `json:"exit,omitempty"`
	// Output holds the last lines of the hook that failed.
	Output []string `json:"output,omitempty"`
}

// Add appends a step. If there are too many, it drops the oldest one, but rather one without notes. Notes replace those
// of the same hook's earlier runs.
func (s *Story) Add(step Step) {
	for i, earlier := range s.Steps {
		if len(step.Notes) > 0 && earlier.Stage == step.Stage && earlier.Hook == step.Hook {
			s.Steps[i].Notes = nil
		}
	}
	s.Steps = append(s.Steps, step)
	for len(s.Steps) > maxSteps {
		oldest := max(slices.IndexFunc(s.Steps, func(step Step) bool { return len(step.Notes) == 0 }), 0)
		s.Steps = slices.Delete(s.Steps, oldest, oldest+1)
		s.Dropped++
	}
}

// LockTaken notes that the run has its lock, or has it again.
func (s *Story) LockTaken() { s.Released, s.Lost = time.Time{}, time.Time{} }

// LockReleased notes that a person has just released the lock of this run.
func (s *Story) LockReleased() { s.Released, s.Lost = time.Now(), time.Time{} }

// LockLost notes that another host has the lock of this run now.
func (s *Story) LockLost() { s.Released, s.Lost = time.Time{}, time.Now() }

// Notes returns the notes of all hooks, each with the hook that left it.
func (s *Story) Notes() (all []string) {
	if s == nil {
		return nil
	}
	for _, step := range s.Steps {
		for _, text := range step.Notes {
			all = append(all, string(step.Stage)+"/"+step.Hook+": "+text)
		}
	}
	return all
}

// Clone returns a copy that shares no step with the story.
func (s Story) Clone() *Story {
	s.Steps = slices.Clone(s.Steps)
	return &s
}
