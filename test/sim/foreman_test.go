package sim

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"foreman-dlm-updater/internal/sandbox"
)

// elsewhere is a host that takes no part; an administrator may give it the lock.
const elsewhere = "elsewhere"

// windowOf draws how long the server dwells in a gap of a request.
func (w *world) windowOf(ctx context.Context, _, method string, gap sandbox.Gap) time.Duration {
	switch {
	case gap == sandbox.BeforeAnswer:
		w.isWritten(ctx)
		if w.dwell.chance(w.contention) { // the answer comes late, and only the answer
			return w.dwell.part(w.httpTimeout)
		}
		return 0
	case gap == sandbox.BeforeCheck && w.dwell.chance(1-w.contention):
		return 0
	case gap == sandbox.BeforeCheck:
		return w.dwell.part(w.window / 2)
	case w.plan.late && !w.isCalm() && w.dwell.chance(0.1):
		return w.dwell.part(4 * w.locks.Settle)
	}
	return w.dwell.part(w.window)
}

// asking is a host's PUT or DELETE that the server, or what is on the way to it, has had to itself since a time.
type asking struct {
	who, method, lock string
	since             time.Time
	written           bool
}

// isWritten: the server has written what a host asked for, and has yet to answer.
func (w *world) isWritten(ctx context.Context) {
	if a, ok := ctx.Value(asking{}).(*asking); ok {
		w.mu.Lock()
		defer w.mu.Unlock()
		a.written = true
	}
}

// recorded hears of each change of a lock, at the instant at which it is written.
func (w *world) recorded(e sandbox.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.row(e.Lock)
	switch e.Kind {
	case sandbox.EventAcquire:
		if w.asks == guardedForeman && r.holder != "" && r.holder != e.Host {
			w.overwrites = fmt.Sprintf("%s overwrites %s as the holder of %s, which is guarded", e.By, r.holder, e.Lock)
			w.breaksLocked("%s", w.overwrites)
		}
		r.holder, r.since = e.Host, time.Now()
		if isFlag(e.Lock) && e.Host == e.By {
			w.raised++
		}
	case sandbox.EventRelease:
		r.holder = ""
		for _, h := range w.hosts {
			if isFlag(e.Lock) && h.name == e.Host {
				h.manual[e.Lock] = false
			}
		}
	case sandbox.EventFail:
		return
	}
	w.noteLocked("foreman", "%s: %s of %s by %s; now held by %q", e.Lock, e.Kind, e.Host, e.By, r.holder)
	w.findLate(e.By, e.Lock)
	w.lateRelease = w.lateRelease || w.late == http.MethodDelete
}

// findLate looks whether a change that a host has just written is a request that comes too late. The caller holds mu.
func (w *world) findLate(by, lock string) {
	for _, a := range w.asked {
		if took := time.Since(a.since); a.who == by && a.lock == lock && !a.written && took > w.locks.Settle {
			w.lateWrite(a.who, a.method, took)
		}
	}
}

// arrives: a host's request is on its way to the server by itself, until it is answered.
func (w *world) arrives(who, method, lock string, since time.Time) (ctx context.Context, answered func()) {
	if method == http.MethodGet {
		return context.Background(), func() {}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	a := &asking{who: who, method: method, lock: lock, since: since}
	w.asked = append(w.asked, a)
	return context.WithValue(context.Background(), asking{}, a), func() {
		w.mu.Lock()
		w.asked = slices.DeleteFunc(w.asked, func(other *asking) bool { return other == a })
		w.mu.Unlock()
		w.checkHolder()
	}
}

// lateWrite: no client can guard against a request that is written later than the settle time. The caller holds mu.
func (w *world) lateWrite(who, method string, took time.Duration) {
	w.noteLocked("foreman", "%s of %s was written %s late", method, who, took)
	w.late = method
	if !w.plan.late {
		w.breaksLocked("the simulation is wrong: no %s should take %s to be written", method, took)
	}
}

// administrate lets administrators do what they do at any time.
func (w *world) administrate() {
	r := newRandom(w.seed, 6)
	for range w.plan.admin {
		if !w.sleep(r.part(w.trouble/time.Duration(w.plan.admin))) || w.isCalm() {
			return
		}
		w.adminAct(r)
	}
}

func (w *world) adminAct(r *random) {
	if w.fleet != nil {
		w.fleetAdminAct(r)
		return
	}
	cn := w.hosts[r.n(len(w.hosts))].name
	after := r.between(time.Second, time.Hour)
	undo := func(f func()) {
		w.actors.Go(func() {
			if w.sleep(after) {
				f()
			}
		})
	}
	act, name := r.n(6), lockName
	if !w.begins.plain {
		name = pick(r, w.lockNames()...)
	}
	switch act {
	case 0, 1:
		w.takeAway(name, "an administrator releases lock "+name)
		w.server.SetHolder(name, "")
	case 2:
		w.note("admin", "disables lock %s for %s", name, after)
		w.server.SetEnabled(name, false)
		undo(func() { w.server.SetEnabled(name, true) })
	case 3:
		w.note("admin", "bars %s for %s", cn, after)
		w.server.Bar(cn, true)
		undo(func() { w.server.Bar(cn, false) })
	case 4:
		w.takeAway(name, "an administrator gives lock "+name+" to a host elsewhere")
		w.server.SetHolder(name, elsewhere)
		undo(func() { w.freeElsewhere(name) })
	case 5:
		w.takeAway(name, "an administrator deletes lock "+name)
		w.server.Remove(name)
		w.mu.Lock()
		w.row(name).holder = ""
		w.mu.Unlock()
	}
}

// freeElsewhere frees a lock that an administrator has given to a host elsewhere.
func (w *world) freeElsewhere(name string) {
	if row, _ := w.server.Lock(name); row.Holder == elsewhere {
		w.server.SetHolder(name, "")
	}
}

// takeAway: who had the lock loses it by somebody's decision, and is not to blame for being inside still.
func (w *world) takeAway(name, how string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteLocked("admin", "%s", how)
	w.takenByHand(name)
}

// takenByHand: the holder of a lock has lost it by somebody's decision. The caller holds mu.
func (w *world) takenByHand(name string) {
	w.row(name).taken = time.Now()
	for _, h := range w.hosts {
		if h.inside == name {
			h.inside = ""
		}
	}
}

// calmDown ends all trouble; what people have done they undo.
func (w *world) calmDown() {
	w.mu.Lock()
	w.calm = true
	w.noteLocked("---", "from now on nothing goes wrong")
	w.mu.Unlock()
	if w.fleet != nil {
		return
	}
	for _, h := range w.hosts {
		w.server.Bar(h.name, false)
	}
	for _, name := range append(w.lockNames(), blocker) {
		if _, exists := w.server.Lock(name); exists {
			w.server.SetEnabled(name, true)
		}
		w.freeElsewhere(name)
	}
}

// removeDuplicates is what an administrator does who was told that there are two locks of a name.
func (w *world) removeDuplicates() {
	if w.fleet != nil {
		return
	}
	for _, name := range w.lockNames() {
		w.mu.Lock()
		told := w.row(name).duplicate
		w.row(name).duplicate = false
		w.mu.Unlock()
		if told {
			w.note("admin", "an administrator deletes a duplicate of lock %s", name)
			row, _ := w.server.Lock(name)
			w.server.Remove(name)
			w.server.SetHolder(name, row.Holder)
		}
	}
}
