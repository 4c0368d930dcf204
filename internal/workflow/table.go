package workflow

import (
	"context"
	"slices"
	"time"

	"foreman-dlm-updater/internal/state"
)

// outcome is how a stage ended that did not fail.
type outcome string

const (
	done      outcome = "done"
	yes       outcome = "yes"
	no        outcome = "no"
	rebooting outcome = "rebooting" // the invocation ends; the one after the boot goes on
)

// end is what follows the last stage of a run: the state file is removed.
const end state.Stage = ""

// row is one line of the workflow: what a stage is, what it needs, and where its outcomes lead. A stage that fails
// stays the next one to execute.
type row struct {
	stage state.Stage
	// does says in one line what the stage is for. The documents say the same.
	does string
	// hooks says which hooks of the stage run, and what their exit codes mean; nil: the stage has no hooks, and act runs.
	hooks *hookRule
	act   func(*run, context.Context) (outcome, error)
	lock  lockRule
	// asksGates: before the lock is asked for, and once more when this host has it, the gates must say yes (begin.go).
	asksGates bool
	// inhibits: an inhibitor keeps the host from being shut down during the stage.
	inhibits bool
	// keeps: processes that its hooks or the reboot command leave running survive the end of the invocation.
	keeps bool
	// tellsReboot: its hooks learn whether the host was rebooted.
	tellsReboot bool
	// patience is how long the stage waits at most for the lock server to confirm the lock, in the invocation that took
	// the lock. An invocation that resumes the run waits without limit.
	patience time.Duration
	// optional: its directory may be missing, as it is on hosts that were set up before the stage existed. A run skips the
	// stage if it has no hooks. Every stage that the original did not have is optional, and runs all its hooks.
	optional bool
	next     to
}

type to = map[outcome]state.Stage

// lockRule says what a stage needs of the lock.
type lockRule int

const (
	withoutLock  lockRule = iota // the run does not have it yet
	guarded                      // the stage runs only while this host holds the lock
	keepsLock                    // the run has the lock; the stage runs even if the lock is lost
	releasesLock                 // the stage releases the lock, even after a signal
)

// table is the whole workflow, in order. Nothing else decides what follows what.
var table = []row{
	{stage: state.NeedsUpdate, does: "find out whether there are updates",
		hooks: askAll, next: to{yes: state.LockGet, no: end}},
	{stage: state.LockGet, does: "wait for the cluster's lock and take it",
		act: (*run).takeLock, asksGates: true, next: to{done: state.PreUpdate}},
	{stage: state.PreUpdate, does: "take the host out of service",
		hooks: runAll, lock: guarded, inhibits: true, next: to{done: state.Update}},
	{stage: state.Update, does: "install the updates",
		hooks: runAll, lock: guarded, inhibits: true, next: to{done: state.NeedsReboot}},
	{stage: state.NeedsReboot, does: "find out whether a reboot is needed",
		hooks: askUntilYes, lock: guarded, inhibits: true, next: to{yes: state.Reboot, no: state.PostUpdate}},
	{stage: state.Reboot, does: "reboot, and go on after the boot",
		act: (*run).reboot, lock: guarded, keeps: true, patience: 15 * time.Minute, next: to{rebooting: state.PostUpdate}},
	{stage: state.PostUpdate, does: "bring the host back into service and check it",
		hooks: runAll, lock: keepsLock, keeps: true, tellsReboot: true, next: to{done: state.LockRelease}},
	{stage: state.LockRelease, does: "release the lock",
		act: (*run).releaseLock, lock: releasesLock, next: to{done: end}},
}

// rowOf is the row of a stage.
func rowOf(stage state.Stage) row {
	i := slices.IndexFunc(table, func(r row) bool { return r.stage == stage })
	if i < 0 {
		return row{stage: stage}
	}
	return table[i]
}

// Guarded reports whether a stage runs only while this host holds the lock.
func Guarded(stage state.Stage) bool { return rowOf(stage).lock == guarded }

// HasLock reports whether a run in this stage has taken the lock and not yet released it.
func HasLock(stage state.Stage) bool { return rowOf(stage).lock != withoutLock }

// OutOfService reports whether a host whose run is in this stage is out of service.
func OutOfService(stage state.Stage) bool {
	return rowOf(stage).lock == guarded || rowOf(stage).lock == keepsLock
}

// AfterReboot is the stage that follows a reboot.
func AfterReboot() state.Stage { return rowOf(state.Reboot).next[rebooting] }

// Stages are all stages, in order.
func Stages() (stages []state.Stage) {
	for _, row := range table {
		stages = append(stages, row.stage)
	}
	return stages
}

// HookStages are the stages that have a directory of hooks, in order.
func HookStages() (stages []state.Stage) {
	for _, row := range table {
		if row.hooks != nil {
			stages = append(stages, row.stage)
		}
	}
	return stages
}

// HookDirs are the stages that have a directory of hooks, and Gate, in the order in which a run comes to them.
func HookDirs() (dirs []state.Stage) {
	for _, row := range table {
		switch {
		case row.hooks != nil:
			dirs = append(dirs, row.stage)
		case row.asksGates:
			dirs = append(dirs, Gate)
		}
	}
	return dirs
}

// Optional reports whether the directory of a stage, or of Gate, may be missing.
func Optional(stage state.Stage) bool { return rowOf(stage).optional || stage == Gate }

// Does says in one line what a stage is for.
func Does(stage state.Stage) string { return rowOf(stage).does }
