package sim

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"foreman-dlm-updater/internal/fleetsandbox"
)

// broke is who tells of a broken invariant.
const broke = "!!!"

// event is a line of a history.
type event struct {
	at   time.Duration
	who  string
	what string
}

func (e event) String() string { return fmt.Sprintf("%14s  %-8s %s", elapsed(e.at), e.who, e.what) }

// elapsed writes how long after the beginning something was.
func elapsed(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d:%09.6f", int(d.Hours()), int(d.Minutes())%60, (d % time.Minute).Seconds())
}

// note writes a line into the history, if somebody wants to read it.
func (w *world) note(who, format string, args ...any) {
	if !w.verbose {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteLocked(who, format, args...)
}

func (w *world) noteLocked(who, format string, args ...any) {
	if w.verbose {
		w.events = append(w.events, event{time.Since(w.began), who, fmt.Sprintf(format, args...)})
	}
}

// breaks notes that an invariant is broken. Only the first counts.
func (w *world) breaks(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.breaksLocked(format, args...)
}

func (w *world) breaksLocked(format string, args ...any) {
	if w.broken == "" {
		w.broken = fmt.Sprintf(format, args...)
		w.noteLocked(broke, "%s", w.broken)
	}
}

// timeline is the history until the invariant broke.
func (r result) timeline() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %s\n", r.seed, r.broken)
	for _, e := range r.events {
		fmt.Fprintln(&b, e)
		if e.who == broke {
			break
		}
	}
	return b.String()
}

// tally adds up what came of many histories.
type tally struct {
	asks              lockServer
	histories, failed int
	counts
	late, byPut, byDelete int // written later than the settle time; and broke an invariant
	twoInside             int // with more hosts inside than there are slots
}

func (a *tally) add(r result) {
	a.histories++
	a.runs, a.invocations, a.killed, a.down = a.runs+r.runs, a.invocations+r.invocations, a.killed+r.killed, a.down+r.down
	a.begun, a.otherSlot, a.refused, a.givenBack = a.begun+r.begun, a.otherSlot+r.otherSlot, a.refused+r.refused,
		a.givenBack+r.givenBack
	a.raised, a.exceeded, a.beside = a.raised+r.raised, a.exceeded+r.exceeded, a.beside+r.beside
	a.requests, a.spoiled, a.stumbled = a.requests+r.requests, a.spoiled+r.spoiled, a.stumbled+r.stumbled
	a.overwritten, a.told = a.overwritten+r.overwritten, a.told+r.told
	a.unknowable += btoi(r.unknowable > 0)
	a.twoInside += btoi(r.twoInside != "")
	if r.late == "" {
		return
	}
	a.late++
	if r.broken != "" && (r.late == http.MethodPut || r.late == fleetsandbox.PreReboot) {
		a.byPut++
	} else if r.broken != "" {
		a.byDelete++
	}
}

func (a tally) String() string {
	text := fmt.Sprintf("%s: %d histories: %d runs in %d invocations, of which %d were killed; hosts went down %d times; "+
		"%d runs began, %d of them while another host was inside; a pause, freeze or window ended %d invocations; "+
		"%d verified locks were given back before the run began; %d requests, %d of them with trouble; ", a.asks,
		a.histories, a.runs, a.invocations, a.killed, a.down, a.begun, a.beside, a.refused, a.givenBack, a.requests,
		a.spoiled)
	if a.asks.isForeman() {
		text += fmt.Sprintf("%d runs began with another slot than the first; %d flags were raised, and %d looks found "+
			"another host's flag up; Foreman itself answered %d with 500 though the change was made, because another host had "+
			"changed the lock, or refused the change, if it is guarded; ", a.otherSlot, a.raised, a.exceeded, a.stumbled)
	} else {
		text += fmt.Sprintf("%d slots were lost to a host that was written later; hosts that were inside heard %d times "+
			"that another host has the lock; in %d histories too many were inside, since one of them had lost its slot between "+
			"two grants and regained it; ", a.overwritten, a.told, a.unknowable)
	}
	return text + fmt.Sprintf("in %d histories a request that was written later than the settle time changed the holder, "+
		"which broke an invariant in %d (it takes the lock) and %d (it releases it); in %d histories more hosts were inside "+
		"than there are slots", a.late, a.byPut, a.byDelete, a.twoInside)
}
