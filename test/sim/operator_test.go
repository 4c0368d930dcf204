package sim

import (
	"cmp"
	"time"

	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"
)

// operate lets operators run the program by hand, mostly at the wrong moment.
func (w *world) operate() {
	r := newRandom(w.seed, 7)
	acts := 6
	if !w.begins.plain {
		acts = 8
	}
	for range w.plan.operator {
		if !w.sleep(r.part(w.trouble/time.Duration(w.plan.operator))) || w.isCalm() {
			return
		}
		h := w.hosts[r.n(len(w.hosts))]
		act, wait, stage := r.n(acts), r.chance(0.5), pick(r, state.Stages...)
		w.actors.Go(func() { h.byHand(act, wait, stage) })
	}
}

func (h *host) byHand(act int, wait bool, stage state.Stage) {
	switch act {
	case 0, 1:
		if act == 0 || h.begins.plain {
			h.start("by hand: run", false)
			return
		}
		h.invoke("by hand: run --now", func(inv *invocation, w *workflow.Workflow) error {
			inv.ignoresCalendar, w.MayBegin = true, nil
			return w.Run(inv.ctx, false)
		})
	case 2:
		h.start("by hand: the boot unit", true)
	case 3:
		name := h.lockInQuestion()
		h.invoke("by hand: lock acquire", func(inv *invocation, w *workflow.Workflow) error {
			inv.takeOver(name)
			if inv.fleet != nil {
				return inv.acquireOnRecord(w, wait)
			}
			_, err := w.TakeLock(inv.ctx, workflow.ByHand{Name: name, Wait: wait})
			return err
		})
	case 4:
		h.releaseByHand(h.lockInQuestion())
	case 5:
		h.setByHand(stage)
	default:
		h.lowerByHand()
	}
}

// lockInQuestion is the lock of the run on record, or the one that the configuration names.
func (h *host) lockInQuestion() string {
	if r := h.recorded(); r.InProgress() && r.Lock != "" {
		return r.Lock
	}
	return lockName
}

// takeOver: what becomes of the lock is the operator's business from now on.
func (inv *invocation) takeOver(name string) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	inv.byHand = true
	inv.row(name).taken, inv.host.freed = time.Now(), time.Now()
	inv.host.manual[name] = true
	if inv.host.inside == name {
		inv.host.inside = ""
	}
}

// releaseByHand is `lock release`: with a run on record, or after `lock acquire`.
func (h *host) releaseByHand(name string) {
	h.invoke("by hand: lock release "+name, func(inv *invocation, w *workflow.Workflow) error {
		inv.takeOver(name)
		inv.lockSettings.ReleaseTimeout = 30 * time.Second
		err := w.ReleaseLock(inv.ctx, name, nil)
		if err == nil {
			inv.mu.Lock()
			defer inv.mu.Unlock()
			inv.host.manual[name], inv.host.hand = false, false
		}
		return err
	})
}

// lowerByHand lowers the flags of a run that keeps its lock.
func (h *host) lowerByHand() {
	h.invoke("by hand: the flags are lowered", func(inv *invocation, w *workflow.Workflow) error {
		record, err := w.Store.Load()
		if err != nil || record == nil {
			return err
		}
		for _, flag := range record.Flags {
			inv.takeOver(flag.Name)
		}
		w.LowerFlags(inv.ctx, record.Flags)
		return nil
	})
}

// setByHand is `state set`.
func (h *host) setByHand(stage state.Stage) {
	h.invoke("by hand: state set "+string(stage), func(inv *invocation, w *workflow.Workflow) error {
		record, err := w.Store.Load()
		if err != nil || record == nil {
			record = &state.Record{Began: time.Now()}
		}
		name := cmp.Or(record.Lock, lockName)
		h.mu.Lock()
		inv.byHand = true
		h.run.tampered, h.inside, h.row(name).taken, h.freed = true, "", time.Now(), time.Now()
		next := state.Record{Stage: stage, RunID: record.RunID, Began: record.Began, Lock: name, Flags: record.Flags,
			MachineID: h.name, Rebooted: record.Rebooted}
		if stage == state.NeedsUpdate { // forgets the locks, too
			h.manual[name] = true
		}
		before := recordIn(h.disk.content) // which the command may have been unable to read
		for _, lock := range h.lockNames() {
			if names(before, lock) && !names(&next, lock) {
				h.manual[lock] = true
			}
		}
		h.mu.Unlock()
		return w.Store.Save(next)
	})
}

// remedy is what people do who read the log, once nothing goes wrong any more.
func (w *world) remedy() {
	w.removeDuplicates()
	for i, h := range w.hosts {
		turn := time.Duration(i) // at one moment, each time another would be the first (TestSameSeed)
		if name := h.orphan(); name != "" {
			w.actors.Go(func() { w.sleep(turn); h.releaseByHand(name) })
			continue
		}
		if r := h.recorded(); r != nil && r.Stage == state.Reboot && r.Reboots >= h.settings.MaxReboots && r.Error != nil {
			w.actors.Go(func() { w.sleep(turn); h.setByHand(state.Reboot) })
		}
	}
}

// orphan finds a lock that is held without a run on record, as `check` calls it, or for which an operator answers.
func (h *host) orphan() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range h.lockNames() {
		if h.manual[name] || h.hand || h.holds(h.name, name) && h.disk.content == nil && h.running == nil {
			return name
		}
	}
	return ""
}
