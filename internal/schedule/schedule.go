// Package schedule answers whether a pause, a freeze or a closed window keeps a run from beginning. It reads the pause
// file and the freezes; the calendar itself is in package calendar.
package schedule

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"foreman-dlm-updater/internal/calendar"
)

// Question is what a run asks before it begins.
type Question string

// The questions, in the order in which a run asks them. Other programs rely on the words.
const (
	AskPause  Question = "pause"
	AskFreeze Question = "freeze"
	AskWindow Question = "window"
)

// Schedule is what this host's configuration says about when a run may begin. The zero Schedule keeps nothing from
// beginning.
type Schedule struct {
	Pause     PauseFile
	FreezeDir string // it may be missing
	Windows   calendar.Windows
	// LastStart is how long before a window closes the last run may begin.
	LastStart time.Duration
	// WindowsError is why the windows can't be read; nil: they could be.
	WindowsError error
}

// Refusal says why a run may not begin now.
type Refusal struct {
	Question Question
	// Why is a few words for people: always the same words for the same reason.
	Why string
	// Since is when the reason came up, Until when it goes away by itself; another reason may follow. Zero: not known, or
	// never.
	Since, Until time.Time
}

// Ask returns the first reason why a run may not begin at a moment; nil: it may. The error is a *PauseError, a
// *FreezeError or WindowsError: nobody can tell, so no run may begin.
func (s Schedule) Ask(now time.Time) (*Refusal, error) {
	if s.Pause.Path != "" {
		pause, err := s.Pause.Read()
		if err != nil {
			return nil, err
		}
		if pause != nil && !pause.Over(now) {
			return &Refusal{AskPause, pause.Why(), pause.Since, pause.Until}, nil
		}
	}
	freezes, err := Freezes(s.FreezeDir)
	if err != nil {
		return nil, err
	}
	if freeze := inForce(freezes, now); freeze != nil {
		return &Refusal{AskFreeze, frozen(*freeze), freeze.Start, freeze.End}, nil
	}
	return s.askWindows(now), s.WindowsError
}

func (s Schedule) askWindows(now time.Time) *Refusal {
	if s.Windows.Empty() {
		return nil
	}
	open, isOpen := s.Windows.At(now)
	if isOpen && !now.After(s.LastBegin(open)) {
		return nil
	}
	no := &Refusal{Question: AskWindow, Why: "outside the maintenance window"}
	if isOpen {
		no.Why = fmt.Sprintf("the maintenance window closes at %s, and no run begins in its last %s",
			open.End.Format("15:04"), Short(s.LastStart))
		no.Since = s.LastBegin(open)
		if no.Since.Before(open.Start) {
			no.Since = open.Start
		}
	}
	for next := range s.after(now, maxLook) {
		if !s.TooShort(next) {
			no.Until = next.Start
			break
		}
	}
	return no
}

// LastBegin is the last moment at which a run may begin in a window.
func (s Schedule) LastBegin(window calendar.Span) time.Time { return window.End.Add(-s.LastStart) }

// TooShort reports whether a window closes so soon that no run ever begins in it.
func (s Schedule) TooShort(window calendar.Span) bool {
	return s.LastBegin(window).Before(window.Start)
}

// maxLook is how many windows that are too short there may be before one that is not.
const maxLook = 120

// Opens returns the next five windows that open after a moment. In some of them it may be too late from the beginning
// (TooShort).
func (s Schedule) Opens(now time.Time) []calendar.Span { return slices.Collect(s.after(now, 5)) }

// after yields the windows that open after a moment.
func (s Schedule) after(now time.Time, most int) iter.Seq[calendar.Span] {
	return func(yield func(calendar.Span) bool) {
		for range most {
			next, found := s.Windows.Next(now)
			if !found || !yield(next) {
				return
			}
			now = next.Start
		}
	}
}

// Short writes a duration as config.ini does: 30m, not 30m0s.
func Short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
