package sim

import (
	"time"

	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"
)

// operate lets operators run the program by hand, mostly at the wrong moment.
func (w *world) operate() {
	r := newRandom(w.seed, 7)
	for range w.plan.operator {
		if !w.sleep(r.part(w.trouble/time.Duration(w.plan.operator))) || w.isCalm() {
			return
		}
		h := w.hosts[r.n(len(w.hosts))]
		act, wait, stage := r.n(6), r.chance(0.5), pick(r, state.Stages...)
		w.actors.Go(func() { h.byHand(act, wait, stage) })
	}
}

func (h *host) byHand(act int, wait bool, stage state.Stage) {
	switch act {
	case 0, 1:
		h.start("by hand: run", false)
	case 2:
		h.start("by hand: the boot unit", true)
	case 3:
		h.invoke("by hand: lock acquire", func(inv *invocation, w *workflow.Workflow) error {
			inv.takeOver()
			_, err := w.TakeLock(inv.ctx, workflow.ByHand{Name: lockName, Wait: wait})
			return err
		})
	case 4:
		h.releaseByHand()
	case 5:
		h.setByHand(stage)
	}
}

// takeOver: what becomes of the lock is the operator's business from now on.
func (inv *invocation) takeOver() {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	inv.taken = time.Now()
	inv.host.manual, inv.host.inside = true, false
}

// releaseByHand is `lock release`: with a run on record, or after `lock acquire`.
func (h *host) releaseByHand() {
	h.invoke("by hand: lock release", func(inv *invocation, w *workflow.Workflow) error {
		inv.takeOver()
		inv.lockSettings.ReleaseTimeout = 30 * time.Second
		err := w.ReleaseLock(inv.ctx, lockName)
		if err == nil {
			inv.mu.Lock()
			defer inv.mu.Unlock()
			inv.host.manual = false
		}
		return err
	})
}

// setByHand is `state set`.
func (h *host) setByHand(stage state.Stage) {
	h.invoke("by hand: state set "+string(stage), func(inv *invocation, w *workflow.Workflow) error {
		record, err := w.Store.Load()
		if err != nil || record == nil {
			record = &state.Record{Began: time.Now()}
		}
		h.mu.Lock()
		h.run.tampered, h.inside, h.taken = true, false, time.Now()
		if stage == state.NeedsUpdate { // forgets the lock, too
			h.manual = true
		}
		h.mu.Unlock()
		return w.Store.Save(state.Record{Stage: stage, RunID: record.RunID, Began: record.Began,
			Lock: lockName, MachineID: h.name, Rebooted: record.Rebooted})
	})
}

// remedy is what people do who read the log, once nothing goes wrong any more.
func (w *world) remedy() {
	w.removeDuplicates()
	for _, h := range w.hosts {
		h.mu.Lock()
		// A lock that is held without a run on record is what `check` calls an orphan.
		orphan := h.manual || h.holder == h.name && h.disk.content == nil && h.running == nil
		h.mu.Unlock()
		if orphan {
			w.actors.Go(h.releaseByHand)
			continue
		}
		if r := h.recorded(); r != nil && r.Stage == state.Reboot && r.Reboots >= h.settings.MaxReboots && r.Error != nil {
			w.actors.Go(func() { h.setByHand(state.Reboot) })
		}
	}
}
