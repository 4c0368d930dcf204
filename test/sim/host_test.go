package sim

import (
	"bytes"
	"fmt"
	"time"

	"foreman-dlm-updater/internal/state"
)

// host is one host: it boots, goes down, and starts the program.
type host struct {
	*world
	n    int
	name string
	kind string // what tells its boots apart
	rng  *random

	// Guarded by world.mu.
	disk    disk
	up      bool
	boot    state.Boot
	booted  time.Time
	boots   int
	running *invocation // what holds the instance lock
	started int         // invocations
	// inhibited: until then somebody keeps the host from being shut down.
	inhibited time.Time
	// manual are the locks that an operator has taken or forgotten by hand, and answers for.
	manual map[string]bool
	// hand: a record on the disk says that a person has the slot of a FleetLock server.
	hand bool
	// inside is the lock with which it has begun a guarded stage. It is empty once the host has come to post_update, or
	// lost the lock by somebody's decision.
	inside string
	// freed is when somebody last took this host's slot of a FleetLock server from it by hand.
	freed time.Time
	// lost: another host was written after this one, which the server had granted a slot. regained is when it got one
	// again after that.
	lost     bool
	regained time.Time
	// unknowing: it is inside, and had no way to learn that it had lost its slot and regained it between two grants.
	unknowing bool
	// gaveBack is when the last steady-state was answered, or sent if it had no answer.
	gaveBack time.Time
	begin
	pausedUntil time.Time
	run         watch
	// past are the runs that were over: the removal of a record can be lost with the power.
	past map[string]watch
}

func (w *world) newHost(n int) *host {
	h := &host{world: w, n: n, name: fmt.Sprintf("web%d", n), rng: newRandom(w.seed, 2, uint64(n)),
		run: newWatch("", false), past: map[string]watch{}, manual: map[string]bool{}}
	h.begin = w.newBegin(newRandom(w.seed, 10, uint64(n)))
	h.kind = pick(h.rng, "kernel", "kernel", "kernel", "container", "soft reboot")
	h.boot = state.Boot{ID: "boot-1", Init: 100}
	h.comeUp()
	return h
}

// comeUp begins a boot. The caller holds mu, or is newHost.
func (h *host) comeUp() {
	h.up, h.booted, h.boots = true, time.Now(), h.boots+1
	switch h.kind {
	case "kernel":
		h.boot.ID = fmt.Sprintf("boot-%d", h.boots)
	case "container":
		h.boot.Init = uint64(100 + h.boots)
	default:
		soft := uint64(h.boots)
		h.boot.SoftReboots = &soft
	}
}

// live starts the program again and again, as a timer does.
func (h *host) live() {
	for {
		wait := h.every/2 + h.rng.part(h.every)
		if h.together {
			wait = h.every - time.Since(h.began)%h.every + h.rng.part(200*time.Millisecond)
		}
		if h.isCalm() {
			wait = min(wait, 10*time.Minute)
		}
		if !h.sleep(wait) {
			return
		}
		if !h.isCalm() || h.recorded() != nil { // in the end no run begins
			h.start("timer", false)
		}
	}
}

// crashSometime kills the process, cuts the power, or reboots the host without asking anybody.
func (h *host) crashSometime(i int) {
	r := newRandom(h.seed, 3, uint64(h.n), uint64(i))
	if !h.sometime(r) {
		return
	}
	switch {
	case r.chance(0.4):
		h.mu.Lock()
		if h.running != nil {
			h.running.dieLocked("SIGKILL")
		}
		h.mu.Unlock()
	case r.chance(0.6):
		h.mu.Lock()
		h.powerCutLocked(r)
		h.mu.Unlock()
	default:
		h.shutDown("somebody reboots the host", r)
	}
}

// powerCutLocked takes the host down at once. The caller holds mu.
func (h *host) powerCutLocked(r *random) {
	if !h.up {
		return
	}
	h.noteLocked(h.name, "power cut")
	if h.running != nil {
		h.running.dieLocked("power cut")
	}
	h.disk.losePower(r)
	if s := h.disk.stage(); s != state.PostUpdate && s != state.LockRelease &&
		!bytes.Contains(h.disk.content, []byte(`"asked":`)) {
		h.run.asked = nil // the announcement of a reboot is lost
	}
	h.noteLocked(h.name, "on its disk: stage %q", h.disk.stage())
	h.goneDownLocked(r)
}

// shutDown takes the host down in an orderly way: SIGTERM first, SIGKILL later, and all that was written is kept.
func (h *host) shutDown(why string, r *random) {
	h.mu.Lock()
	if !h.up {
		h.mu.Unlock()
		return
	}
	h.noteLocked(h.name, "%s", why)
	inv, boot := h.running, h.boots
	h.mu.Unlock()
	if inv != nil {
		inv.signal()
		timer := time.NewTimer(time.Second + r.part(90*time.Second)) // TimeoutStopSec
		select {
		case <-inv.ended:
		case <-inv.dead:
		case <-timer.C:
		}
		timer.Stop()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.up || h.boots != boot {
		return
	}
	if h.running != nil {
		h.running.dieLocked("SIGKILL")
	}
	h.disk.unsynced = nil
	h.goneDownLocked(r)
}

// goneDownLocked lets the host come up again after a while, and its boot unit start the program. The caller holds mu.
func (h *host) goneDownLocked(r *random) {
	h.up = false
	h.down++
	down := r.between(5*time.Second, 10*time.Minute)
	if !h.calm && r.chance(0.1) {
		down = r.between(10*time.Minute, 10*time.Minute+2*h.every)
	}
	unit := r.part(30 * time.Second)
	h.noteLocked(h.name, "down")
	h.actors.Go(func() {
		h.sleep(down)
		h.mu.Lock()
		h.comeUp()
		h.noteLocked(h.name, "up again")
		h.mu.Unlock()
		if h.sleep(unit) {
			h.start("boot", true)
		}
	})
}

// end lets nothing more happen.
func (h *host) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running != nil {
		h.running.dieLocked("the end")
	}
}
