package cli

import (
	"fmt"
	"text/tabwriter"
	"time"

	"foreman-dlm-updater/internal/calendar"
	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/schedule"
)

type windowCmd struct{}

// Run also names a pause or a freeze: whoever asks for windows wants to know when a run may begin.
func (*windowCmd) Run(p *Process, path configPath) error {
	c, err := p.loadFor(path)
	if err != nil {
		return err
	}
	s, now := scheduleOf(c), time.Now()
	no, err := s.Ask(now)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.Stdout, aboutWindow(s, now))
	if no == nil || no.Question != schedule.AskWindow {
		fmt.Fprintln(p.Stdout, mayBegin(no))
	}
	next := s.Opens(now)
	if len(next) == 0 {
		return nil
	}
	freezes, err := schedule.Freezes(s.FreezeDir)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.Stdout, "the next windows:")
	table := tabwriter.NewWriter(p.Stdout, 0, 4, 2, ' ', 0)
	for _, window := range next {
		note := schedule.Frozen(freezes, window.Start, s.LastBegin(window))
		if s.TooShort(window) {
			note = fmt.Sprintf("too short: no run begins in its last %s", schedule.Short(s.LastStart))
		}
		fmt.Fprintf(table, "  %s\tto %s", zoned(window.Start), zoned(window.End))
		if note != "" {
			fmt.Fprintf(table, "\t%s", note)
		}
		fmt.Fprintln(table)
	}
	return table.Flush()
}

// aboutWindow says whether a window is open.
func aboutWindow(s schedule.Schedule, now time.Time) string {
	if s.Windows.Empty() {
		return "no window is set"
	}
	open, isOpen := s.Windows.At(now)
	switch {
	case !isOpen:
		return "the window is closed"
	case neverCloses(open, now):
		return "the window is open, and never closes"
	case now.After(s.LastBegin(open)):
		return fmt.Sprintf("the window is open until %s, but no run begins in its last %s", zoned(open.End),
			schedule.Short(s.LastStart))
	}
	return fmt.Sprintf("the window is open until %s; the last run may begin at %s", zoned(open.End),
		zoned(s.LastBegin(open)))
}

// neverCloses reports whether the end of a window is only where the calendar stops looking: months away.
func neverCloses(open calendar.Span, now time.Time) bool { return open.End.Sub(now) > 100*24*time.Hour }

// mayBegin says whether a run may begin now, and what keeps it from that.
func mayBegin(no *schedule.Refusal) string {
	switch {
	case no == nil:
		return "a run may begin now"
	case no.Until.IsZero():
		return "no run begins now: " + no.Why
	}
	return fmt.Sprintf("no run begins before %s: %s", zoned(no.Until), no.Why)
}

// scheduleOf is what a configuration says about when a run may begin.
func scheduleOf(c *config.Config) schedule.Schedule {
	return schedule.Schedule{Pause: schedule.PauseBeside(c.State), FreezeDir: c.FreezeDir, Windows: c.Windows,
		LastStart: c.WindowLastStart, WindowsError: c.WindowsError}
}
