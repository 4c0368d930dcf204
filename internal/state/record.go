// Package state keeps the record of a run on disk, so that a run survives reboots, crashes and power cuts. It knows the
// file's format and makes it durable; package workflow decides what the stages mean.
package state

import (
	"slices"
	"strings"
	"time"
	"unicode"
)

// Stage is the name of a stage of the workflow. It is the first line of the state file.
type Stage string

// The stages, in the order in which a run goes through them. The original program has the same names.
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

// Format is the version of the JSON line that this program writes. Load refuses a newer one.
const Format = 1

// Record says how far the run in progress has come, and everything that is needed to go on with it.
type Record struct {
	// Stage is the next stage to execute.
	Stage Stage `json:"-"`

	Format int `json:"format"`
	// RunID names the run, from needs_update to the release of the lock.
	RunID string `json:"run,omitempty"`
	// Began and StageBegan are wall-clock times, for people. No decision depends on them.
	Began      time.Time `json:"began,omitzero"`
	StageBegan time.Time `json:"stage_began,omitzero"`
	// SetByHand is when a person set the stage (`state set`); zero: nobody did.
	SetByHand time.Time `json:"set_by_hand,omitzero"`
	// SetWith is the path of the configuration with which a person set the stage. It counts until Taken names one.
	SetWith string `json:"set_with,omitempty"`
	// Lock is the name of the lock that this run asked for. The run keeps it if the configuration changes.
	Lock string `json:"lock,omitempty"`
	// Taken says which server was asked for the lock, and under which name; nil in a record of an earlier version.
	Taken *Taken `json:"taken,omitempty"`
	// ClaimSent is when the run first asked for the lock; it is written before the request is sent. Zero: the run has not
	// asked, or, if Taken is nil, nobody knows.
	ClaimSent time.Time `json:"claim_sent,omitzero"`
	// Flags are the flags that tell other hosts of this run's failure.
	Flags []Flag `json:"flags,omitempty"`
	// MachineID is /etc/machine-id of the host that wrote the record; empty: the host has none.
	MachineID string `json:"machine,omitempty"`
	// Boot is the boot in which the stage began; nil: it has not begun.
	Boot *Boot `json:"boot,omitempty"`
	// Interrupted counts how often a reboot that the run did not ask for cut this stage short.
	Interrupted int `json:"interrupted,omitempty"`
	// Asked is the last reboot that the run asked for; nil: none, or the host has gone through it.
	Asked *Asked `json:"asked,omitempty"`
	// Reboots counts the reboots that this run asked for.
	Reboots int `json:"reboots,omitempty"`
	// Rebooted: the host has been rebooted since the run took the lock, by the run or by somebody else.
	Rebooted bool `json:"rebooted,omitempty"`
	// RebootDue is a reboot that may be due: no hook could say whether it is needed, and the run went on without it; nil:
	// none is due.
	RebootDue *RebootDue `json:"reboot_due,omitempty"`
	// Error is why the stage was not finished; nil while it runs, and after a signal or a crash.
	Error *Error `json:"error,omitempty"`
	// Story is what has happened so far; nil: not known.
	Story *Story `json:"story,omitempty"`
}

// namesAreText reports whether the record's names can be printed and passed to a hook unchanged.
func (r Record) namesAreText() bool {
	return !strings.ContainsFunc(r.RunID+r.Lock+r.MachineID, unicode.IsControl)
}

// InProgress reports whether there is a run to go on with. A record that names needs_update means the same as none,
// whichever machine wrote it.
func (r *Record) InProgress() bool { return r != nil && r.Stage != NeedsUpdate }

// Configuration is the path of the configuration that goes on with the run; empty: the record does not say.
func (r *Record) Configuration() string {
	switch {
	case r == nil:
		return ""
	case r.Taken != nil && r.Taken.Config != "":
		return r.Taken.Config
	}
	return r.SetWith
}

// Of reports whether this machine may have written the record. It may, if one of the two ids is not known.
func (r Record) Of(machine string) bool {
	return r.MachineID == "" || machine == "" || r.MachineID == machine
}

// Boot identifies one boot of the host. No part of it is a wall-clock time.
type Boot struct {
	// ID is the kernel's boot id.
	ID string `json:"id"`
	// Init is the start time of PID 1 in clock ticks after the kernel's boot. A container shares the boot id of its host;
	// Init tells the container's boots apart. Zero: not known, or PID 1 is no init.
	Init uint64 `json:"init,omitempty"`
	// SoftReboots is systemd's SoftRebootsCount; nil: systemd has none or could not be asked.
	SoftReboots *uint64 `json:"soft_reboots,omitempty"`
	// PIDNamespace is the inode of the PID namespace in which Init was read. Zero: not known; earlier versions did not
	// write it.
	PIDNamespace uint64 `json:"pid_namespace,omitempty"`
}

// hostNamespace is the PID namespace of a host that is no container: PROC_PID_INIT_INO in the kernel's
// include/linux/proc_ns.h.
const hostNamespace = 0xEFFFFFFC

// Same reports whether a and b are the same boot: no part that both know differs. A part that only one of them knows
// (systemd could not be asked) proves nothing.
//
// A container gets a new PID namespace when it boots, whose number may be the old one. The namespace of the host itself
// never changes, and each boot of the host has another ID. So if a or b was read in the host's namespace, a different
// PID 1 belongs to a container, and proves nothing.
func (a Boot) Same(b Boot) bool {
	switch {
	case a.ID != b.ID:
		return false
	case a.Init != 0 && b.Init != 0 && a.Init != b.Init &&
		a.PIDNamespace != hostNamespace && b.PIDNamespace != hostNamespace:
		return false
	case a.SoftReboots != nil && b.SoftReboots != nil && *a.SoftReboots != *b.SoftReboots:
		return false
	}
	return true
}

// Asked is a reboot that the run asked for.
type Asked struct {
	// Time is the wall-clock time of the request, for people.
	Time time.Time `json:"time"`
	// Boot is the boot that is to end.
	Boot Boot `json:"boot"`
	// Uptime is how long the host had been up. Within the same boot it shows how long ago the request was, even if the
	// wall clock changes.
	Uptime time.Duration `json:"uptime_ns"`
}

// Taken says which server a run asked for its lock, and under which name. The answer of another server, or of this one
// to another name, proves nothing about that lock.
type Taken struct {
	// URL is foreman_url.
	URL string `json:"url,omitempty"`
	// CN is the common name of the certificate that this host showed.
	CN string `json:"cn,omitempty"`
	// Holder is Foreman's name for this host, which may differ from CN. It is empty until Foreman has shown this host as
	// the holder.
	Holder string `json:"holder,omitempty"`
	// Config is the path of the configuration.
	Config string `json:"config,omitempty"`
}

// Flag is a lock that says that a run has failed. It is on record before it is asked for.
type Flag struct {
	Name string `json:"name"`
	// Set: the server has shown that this host holds it.
	Set bool `json:"set,omitempty"`
}

// RebootDue is a reboot that may be needed: a needs_reboot hook could not find out.
type RebootDue struct {
	Time time.Time `json:"time"`
	// Hook is the hook that could not find out, Message what it said.
	Hook    string `json:"hook"`
	Message string `json:"message"`
	// Boot is the boot that the reboot should end. In any other boot, no reboot is due any more.
	Boot Boot `json:"boot"`
}

// Error says why a stage was not finished.
type Error struct {
	Time  time.Time `json:"time"`
	Stage Stage     `json:"stage"`
	// Hook is the hook that failed, if any.
	Hook    string `json:"hook,omitempty"`
	Message string `json:"message"`
}
