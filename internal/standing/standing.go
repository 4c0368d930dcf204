// Package standing says where a host stands with its update: in a code for programs and in one sentence for people, made here for
// `status`, systemd, notifications, metrics and the monitoring check alike. It looks at nothing by itself: who asks puts in what is known.
package standing

import (
	"time"

	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"
)

// Version is that of the JSON form (docs/status.schema.json). It is raised for a new code, and for a field that goes or changes its
// meaning; new fields come without.
const Version = 1

// Code is a state that a host can be in.
type Code string

// The codes. Other programs know them: none ever changes its meaning.
const (
	Idle          Code = "idle"           // no run in progress
	Orphan        Code = "orphan"         // no run in progress, and this host holds the lock
	Running       Code = "running"        // an invocation is at work
	Waiting       Code = "waiting"        // an invocation waits for the lock
	Failed        Code = "failed"         // a stage failed, and nothing runs
	RebootPending Code = "reboot_pending" // a reboot was asked for, and the host has not gone down
	Rebooted      Code = "rebooted"       // the host was rebooted as asked, and nothing runs yet
	Interrupted   Code = "interrupted"    // a signal, a crash or a power cut ended the invocation in a stage, and nothing runs
	Stopped       Code = "stopped"        // the invocation that tells has ended, and left no failure on record
)

// Codes lists them all.
var Codes = []Code{Idle, Orphan, Running, Waiting, Failed, RebootPending, Rebooted, Interrupted, Stopped}

// Standing is where this host stands. Code and Sentence are filled in by [Standing.Say].
type Standing struct {
	Version  int       `json:"version"`
	Code     Code      `json:"code"`
	Sentence string    `json:"sentence"`
	At       time.Time `json:"at"` // when this was so

	Stage state.Stage `json:"stage"` // empty: no run in progress
	Run   string      `json:"run,omitempty"`
	Began *time.Time  `json:"began,omitempty"`
	// StageBegan is when the stage was begun last.
	StageBegan *time.Time `json:"stage_began,omitempty"`
	Hook       string     `json:"hook,omitempty"` // that runs, as far as that is known
	// WaitingSince is when the wait for the lock began.
	WaitingSince *time.Time `json:"waiting_since,omitempty"`
	// Reboots is how many reboots this run asked for; Interrupted, how often another cut the stage short.
	Reboots     int          `json:"reboots,omitempty"`
	Interrupted int          `json:"interrupted,omitempty"`
	Running     bool         `json:"running"`
	PID         int          `json:"pid,omitempty"`
	Error       *state.Error `json:"error,omitempty"`
	// RebootPending is when the reboot was asked for that has not happened yet.
	RebootPending *time.Time `json:"reboot_pending_since,omitempty"`
	// Inhibitors says who keeps the host from being shut down, where a reboot is to come.
	Inhibitors []string `json:"inhibitors,omitempty"`
	// Stopped is why the invocation that tells has ended, and Next what to do about it.
	Stopped string `json:"stopped,omitempty"`
	Next    string `json:"next,omitempty"`
	Lock    Lock   `json:"lock"`
	// Unseen lists what could not be looked at.
	Unseen []string `json:"unseen,omitempty"`

	// Record is what all that is on record comes from; nil: no run.
	Record   *state.Record `json:"-"`
	rebooted bool          // as asked
}

// Lock is the lock as Foreman showed it.
type Lock struct {
	Name string `json:"name"`
	// Seen is whether Foreman answered; the rest says something only then.
	Seen    bool   `json:"seen"`
	Exists  bool   `json:"exists"`
	Enabled bool   `json:"enabled"`
	Holder  string `json:"holder,omitempty"`
	Self    bool   `json:"held_by_this_host"`
	// Since is when the holder took the lock, or refreshed it last: Foreman knows one time for both.
	Since *time.Time `json:"since,omitempty"`
	// Barred: Foreman refuses the lock to this host, though it is free.
	Barred bool `json:"barred,omitempty"`
}

// SetRecord takes over what is on record of the run in progress; nil: there is none. Running is to be set before.
func (s *Standing) SetRecord(record *state.Record) {
	s.Record = record
	if record == nil || record.Stage == state.NeedsUpdate && !s.Running && record.Error == nil {
		return
	}
	s.Stage, s.Run, s.Error = record.Stage, record.RunID, record.Error
	s.Reboots, s.Interrupted = record.Reboots, record.Interrupted
	s.Began, s.StageBegan = known(record.Began), known(record.StageBegan)
	if record.Lock != "" {
		s.Lock.Name = record.Lock
	}
	if record.Story == nil || !s.Running {
		return
	}
	if wait := record.Story.Waiting; wait != nil {
		s.WaitingSince, s.Lock.Barred = known(wait.Since), wait.Barred
	}
}

// known is nil for a time that is not.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// SetBoot takes over which boot this is, which shows whether a reboot that was asked for has happened.
func (s *Standing) SetBoot(boot state.Boot) {
	switch {
	case !s.AsksForBoot():
	case s.Record.Asked.Boot.Same(boot):
		s.RebootPending = &s.Record.Asked.Time
	default:
		s.rebooted = true
	}
}

// SetInhibitors takes over who keeps the host from being shut down.
func (s *Standing) SetInhibitors(all []workflow.Inhibitor) {
	s.Inhibitors = nil
	for _, one := range all {
		s.Inhibitors = append(s.Inhibitors, one.String())
	}
}

// AsksForBoot reports whether it matters which boot this is.
func (s *Standing) AsksForBoot() bool {
	return s.Record != nil && s.Record.Asked != nil && s.Stage == state.PostUpdate
}

// See takes over what Foreman answered about the lock. Whether it bars this host is not seen by looking, and stays.
func (s *Standing) See(lock workflow.Lock, exists bool) {
	s.Lock.See(lock, exists)
	if lock.Self && s.Record != nil && s.Record.Story != nil && !s.Record.Story.Acquired.IsZero() { // Foreman knows only when it was refreshed
		s.Lock.Since = &s.Record.Story.Acquired
	}
}

// See is the same for the lock alone.
func (l *Lock) See(lock workflow.Lock, exists bool) {
	*l = Lock{Name: l.Name, Seen: true, Exists: exists, Enabled: lock.Enabled, Holder: lock.Holder, Self: lock.Self,
		Barred: l.Barred && lock.Enabled && lock.Holder == ""}
	if lock.Holder != "" {
		l.Since = known(lock.Updated)
	}
}

// WantedSince is when the wait for the lock began; nil where it is not waited for, or not known.
func (s *Standing) WantedSince() *time.Time {
	switch {
	case !s.waits():
		return nil
	case s.WaitingSince == nil && s.Stage == state.LockGet:
		return s.StageBegan
	}
	return s.WaitingSince
}

// HeldSince is when this host took the lock, as far as that is known; nil where it does not hold it. Where Foreman did not answer, what is on
// record of the run counts.
func (s *Standing) HeldSince() *time.Time {
	switch {
	case s.Lock.Self:
		return s.Lock.Since
	case s.Lock.Seen, s.Record == nil, s.Record.Story == nil, s.Stage == state.NeedsUpdate, s.Stage == state.LockGet:
		return nil
	}
	return known(s.Record.Story.Acquired)
}
