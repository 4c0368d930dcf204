package events

import (
	"time"

	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"
)

// Kind says what happened to a run.
type Kind string

// The kinds. Other programs rely on them: their meanings never change.
const (
	Started   Kind = "started"    // a new run has found something to do
	Waiting   Kind = "waiting"    // the run can't have the lock now; sent again if Foreman turns out to bar this host
	Acquired  Kind = "acquired"   // the run has the lock, or has it again after a wait
	Failed    Kind = "failed"     // a stage failed, or none could begin; a person is needed
	Rebooting Kind = "rebooting"  // the reboot command comes next
	Resumed   Kind = "resumed"    // an invocation goes on with the run in progress
	Finished  Kind = "finished"   // the lock is released, the run is over
	RebootDue Kind = "reboot-due" // the run finished without a reboot that may be needed: no hook could find out
	GaveUp    Kind = "gave-up"    // the invocation ended before the run; nothing is wrong, and the next one tries again
	Alive     Kind = "alive"      // the invocation is alive; sent every five minutes, so listeners notice if it dies
)

// Kinds lists all kinds.
var Kinds = []Kind{Started, Waiting, Acquired, Failed, Rebooting, Resumed, Finished, RebootDue, GaveUp, Alive}

// Event is something that happened to a run, with everything that a listener may want to report. Listeners must not
// change what it points to.
type Event struct {
	Kind  Kind        `json:"event"`
	Time  time.Time   `json:"time"`
	Run   string      `json:"run,omitempty"`
	Lock  string      `json:"lock"`
	Stage state.Stage `json:"stage,omitempty"`
	// Hook is the hook that failed, if any; Exit its exit code (-1: none); Output the last lines that it wrote. For
	// RebootDue, Hook is the hook that could not find out, and Error what it said.
	Hook   string   `json:"hook,omitempty"`
	Exit   int      `json:"exit,omitempty"`
	Error  string   `json:"error,omitempty"`
	Output []string `json:"output,omitempty"`
	// Status is where the host stands now, with the sentence.
	Status status.Status `json:"standing"`
	// Record is the run's last saved record, with its story; nil: no run has begun.
	Record *state.Record `json:"-"`
}
