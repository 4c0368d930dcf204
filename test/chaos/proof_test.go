package chaos

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// entry is a line of the ledger: one file, to which hooks, reboot commands, the server and this test append whole
// lines. The kernel keeps them in the order in which they were written (O_APPEND, write(2)), so that no clocks are
// compared.
type entry struct {
	// Kind is begin or end (a hook), asked (the reboot command), killed or boot (this test), or what the server calls its
	// events.
	Kind     string `json:"kind"`
	Host     string `json:"host"`
	Stage    string `json:"stage,omitempty"`
	Run      string `json:"run,omitempty"`
	Rebooted int    `json:"rebooted,omitempty"` // of begin: DLM_REBOOTED
	Answer   string `json:"answer,omitempty"`   // of end: yes if the hook is about to say yes
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

// reboot is the stage that has no hooks. A host is in it from its reboot command to its boot.
const reboot = "reboot"

// progress is how far a host is.
type progress struct {
	inside string // the stage that it is in; "" between stages
	run    string // the last run
	stage  string // the last stage that it began
	answer string // of that stage, "" while it has not ended
	asked  bool   // the reboot command ran in this run
	booted bool   // and, or the state says so, it booted since
	boots  bool   // it booted in this run, asked or not
}

// verdict is what a ledger proves.
type verdict struct {
	intervals, rebooted   int // guarded stages that were begun; reboots that were asked for, and made
	claims, overwritten   int // answered with yes; of them by another host's
	flaws                 []string
	holder                string
	hosts                 map[string]*progress
	finished, interrupted int // runs; stages that a kill cut short
}

func prove(entries []entry) *verdict {
	v := &verdict{hosts: map[string]*progress{}}
	for i, e := range entries {
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
		v.changed(e)
	case "begin":
		v.began(e, h)
	case "end":
		if h.inside != e.Stage || h.run != e.Run {
			v.flaw("%s ended %s, which it had not begun", e.Host, e.Stage)
		}
		v.needsLock(e.Host, e.Stage, "ended")
		h.inside, h.answer = "", e.Answer
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
	case "boot":
		h.inside, h.boots = "", true
		h.booted = h.booted || h.asked || e.Asked
	case "fail":
	default:
		v.flaw("the ledger has a line that says nothing: %+v", e)
	}
}

// changed takes a change of the holder. Nobody may be in a guarded stage then.
func (v *verdict) changed(e entry) {
	for host, h := range v.hosts {
		if slices.Contains(guarded, h.inside) {
			v.flaw("the lock changed hands (%s by %s) while %s was in %s", e.Kind, e.Host, host, h.inside)
		}
	}
	if e.Kind == "release" {
		v.holder = ""
		return
	}
	v.claims++
	if v.holder != "" {
		v.overwritten++
	}
	v.holder = e.Host
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
	for other, h := range v.hosts {
		if other != host && slices.Contains(guarded, h.inside) {
			v.flaw("%s began %s while %s was in %s", host, stage, other, h.inside)
		}
	}
	v.needsLock(host, stage, "began")
}

func (v *verdict) needsLock(host, stage, verb string) {
	if slices.Contains(guarded, stage) && v.holder != host {
		v.flaw("%s %s %s while the lock was %q's", host, verb, stage, v.holder)
	}
}

func (v *verdict) began(e entry, h *progress) {
	v.enter(e.Host, e.Stage)
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
	*h = progress{inside: h.inside, run: e.Run}
}

// over reports whether the last run was gone through.
func (h *progress) over() bool { return h.stage == "post_update" && h.answer != "" }

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
	case stage == "pre_update" && h.answer != "yes":
		return "although no update is due"
	case stage == "post_update" && h.answer == "yes" && !h.booted:
		return "before the reboot that it needs"
	}
	return ""
}

// complete checks what must be true when all runs have ended.
func (v *verdict) complete(hosts []string) {
	if v.holder != "" {
		v.flaw("at the end the lock is %s's", v.holder)
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
