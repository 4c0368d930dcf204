// Package state keeps the record of a run on disk, so that a run survives reboots, crashes and power cuts.
// It knows the file's format and its durability; what the stages mean is the workflow's business.
package state

import (
	"slices"
	"strings"
	"time"
	"unicode"
)

// Stage is the name of a stage of the workflow, as it stands in the first line of the state file.
type Stage string

// The stages, in the order in which a run goes through them. The names are those of the original.
const (
	NeedsUpdate Stage = "needs_update"
	LockGet     Stage = "lock_get"
	PreUpdate   Stage = "pre_update"
	Update      Stage = "update"
	NeedsReboot Stage = "needs_reboot"
	Reboot      Stage = "reboot"
	PostUpdate  Stage = "post_update"
	LockRelease Stage = "lock_release"
)

// Stages lists all stages in order.
var Stages = []Stage{NeedsUpdate, LockGet, PreUpdate, Update, NeedsReboot, Reboot, PostUpdate, LockRelease}

// Known reports whether s is the name of a stage.
func (s Stage) Known() bool { return slices.Contains(Stages, s) }

// Format is the version of the JSON line that this program writes. A file with a newer one is refused.
const Format = 1

// Record is what is known of the run in progress.
type Record struct {
	// Stage is the next stage to execute.
	Stage Stage `json:"-"`

	Format int `json:"format"`
	// RunID names the run, from needs_update to the release of the lock.
	RunID string `json:"run,omitempty"`
	// Began and StageBegan are wall-clock times, for people; nothing is decided by them.
	Began      time.Time `json:"began,omitzero"`
	StageBegan time.Time `json:"stage_began,omitzero"`
	// SetByHand is when a person set the stage (`state set`); zero: nobody did.
	SetByHand time.Time `json:"set_by_hand,omitzero"`
	// Lock is the name of the lock that this run asked for; it keeps it whatever the configuration says later.
	Lock string `json:"lock,omitempty"`
	// Taken says which server was asked for the lock, and under which name; nil in a record of an earlier version.
	Taken *Taken `json:"taken,omitempty"`
	// ClaimSent is when the run first asked for the lock, written before it did. Zero: it has not; or, where Taken is nil,
	// nobody knows.
	ClaimSent time.Time `json:"claim_sent,omitzero"`
	// MachineID is /etc/machine-id of the host that wrote the record; empty where there is none.
	MachineID string `json:"machine,omitempty"`
	// Boot is the boot in which the stage was begun; nil while it has not begun.
	Boot *Boot `json:"boot,omitempty"`
	// Interrupted counts how often a reboot that nobody asked for cut this stage short.
	Interrupted int `json:"interrupted,omitempty"`
	// Asked is the reboot that was asked for last, until the host has gone through it.
	Asked *Asked `json:"asked,omitempty"`
	// Reboots counts the reboots that this run asked for.
	Reboots int `json:"reboots,omitempty"`
	// Rebooted is set once the host has been rebooted, asked for or not, after the run took the lock.
	Rebooted bool `json:"rebooted,omitempty"`
	// RebootDue is set where no hook could say whether a reboot is needed, and the run went on without one; nil: none
	// is due.
	RebootDue *RebootDue `json:"reboot_due,omitempty"`
	// Error is why the stage was not finished; nil while it runs, and after a signal or a crash.
	Error *Error `json:"error,omitempty"`
	// Story is what happened so far; nil: nothing is known.
	Story *Story `json:"story,omitempty"`
}

// namesAreText reports whether the record's names can be printed, and given to a hook, as they are.
func (r Record) namesAreText() bool {
	return !strings.ContainsFunc(r.RunID+r.Lock+r.MachineID, unicode.IsControl)
}

// InProgress reports whether there is a run to go on with: a record that names needs_update, of whichever machine,
// means the same as none.
func (r *Record) InProgress() bool { return r != nil && r.Stage != NeedsUpdate }

// Of reports whether the record may be this machine's. An id that is not known proves nothing.
func (r Record) Of(machine string) bool {
	return r.MachineID == "" || machine == "" || r.MachineID == machine
}

// Boot identifies one boot of the host. No part of it is a wall-clock time.
type Boot struct {
	// ID is the kernel's boot id.
	ID string `json:"id"`
	// Init is the start time of PID 1 in clock ticks after the kernel's boot: it tells the boots of a
	// container apart, which shares the boot id of its host. Zero: not known, or PID 1 is no init.
	Init uint64 `json:"init,omitempty"`
	// SoftReboots is systemd's SoftRebootsCount; nil where systemd has none or could not be asked.
	SoftReboots *uint64 `json:"soft_reboots,omitempty"`
	// PIDNamespace is the inode of the PID namespace in which Init was read. Zero: not known, as in a record of an
	// earlier version.
	PIDNamespace uint64 `json:"pid_namespace,omitempty"`
}

// kernelsOwn is the PID namespace of a host that is no container: PROC_PID_INIT_INO of the kernel's
// include/linux/proc_ns.h.
const kernelsOwn = 0xEFFFFFFC

// Same reports whether a and b are the same boot: no part that both know differs. A part that only one of them knows
// (systemd could not be asked) proves nothing. A container that boots gets a new PID namespace, and perhaps the old
// number. The kernel's own namespace stays, and a boot of the kernel has another ID: so if a or b was seen there, a
// different PID 1 is a container's.
func (a Boot) Same(b Boot) bool {
	switch {
	case a.ID != b.ID:
		return false
	case a.Init != 0 && b.Init != 0 && a.Init != b.Init && a.PIDNamespace != kernelsOwn && b.PIDNamespace != kernelsOwn:
		return false
	case a.SoftReboots != nil && b.SoftReboots != nil && *a.SoftReboots != *b.SoftReboots:
		return false
	}
	return true
}

// Asked is a reboot that was asked for.
type Asked struct {
	// Time is the wall-clock time of the request, for people.
	Time time.Time `json:"time"`
	// Boot is the boot that is to end.
	Boot Boot `json:"boot"`
	// Uptime is how long the host had been up: within the same boot it measures how long ago the
	// request was, whatever the wall clock does.
	Uptime time.Duration `json:"uptime_ns"`
}

// Taken says where a run asked for its lock, and under which name. What another server says, or the same one under
// another name, tells nothing about that lock.
type Taken struct {
	// URL is foreman_url.
	URL string `json:"url,omitempty"`
	// CN is the common name of the certificate that this host showed.
	CN string `json:"cn,omitempty"`
	// Holder is what Foreman calls this host: it may differ from CN. Empty until the lock was seen to be this host's.
	Holder string `json:"holder,omitempty"`
	// Config is the path of the configuration.
	Config string `json:"config,omitempty"`
}

// RebootDue is a reboot that may be needed: a needs_reboot hook could not find out.
type RebootDue struct {
	Time time.Time `json:"time"`
	// Hook is the hook that could not find out, Message what it said.
	Hook    string `json:"hook"`
	Message string `json:"message"`
	// Boot is the boot that a reboot would have ended: once the host is in another one, nothing is due any more.
	Boot Boot `json:"boot"`
}

// Error tells why a stage was not finished.
type Error struct {
	Time  time.Time `json:"time"`
	Stage Stage     `json:"stage"`
	// Hook is the hook that failed; empty if it was something else.
	Hook    string `json:"hook,omitempty"`
	Message string `json:"message"`
}
