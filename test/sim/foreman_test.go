package sim

import (
	"context"
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
	who, method string
	since       time.Time
	written     bool
}

// isWritten: the server has written what a host asked for, and has yet to answer.
func (w *world) isWritten(ctx context.Context) {
	if a, ok := ctx.Value(asking{}).(*asking); ok {
		w.mu.Lock()
		defer w.mu.Unlock()
		a.written = true
	}
}

// recorded hears of each change of the lock, at the instant at which it is written.
func (w *world) recorded(e sandbox.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e.Kind {
	case sandbox.EventAcquire:
		w.holder = e.Host
	case sandbox.EventRelease:
		w.holder = ""
	case sandbox.EventFail:
		return
	}
	w.noteLocked("foreman", "%s of %s by %s; now held by %q", e.Kind, e.Host, e.By, w.holder)
	for _, a := range w.asked {
		if took := time.Since(a.since); a.who == e.By && !a.written && took > w.locks.Settle {
			w.lateWrite(a.who, a.method, took)
		}
	}
}

// arrives: a host's request is on its way to the server by itself, until it is answered.
func (w *world) arrives(who, method string, since time.Time) (ctx context.Context, answered func()) {
	if method == http.MethodGet {
		return context.Background(), func() {}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	a := &asking{who: who, method: method, since: since}
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
	cn := w.hosts[r.n(len(w.hosts))].name
	after := r.between(time.Second, time.Hour)
	undo := func(f func()) {
		w.actors.Go(func() {
			if w.sleep(after) {
				f()
			}
		})
	}
	switch r.n(6) {
	case 0, 1:
		w.takeAway("an administrator releases the lock")
		w.server.SetHolder(lockName, "")
	case 2:
		w.note("admin", "disables the lock for %s", after)
		w.server.SetEnabled(lockName, false)
		undo(func() { w.server.SetEnabled(lockName, true) })
	case 3:
		w.note("admin", "bars %s for %s", cn, after)
		w.server.Bar(cn, true)
		undo(func() { w.server.Bar(cn, false) })
	case 4:
		w.takeAway("an administrator gives the lock to a host elsewhere")
		w.server.SetHolder(lockName, elsewhere)
		undo(func() {
			if row, _ := w.server.Lock(lockName); row.Holder == elsewhere {
				w.server.SetHolder(lockName, "")
			}
		})
	case 5:
		w.takeAway("an administrator deletes the lock")
		w.server.Remove(lockName)
		w.mu.Lock()
		w.holder = ""
		w.mu.Unlock()
	}
}

// takeAway: who had the lock loses it by somebody's decision, and is not to blame for being inside still.
func (w *world) takeAway(how string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteLocked("admin", "%s", how)
	w.taken = time.Now()
	for _, h := range w.hosts {
		h.inside = false
	}
}

// calmDown ends all trouble; what people have done they undo.
func (w *world) calmDown() {
	w.mu.Lock()
	w.calm = true
	w.noteLocked("---", "from now on nothing goes wrong")
	w.mu.Unlock()
	for _, h := range w.hosts {
		w.server.Bar(h.name, false)
	}
	row, exists := w.server.Lock(lockName)
	if exists {
		w.server.SetEnabled(lockName, true)
	}
	if row.Holder == elsewhere {
		w.server.SetHolder(lockName, "")
	}
}

// removeDuplicates is what an administrator does who was told that there are two locks of the name.
func (w *world) removeDuplicates() {
	w.mu.Lock()
	told := w.duplicate
	w.duplicate = false
	w.mu.Unlock()
	if told {
		w.note("admin", "an administrator deletes a duplicate lock")
		row, _ := w.server.Lock(lockName)
		w.server.Remove(lockName)
		w.server.SetHolder(lockName, row.Holder)
	}
}
