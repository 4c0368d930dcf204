package chaos

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// entry is a line of the ledger: one file, to which hooks, reboot commands, the server and this test append whole
// lines. The kernel keeps them in the order in which they were written (O_APPEND, write(2)), so that no clocks are
// compared.
type entry struct {
	// Kind is begin or end (a hook), asked (the reboot command), or what the server calls its events. This test writes
	// the others: killed or exited (an invocation), boot, finished (a run, says the log), paused and unpaused.
	Kind     string `json:"kind"`
	Host     string `json:"host"`
	Lock     string `json:"lock,omitempty"` // of the server's events: a slot or a flag
	Stage    string `json:"stage,omitempty"`
	Run      string `json:"run,omitempty"`
	Rebooted int    `json:"rebooted,omitempty"` // of begin: DLM_REBOOTED
	Answer   string `json:"answer,omitempty"`   // of end: yes or no, or failed if the hook is about to fail
	Asked    bool   `json:"asked,omitempty"`    // of boot: the state on disk said that a reboot was asked for
}

func readLedger(path string) ([]entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var entries []entry
	for lines := json.NewDecoder(f); ; {
		var e entry
		if err := lines.Decode(&e); errors.Is(err, io.EOF) {
			return entries, nil
		} else if err != nil {
			return nil, fmt.Errorf("ledger, after %d entries: %w", len(entries), err)
		}
		entries = append(entries, e)
	}
}

var (
	stages  = []string{"needs_update", "pre_update", "update", "needs_reboot", "post_update"}
	guarded = []string{"pre_update", "update", "needs_reboot", reboot}
)

const (
	// reboot is the stage that has no hooks. A host is in it from its reboot command to its boot.
	reboot = "reboot"
	// gate is no stage: within lock_get, which has no hooks, the gate is asked.
	gate = "gate"
)

// rules are what hosts have to keep.
type rules struct {
	slots     int // as many hosts may be inside at once
	maxFailed int // as many flags of others keep a host from beginning; 0: there are no flags
	gated     bool
	shared    bool // all slots are one lock, of which each host has at most one
	guarded   bool // the server lets no claim overwrite another host's
}

// lockOf is the lock of an event. Of a shared one, each host has its own slot.
func (r rules) lockOf(e entry) string {
	if r.shared {
		return e.Lock + " of " + e.Host
	}
	return e.Lock
}

// flagOf is the flag of a slot. A flag is called by the slots' first name.
func flagOf(slot string) string {
	if name, k, ok := strings.Cut(slot, ".slot"); ok {
		return name + ".failed" + k
	}
	return slot + ".failed1"
}

func isFlag(lock string) bool { return strings.Contains(lock, ".failed") }

// progress is how far a host is.
type progress struct {
	inside string // the stage that it is in; "" between stages
	run    string // the last run
	stage  string // the last stage that it began
	answer string // of that stage, "" while it has not ended
	asked  bool   // the reboot command ran in this run
	booted bool   // and, or the state says so, it booted since
	boots  bool   // it booted in this run, asked or not
	slot   string // the lock with which the run began to work

	// The gate was last asked by one entry, and answered by another one. refused: it has said no to this invocation, which
	// has not given back its slot since.
	gateAsked, gateEnded int
	gateSaid             string
	refused              bool
	paused               int // by which entry; 0: it is not
}

// held says who holds a lock, and since which entry.
type held struct {
	by    string
	since int
}

// verdict is what a ledger proves.
type verdict struct {
	rules
	intervals, rebooted   int // guarded stages that were begun; reboots that were asked for, and made
	claims, overwritten   int // answered with yes; of them by another host's
	flags                 int // that went up
	refusals, unanswered  int // by a gate to a host that had its slot; gates that were killed for being slow
	beside, most          int // runs that began to work beside another one; hosts that were inside at once
	flaws                 []string
	at                    int             // the entry that it reads
	locks                 map[string]held // those that are held
	hosts                 map[string]*progress
	finished, interrupted int // runs; stages that a kill cut short
}

func prove(entries []entry, r rules) *verdict {
	v := &verdict{rules: r, locks: map[string]held{}, hosts: map[string]*progress{}}
	for i, e := range entries {
		v.at = i + 1
		before := len(v.flaws)
		v.take(e)
		for j := before; j < len(v.flaws); j++ {
			v.flaws[j] = fmt.Sprintf("entry %d: %s", i, v.flaws[j])
		}
	}
	return v
}

func (v *verdict) flaw(format string, args ...any) {
	v.flaws = append(v.flaws, fmt.Sprintf(format, args...))
}

func (v *verdict) take(e entry) {
	h := v.hosts[e.Host]
	if h == nil {
		h = &progress{}
		v.hosts[e.Host] = h
	}
	switch e.Kind {
	case "acquire", "release":
		v.changed(e, h)
	case "begin":
		v.began(e, h)
	case "end":
		if h.inside != e.Stage || h.run != e.Run {
			v.flaw("%s ended %s, which it had not begun", e.Host, e.Stage)
		}
		h.inside = ""
		if e.Stage == gate {
			v.gateAnswered(e, h)
			return
		}
		v.needsLock(e.Host, e.Stage, "ended")
		h.answer = e.Answer
	case "asked":
		if h.stage != "needs_reboot" || h.answer != "yes" {
			v.flaw("%s asked for a reboot after %s had said %q", e.Host, h.stage, h.answer)
		}
		v.enter(e.Host, reboot)
		h.inside, h.asked = reboot, true
	case "killed":
		if h.inside != "" && h.inside != reboot {
			v.interrupted++
			h.inside = ""
		}
		h.refused = false // the next invocation asks before it knows what is its own
	case "exited":
		h.refused = false
		if h.inside == gate {
			h.inside = ""
		}
	case "finished":
		for name, lock := range v.locks {
			if lock.by == e.Host {
				v.flaw("%s says that its run is finished, and has %s", e.Host, name)
			}
		}
	case "paused":
		h.paused = v.at
	case "unpaused":
		h.paused = 0
	case "boot":
		h.inside, h.boots = "", true
		h.booted = h.booted || h.asked || e.Asked
	case "fail", "enable":
	default:
		v.flaw("the ledger has a line that says nothing: %+v", e)
	}
}

// changed takes a change of a lock's holder. Nobody may be in a guarded stage with it then.
func (v *verdict) changed(e entry, h *progress) {
	slot, name := v.slotOf(e.Host), v.lockOf(e)
	switch before := v.locks[name]; {
	case e.Kind == "release":
		delete(v.locks, name)
		h.refused = h.refused && slot != name
	case isFlag(e.Lock):
		v.flags++
		if before.by != "" || flagOf(slot) != e.Lock {
			v.flaw("%s raised flag %s with slot %q (held: %v)", e.Host, e.Lock, slot, v.locks)
		}
		v.locks[e.Lock] = held{e.Host, v.at}
	default:
		v.claims++
		if before.by != "" {
			v.overwritten++
		}
		if before.by != "" && v.guarded {
			v.flaw("%s took %s from %s, and the server guards it", e.Host, name, before.by)
		}
		if slot != "" && slot != name {
			v.flaw("%s has %s, and took %s", e.Host, slot, name)
		}
		v.locks[name] = held{e.Host, v.at}
		v.slotsTaken(e.Lock)
	}
	for host, h := range v.hosts {
		if slices.Contains(guarded, h.inside) && h.slot == name {
			v.flaw("the lock changed hands (%s by %s) while %s was in %s", e.Kind, e.Host, host, h.inside)
		}
	}
}

// slotsTaken checks that a server has not granted more slots than it has.
func (v *verdict) slotsTaken(lock string) {
	if v.shared && len(v.locks) > v.slots {
		v.flaw("the server has granted %d slots of %s", len(v.locks), lock)
	}
}

// slotOf is the slot that a host has; "" if it has none.
func (v *verdict) slotOf(host string) string {
	for name, lock := range v.locks {
		if lock.by == host && !isFlag(name) {
			return name
		}
	}
	return ""
}

// enter checks that a host may go into a stage.
func (v *verdict) enter(host, stage string) {
	if inside := v.hosts[host].inside; inside != "" {
		v.flaw("%s began %s inside %s", host, stage, inside)
	}
	if !slices.Contains(guarded, stage) {
		return
	}
	v.intervals++
	var others []string
	for other, h := range v.hosts {
		if other != host && slices.Contains(guarded, h.inside) {
			others = append(others, fmt.Sprintf("%s was in %s", other, h.inside))
		}
	}
	v.most = max(v.most, len(others)+1)
	if stage == "pre_update" && len(others) > 0 {
		v.beside++
	}
	if len(others) >= v.slots {
		v.flaw("%s began %s while %s", host, stage, strings.Join(others, " and "))
	}
	v.needsLock(host, stage, "began")
}

// needsLock checks that a host in a guarded stage has the slot with which it began. No two hosts can have the same one.
func (v *verdict) needsLock(host, stage, verb string) {
	if !slices.Contains(guarded, stage) {
		return
	}
	h, slot := v.hosts[host], v.slotOf(host)
	switch {
	case slot == "":
		v.flaw("%s %s %s without a lock (held: %v)", host, verb, stage, v.locks)
	case h.slot != "" && h.slot != slot:
		v.flaw("%s %s %s with %s, and its run began with %s", host, verb, stage, slot, h.slot)
	}
	h.slot = slot
}

// gateIsAsked checks that only a host asks its gate that may still wait, and that has given back its slot if the gate
// has said no before.
func (v *verdict) gateIsAsked(e entry, h *progress) {
	if h.run != e.Run || h.stage != "needs_update" || h.answer != "yes" {
		v.flaw("%s asked its gate after %s (%q)", e.Host, h.stage, h.answer)
	}
	switch h.inside {
	case "":
	case gate: // it was killed after gate_interval, which counts as no
		h.refused = true
		v.unanswered++
	default:
		v.flaw("%s asked its gate inside %s", e.Host, h.inside)
	}
	if slot := v.slotOf(e.Host); h.refused && slot != "" {
		v.flaw("%s asked its gate again, which has said no, and has kept %s", e.Host, slot)
	}
	h.inside, h.gateAsked, h.gateEnded, h.gateSaid, h.refused = gate, v.at, 0, "", false
}

func (v *verdict) gateAnswered(e entry, h *progress) {
	h.gateEnded, h.gateSaid = v.at, e.Answer
	if e.Answer == "no" && v.slotOf(e.Host) != "" {
		v.refusals++
		h.refused = true
	}
}

// mayWork checks that a host begins to work only after all have said yes. After its gate, a host looks at the flags and
// at the pause: so it has seen what was there before the gate's answer and is still there. It must not see what comes
// later.
func (v *verdict) mayWork(host string, h *progress) {
	slot := v.slotOf(host)
	if !v.gated || slot == "" {
		return
	}
	if h.gateSaid != "yes" || h.gateAsked < v.locks[slot].since {
		v.flaw("%s began pre_update, and since it has %s its gate has not said yes", host, slot)
		return
	}
	var failed []string
	for name, lock := range v.locks {
		if isFlag(name) && lock.by != host && lock.since < h.gateEnded {
			failed = append(failed, lock.by)
		}
	}
	if v.maxFailed > 0 && len(failed) >= v.maxFailed {
		v.flaw("%s began pre_update, and the flags of %v were up before it looked", host, failed)
	}
	if h.paused > 0 && h.paused < h.gateEnded {
		v.flaw("%s began pre_update, and was paused", host)
	}
}

func (v *verdict) began(e entry, h *progress) {
	if e.Stage == gate {
		v.gateIsAsked(e, h)
		return
	}
	v.enter(e.Host, e.Stage)
	if e.Stage == "pre_update" && h.stage == "needs_update" {
		v.mayWork(e.Host, h)
	}
	if e.Run != h.run {
		v.newRun(e, h)
	} else if why := h.outOfOrder(e.Stage); why != "" {
		v.flaw("%s began %s %s", e.Host, e.Stage, why)
	}
	if e.Stage == "post_update" {
		if h.booted && h.stage != e.Stage {
			v.rebooted++
		}
		if e.Rebooted == 1 && !h.boots || e.Rebooted == 0 && h.booted {
			v.flaw("%s told post_update DLM_REBOOTED=%d, and booted: %v", e.Host, e.Rebooted, h.boots)
		}
	}
	h.inside, h.stage, h.answer = e.Stage, e.Stage, ""
}

// newRun checks that a host begins a run at its beginning, and that it has lost none.
func (v *verdict) newRun(e entry, h *progress) {
	switch {
	case e.Stage != "needs_update":
		v.flaw("%s began run %s with %s", e.Host, e.Run, e.Stage)
	case h.over():
		v.finished++
	case h.stage != "" && h.stage != "needs_update":
		v.flaw("%s lost run %s at %s (%q)", e.Host, h.run, h.stage, h.answer)
	}
	*h = progress{inside: h.inside, run: e.Run, paused: h.paused}
}

// over reports whether the last run was gone through.
func (h *progress) over() bool {
	return h.stage == "post_update" && h.answer != "" && h.answer != "failed"
}

// outOfOrder says what is wrong with a stage's beginning; "" if nothing is: it is the stage before once more, or the
// next one.
func (h *progress) outOfOrder(stage string) string {
	last, now := slices.Index(stages, h.stage), slices.Index(stages, stage)
	switch {
	case now == last && !(stage == "needs_reboot" && (h.asked || h.booted)):
		return ""
	case now != last+1:
		return fmt.Sprintf("after %s", h.stage)
	case h.answer == "":
		return fmt.Sprintf("before %s had ended", h.stage)
	case h.answer == "failed":
		return fmt.Sprintf("although %s had failed", h.stage)
	case stage == "pre_update" && h.answer != "yes":
		return "although no update is due"
	case stage == "post_update" && h.answer == "yes" && !h.booted:
		return "before the reboot that it needs"
	}
	return ""
}

// complete checks what must be true when all runs have ended.
func (v *verdict) complete(hosts []string) {
	for name, lock := range v.locks {
		v.flaw("at the end %s is %s's", name, lock.by)
	}
	for _, host := range hosts {
		switch h := v.hosts[host]; {
		case h == nil:
			v.flaw("%s did nothing", host)
		case h.inside != "":
			v.flaw("at the end %s is in %s", host, h.inside)
		case h.over():
			v.finished++
		case h.stage != "needs_update" || h.answer != "no":
			v.flaw("at the end %s stands at %s (%q)", host, h.stage, h.answer)
		}
	}
}
