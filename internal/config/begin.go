package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"foreman-dlm-updater/internal/calendar"
)

// The keys that say when a run may begin.

// maxSlots is the largest number of slots and of flags: a waiting host may ask for each of them in every interval.
const maxSlots = 99

// windows takes maintenance windows, separated by semicolons or on lines of their own.
func windows(field *calendar.Windows) parser {
	return func(text string) (string, error) {
		parsed, err := calendar.ParseWindows(strings.TrimFunc(text, isSpace))
		if err != nil {
			return "", err
		}
		*field = parsed
		return parsed.String(), nil
	}
}

// lockNames takes the names of locks, separated by commas.
func lockNames(field *[]string) parser {
	return func(text string) (string, error) {
		var names []string
		for name := range strings.SplitSeq(text, ",") {
			name = strings.TrimFunc(name, isSpace)
			if name == "" {
				return "", fmt.Errorf("%q has a comma with no name on one of its sides; take the comma out", text)
			}
			if err := checkLockName(name); err != nil {
				return "", err
			}
			if slices.Contains(names, name) {
				return "", fmt.Errorf("%q is there twice; once would be right", name)
			}
			names = append(names, name)
		}
		*field = names
		return strings.Join(names, ", "), nil
	}
}

// checkBegin reports values that say together that no run may ever begin, or that say nothing.
func (c *Config) checkBegin(lines map[string]int, good map[string]bool, r *report) {
	if good["max_failed"] && good["lock_slots"] && c.MaxFailed > c.LockSlots {
		r.warnf(lines["max_failed"], "max_failed", "%d failures are never reached with lock_slots %d, since a failed host "+
			"keeps its slot: no failure stops the other hosts; at most %d would be right", c.MaxFailed, c.LockSlots, c.LockSlots)
	}
	if good["window"] && good["window_last_start"] && !c.everOpens(time.Now()) {
		r.errorf(lines["window"], "window", "no run ever begins: each window is shorter than window_last_start, %s; "+
			"a longer window or a shorter time would be right", c.WindowLastStart)
	}
	for _, name := range c.BlockedBy {
		if err := c.checkBlockedBy(name); good["lock_name"] && err != nil {
			var w warning
			if errors.As(err, &w) {
				r.warnf(lines["blocked_by"], "blocked_by", "%s", w)
				continue
			}
			r.errorf(lines["blocked_by"], "blocked_by", "%s", err)
		}
	}
}

// everOpens reports whether a run may begin in one of the next windows. No window is rarer than one in 119 days, the
// fifth weekday of a month. Windows that never close have no next one. If there are very many, it gives up, and says
// yes.
func (c *Config) everOpens(now time.Time) bool {
	next, found := c.Windows.Next(now)
	if !found {
		return true
	}
	last := now.AddDate(0, 0, 120)
	for range 1000 {
		if !found || next.Start.After(last) {
			return false
		}
		if next.End.Sub(next.Start) >= c.WindowLastStart {
			return true
		}
		next, found = c.Windows.Next(next.Start)
	}
	return true
}

// checkBlockedBy says what is wrong with waiting for a lock of this host's own cluster.
func (c *Config) checkBlockedBy(name string) error {
	switch {
	case name == c.LockName:
		return fmt.Errorf("%q is lock_name, which a run waits for anyway; name locks of other clusters", name)
	case isNumbered(name, c.LockName+".slot"):
		return fmt.Errorf("%q is a slot of lock_name, which a run waits for anyway; name locks of other clusters", name)
	case isNumbered(name, c.LockName+".failed"):
		return warning(fmt.Sprintf("%q is a flag of this cluster, which only max_failed uses; max_failed = 1 would be right",
			name))
	}
	return nil
}

// isNumbered reports whether name is prefix with a number behind it.
func isNumbered(name, prefix string) bool {
	number, found := strings.CutPrefix(name, prefix)
	n, err := strconv.Atoi(number)
	return found && err == nil && n > 0
}
