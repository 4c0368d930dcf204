package main

import (
	"fmt"
	"slices"
	"strings"
)

// guarded are the stages that a host may be in only while it holds the lock.
var guarded = []string{"pre_update", "update", "needs_reboot", "reboot"}

// verdict is the result of the proof.
type verdict struct {
	locks       locks
	intervals   int      // how many guarded stages were begun
	most        int      // how many hosts were in guarded stages at the same time, at most
	order       []string // the hosts in the order in which they released their slots
	claims      int      // how many claims of slots were answered with yes
	overwritten int      // how many of these another host's claim overwrote
	after       int      // how many hosts began once the flag was down again
	beside      int      // how many began while the failed host was not fixed
	flaws       []string // everything that is wrong
}

// prover goes through the ledger.
type prover struct {
	verdict
	broken  bool              // the failing host has failed, and is not fixed
	holders map[string]string // the hosts that have the slots and flags
	raised  []string          // the hosts that have raised a flag
	inside  map[string]string // the guarded stage that a host is in
	done    map[string][]string
}

// prove goes through the ledger in order. The interval of a stage begins with a line that was written before its work
// and ends with one that was written after it. So the interval contains the work, and if no more intervals overlap than
// there are slots, neither does more work.
func prove(entries []entry, l locks) verdict {
	p := &prover{verdict: verdict{locks: l}, holders: map[string]string{}, inside: map[string]string{},
		done: map[string][]string{}}
	for _, e := range entries {
		isChange := e.kind == acquire || e.kind == release
		switch {
		case isChange && slices.Contains(l.slots, e.lock):
			p.slotChanged(e)
		case isChange && slices.Contains(l.flags, e.lock):
			p.flagChanged(e)
		case isChange:
			p.flaw("%s changed lock %q, which is no slot and no flag", e.host, e.lock)
		case e.kind == begin && slices.Contains(guarded, e.stage):
			p.began(e)
		case e.kind == end && slices.Contains(guarded, e.stage):
			p.ended(e)
		case e.kind == begin, e.kind == end, e.kind == step, e.kind == refuse:
		default:
			p.flaw("the ledger has a line that says nothing: %+v", e)
		}
	}
	p.complete()
	return p.verdict
}

func (p *prover) flaw(format string, args ...any) {
	p.flaws = append(p.flaws, fmt.Sprintf(format, args...))
}

// slotChanged handles a change of a slot's holder. The one before may not be in a guarded stage then.
func (p *prover) slotChanged(e entry) {
	before := p.holders[e.lock]
	if stage := p.inside[before]; stage != "" {
		p.flaw("slot %s changed hands (%s by %s) while %s was in %s", e.lock, e.kind, e.host, before, stage)
	}
	if e.kind == release {
		if len(p.done[e.host]) > 0 { // not given back because a host had failed meanwhile
			p.order = append(p.order, e.host)
		}
		delete(p.holders, e.lock)
		return
	}
	p.claims++
	if before != "" {
		p.overwritten++
	}
	p.holders[e.lock] = e.host
}

// flagChanged handles a flag that goes up or down.
func (p *prover) flagChanged(e entry) {
	if e.kind == release {
		delete(p.holders, e.lock)
		return
	}
	p.holders[e.lock] = e.host
	p.raised = append(p.raised, e.host)
}

// flagged returns the host whose flag is up; empty: none is.
func (p *prover) flagged() string {
	for _, flag := range p.locks.flags {
		if host := p.holders[flag]; host != "" {
			return host
		}
	}
	return ""
}

func (p *prover) began(e entry) {
	p.intervals++
	if stage := p.inside[e.host]; stage != "" {
		p.flaw("%s began %s inside %s", e.host, e.stage, stage)
	}
	p.inside[e.host] = e.stage
	if p.most = max(p.most, len(p.inside)); len(p.inside) > len(p.locks.slots) {
		p.flaw("%s began %s, so that %d hosts were in guarded stages", e.host, e.stage, len(p.inside))
	}
	if e.stage == guarded[0] {
		if host := p.flagged(); host != "" {
			p.flaw("%s began although %s had failed", e.host, host)
		}
		p.after += min(len(p.raised), 1)
		if p.broken {
			p.beside++
		}
	}
	p.broken = p.broken && e.host != failing
	p.needsSlot(e, "began")
}

func (p *prover) ended(e entry) {
	if stage := p.inside[e.host]; stage != e.stage {
		p.flaw("%s ended %s, which it had not begun", e.host, e.stage)
	}
	delete(p.inside, e.host)
	p.done[e.host] = append(p.done[e.host], e.stage)
	p.broken = p.broken || e.host == failing && strings.HasPrefix(e.text, "fails")
	p.needsSlot(e, "ended")
}

func (p *prover) needsSlot(e entry, verb string) {
	for _, slot := range p.locks.slots {
		if p.holders[slot] == e.host {
			return
		}
	}
	p.flaw("%s %s %s without a slot", e.host, verb, e.stage)
}

// complete checks that there was something to prove: every host went through each of its guarded stages once, and the
// failing one twice through the update; its flag went up once, and kept others from beginning.
func (p *prover) complete() {
	for _, host := range hostNames {
		want := slices.Clone(guarded)
		if !getsKernel(host) {
			want = want[:3]
		}
		if host == failing {
			want = slices.Insert(want, 1, "update")
		}
		if !slices.Equal(p.done[host], want) {
			p.flaw("%s went through %v, not %v", host, p.done[host], want)
		}
	}
	if order := slices.Sorted(slices.Values(p.order)); !slices.Equal(order, hostNames) {
		p.flaw("slots were released by %v, not once by each host", p.order)
	}
	for _, lock := range slices.Concat(p.locks.slots, p.locks.flags) {
		if host := p.holders[lock]; host != "" {
			p.flaw("%s still has %s", host, lock)
		}
	}
	switch {
	case p.locks.fleetLock && p.beside == 0:
		p.flaw("nobody began beside %s", failing)
	case p.locks.fleetLock:
	case !slices.Equal(p.raised, []string{failing}):
		p.flaw("flags were raised by %v, not once by %s", p.raised, failing)
	case p.after == 0:
		p.flaw("%s stopped nobody", failing)
	}
}

// String is the proof in sentences.
func (v verdict) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Guarded stages: %d intervals, never more than %d hosts inside.\n", v.intervals, v.most)
	if len(v.flaws) > 0 {
		return b.String() + "This proves nothing, or worse."
	}
	fmt.Fprintf(&b, "Each lies within the time in which its host had a slot. All are free again:\n"+
		"%s released theirs in this order.\n", strings.Join(v.order, ", "))
	if v.locks.fleetLock {
		fmt.Fprintf(&b, "%s failed and kept its slot; %d others began in the other slots meanwhile.\n", failing, v.beside)
	} else {
		fmt.Fprintf(&b, "While %s's flag was up, no host began; %d began once it was down.\n", failing, v.after)
		fmt.Fprintf(&b, "%d claims were answered with yes, of which %d were overwritten by another host's\n",
			v.claims, v.overwritten)
		b.WriteString("claim and noticed by settle-and-verify: nobody worked on such a claim.\n")
	}
	b.WriteString("Proven by the order in which all hooks and the server wrote to one pipe;\nno clocks are compared.")
	return b.String()
}

// flawedError is a proof that failed.
type flawedError struct{ flaws []string }

func (e *flawedError) Error() string { return "the proof fails:\n  " + strings.Join(e.flaws, "\n  ") }

// err is nil if the proof succeeded.
func (v verdict) err() error {
	if len(v.flaws) == 0 {
		return nil
	}
	return &flawedError{v.flaws}
}
