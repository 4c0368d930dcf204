package sim

import (
	"bytes"
	"errors"
	"fmt"
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
	claimed  map[string]bool      // the locks that it has asked for
	tampered bool                 // an operator has set the state by hand, and answers for the order of the stages
}

func newWatch(id string, tampered bool) watch {
	return watch{id: id, done: map[state.Stage]bool{}, claimed: map[string]bool{}, tampered: tampered}
}

// pass is a stage as an invocation goes through it.
type pass struct {
	stage state.Stage
	next  int // hook
}

// looks is what an invocation knows of a lock.
type looks struct {
	self   bool      // the last look that was answered said that this host is the holder
	selfAt time.Time // when the last look that said so began
	since  bool      // the stage was put on disk before the last look
	others bool      // the last look that was answered said that somebody else is the holder
	// gone is when the last DELETE was answered, or sent if it had no answer yet; zero: none was sent. freed: a look since
	// then has shown that the lock is not this host's. final: no PUT may follow at all.
	gone         time.Time
	freed, final bool
	// asked: a PUT was sent. pending: a claim may still come true; it settles at a time, or is on its way (zero).
	asked, pending bool
	settles        time.Time
	// row is when the first of the grants in a row was sent, rowSince when it was answered; zero: the last answer was
	// none. twice: another one was sent a settle time later.
	row, rowSince time.Time
	twice         bool
}

// look finds what the invocation knows of a lock. The caller holds mu.
func (inv *invocation) look(name string) *looks {
	l := inv.looks[name]
	if l == nil {
		l = &looks{}
		inv.looks[name] = l
	}
	return l
}

// inherits: an earlier invocation may have claimed the lock that the record names. The caller holds mu.
func (inv *invocation) inherits(r *state.Record) {
	if r.InProgress() && r.Stage == state.LockGet && !r.ClaimSent.IsZero() {
		l := inv.look(r.Lock)
		l.pending, l.settles = true, time.Now().Add(inv.locks.Settle)
	}
}

// looked notes a look at a lock.
func (inv *invocation) looked(name string, began time.Time, lock dlm.Lock, err error) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	l := inv.look(name)
	l.since = true
	if err != nil && !errors.Is(err, dlm.ErrNoLock) {
		return
	}
	l.self, l.others = lock.Self, lock.Holder != "" && !lock.Self
	inv.lookedAt[name] = began
	inTaking := inv.host.disk.stage() == state.LockGet
	if lock.Self {
		l.selfAt, l.freed = began, false
		if inTaking && isSlot(name) && l.asked && inv.verified.IsZero() {
			inv.verifies(name)
		}
		return
	}
	l.freed = !l.gone.IsZero() && !began.Before(l.gone)
	if !l.settles.IsZero() && !began.Before(l.settles) {
		l.pending = false
	}
	if inTaking && isFlag(name) && l.others {
		inv.exceeded++
	}
	if inTaking && !isSlot(name) {
		inv.looksAround(name)
	}
	if inTaking && inv.slot == name {
		inv.unverifies()
	}
}

// releases: a DELETE is sent, which is only safe for who has just seen that the lock is his.
func (inv *invocation) releases(name string) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	l := inv.look(name)
	if !inv.isDead() && !l.self {
		inv.breaksLocked("%s sends a DELETE, and no look since the last one said that it holds the lock", inv.name)
	}
	// A run that gives its lock back, since it may not begin, may ask for it again later.
	l.self, l.gone, l.freed = false, time.Now(), false
	l.final = inv.begins.plain || inv.host.disk.stage() != state.LockGet
	if inv.slot == name {
		if !l.final && !inv.verified.IsZero() {
			inv.givenBack++
		}
		inv.unverifies()
	}
}

// claims: a PUT is sent.
func (inv *invocation) claims(name string) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	l := inv.look(name)
	if inv.row(name).taken.IsZero() && !inv.isDead() { // else by hand
		inv.host.run.claimed[name] = true
	}
	switch {
	case inv.isDead():
		return
	case !l.gone.IsZero() && l.final:
		inv.breaksLocked("%s sends a PUT after a DELETE", inv.name)
	case !l.gone.IsZero() && !l.freed:
		inv.breaksLocked("%s sends a PUT after a DELETE, and no look since then said that the lock is not its own", inv.name)
	case !l.gone.IsZero() && time.Since(l.gone) < inv.lockSettings.Settle:
		inv.breaksLocked("%s sends a PUT within the settle time after its DELETE", inv.name)
	case l.others:
		inv.breaksLocked("%s sends a PUT, and the last look said that somebody else holds the lock", inv.name)
	}
	inv.onRecord(name)
	l.asked, l.gone = true, time.Time{}
	if isFlag(name) {
		return
	}
	for _, other := range inv.slotNames() {
		if other != name && inv.look(other).pending {
			inv.breaksLocked("%s asks for %s, and its claim for %s may still come true", inv.name, name, other)
		}
	}
	l.pending, l.settles = true, time.Time{}
	inv.unverifies()
	if !inv.calm && inv.meddles > 0 && inv.rng.chance(0.1) { // while the claim settles
		inv.pausesLocked(time.Now().Add(inv.rng.between(time.Minute, inv.trouble/4)))
	}
}

// onRecord: the state on disk names each lock that is asked for, also after a power cut. The caller holds mu.
func (inv *invocation) onRecord(name string) {
	if inv.byHand || inv.host.run.tampered {
		return
	}
	d := &inv.host.disk
	for _, content := range append([][]byte{d.content}, d.unsynced...) {
		if !names(recordIn(content), name) {
			inv.breaksLocked("%s asks for %s, and the state on disk doesn't say so (synced: %v)", inv.name, name,
				len(d.unsynced) == 0)
			return
		}
	}
}

// names: a run that is on record has this lock, or has asked for it.
func names(r *state.Record, name string) bool {
	switch {
	case !r.InProgress():
		return false
	case isFlag(name):
		return slices.ContainsFunc(r.Flags, func(f state.Flag) bool { return f.Name == name })
	}
	return r.Lock == name
}

// heard: a PUT or DELETE was answered, or not.
func (inv *invocation) heard(name string, err error, claim bool) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	l := inv.look(name)
	if claim {
		l.settles = time.Now().Add(inv.locks.Settle)
	} else {
		l.gone = time.Now()
	}
	if errors.Is(err, dlm.ErrDuplicate) {
		inv.row(name).duplicate = true
	}
}

// leftBehind: the log tells people that a flag is still up; they lower it. The caller holds mu.
func (inv *invocation) leftBehind(line []byte) {
	for _, flag := range inv.flagNames() {
		if bytes.Contains(line, []byte(flag)) {
			inv.host.manual[flag] = true
		}
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
	if before.InProgress() && before.RunID == r.RunID && before.Stage == state.LockGet && r.Stage == state.PreUpdate &&
		!inv.byHand {
		inv.begun++
		inv.otherSlot += btoi(r.Lock != lockName)
		inv.runBegins(r.Lock)
	}
	if asks(r) { // the reboot's announcement, in the midst of the stage
		return
	}
	if r.Stage == state.LockRelease || r.Stage == state.PostUpdate {
		h.inside = ""
	}
	if before != nil && before.RunID == r.RunID && before.Stage == r.Stage &&
		before.StageBegan.Equal(r.StageBegan) && before.Error == nil {
		return // it did not begin just now: only its story has grown
	}
	if r.Error == nil {
		inv.pass = pass{stage: r.Stage}
		for _, l := range inv.looks {
			l.since = false
		}
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
	for _, slot := range inv.slotNames() {
		// taken by hand, and left as it is
		foreign := before != nil && before.Stage == state.LockGet && (h.hand || h.manual[slot] && !h.run.claimed[slot])
		if inv.look(slot).self && !foreign {
			inv.breaksLocked("%s forgets its run, and the last look said that it holds lock %s", h.name, slot)
		}
		if names(before, slot) && !foreign { // a run that was on record had it
			h.manual[slot] = false
		}
	}
	h.past[h.run.id] = h.run
	h.inside, h.run = "", newWatch("", false)
	inv.mu.Unlock()
	inv.checkHolder()
}

// checkHolder: who holds a lock has it on record.
func (w *world) checkHolder() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range w.lockNames() {
		for _, h := range w.hosts {
			if w.holds(h.name, name) && !h.manual[name] && !h.hand && !names(recordIn(h.disk.content), name) {
				w.breaksLocked("%s holds %s, and has no run on record that names it", h.name, name)
			}
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
		h.inside = ""
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
	h, slot := inv.host, lockName
	if r := recordIn(inv.host.disk.content); r != nil {
		slot = r.Lock
	}
	l := inv.look(slot)
	switch {
	case !l.since:
		inv.breaksLocked("%s: stage %s begins without a look at the lock", h.name, stage)
	case !l.self:
		inv.breaksLocked("%s: stage %s begins, and the last look said that it does not hold the lock", h.name, stage)
	}
	if inv.fleet != nil {
		inv.entersTwiceGranted(stage, l)
	}
	if inv.row(slot).taken.After(l.selfAt) || inv.fleet != nil && h.freed.After(l.row) {
		return // by somebody's decision, and it can't know
	}
	inside, unknowing := 1, h.unknowing
	for _, other := range inv.world.hosts {
		if other == h || other.inside == "" {
			continue
		}
		unknowing = unknowing || other.unknowing
		if inside++; other.inside == slot && inv.fleet == nil {
			inv.tooMany("%s begins stage %s while %s is inside", h.name, stage, other.name)
		}
	}
	if stage == state.PreUpdate && inside > 1 {
		inv.beside++
	}
	switch {
	case inside <= inv.capacity:
	case unknowing:
		inv.unknowable++
		inv.noteLocked("---", "%d hosts are inside, and one can't know that it had lost its slot between two grants", inside)
	default:
		inv.tooMany("%s begins stage %s, and now %d hosts are inside", h.name, stage, inside)
	}
	h.inside = slot
}

// tooMany: more hosts are inside than there are slots. The caller holds mu.
func (w *world) tooMany(format string, args ...any) {
	if w.twoInside == "" {
		w.twoInside = fmt.Sprintf(format, args...)
	}
	if w.asks.breaksItsPromise() {
		w.noteLocked("---", format, args...)
		return
	}
	w.breaksLocked(format, args...)
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
