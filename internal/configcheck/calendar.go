package configcheck

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"foreman-dlm-updater/internal/calendar"
	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/schedule"
)

// hasSchedule reports whether there is a pause or a directory of freezes to look at, or should be one.
func hasSchedule(c *config.Config) bool {
	_, noPause := os.Lstat(schedule.PauseBeside(c.State).Path)
	_, noFreezes := os.Lstat(c.FreezeDir)
	return noPause == nil || noFreezes == nil || namesFreezes(c)
}

// namesFreezes reports whether the configuration itself names a directory of freezes.
func namesFreezes(c *config.Config) bool {
	for _, value := range c.Values() {
		if value.Key == "freeze.d" {
			return value.Origin != "default"
		}
	}
	return false
}

// checkFreezes checks whether the pause and the freezes can be read: if not, no run begins. A freeze that is over may
// be one that was meant for this year.
func (h *thisHost) checkFreezes(_ context.Context, c *config.Config) (found Finding) {
	now := h.now()
	pause, pauseErr := schedule.PauseBeside(c.State).Read()
	freezes, err := schedule.Freezes(c.FreezeDir)
	if err := errors.Join(pauseErr, err); err != nil {
		return unusable(err)
	}
	if _, err := os.Lstat(c.FreezeDir); err != nil && namesFreezes(c) {
		found.advise(fmt.Sprintf("freeze.d: %s does not exist, so nothing is frozen", file.ShellWord(c.FreezeDir)),
			"install -d -m 0755 "+file.ShellWord(c.FreezeDir))
	}
	var files []string
	last := map[string]calendar.Freeze{} // of each file, the one that ends last
	for _, freeze := range freezes {
		path := freeze.Where[:strings.LastIndexByte(freeze.Where, ':')]
		if _, known := last[path]; !known {
			files = append(files, path)
		}
		if freeze.End.After(last[path].End) {
			last[path] = freeze
		}
	}
	for _, path := range files {
		if freeze := last[path]; !freeze.End.After(now) {
			found.advise(fmt.Sprintf("all freezes in %s are over, the last one since %s; unless a year in it is wrong, "+
				"nobody needs the file", file.ShellWord(path), freeze.End.Format("2006-01-02 15:04")),
				"rm "+file.ShellWord(path))
		}
	}
	found.Fine = fmt.Sprintf("no pause, %s", count(len(freezes), "freeze"))
	if pause != nil && !pause.Over(now) {
		found.Fine = fmt.Sprintf("%s, %s", file.Escape(pause.Why()), count(len(freezes), "freeze"))
	}
	return found
}

// checkWindow checks whether the timer fires inside a window, as far as systemd tells. On a host where something else
// starts runs, nobody knows.
func (h *thisHost) checkWindow(ctx context.Context, c *config.Config) (found Finding) {
	s := schedule.Schedule{Windows: c.Windows, LastStart: c.WindowLastStart}
	var windows []calendar.Span // in which a run can begin
	for _, window := range s.Opens(h.now()) {
		if s.TooShort(window) {
			found.advise(fmt.Sprintf("no run begins in the window from %s to %s: it is shorter than window_last_start, %s",
				span(window.Start), span(window.End), schedule.Short(s.LastStart)), "")
			continue
		}
		windows = append(windows, window)
	}
	found.Fine = c.Windows.String()
	timer, known := h.ownTimer(c)
	if !known || len(windows) == 0 {
		return found
	}
	for _, window := range windows {
		meets, err := h.meets(ctx, timer, window.Start, s.LastBegin(window))
		if meets || err != nil {
			return found
		}
	}
	when := strings.Join(timer.Calendar, ", ")
	if timer.Latest > 0 {
		when += fmt.Sprintf(", and up to %s later", schedule.Short(timer.Latest))
	}
	found.advise(fmt.Sprintf("%s fires in none of the next windows, so it begins no run: it fires at %s; the next window "+
		"is from %s to %s, and the last run may begin at %s", timerUnit, when, span(windows[0].Start), span(windows[0].End),
		s.LastBegin(windows[0]).Format("15:04")), "systemctl edit "+timerUnit)
	return found
}

func span(t time.Time) string { return t.Local().Format("Mon 2006-01-02 15:04") }

// ownTimer returns when the timer fires. known is false unless it is active, begins runs of this configuration, and
// fires by the calendar alone.
func (h *thisHost) ownTimer(c *config.Config) (timer host.Timer, known bool) {
	units, err := h.units()
	if err != nil || units[timerUnit].Active != "active" {
		return host.Timer{}, false
	}
	timer = units[timerUnit].Timer
	service := units[serviceUnit]
	if len(service.Exec) > 0 { // Resumes knows which configuration a command line names only if it resumes a run
		service.Exec = append(append([]string{}, service.Exec...), "--after-reboot")
	}
	config := h.resumes(service)
	return timer, config != "" && sameFile(config, c.Path) && len(timer.Calendar) > 0 && !timer.Monotonic
}

const serviceUnit = "foreman-dlm-updater.service"

// meets asks systemd whether the timer fires between two moments, both included. Versions before 244 can't tell, which
// is an error.
func (h *thisHost) meets(ctx context.Context, timer host.Timer, from, to time.Time) (bool, error) {
	for _, spec := range timer.Calendar {
		since := from.Add(-timer.Latest - time.Second)
		said, err := h.command(ctx, "systemd-analyze", "calendar", fmt.Sprintf("--base-time=@%d", since.Unix()), spec)
		if err != nil {
			return false, err
		}
		next, never, err := nextElapse(said)
		if err != nil {
			return false, err
		}
		if !never && !next.Add(timer.Earliest).After(to) {
			return true, nil
		}
	}
	return false, nil
}

// nextElapse reads what systemd-analyze(1) says of a calendar expression. It writes the moment in UTC too if the host's
// zone is another.
func nextElapse(said string) (next time.Time, never bool, err error) {
	err = errors.New("systemd-analyze tells no next elapse")
	for line := range strings.Lines(said) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if name != "Next elapse" && name != "(in UTC)" {
			continue
		}
		if value == "never" {
			return time.Time{}, true, nil
		}
		if t, wrong := time.Parse("Mon 2006-01-02 15:04:05 UTC", value); wrong == nil {
			next, err = t, nil
		}
	}
	return next, false, err
}
