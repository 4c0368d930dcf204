package calendar

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// reading is what a clock on the wall shows, in seconds from 1970-01-01 00:00 on that clock. It has no zone: a zone may
// show one reading never, once or twice.
type reading int64

const day = 24 * 60 * 60

// span is a Span in Unix seconds.
type span struct{ start, end int64 }

// stretch is a time in which a zone keeps one offset: the clock shows unix + offset.
type stretch struct{ start, end, offset int64 }

// margin is more than any clock on earth differs from UTC, in seconds.
const margin = 26 * 60 * 60

// stretchAt returns the stretch that a moment lies in.
func stretchAt(unix int64, zone *time.Location) stretch {
	t := time.Unix(unix, 0).In(zone)
	_, offset := t.Zone()
	s := stretch{math.MinInt64, math.MaxInt64, int64(offset)}
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		s.start = start.Unix()
	}
	if !end.IsZero() {
		s.end = end.Unix()
	}
	return s
}

// clock is the clock on the wall in one zone. It remembers the last stretch, so that a year of days costs few lookups.
type clock struct {
	zone *time.Location
	last stretch
}

func newClock(zone *time.Location) *clock { return &clock{zone: zone} }

// stretches returns the stretches in which the clock can show a reading from one up to the other.
func (c *clock) stretches(from, to reading) []stretch {
	first, last := int64(from)-margin, int64(to)+margin
	if c.last.start <= first && last < c.last.end {
		return []stretch{c.last}
	}
	var found []stretch
	for at := first; at <= last; {
		s := stretchAt(at, c.zone)
		if s.end <= at { // a damaged zone file; never loop
			s.end = at + 1
		}
		found = append(found, s)
		c.last = s
		at = s.end
	}
	return found
}

// while returns when the clock is on its way from one reading to the other: from the moment at which it comes to (or
// jumps behind) the first up to the moment at which it comes to the second. If it is put back in between to before the
// first reading, that does not count. If it is put back from behind the second reading to before it, the readings occur
// twice and so there are two spans.
//
// It returns nothing if the clock skips all of it.
func (c *clock) while(from, to reading) []span {
	var found []span
	under := false // on the way when the last stretch ended
	for _, s := range c.stretches(from, to) {
		begin, end := max(int64(from)-s.offset, s.start), min(int64(to)-s.offset, s.end)
		if under {
			begin = s.start
		}
		under = false
		if begin >= end {
			continue
		}
		if n := len(found); n > 0 && found[n-1].end == begin {
			found[n-1].end = end
		} else {
			found = append(found, span{begin, end})
		}
		under = end == s.end && reading(end+s.offset) < to
	}
	return found
}

// moments returns when the clock shows a reading: once, or twice, or never. If never, it returns the next moment that
// exists, and skipped.
func (c *clock) moments(at reading) (found []int64, skipped bool) {
	next := int64(math.MaxInt64)
	for _, s := range c.stretches(at, at) {
		unix := int64(at) - s.offset
		if s.start <= unix && unix < s.end {
			found = append(found, unix)
		} else if unix < s.start && s.start < next {
			next = s.start
		}
	}
	if found == nil {
		return []int64{next}, true
	}
	return found, false
}

// has reports whether a day, as the reading of its midnight, exists. Samoa went from 29 to 31 December 2011.
func (c *clock) has(midnight reading) bool { return len(c.while(midnight, midnight+day)) > 0 }

const aZone = "Europe/Berlin or UTC would be right"

// loadZone returns a zone of the host's database by its IANA name.
func loadZone(name string) (*time.Location, error) {
	switch {
	case name == "UTC":
		return time.UTC, nil
	case strings.EqualFold(name, "UTC"), name == "Z":
		return nil, fmt.Errorf("%q is not a time zone; UTC would be right", name)
	case name == "Local", strings.HasPrefix(name, "right/"), strings.HasPrefix(name, "posix/"):
		// Local is a word of Go's, and zones under right/ count leap seconds, which Unix time does not.
		return nil, fmt.Errorf("%q is not a time zone; "+aZone, name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil { // it refuses .. and paths by itself
		return nil, fmt.Errorf("%q is not a time zone that this host knows (/usr/share/zoneinfo); "+aZone, name)
	}
	return zone, nil
}

// dayOf returns the reading of midnight of a date. Dates are those of a clock, so that they need no zone.
func dayOf(year int, month time.Month, date int) reading {
	return reading(time.Date(year, month, date, 0, 0, 0, 0, time.UTC).Unix())
}

// read returns what the clock shows at t.
func read(t time.Time, zone *time.Location) reading {
	_, offset := t.In(zone).Zone()
	return reading(t.Unix() + int64(offset))
}

// midnight returns the reading of midnight of the day that a reading belongs to.
func (r reading) midnight() reading {
	since := r % day
	if since < 0 {
		since += day
	}
	return r - since
}

// weekday returns the weekday of a reading.
func (r reading) weekday() time.Weekday { return time.Unix(int64(r), 0).UTC().Weekday() }
