// Package status says where a host stands with its update: in a code for programs and in one sentence for people, made here for
// `status`, systemd, notifications, metrics and the monitoring check alike. It looks at nothing by itself: who asks puts in what is known.
package status

import (
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/outcome"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"
)

// Version is that of the JSON form (docs/status.schema.json). It is raised for a new code, and for a field that goes or changes its
// meaning; new fields come without.
const Version = 2

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
	Stopped       Code = "stopped"        // the last invocation failed without a failed stage on record; see to it
	NotNow        Code = "not_now"        // the last invocation gave up; the host is well, and the next one tries again
)

// Codes lists them all.
var Codes = []Code{Idle, Orphan, Running, Waiting, Failed, RebootPending, Rebooted, Interrupted, Stopped, NotNow}

// Status is where this host stands. Code and Sentence are filled in by [Status.Say].
type Status struct {
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
	// Stopped is why the last invocation has not succeeded, and Next what to do about it.
	Stopped string `json:"stopped,omitempty"`
	Next    string `json:"next,omitempty"`
	// Last is how the last invocation of `run` ended, as far as that is known.
	Last *Last `json:"last,omitempty"`
	// RebootDue is a reboot that may be due.
	RebootDue *RebootDue `json:"reboot_due,omitempty"`
	Lock      Lock       `json:"lock"`
	// Unseen lists what could not be looked at.
	Unseen []string `json:"unseen,omitempty"`
	// Wording is what sentences say of the lock server, and origin where it is asked now.
	Wording lock.Wording `json:"-"`
	origin  lock.Origin

	// Record is what all that is on record comes from; nil: no run.
	Record   *state.Record `json:"-"`
	rebooted bool          // as asked
	waitsFor string        // what the run waits for, if it is not the lock
	stop     Stop          // more about Stopped
}

// Last is how an invocation of `run` ended.
type Last struct {
	Ended  time.Time      `json:"ended"`
	Result outcome.Result `json:"result"`
	Exit   int            `json:"exit"`
	// Since is when the first of the latest ones ended that have all ended like this, First when the first of all did.
	Since time.Time `json:"since"`
	First time.Time `json:"first"`
	// Success is when one last finished a run, or found nothing to do.
	Success *time.Time `json:"success,omitempty"`
}

// RebootDue is a reboot that may be due: a needs_reboot hook could not find out.
type RebootDue struct {
	Since time.Time `json:"since"`
	// Hook is that hook, Message what it said.
	Hook    string `json:"hook"`
	Message string `json:"message"`
}

// Stop is why an invocation has not succeeded.
type Stop struct {
	At        time.Time
	Stage     state.Stage // that was not finished; empty: none was begun
	Why, Next string
	// Later: nothing is wrong with this host, and the next invocation tries again.
	Later bool
}

// SetStopped takes over why the last invocation has not succeeded.
func (s *Status) SetStopped(stop Stop) {
	s.stop, s.Stopped, s.Next = stop, stop.Why, stop.Next
}

// SetLast takes over how the last invocation ended. It is to be called after SetRecord. What has been changed since, by
// an invocation that was killed or by hand, counts more.
func (s *Status) SetLast(o outcome.Outcome) {
	s.Last = &Last{Ended: o.Ended, Result: o.Result, Exit: o.Exit, Since: o.Since, First: o.First, Success: known(o.Success)}
	s.SetRebootDue(o.RebootDue)
	if o.Exit != 0 && !s.Running && o.StillSo(s.Record) {
		s.SetStopped(Stop{At: o.Ended, Stage: o.Stage, Why: o.Error, Next: o.Next, Later: o.Result != outcome.Failed})
	}
}

// SetRebootDue takes over a reboot that may be due; nil: none.
func (s *Status) SetRebootDue(due *state.RebootDue) {
	s.RebootDue = nil
	if due != nil {
		s.RebootDue = &RebootDue{Since: due.Time, Hook: due.Hook, Message: due.Message}
	}
}

// OutOfService reports whether a run has the lock, and is between pre_update and lock_release.
func (s *Status) OutOfService() bool {
	return s.Stage != "" && workflow.HasLock(s.Stage)
}

// OutOfServiceSince is when the run took the lock that has this host out of service; if that is not known, when its
// stage was begun, failed or was set by hand, or the wait began. Nil: the host is in service.
func (s *Status) OutOfServiceSince() *time.Time {
	if !s.OutOfService() || s.Record == nil {
		return nil
	}
	times := []time.Time{s.Record.StageBegan}
	if story := s.Record.Story; story != nil {
		times = []time.Time{story.Acquired, s.Record.StageBegan}
	}
	if s.Error != nil {
		times = append(times, s.Error.Time)
	}
	for _, t := range append(times, s.Record.SetByHand) {
		if !t.IsZero() {
			return &t
		}
	}
	return s.WaitingSince
}

// Obstacle is what is in the way of a lock that is waited for.
type Obstacle string

// The obstacles. Dashboards know them: none ever changes its meaning.
const (
	Held     Obstacle = "held"     // by another host
	Disabled Obstacle = "disabled" // in Foreman, by somebody
	Barred   Obstacle = "barred"   // this host is, in Foreman
	Unknown  Obstacle = "unknown"  // Foreman did not answer, or nothing is
)

// Obstacles lists them all.
var Obstacles = []Obstacle{Held, Disabled, Barred, Unknown}

// Obstacle is empty where no lock is waited for.
func (s *Status) Obstacle() Obstacle {
	lock := s.Lock
	switch {
	case !s.waits():
		return ""
	case lock.Seen && lock.Exists && !lock.Enabled:
		return Disabled
	case lock.Barred:
		return Barred
	case lock.Seen && lock.Holder != "" && !lock.Self:
		return Held
	}
	return Unknown
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
func (s *Status) SetRecord(record *state.Record) {
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
		s.WaitingSince, s.Lock.Barred, s.waitsFor = known(wait.Since), wait.Barred, wait.Why
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
func (s *Status) SetBoot(boot state.Boot) {
	switch {
	case !s.AsksForBoot():
	case s.Record.Asked.Boot.Same(boot):
		s.RebootPending = &s.Record.Asked.Time
	default:
		s.rebooted = true
	}
}

// SetInhibitors takes over who keeps the host from being shut down.
func (s *Status) SetInhibitors(all []workflow.Inhibitor) {
	s.Inhibitors = nil
	for _, one := range all {
		s.Inhibitors = append(s.Inhibitors, one.String())
	}
}

// AsksForBoot reports whether it matters which boot this is.
func (s *Status) AsksForBoot() bool {
	return s.Record != nil && s.Record.Asked != nil && s.Stage == workflow.AfterReboot()
}

// See takes over what the lock server answered. Whether it bars this host is not seen by looking, and stays.
func (s *Status) See(view lock.View) {
	s.Lock.See(view)
	s.SetAcquired()
}

// SetAcquired takes over from the record when the run took the lock: the server knows only when it was refreshed.
func (s *Status) SetAcquired() {
	if s.Lock.Self && s.Record != nil && s.Record.Story != nil && !s.Record.Story.Acquired.IsZero() {
		s.Lock.Since = &s.Record.Story.Acquired
	}
}

// See is the same for the lock alone.
func (l *Lock) See(view lock.View) {
	*l = Lock{Name: l.Name, Seen: true, Exists: view.Exists, Enabled: view.Enabled, Holder: view.Holder, Self: view.Self,
		Barred: l.Barred && view.Enabled && view.Holder == ""}
	if view.Holder != "" {
		l.Since = known(view.Since)
	}
}

// SetOrigin takes over where the lock server is asked, and under which name.
func (s *Status) SetOrigin(now lock.Origin) { s.origin = now }

// WantedSince is when the wait for the lock began; nil where it is not waited for, or not known.
func (s *Status) WantedSince() *time.Time {
	switch {
	case !s.waits():
		return nil
	case s.WaitingSince == nil && s.Stage == state.LockGet:
		return s.StageBegan
	}
	return s.WaitingSince
}

// FailingSince is when the first of the latest invocations ended that have all failed like the last one.
func (s *Status) FailingSince() *time.Time {
	if s.Last != nil && s.Last.Ended.Equal(s.stop.At) {
		return &s.Last.Since
	}
	return known(s.stop.At)
}

// NotUpdatedSince is when an invocation succeeded last; if none did, when the first one ended; nil: not known.
func (s *Status) NotUpdatedSince() *time.Time {
	switch {
	case s.Last == nil:
		return nil
	case s.Last.Success == nil:
		return &s.Last.First
	}
	return s.Last.Success
}

// HeldSince is when this host took the lock, as far as that is known; nil where it does not hold it. Where Foreman did not answer, what is on
// record of the run counts.
func (s *Status) HeldSince() *time.Time {
	switch {
	case s.Lock.Self:
		return s.Lock.Since
	case s.Lock.Seen, s.Record == nil, s.Record.Story == nil, !workflow.HasLock(s.Stage):
		return nil
	}
	return known(s.Record.Story.Acquired)
}
