package sim

import (
	"errors"
	"slices"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"
)

// watch is what a host's run has done so far, as its hooks and its disk show it.
type watch struct {
	id       string
	done     map[state.Stage]bool // all hooks that the stage needs have run, in order
	needed   bool                 // a hook has said that a reboot is needed, or there is none to ask
	asked    *state.Boot          // the boot in which the state last said that a reboot was asked for
	claimed  bool                 // it has asked for the lock
	tampered bool                 // an operator has set the state by hand, and answers for the order of the stages
}

func newWatch(id string, tampered bool) watch {
	return watch{id: id, done: map[state.Stage]bool{}, tampered: tampered}
}

// pass is a stage as an invocation goes through it.
type pass struct {
	stage state.Stage
	next  int // hook
}

// looks is what an invocation knows of the lock.
type looks struct {
	self   bool      // the last look that was answered said that this host is the holder
	selfAt time.Time // when the last look that said so began
	since  bool      // the stage was put on disk before the last look
	others bool      // the last look that was answered said that somebody else is the holder
	gone   bool      // a DELETE was sent
}

// looked notes a look at the lock.
func (inv *invocation) looked(began time.Time, lock dlm.Lock, err error) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	inv.looks.since = true
	if err != nil && !errors.Is(err, dlm.ErrNoLock) {
		return
	}
	inv.looks.self, inv.looks.others = lock.Self, lock.Holder != "" && !lock.Self
	if lock.Self {
		inv.looks.selfAt = began
	}
}

// releases: a DELETE is sent, which is only safe for who has just seen that the lock is his.
func (inv *invocation) releases() {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if !inv.isDead() && !inv.looks.self {
		inv.breaksLocked("%s sends a DELETE, and no look since the last one said that it holds the lock", inv.name)
	}
	inv.looks.self, inv.looks.gone = false, true
}

// claims: a PUT is sent.
func (inv *invocation) claims() {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if inv.taken.IsZero() && !inv.isDead() { // else by hand
		inv.host.run.claimed = true
	}
	switch {
	case inv.isDead():
	case inv.looks.gone:
		inv.breaksLocked("%s sends a PUT after a DELETE", inv.name)
	case inv.looks.others:
		inv.breaksLocked("%s sends a PUT, and the last look said that somebody else holds the lock", inv.name)
	}
}

// heard: a PUT or DELETE was answered, or not.
func (inv *invocation) heard(err error) {
	if errors.Is(err, dlm.ErrDuplicate) {
		inv.mu.Lock()
		defer inv.mu.Unlock()
		inv.duplicate = true
	}
}

// follows are the stages that may come after each.
var follows = map[state.Stage][]state.Stage{
	state.NeedsUpdate: {state.NeedsUpdate, state.LockGet},
	state.LockGet:     {state.LockGet, state.PreUpdate},
	state.PreUpdate:   {state.PreUpdate, state.Update},
	state.Update:      {state.Update, state.NeedsReboot},
	state.NeedsReboot: {state.NeedsReboot, state.Reboot, state.PostUpdate},
	state.Reboot:      {state.Reboot, state.PostUpdate},
	state.PostUpdate:  {state.PostUpdate, state.LockRelease},
	state.LockRelease: {state.LockRelease},
}

// saved: the state is on disk.
func (inv *invocation) saved(before *state.Record, r state.Record) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	h := inv.host
	switch {
	case before != nil && before.Stage != state.NeedsUpdate && before.RunID != r.RunID && !h.run.tampered:
		inv.breaksLocked("%s: run %s, stage %s, is replaced by another run", h.name, before.RunID, before.Stage)
	case before != nil && before.RunID == r.RunID && !slices.Contains(follows[before.Stage], r.Stage) && !h.run.tampered &&
		!(before.Stage == state.PostUpdate && before.Asked != nil && r.Stage == state.Reboot): // told again
		inv.breaksLocked("%s: stage %s follows on %s", h.name, r.Stage, before.Stage)
	}
	h.follow(r)
	if asks(r) { // the reboot's announcement, in the midst of the stage
		return
	}
	if r.Stage == state.LockRelease || r.Stage == state.PostUpdate {
		h.inside = false
	}
	if before != nil && before.RunID == r.RunID && before.Stage == r.Stage &&
		before.StageBegan.Equal(r.StageBegan) && before.Error == nil {
		return // it did not begin just now: only its story has grown
	}
	if r.Error == nil {
		inv.pass, inv.looks.since = pass{stage: r.Stage}, false
	}
}

// follow watches the run that a record names.
func (h *host) follow(r state.Record) {
	if h.run.id == r.RunID {
		return
	}
	h.past[h.run.id] = h.run
	again, over := h.past[r.RunID]
	h.run = newWatch(r.RunID, h.run.tampered && r.Stage != state.NeedsUpdate)
	if over && r.RunID != "" {
		h.run = again
	}
	h.runs++
}

// asks: the record announces a reboot.
func asks(r state.Record) bool { return r.Stage == state.PostUpdate && r.Asked != nil }

// cleared: there is no state any more.
func (inv *invocation) cleared(before *state.Record) {
	inv.mu.Lock()
	h := inv.host
	if before != nil { // a release needs no record that is saved once more
		h.follow(*before)
	}
	switch {
	case before == nil:
	case h.run.tampered:
	case before.Stage == state.LockRelease:
		inv.inOrder(state.LockRelease)
	case before.Stage != state.NeedsUpdate && before.Stage != state.LockGet:
		inv.breaksLocked("%s: the run is forgotten in stage %s", h.name, before.Stage)
	}
	// taken by hand, and left as it is
	foreign := h.manual && before != nil && before.Stage == state.LockGet && !h.run.claimed
	if inv.looks.self && !foreign {
		inv.breaksLocked("%s forgets its run, and the last look said that it holds the lock", h.name)
	}
	h.past[h.run.id] = h.run
	h.inside, h.run = false, newWatch("", false)
	h.manual = h.manual && (!before.InProgress() || foreign) // else a run that was on record had it
	inv.mu.Unlock()
	inv.checkHolder()
}

// checkHolder: who holds the lock has it on record.
func (w *world) checkHolder() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.hosts {
		stage := h.disk.stage()
		if w.holder == h.name && !h.manual && (stage == "" || stage == state.NeedsUpdate) {
			w.breaksLocked("%s holds the lock, and has no run on record", h.name)
		}
	}
}

// hookBegins: a hook is about to run.
func (inv *invocation) hookBegins(stage state.Stage, name string) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	inv.noteLocked(inv.name, "hook %s/%s begins", stage, name)
	h, first := inv.host, name == hookName(0)
	inv.announced(stage)
	if inv.pass.stage != stage || name != hookName(inv.pass.next) {
		inv.breaksLocked("%s: hook %s/%s runs, and it should be number %d of %s",
			h.name, stage, name, inv.pass.next, inv.pass.stage)
	}
	if !first {
		return
	}
	inv.inOrder(stage)
	switch {
	case workflow.Guarded(stage):
		inv.enters(stage)
	case stage == state.PostUpdate:
		if h.run.needed && !h.run.tampered && (h.run.asked == nil || h.run.asked.Same(h.boot)) {
			inv.breaksLocked("%s: post_update, and the host has not gone through the reboot that it needs", h.name)
		}
		h.inside = false
	}
	h.run.done[stage] = false
}

// announced: the state on disk says what is about to be done, also after a power cut. Of needs_update nothing is kept,
// and an earlier run whose removal is lost with the power is gone on with. The caller holds mu.
func (inv *invocation) announced(stage state.Stage) {
	d := &inv.host.disk
	if stage == state.NeedsUpdate {
		if d.stage() != "" {
			inv.breaksLocked("%s: stage %s begins, and the state on disk says %q", inv.name, stage, d.stage())
		}
		return
	}
	if !d.surelySays(stage) {
		inv.breaksLocked("%s: stage %s begins, and the state on disk says %q (synced: %v)",
			inv.name, stage, d.stage(), len(d.unsynced) == 0)
	}
}

// inOrder: all stages before this one have run. The caller holds mu.
func (inv *invocation) inOrder(stage state.Stage) {
	run := &inv.host.run
	for _, earlier := range workflow.HookStages() {
		if slices.Index(state.Stages, earlier) >= slices.Index(state.Stages, stage) {
			break
		}
		if inv.hooks[earlier] > 0 && !run.done[earlier] && !run.tampered {
			inv.breaksLocked("%s: stage %s begins, and %s has not been done", inv.name, stage, earlier)
		}
	}
}

// enters: a guarded stage begins. The caller holds mu.
func (inv *invocation) enters(stage state.Stage) {
	h := inv.host
	switch {
	case !inv.looks.since:
		inv.breaksLocked("%s: stage %s begins without a look at the lock", h.name, stage)
	case !inv.looks.self:
		inv.breaksLocked("%s: stage %s begins, and the last look said that it does not hold the lock", h.name, stage)
	}
	if inv.taken.After(inv.looks.selfAt) { // by somebody's decision, and it can't know
		return
	}
	for _, other := range inv.world.hosts {
		if other != h && other.inside {
			inv.breaksLocked("%s begins stage %s while %s is inside", h.name, stage, other.name)
		}
	}
	h.inside = true
}

// hookEnds: a hook has run to its end.
func (inv *invocation) hookEnds(stage state.Stage, name string, r workflow.HookResult) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	h := inv.host
	inv.noteLocked(inv.name, "hook %s/%s ends: exit %d %v", stage, name, r.Exit, r.Err)
	inv.pass.next++
	last := inv.pass.next == inv.hooks[stage]
	question := stage == state.NeedsUpdate || stage == state.NeedsReboot
	unsure := question && r.Exit != 0 && r.Exit == inv.settings.CannotTellExit
	told := r.Err == nil && !r.Stopped
	switch {
	case !told:
	case unsure && stage == state.NeedsReboot && inv.settings.CannotTellReboot:
		h.run.done[stage], h.run.needed = true, true
	case unsure && stage == state.NeedsReboot && last:
		h.run.done[stage], h.run.needed = true, false
	case unsure:
	case stage == state.NeedsReboot && r.Exit != 0:
		h.run.done[stage], h.run.needed = true, true
	case stage == state.NeedsReboot && last:
		h.run.done[stage], h.run.needed = true, false
	case stage == state.NeedsUpdate && last, r.Exit == 0 && last:
		h.run.done[stage] = true
	}
}

// reboots: the reboot command is about to run.
func (inv *invocation) reboots() {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	h := inv.host
	inv.noteLocked(inv.name, "the reboot command runs")
	inv.announced(state.PostUpdate)
	inv.inOrder(state.Reboot)
	if h.run.asked == nil || !h.run.asked.Same(h.boot) {
		inv.breaksLocked("%s reboots, and the state on disk doesn't say so", h.name)
	}
	if inv.hooks[state.NeedsReboot] > 0 && !h.run.needed && !h.run.tampered {
		inv.breaksLocked("%s reboots, and no hook has said that it is needed", h.name)
	}
	h.run.needed = true
	inv.enters(state.Reboot)
}
