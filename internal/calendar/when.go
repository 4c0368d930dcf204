package calendar

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const aMoment = "2026-12-01, 2026-12-01 06:00, 06:00, tomorrow 06:00, Mon 06:00 or 2026-12-01T06:00:00+01:00 " +
	"would be right"

// ParseTime reads a moment after now: a date, tomorrow, or a weekday (the next one that is not today), each perhaps
// with a time of the day and otherwise its midnight; or a time of the day alone, which is the next moment at which the
// clock shows it; or a moment as in RFC 3339. The clock is the one of zone. A moment that daylight saving skips is the
// next one that exists; one that occurs twice is the first that is still to come. Moments that are over are refused.
func ParseTime(text string, now time.Time, zone *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, strings.TrimSpace(text)); err == nil {
		return toCome(text, []int64{t.Unix()}, now, zone)
	}
	c := newClock(zone)
	today := read(now, zone).midnight()
	rest := words(text)
	first := rest.take()
	if minutes, ok := parseClock(first); ok && minutes < 24*60 && rest.peek() == "" {
		for midnight := today; ; midnight += day {
			found, skipped := c.moments(midnight + reading(minutes)*60)
			t, err := toCome(text, found, now, zone)
			if err == nil && (!skipped || c.has(midnight)) {
				return t, nil
			}
		}
	}
	m := moment{minutes: -1}
	if w, ok := parseWeekday(first); ok {
		m.midnight = today + day
		for m.midnight.weekday() != w {
			m.midnight += day
		}
	} else if strings.EqualFold(first, "tomorrow") {
		m.midnight = today + day
	} else {
		date, err := parseDate(first)
		better, guessed := guessClock(strings.ReplaceAll(text, " ", "")) // "6 pm"
		switch {
		case err != nil && looksLikeDate(first):
			return time.Time{}, err
		case err != nil && guessed && better != "24:00":
			return time.Time{}, fmt.Errorf("%q is not how a time of the day is written; %s would be right", text, better)
		case err != nil:
			return time.Time{}, fmt.Errorf("%q is not a moment; "+aMoment, text)
		}
		m.midnight = date
	}
	if clock := rest.take(); clock != "" {
		minutes, ok := parseClock(clock)
		if better, guessed := guessClock(clock); !ok && guessed {
			return time.Time{}, fmt.Errorf("%q is not how a time of the day is written; %s would be right", clock, better)
		}
		if !ok || rest.peek() != "" {
			return time.Time{}, fmt.Errorf("%q is not a moment; "+aMoment, text)
		}
		m.minutes = minutes
	}
	found, _ := c.moments(m.first())
	return toCome(text, found, now, zone)
}

// looksLikeDate reports whether a word begins like a date, so that an error can be about dates alone.
func looksLikeDate(word string) bool {
	return len(word) >= len("2026-1-6") && isDigit(word[0]) && strings.Count(word, "-") == 2
}

// toCome returns the first of some moments that is after now.
func toCome(text string, found []int64, now time.Time, zone *time.Location) (time.Time, error) {
	for _, unix := range found {
		if t := time.Unix(unix, 0).In(zone); t.After(now) {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is over: it is %s now; a later moment would be right", text,
		now.In(zone).Format("2006-01-02 15:04"))
}

// GuessDuration takes a duration as people write it: 4h, 4 hours, in 90min, 2 days. A number alone is none.
func GuessDuration(text string) (string, bool) {
	short := strings.NewReplacer(" ", "", "+", "", "weeks", "w", "week", "w", "days", "d", "day", "d", "hours", "h",
		"hour", "h", "minutes", "m", "minute", "m", "mins", "m", "min", "m", "seconds", "s", "second", "s", "sec", "s",
	).Replace(strings.TrimPrefix(strings.ToLower(text), "in "))
	_, err := ParseDuration(short)
	if err != nil || strings.Trim(short, "0123456789") == "" {
		return "", false
	}
	return short, true
}

const aDuration = "2d, 4h, 90m, 1w, 1d12h, or a number of seconds would be right"

// ParseDuration reads a duration above 0: as config.ini has them (90s, 15m, 4h, 1h30m, or a number of seconds), with
// weeks and days in front (1w, 2d, 1d12h). A day is 24 hours here, whatever daylight saving does.
func ParseDuration(text string) (time.Duration, error) {
	wrong := fmt.Errorf("%q is not a duration, or too long; "+aDuration, text)
	if text == "" || strings.ContainsAny(text, "+-") {
		return 0, wrong
	}
	var total time.Duration
	rest := text
	if strings.Trim(text, "0123456789") == "" {
		rest += "s"
	}
	for _, unit := range []struct {
		sign string
		time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		number, after, ok := strings.Cut(rest, unit.sign)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 31)
		if err != nil || time.Duration(n) > (math.MaxInt64-total)/unit.Duration {
			return 0, wrong
		}
		total += time.Duration(n) * unit.Duration
		rest = after
	}
	if rest != "" {
		d, err := time.ParseDuration(rest)
		if err != nil || d > math.MaxInt64-total {
			return 0, wrong
		}
		total += d
	}
	if total <= 0 {
		return 0, fmt.Errorf("%q is no time at all; "+aDuration, text)
	}
	return total, nil
}
