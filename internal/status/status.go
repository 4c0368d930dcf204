// Package status says where a host stands with its update: in a code for programs and in one sentence for people. The
// `status` command, systemd, notifications, metrics and the monitoring check all use it. The package looks at nothing
// by itself: the caller fills in what it knows.
package status

import (
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/outcome"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"
)

// Version is the version of the JSON form (docs/status.schema.json). A new code raises it, and so does a field that is
// removed or changes its meaning; a new field does not.
const Version = 2

// Code is a state that a host can be in.
type Code string

// The codes. Other programs rely on them: their meanings never change.
const (
	Idle          Code = "idle"           // no run in progress
	Orphan        Code = "orphan"         // no run in progress, but this host holds the lock
	Running       Code = "running"        // an invocation is at work
	Waiting       Code = "waiting"        // an invocation waits for the lock, or until a run may begin
	Failed        Code = "failed"         // a stage failed, and nothing runs
	RebootPending Code = "reboot_pending" // a reboot was asked for, and the host has not gone down
	Rebooted      Code = "rebooted"       // the host was rebooted as asked, and nothing runs yet
	Interrupted   Code = "interrupted"    // a signal, a crash or a power cut ended the invocation, and nothing runs
	Stopped       Code = "stopped"        // the last invocation failed, but no stage on record did; a person is needed
	NotNow        Code = "not_now"        // the last invocation gave up, or no run may begin now; the host is well
)

// Codes lists all codes.
var Codes = []Code{Idle, Orphan, Running, Waiting, Failed, RebootPending, Rebooted, Interrupted, Stopped, NotNow}

// Status is where this host stands. Code and Sentence are filled in by [Status.Say].
type Status struct {
	Version  int       `json:"version"`
	Code     Code      `json:"code"`
	Sentence string    `json:"sentence"`
	At       time.Time `json:"at"` // the time of this status

	Stage state.Stage `json:"stage"` // empty: no run in progress
	Run   string      `json:"run,omitempty"`
	Began *time.Time  `json:"began,omitempty"`
	// StageBegan is when the stage last began.
	StageBegan *time.Time `json:"stage_began,omitempty"`
	Hook       string     `json:"hook,omitempty"` // the one that is running; empty: none, or not known
	// WaitingSince is when the wait for the lock began.
	WaitingSince *time.Time `json:"waiting_since,omitempty"`
	// Reboots is how many reboots this run asked for, Interrupted how often an unexpected one cut the stage short.
	Reboots     int          `json:"reboots,omitempty"`
	Interrupted int          `json:"interrupted,omitempty"`
	Running     bool         `json:"running"`
	PID         int          `json:"pid,omitempty"`
	Error       *state.Error `json:"error,omitempty"`
	// RebootPending is when the run asked for a reboot that has not happened yet; nil: no reboot is pending.
	RebootPending *time.Time `json:"reboot_pending_since,omitempty"`
	// Inhibitors are the programs that keep the host from being shut down, where a reboot comes next.
	Inhibitors []string `json:"inhibitors,omitempty"`
	// Stopped is why the last invocation did not succeed, Next what to do about it.
	Stopped string `json:"stopped,omitempty"`
	Next    string `json:"next,omitempty"`
	// Last is how the last invocation of `run` ended; nil: not known.
	Last *Last `json:"last,omitempty"`
	// RebootDue is a reboot that may be due; nil: none.
	RebootDue *RebootDue `json:"reboot_due,omitempty"`
	// No is why no run begins now, or what the run waits for if that is not the lock; nil: nothing, or not known.
	No *No `json:"no,omitempty"`
	// Pause is the pause in force; nil: none, or not looked at.
	Pause *Pause `json:"pause,omitempty"`
	Lock  Lock   `json:"lock"`
	// Slots and Flags are all slots and their flags; empty: there is only one slot, no flags are used, or they were not
	// looked at.
	Slots []Place `json:"slots,omitempty"`
	Flags []Place `json:"flags,omitempty"`
	// ByHand says who has the lock by hand, since when and why; empty: nobody, or not known.
	ByHand string `json:"by_hand,omitempty"`
	// Unseen lists what could not be looked at.
	Unseen []string `json:"unseen,omitempty"`
	// Wording holds the words for the lock server in sentences; origin says which server is asked now, and how.
	Wording lock.Wording `json:"-"`
	origin  lock.Origin
	// Config is the path of the configuration, for the commands that sentences name; empty: the default.
	Config string `json:"-"`

	// Record is the record of the run; nil: there is none.
	Record   *state.Record `json:"-"`
	rebooted bool          // the host was rebooted as asked
	waitsFor string        // what the run waits for, if it is not the lock
	refusal  string        // why the run could not have the lock when it last asked
	stop     Stop          // more about Stopped
	handPID  int           // the process of `lock exec` that took the lock by hand
	handAt   *time.Time    // when the lock was taken by hand
	exceeded string        // that too many hosts have failed, if the run waits for a slot and does not know it yet
}

// Last is how an invocation of `run` ended.
type Last struct {
	Ended  time.Time      `json:"ended"`
	Result outcome.Result `json:"result"`
	Exit   int            `json:"exit"`
	// Since is when the first in the latest series of invocations that all ended like this one ended. First is when the
	// first invocation of all ended.
	Since time.Time `json:"since"`
	First time.Time `json:"first"`
	// Success is when an invocation last finished a run or found nothing to do; nil: never.
	Success *time.Time `json:"success,omitempty"`
}

// RebootDue is a reboot that may be due: a needs_reboot hook could not find out.
type RebootDue struct {
	Since time.Time `json:"since"`
	// Hook is the hook that could not find out, Message what it said.
	Hook    string `json:"hook"`
	Message string `json:"message"`
}

// Stop says why an invocation did not succeed.
type Stop struct {
	At        time.Time
	Stage     state.Stage // the stage that was not finished; empty: none had begun
	Why, Next string
	// Later: nothing is wrong with this host, and the next invocation tries again.
	Later bool
}

// SetStopped fills in why the last invocation did not succeed.
func (s *Status) SetStopped(stop Stop) {
	s.stop, s.Stopped, s.Next = stop, stop.Why, stop.Next
}

// SetLast fills in how the last invocation ended. Call it after SetRecord: if the record has changed since, because a
// later invocation was killed or somebody changed the state by hand, the record counts. It also counts
// if that invocation could not use the state file.
func (s *Status) SetLast(o outcome.Outcome) {
	s.Last = &Last{Ended: o.Ended, Result: o.Result, Exit: o.Exit, Since: o.Since, First: o.First,
		Success: timeOrNil(o.Success)}
	s.SetRebootDue(o.RebootDue)
	if o.Exit != 0 && !s.Running && !o.StateRefused && o.StillSo(s.Record) {
		s.SetStopped(Stop{At: o.Ended, Stage: o.Stage, Why: o.Error, Next: o.Next, Later: o.Result != outcome.Failed})
	}
}

// SetRebootDue fills in a reboot that may be due; nil: none.
func (s *Status) SetRebootDue(due *state.RebootDue) {
	s.RebootDue = nil
	if due != nil {
		s.RebootDue = &RebootDue{Since: due.Time, Hook: due.Hook, Message: due.Message}
	}
}

// OutOfService reports whether a run has the lock: it is in a stage from pre_update to lock_release.
func (s *Status) OutOfService() bool {
	return s.Stage != "" && workflow.HasLock(s.Stage)
}

// OutOfServiceSince is when the run took the lock, and with it this host out of service. If that is not known, it is
// when the stage began, failed or was set by hand, or the wait began. Nil: the host is in service.
func (s *Status) OutOfServiceSince() *time.Time {
	if !s.OutOfService() || s.Record == nil {
		return nil
	}
	times := []time.Time{s.story().Acquired, s.Record.StageBegan}
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

// Obstacle says why no run begins now, or why a run that waits does not go on.
type Obstacle string

// The obstacles. Dashboards rely on them: their meanings never change.
const (
	Paused   Obstacle = "paused"   // an operator has paused this host
	Frozen   Obstacle = "frozen"   // there is a freeze
	Window   Obstacle = "window"   // no maintenance window is open
	Gate     Obstacle = "gate"     // a gate says no
	Budget   Obstacle = "budget"   // too many other hosts have failed
	Blocked  Obstacle = "blocked"  // another host holds a lock of blocked_by
	Held     Obstacle = "held"     // another host holds the lock
	Disabled Obstacle = "disabled" // somebody disabled the lock in Foreman
	Barred   Obstacle = "barred"   // Foreman bars this host
	Unknown  Obstacle = "unknown"  // Foreman did not answer, or there is no obstacle
)

// Obstacles lists all obstacles.
var Obstacles = []Obstacle{Paused, Frozen, Window, Gate, Budget, Blocked, Held, Disabled, Barred, Unknown}

// answered are the obstacles for questions that were answered with no.
var answered = map[lock.Question]Obstacle{lock.Pause: Paused, lock.Freeze: Frozen, lock.Window: Window,
	lock.Gate: Gate, lock.Budget: Budget, lock.Blocked: Blocked}

// Obstacle is empty if no run waits, and nothing keeps one from beginning.
func (s *Status) Obstacle() Obstacle {
	lock := s.Lock
	switch {
	case s.No != nil && answered[s.No.Question] != "":
		return answered[s.No.Question]
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

// SetRecord fills in the record of the run in progress; nil: there is none. Set Running before.
func (s *Status) SetRecord(record *state.Record) {
	s.Record = record
	if record == nil || record.Stage == state.NeedsUpdate && !s.Running && record.Error == nil {
		return
	}
	s.Stage, s.Run, s.Error = record.Stage, record.RunID, record.Error
	s.Reboots, s.Interrupted = record.Reboots, record.Interrupted
	s.Began, s.StageBegan = timeOrNil(record.Began), timeOrNil(record.StageBegan)
	if record.Lock != "" {
		s.Lock.Name = record.Lock
	}
	if record.Story == nil || !s.Running {
		return
	}
	if wait := record.Story.Waiting; wait != nil {
		s.WaitingSince, s.Lock.Barred, s.waitsFor = timeOrNil(wait.Since), wait.Barred, wait.Why
		s.refusal = wait.Refusal
		if wait.For != "" {
			s.No = &No{Question: lock.Question(wait.For), Why: wait.Why}
		}
	}
}

// timeOrNil returns nil for the zero time, which means that the time is not known.
func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// SetBoot fills in the current boot, which shows whether a reboot that the run asked for has happened.
func (s *Status) SetBoot(boot state.Boot) {
	switch {
	case !s.AsksForBoot():
	case s.Record.Asked.Boot.Same(boot):
		s.RebootPending = &s.Record.Asked.Time
	default:
		s.rebooted = true
	}
}

// SetInhibitors fills in the programs that keep the host from being shut down.
func (s *Status) SetInhibitors(all []workflow.Inhibitor) {
	s.Inhibitors = nil
	for _, one := range all {
		s.Inhibitors = append(s.Inhibitors, one.String())
	}
}

// AsksForBoot reports whether the caller should call SetBoot: the run has asked for a reboot.
func (s *Status) AsksForBoot() bool {
	return s.Record != nil && s.Record.Asked != nil && s.Stage == workflow.AfterReboot()
}

// FailingSince is when the first in the latest series of invocations that all failed like the last one ended.
func (s *Status) FailingSince() *time.Time {
	if s.Last != nil && s.Last.Ended.Equal(s.stop.At) {
		return &s.Last.Since
	}
	return timeOrNil(s.stop.At)
}

// NotUpdatedSince is when an invocation last succeeded, or else when the first one ended; nil: not known.
func (s *Status) NotUpdatedSince() *time.Time {
	switch {
	case s.Last == nil:
		return nil
	case s.Last.Success == nil:
		return &s.Last.First
	}
	return s.Last.Success
}
