package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

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
		w.broken, w.brokenAt = fmt.Sprintf(format, args...), time.Since(w.began)
		w.noteLocked("!!!", "%s", w.broken)
	}
}

// timeline plays a history once more and writes down what happened until the invariant broke.
func timeline(t *testing.T, r result, m *mistake) string {
	again := simulate(t, r.seed, m, true)
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %s\n", r.seed, r.broken)
	if again.broken != r.broken {
		fmt.Fprintf(&b, "played again it has another end: %q\n", again.broken)
	}
	for _, e := range again.events {
		fmt.Fprintln(&b, e)
		if e.who == "!!!" {
			break
		}
	}
	return b.String()
}
