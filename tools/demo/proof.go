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
	intervals   int      // how many guarded stages were begun
	overlaps    int      // how many of these overlapped another host's
	order       []string // the hosts in the order in which they released the lock
	claims      int      // how many claims were answered with yes
	overwritten int      // how many of these another host's claim overwrote
	flaws       []string // everything that is wrong, overlaps included
}

// prover goes through the ledger.
type prover struct {
	verdict
	holder string
	inside map[string]string // the guarded stage that a host is in
	done   map[string][]string
}

// prove goes through the ledger in order. The interval of a stage begins with a line that was written before its work
// and ends with one that was written after it. So the interval contains the work, and if intervals don't overlap, the
// work does not either.
func prove(entries []entry) verdict {
	p := &prover{inside: map[string]string{}, done: map[string][]string{}}
	for _, e := range entries {
		switch {
		case e.kind == acquire || e.kind == release:
			p.changed(e)
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

// changed handles a change of the holder. No host may be in a guarded stage then.
func (p *prover) changed(e entry) {
	for _, host := range hostNames {
		if stage := p.inside[host]; stage != "" {
			p.flaw("the lock changed hands (%s by %s) while %s was in %s", e.kind, e.host, host, stage)
		}
	}
	if e.kind == release {
		p.order = append(p.order, e.host)
		p.holder = ""
		return
	}
	p.claims++
	if p.holder != "" {
		p.overwritten++
	}
	p.holder = e.host
}

func (p *prover) began(e entry) {
	p.intervals++
	for _, other := range hostNames {
		stage := p.inside[other]
		switch {
		case stage == "":
		case other == e.host:
			p.flaw("%s began %s inside %s", e.host, e.stage, stage)
		default:
			p.overlaps++
			p.flaw("%s began %s while %s was in %s", e.host, e.stage, other, stage)
		}
	}
	p.inside[e.host] = e.stage
	p.needsLock(e, "began")
}

func (p *prover) ended(e entry) {
	if stage := p.inside[e.host]; stage != e.stage {
		p.flaw("%s ended %s, which it had not begun", e.host, e.stage)
	}
	delete(p.inside, e.host)
	p.done[e.host] = append(p.done[e.host], e.stage)
	p.needsLock(e, "ended")
}

func (p *prover) needsLock(e entry, verb string) {
	if p.holder != e.host {
		p.flaw("%s %s %s while the lock was %s", e.host, verb, e.stage, heldBy(p.holder))
	}
}

func heldBy(holder string) string {
	if holder == "" {
		return "free"
	}
	return holder + "'s"
}

// complete checks that there was something to prove: every host went through each of its guarded stages once.
func (p *prover) complete() {
	for i, host := range hostNames {
		want := guarded
		if i == len(hostNames)-1 { // the update brings it no new kernel
			want = guarded[:3]
		}
		if !slices.Equal(p.done[host], want) {
			p.flaw("%s went through %v, not %v", host, p.done[host], want)
		}
	}
	if order := slices.Sorted(slices.Values(p.order)); !slices.Equal(order, hostNames) {
		p.flaw("the lock was released by %v, not once by each host", p.order)
	}
}

// String is the proof in sentences.
func (v verdict) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Guarded stages: %d intervals, %d overlaps.\n", v.intervals, v.overlaps)
	if len(v.flaws) > 0 {
		return b.String() + "This proves nothing, or worse."
	}
	fmt.Fprintf(&b, "The server granted %s in turn;\neach interval lies within its host's turn.\n",
		strings.Join(v.order, ", "))
	fmt.Fprintf(&b, "%d claims were answered with yes, of which %d were overwritten by another host's\n",
		v.claims, v.overwritten)
	b.WriteString("claim and noticed by settle-and-verify: nobody worked on such a claim.\n")
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
