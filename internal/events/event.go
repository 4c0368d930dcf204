package events

import (
	"time"

	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"
)

// Kind is what happened to a run.
type Kind string

// The kinds. Other programs know them: none ever changes its meaning.
const (
	Started   Kind = "started"    // a new run has found something to do; those that find nothing are no news
	Waiting   Kind = "waiting"    // the lock can't be had now; once more if it turns out that Foreman bars this host
	Acquired  Kind = "acquired"   // the lock was got, or got again after a wait
	Failed    Kind = "failed"     // a stage failed, or nothing could be begun; a person is needed
	Rebooting Kind = "rebooting"  // the reboot command comes next
	Resumed   Kind = "resumed"    // an invocation goes on with the run in progress
	Finished  Kind = "finished"   // the lock is given back, the run is over
	RebootDue Kind = "reboot-due" // the run has just finished without a reboot that may be needed: no hook could find out
	GaveUp    Kind = "gave-up"    // the invocation ended before the run was over; nothing is wrong, the next one tries again
	Alive     Kind = "alive"      // still at work; every five minutes, so that a listener notices when the invocation dies
)

// Kinds lists them all.
var Kinds = []Kind{Started, Waiting, Acquired, Failed, Rebooting, Resumed, Finished, RebootDue, GaveUp, Alive}

// Event is something that happened to a run, with all that a listener may want to tell of it. Listeners must not change
// what it points to.
type Event struct {
	Kind  Kind        `json:"event"`
	Time  time.Time   `json:"time"`
	Run   string      `json:"run,omitempty"`
	Lock  string      `json:"lock"`
	Stage state.Stage `json:"stage,omitempty"`
	// Hook is the hook that failed, Exit its exit code (-1: it had none), Output the last lines that it wrote. For
	// RebootDue, Hook is the one that could not find out, and Error what it said.
	Hook   string   `json:"hook,omitempty"`
	Exit   int      `json:"exit,omitempty"`
	Error  string   `json:"error,omitempty"`
	Output []string `json:"output,omitempty"`
	// Status is where the host stands by now, sentence included.
	Status status.Status `json:"standing"`
	// Record is what is, or was last, on record of the run, story included; nil: no run was begun.
	Record *state.Record `json:"-"`
}
