package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"
)

// blocker is the lock that blocked_by names. Only a host elsewhere ever holds it.
const blocker = "db"

// begins is what a history draws about when a run may begin. In half of all histories nothing keeps a run from it but
// one lock: what holds there must stay proven.
type begins struct {
	plain     bool
	slots     int           // the largest lock_slots of the hosts
	gates     int           // of each host
	gateNo    float64       // that a gate says no
	gateNone  float64       // that it gives no answer
	gateTime  time.Duration // the longest
	interval  time.Duration // gate_interval
	calendars float64       // hosts with windows and freezes
	meddles   int           // pauses that are set or lifted, locks elsewhere that are taken and freed
	flags     float64       // that a request about a flag goes wrong
}

func newBegins(r *random, p *plan) begins {
	if isPlain(r) {
		return begins{plain: true, slots: 1}
	}
	b := begins{
		slots:     pick(r, 1, 2, 2, 3, 3),
		gates:     r.n(3),
		gateNo:    0.4 * r.float(),
		gateNone:  0.2 * r.float(),
		gateTime:  r.between(100*time.Millisecond, 5*time.Minute),
		interval:  r.between(time.Minute, p.every/2),
		calendars: pick(r, 0, 0.5, 1),
		meddles:   max(0, r.n(12)-4),
		flags:     pick(r, 0, 0, 0.4),
	}
	if r.chance(0.6) { // more hosts, which fail more often, so that slots and budgets matter
		p.hosts = max(p.hosts, 3+r.n(3))
		p.odds.hook = max(p.odds.hook, 0.3*r.float())
	}
	return b
}

// beginsOf is the source of a history's begins.
func beginsOf(seed uint64) *random { return newRandom(seed, 8) }

// isPlain is the first thing that newBegins draws.
func isPlain(r *random) bool { return r.chance(0.5) }

// begin is how one host is set up.
type begin struct {
	slots, maxFailed int
	blockedBy        []string
	calendar         *calendar // nil: no windows, no freezes
}

func (w *world) newBegin(r *random) begin {
	if w.begins.plain {
		return begin{slots: 1}
	}
	b := begin{slots: 1 + r.n(w.begins.slots), maxFailed: r.n(3)}
	if r.chance(0.3) {
		b.blockedBy = []string{blocker}
	}
	if w.fleet != nil {
		b.maxFailed, b.blockedBy = 0, nil
	}
	if r.chance(w.calendars) {
		b.calendar = w.newCalendar(r)
	}
	return b
}

// calendar has a window that opens again and again, and freezes.
type calendar struct {
	period, open, offset time.Duration
	freezes              []span
}

type span struct{ from, to time.Duration } // since the history began

func (w *world) newCalendar(r *random) *calendar {
	period := r.between(5*time.Minute, 2*w.trouble)
	c := &calendar{period: period, open: period/10 + r.part(period*9/10), offset: r.part(period)}
	for range r.n(3) {
		from := r.part(w.trouble)
		c.freezes = append(c.freezes, span{from, from + r.part(w.trouble/4)})
	}
	return c
}

// refuses says what the calendar has against a run that begins at a time since the history began.
func (c *calendar) refuses(at time.Duration) *workflow.Refusal {
	for _, f := range c.freezes {
		if f.from <= at && at < f.to {
			return &workflow.Refusal{Question: lock.Freeze, Why: "frozen"}
		}
	}
	if phase := (at + c.offset) % c.period; phase < 0 || phase >= c.open {
		return &workflow.Refusal{Question: lock.Window, Why: "no window is open"}
	}
	return nil
}

// slotNames and flagNames are all locks of the cluster.
func (w *world) slotNames() []string { return workflow.Slots(lockName, w.begins.slots) }
func (w *world) flagNames() []string {
	if w.begins.plain || w.fleet != nil {
		return nil
	}
	return workflow.Flags(lockName, w.begins.slots)
}
func (w *world) lockNames() []string { return slices.Concat(w.slotNames(), w.flagNames()) }

func isFlag(name string) bool { return strings.Contains(name, ".failed") }
func isSlot(name string) bool { return strings.HasPrefix(name, lockName) && !isFlag(name) }

// mayBegin is the program's question to pause file, freezes and windows.
func (inv *invocation) mayBegin(now time.Time) (*workflow.Refusal, error) {
	if inv.step("ask the calendar") != nil {
		return nil, errDead
	}
	unreadable := inv.mishap(inv.odds.boot)
	inv.mu.Lock()
	defer inv.mu.Unlock()
	h := inv.host
	inv.asksAgain("the calendar")
	inv.calendarSaysYes = time.Time{}
	var no *workflow.Refusal
	switch {
	case unreadable:
		return nil, errors.New("the pause file can't be read")
	case !h.calm && time.Now().Before(h.pausedUntil):
		no = &workflow.Refusal{Question: lock.Pause, Why: "paused"}
	case h.calendar != nil:
		no = h.calendar.refuses(now.Add(inv.wall).Sub(inv.began))
	}
	if no != nil {
		inv.noteLocked(inv.name, "the calendar says no: %s", no.Why)
		return no, nil
	}
	inv.calendarSaysYes = time.Now()
	return nil, nil
}

// gate is a gate that is asked.
func (h hooksOf) gate(name string) workflow.HookResult {
	if h.step("gate "+name) != nil {
		return workflow.HookResult{Err: errDead}
	}
	h.gateIsAsked(name)
	result, took := workflow.HookResult{}, time.Duration(0)
	if !h.isCalm() {
		took = h.rng.part(h.gateTime)
		switch luck := h.rng.float(); {
		case luck < h.gateNo:
			result = workflow.HookResult{Exit: 1 + h.rng.n(2), Said: pick(h.rng, "", "2 of 3 nodes", "a backup runs")}
		case luck < h.gateNo+h.gateNone:
			result.Err = errors.New("killed by signal")
		}
	}
	timer := time.NewTimer(took)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-h.dead:
		return workflow.HookResult{Err: errDead}
	case <-h.kill2:
		result = workflow.HookResult{Stopped: true}
	}
	h.gateAnswers(name, result)
	if h.step("the end of gate "+name) != nil {
		return workflow.HookResult{Err: errDead}
	}
	return result
}

// meddle pauses hosts and lifts pauses, and lets a host elsewhere take what blocks this cluster.
func (w *world) meddle() {
	r := newRandom(w.seed, 9)
	for range w.meddles {
		if !w.sleep(r.part(w.trouble/time.Duration(w.meddles))) || w.isCalm() {
			return
		}
		h, rest := w.hosts[r.n(len(w.hosts))], r.between(time.Second, w.trouble/2)
		switch r.n(4) {
		case 0, 1:
			h.pauseUntil(time.Now().Add(rest))
		case 2:
			h.pauseUntil(time.Time{})
		case 3:
			if w.fleet != nil {
				continue
			}
			w.note("admin", "a host elsewhere takes %s for %s", blocker, rest)
			w.server.SetHolder(blocker, elsewhere)
			w.actors.Go(func() {
				if w.sleep(rest) {
					w.server.SetHolder(blocker, "")
				}
			})
		}
	}
}

func (h *host) pauseUntil(t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pausesLocked(t)
}

// pausesLocked pauses the host until a time; a time that is over lifts the pause. The caller holds mu.
func (h *host) pausesLocked(until time.Time) {
	h.pausedUntil = until
	h.noteLocked(h.name, "an operator pauses the host until %s", elapsed(max(0, until.Sub(h.began))))
}

// questions are the answers that an invocation has had since it verified its lock.
type questions struct {
	verified        time.Time // zero: it has not
	slot            string    // the lock
	calendarSaysYes time.Time // zero: the last answer was no
	gatesSayYes     map[string]time.Time
	lookedAt        map[string]time.Time // flags and blocking locks, by name: when the last look that was answered began
	ignoresCalendar bool                 // run --now
	refused         string               // who has said no since, while the lock has not been given back
}

// verifies: the lock has been asked for, and a look has shown that it is this host's. The caller holds mu.
func (inv *invocation) verifies(slot string) { inv.verified, inv.slot = time.Now(), slot }

// unverifies: what was verified counts no more. The caller holds mu.
func (inv *invocation) unverifies() { inv.verified, inv.refused = time.Time{}, "" }

// isDelicate: the run has its lock and may yet be refused, or was refused and gives it back. The caller holds mu.
func (inv *invocation) isDelicate() bool {
	l := inv.look(inv.slot)
	return !inv.begins.plain && inv.host.disk.stage() == state.LockGet && (!inv.verified.IsZero() || !l.gone.IsZero())
}

// asksAgain: a question is asked, which no run does that has begun, nor one that keeps its lock in spite of a no. The
// caller holds mu.
func (inv *invocation) asksAgain(what string) {
	switch stage := inv.host.disk.stage(); {
	case inv.isDead():
	case workflow.HasLock(stage):
		inv.breaksLocked("%s asks %s in stage %s", inv.name, what, stage)
	case inv.refused != "":
		inv.breaksLocked("%s asks %s again, and %s has said no since it has lock %s", inv.name, what, inv.refused, inv.slot)
	}
}

// gateIsAsked: a gate is about to run.
func (inv *invocation) gateIsAsked(name string) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	inv.noteLocked(inv.name, "gate %s is asked", name)
	if name == gateName(0) { // all are asked, even after one has said no
		inv.asksAgain("gate " + name)
	}
	inv.gatesSayYes[name] = time.Time{}
}

func (inv *invocation) gateAnswers(name string, r workflow.HookResult) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	inv.noteLocked(inv.name, "gate %s answers: exit %d %v", name, r.Exit, r.Err)
	switch {
	case r.Stopped:
	case r.Exit == 0 && r.Err == nil:
		inv.gatesSayYes[name] = time.Now()
	case !inv.verified.IsZero():
		inv.refused = "gate " + name
	}
}

// looksAround: a flag or a lock that may block was looked at, which says no once all have been looked at. The caller
// holds mu.
func (inv *invocation) looksAround(name string) {
	others := func(name string) bool { return inv.look(name).others && !inv.lookedAt[name].Before(inv.verified) }
	flags, failed := workflow.Flags(lockName, inv.host.slots), 0
	for _, flag := range flags {
		failed += btoi(others(flag))
	}
	switch {
	case inv.verified.IsZero():
	case name == flags[len(flags)-1] && inv.maxFailed > 0 && failed >= inv.maxFailed:
		inv.refused = "the budget"
	case slices.Contains(inv.blockedBy, name) && others(name):
		inv.refused = name
	}
}

// runBegins: pre_update is on record, so all questions must have been answered with yes. The caller holds mu.
func (inv *invocation) runBegins(slot string) {
	h, since := inv.host, inv.verified
	switch {
	case since.IsZero() || inv.slot != slot:
		inv.breaksLocked("%s begins with lock %s, which it has not verified", h.name, slot)
		return
	case h.begins.plain:
		return
	case inv.calendarSaysYes.Before(since) && !inv.ignoresCalendar:
		inv.breaksLocked("%s begins, and since it has the lock the calendar has not said yes", h.name)
	}
	for i := range h.gates {
		if inv.gatesSayYes[gateName(i)].Before(since) {
			inv.breaksLocked("%s begins, and since it has the lock gate %s has not said yes", h.name, gateName(i))
		}
	}
	others := func(name string) bool {
		row := inv.row(name)
		if inv.lookedAt[name].Before(since) {
			inv.breaksLocked("%s begins, and since it has the lock it has not looked at %s", h.name, name)
		}
		return row.holder != "" && row.holder != h.name && row.since.Before(since)
	}
	for _, name := range h.blockedBy {
		if others(name) {
			inv.breaksLocked("%s begins, and %s is held, which blocks it", h.name, name)
		}
	}
	if h.maxFailed == 0 {
		return
	}
	failed := 0
	for _, flag := range workflow.Flags(lockName, h.slots) {
		if others(flag) {
			failed++
		}
	}
	if failed >= h.maxFailed {
		inv.breaksLocked("%s begins, and %d others have failed (max_failed %d)", h.name, failed, h.maxFailed)
	}
}

func gateName(n int) string { return fmt.Sprintf("g%d", n) }

// gateNames are the host's gates.
func (w *world) gateNames() []string {
	var names []string
	for i := range w.gates {
		names = append(names, gateName(i))
	}
	return names
}

// row is a lock as the database has it.
type row struct {
	holder    string
	since     time.Time // when the holder got it
	taken     time.Time // when somebody last took it from its holder by hand
	duplicate bool      // somebody was told of two locks of this name
}

// row finds a lock. The caller holds mu.
func (w *world) row(name string) *row {
	r := w.rows[name]
	if r == nil {
		r = &row{}
		w.rows[name] = r
	}
	return r
}

// recordIn is the record in a file; nil: there is none.
func recordIn(content []byte) *state.Record {
	if content == nil {
		return nil
	}
	r, err := state.Store{Path: "state", Disk: copied(content)}.Load()
	if err != nil {
		return nil
	}
	return r
}
