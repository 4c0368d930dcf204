package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"
)

// No is why no run begins now, or what the run that waits is waiting for, if that is not the lock.
type No struct {
	Question lock.Question `json:"question"`
	Why      string        `json:"why"`
	// Since is when the reason came up, Until when it goes away by itself; nil: not known, or never.
	Since *time.Time `json:"since,omitempty"`
	Until *time.Time `json:"until,omitempty"`
}

// SetNo fills in why no run begins now. A zero time is not known.
func (s *Status) SetNo(question lock.Question, why string, since, until time.Time) {
	s.No = &No{question, why, timeOrNil(since), timeOrNil(until)}
}

// Pause is the pause that is in force.
type Pause struct {
	Reason string     `json:"reason"`
	By     string     `json:"by,omitempty"`
	Since  *time.Time `json:"since,omitempty"`
	Until  *time.Time `json:"until,omitempty"` // nil: until somebody ends it
	// Why is the pause in one line.
	Why string `json:"-"`
}

// SetPause fills in the pause that is in force.
func (s *Status) SetPause(p Pause, since, until time.Time) {
	p.Since, p.Until = timeOrNil(since), timeOrNil(until)
	s.Pause = &p
}

// Place is a slot, or the flag of a slot, as the lock server showed it.
type Place struct {
	Name   string     `json:"name"`
	Holder string     `json:"holder,omitempty"`
	Self   bool       `json:"held_by_this_host"`
	Since  *time.Time `json:"since,omitempty"`

	view lock.View
}

func places(names []string, views []lock.View) []Place {
	all := make([]Place, len(names))
	for i, view := range views {
		all[i] = Place{Name: names[i], Holder: view.Holder, Self: view.Self, view: view}
		if view.Holder != "" {
			all[i].Since = timeOrNil(view.Since)
		}
	}
	return all
}

// SetSlots fills in all slots, in the order of workflow.Slots. If this host holds one of them without a run, that one
// is its lock.
func (s *Status) SetSlots(names []string, views []lock.View) {
	s.Slots = places(names, views)
	own := slices.IndexFunc(s.Slots, func(slot Place) bool { return slot.Self })
	if own >= 0 && s.Stage == "" {
		s.Lock.Name = names[own]
		s.See(views[own])
	}
}

// SetFlags fills in the flags, in the order of workflow.Flags. max is how many other hosts may have failed before no
// run begins. Call SetSlots before.
func (s *Status) SetFlags(names []string, views []lock.View, max int) {
	s.Flags = places(names, views)
	var failed []workflow.FailedHost
	for _, view := range views {
		if view.Holder != "" && !view.Self {
			failed = append(failed, workflow.FailedHost{Name: view.Holder, Since: view.Since})
		}
	}
	switch {
	case len(failed) < max:
	case s.asks():
		s.SetNo(lock.Budget, workflow.Exceeded(max, failed), time.Time{}, time.Time{})
	case s.waits() && s.waitsFor == "": // it looks at flags only when a slot is free
		s.exceeded = workflow.Exceeded(max, failed)
	}
}

// SetBlockers fills in the locks of blocked_by.
func (s *Status) SetBlockers(names []string, views []lock.View) {
	for i, view := range views {
		if view.Holder != "" && !view.Self && s.asks() {
			s.SetNo(lock.Blocked, workflow.BlockedBy(names[i], view), time.Time{}, time.Time{})
		}
	}
}

// asks reports whether the answers to the questions count: nothing runs, the host is in service, and no question was
// answered with no yet. A run that is running asks by itself, and its record says what it was told.
func (s *Status) asks() bool { return !s.Running && !s.OutOfService() && s.No == nil }

func (s *Status) sinceClock(t *time.Time) string {
	if t == nil {
		return ""
	}
	return fmt.Sprintf(" (since %s)", s.clock(*t))
}

// noText says why no run begins now.
func (s *Status) noText() string {
	return "no run begins now: " + s.No.Why + s.untilText(s.No.Until, s.No.Question == lock.Pause)
}

func (s *Status) untilText(until *time.Time, paused bool) string {
	switch {
	case until != nil:
		return fmt.Sprintf(" (until %s)", s.clock(*until))
	case paused:
		return " (until `foreman-dlm-updater unpause`)"
	}
	return ""
}

// restText adds to a sentence what it does not say by itself: why no run begins now, and which flags are left behind.
func (s *Status) restText() (text string) {
	switch {
	case s.OutOfService() && s.Pause != nil:
		text = fmt.Sprintf("; %s%s: this run goes on to its end, and no new one begins", s.Pause.Why,
			s.untilText(s.Pause.Until, true))
	case s.exceeded != "":
		text = "; " + s.exceeded
	case s.No != nil && !s.Running && s.Code != NotNow:
		text = "; " + s.noText()
	}
	for _, left := range s.leftFlags() {
		text += "; " + s.leftText(left)
	}
	return text
}

// holderAfter is the holder behind another sentence, if it is known. A run that may not begin does not ask for it.
func (s *Status) holderAfter() string {
	if !s.Lock.Seen {
		return s.elsewhereText()
	}
	return "; " + s.Holder()
}

// leftFlag is a flag that no run needs, although it is up.
type leftFlag struct {
	Place
	slot Place
}

// leftFlags are the flags of this host without a run, and those of other hosts that do not hold the slot any more. A
// run lowers its flag before it releases its slot.
func (s *Status) leftFlags() (left []leftFlag) {
	if len(s.Slots) != len(s.Flags) {
		return nil
	}
	for k, flag := range s.Flags {
		if flag.Self && s.Stage == "" && !s.Running || flag.Holder != "" && !flag.Self && s.Slots[k].Holder != flag.Holder {
			left = append(left, leftFlag{flag, s.Slots[k]})
		}
	}
	return left
}

func (s *Status) leftText(left leftFlag) string {
	if left.Self {
		return fmt.Sprintf("flag %s is up for this host%s, but no run is on record: other hosts count it as failed; "+
			"once it is well, `foreman-dlm-updater lock release`", left.Name, s.sinceClock(left.Since))
	}
	slot := "is free"
	if left.slot.Holder != "" {
		slot = "is held by " + left.slot.Holder
	}
	return fmt.Sprintf("flag %s is left behind by %s%s, whose slot %s: once that host is well, free the flag in %s (%s)",
		left.Name, left.Holder, s.sinceClock(left.Since), slot, s.Wording.Server, s.Wording.Where)
}

// FlagLeftSince is since when a flag is up that no run needs; nil: there is none.
func (s *Status) FlagLeftSince() (since *time.Time) {
	for _, left := range s.leftFlags() {
		at := s.At
		if left.Since != nil {
			at = *left.Since
		}
		if since == nil || at.Before(*since) {
			since = &at
		}
	}
	return since
}

// raisedText says that the flag of a run that has failed was raised. Nobody has looked at it since.
func (s *Status) raisedText(format string) string {
	if s.Record == nil {
		return ""
	}
	var names []string
	for _, flag := range s.Record.Flags {
		if flag.Set {
			names = append(names, flag.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf(format, strings.Join(names, ", "))
}

// slotsText says how many slots are free, and which hosts hold the rest.
func (s *Status) slotsText() string {
	var holders []string
	free, disabled := 0, 0
	for _, slot := range s.Slots {
		switch {
		case slot.Holder != "":
			holders = append(holders, slot.Holder)
		case slot.view.Exists && !slot.view.Enabled:
			disabled++
		default:
			free++
		}
	}
	if free == len(s.Slots) {
		return fmt.Sprintf("all %d slots are free", free)
	}
	are := "are"
	if free == 1 {
		are = "is"
	}
	text := fmt.Sprintf("%d of %d slots %s free", free, len(s.Slots), are)
	switch {
	case free == 0 && len(holders) > 0:
		text += ": held by " + strings.Join(holders, ", ")
	case len(holders) > 0:
		text += "; the rest is held by " + strings.Join(holders, ", ")
	}
	if disabled > 0 {
		text += fmt.Sprintf("; disabled in %s: %d", s.Wording.Server, disabled)
	}
	return text
}

// anySlot reports whether any of several slots would do.
func (s *Status) anySlot() bool {
	return len(s.Slots) > 1 && !s.Lock.Self && (s.Stage == "" || s.Stage == state.NeedsUpdate || s.Stage == state.LockGet)
}

// Stale names the other hosts that have not refreshed their lock for twice as long as they should; refresh is
// lock_refresh, 0: nobody refreshes.
func (s *Status) Stale(refresh time.Duration) (all []string) {
	held := s.Slots
	if len(held) == 0 {
		held = []Place{{Name: s.Lock.Name, Holder: s.Lock.Holder, Self: s.Lock.Self, Since: s.Lock.Since}}
	}
	for _, one := range held {
		if one.Holder == "" || one.Self || one.Since == nil || refresh == 0 || s.At.Sub(*one.Since) < 2*refresh {
			continue
		}
		all = append(all, fmt.Sprintf("%s has not refreshed lock %s for %s: nothing runs there, or the host is gone",
			one.Holder, one.Name, Span(s.At.Sub(*one.Since))))
	}
	return all
}
