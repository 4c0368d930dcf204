// Package calendar parses maintenance windows and freezes, and says when they are.
//
// A window is open while the clock on the wall of its zone is on its way from its start to its end:
//
//   - A start that daylight saving skips is the next moment that exists: in Berlin, on the day in spring without the
//     hour from 02:00, 02:30-04:00 opens at 03:00. If all of the window is skipped (02:00-03:00), it opens at 03:00 for
//     its usual length, until 04:00: that is the same real time as without daylight saving, and a window such as
//     Sun#-1 02:00-03:00 would otherwise be lost for a month.
//   - A time that occurs twice counts both times: in autumn 02:00-02:30 opens twice, and 01:30-02:30 opens once more at
//     the second 02:00. 02:30-04:00 is open from the first 02:30 to 04:00: a clock that is put back closes no window.
//   - A window on a day that a zone left out (30 December 2011 in Samoa) does not open.
package calendar

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Span is a time from Start up to, and not including, End.
type Span struct{ Start, End time.Time }

// Windows are maintenance windows. The zero value has none. They may be used by several goroutines at once.
type Windows struct{ all []window }

// window is one window. Its zone is nil for the host's, which is time.Local when it is asked.
type window struct {
	days       days
	start, end int // minutes from the midnight at which its day begins; end is after start, by up to 24 hours
	zone       *time.Location
}

// days are the days on which a window starts. The zero value means every day.
type days struct {
	every uint8     // bit w: each weekday w
	nth   [7]uint16 // bit n of weekday w: the nth of the month; bit 5+n: the nth from the month's end
}

const allWeek = 1<<7 - 1

// has reports whether a day, as the reading of its midnight, is one of them.
func (d days) has(midnight reading) bool {
	if d == (days{}) {
		return true
	}
	w := midnight.weekday()
	if d.every&(1<<w) != 0 || d.nth[w] == 0 {
		return d.every&(1<<w) != 0
	}
	year, month, date := time.Unix(int64(midnight), 0).UTC().Date()
	last := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return d.nth[w]&(1<<((date-1)/7+1)|1<<(5+(last-date)/7+1)) != 0
}

// always reports whether a window plainly never closes.
func (w window) always() bool { return w.days == (days{}) && w.end-w.start == 24*60 }

// on returns when the window is open that starts on a day.
func (w window) on(midnight reading, c *clock) []span {
	from, to := midnight+reading(w.start)*60, midnight+reading(w.end)*60
	found := c.while(from, to)
	if len(found) == 1 && found[0].end-found[0].start == int64(to-from) {
		return found // as on most days
	}
	if !c.has(midnight) {
		return nil
	}
	if found != nil {
		return found
	}
	next, _ := c.moments(from)
	return []span{{next[0], next[0] + int64(to-from)}}
}

// Empty reports whether there are no windows.
func (w Windows) Empty() bool { return len(w.all) == 0 }

// spans returns when a window is open that starts on one of the days from first to last, as readings of midnight.
// Windows that overlap or touch are one span. The spans are in order.
func (w Windows) spans(first, last reading) []span {
	var found []span
	for _, window := range w.all {
		zone := window.zone
		if zone == nil {
			zone = time.Local
		}
		c := newClock(zone)
		for midnight := first; midnight <= last; midnight += day {
			if window.days.has(midnight) {
				found = append(found, window.on(midnight, c)...)
			}
		}
	}
	slices.SortFunc(found, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	joined := found[:0]
	for _, s := range found {
		if n := len(joined); n > 0 && s.start <= joined[n-1].end {
			joined[n-1].end = max(joined[n-1].end, s.end)
			continue
		}
		joined = append(joined, s)
	}
	return joined
}

// edge is how far from the first and last day that spans was asked for other days can matter: a window may last until
// the end of the next day, clocks differ from UTC by up to 15 hours, and a zone may skip a day.
const edge = 4 * day

// farthest is how far At and Next look, in days. No weekday of a month is rarer than the fifth, which comes at least
// every 119 days; so windows that are not closed within this time never close.
const farthest = 192

// At returns the window that is open at t. Windows that overlap or touch count as one, so End is when really nothing is
// open any more. The span of windows that never close is cut off months before and after t. The times are in t's zone.
func (w Windows) At(t time.Time) (Span, bool) {
	now := t.Unix()
	today := reading(now).midnight()
	for _, window := range w.all {
		if window.always() {
			return span{now - farthest*day, now + farthest*day}.in(t.Location()), true
		}
	}
	for around := reading(6); !w.Empty(); around *= 2 {
		first, last := today-around*day, today+around*day
		spans := w.spans(first, last)
		i := slices.IndexFunc(spans, func(s span) bool { return s.start <= now && now < s.end })
		if i < 0 {
			break
		}
		if spans[i].start > int64(first)+edge && spans[i].end < int64(last)-edge || around >= farthest {
			return spans[i].in(t.Location()), true
		}
	}
	return Span{}, false
}

// Next returns the next window that opens after t; windows that overlap or touch count as one. It returns false if
// there is none, since there are no windows, or they never close. The times are in t's zone.
func (w Windows) Next(t time.Time) (Span, bool) {
	now := t.Unix()
	today := reading(now).midnight()
	for _, window := range w.all {
		if window.always() {
			return Span{}, false
		}
	}
	for ahead := reading(8); !w.Empty() && ahead <= 2*farthest; ahead *= 2 {
		last := today + ahead*day
		spans := w.spans(today-6*day, last)
		i := slices.IndexFunc(spans, func(s span) bool { return s.start > now })
		if i >= 0 && (spans[i].end < int64(last)-edge || 2*ahead > 2*farthest) {
			return spans[i].in(t.Location()), true
		}
	}
	return Span{}, false
}

func (s span) in(zone *time.Location) Span {
	return Span{time.Unix(s.start, 0).In(zone), time.Unix(s.end, 0).In(zone)}
}

// String returns the windows as ParseWindows reads them, such as "Mon..Fri 02:00-05:00; Sat 22:00-02:00".
func (w Windows) String() string {
	var all []string
	for _, window := range w.all {
		all = append(all, window.String())
	}
	return strings.Join(all, "; ")
}

func (w window) String() string {
	var words []string
	if w.days != (days{}) {
		words = append(words, w.days.String())
	}
	if w.days == (days{}) || w.start != 0 || w.end != 24*60 {
		end := w.end
		if end > 24*60 {
			end -= 24 * 60
		}
		words = append(words, fmt.Sprintf("%02d:%02d-%02d:%02d", w.start/60, w.start%60, end/60, end%60))
	}
	if w.zone != nil {
		words = append(words, w.zone.String())
	}
	return strings.Join(words, " ")
}

// week has the weekdays as people count them.
var week = [7]time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday,
	time.Sunday}

func short(w time.Weekday) string { return w.String()[:3] }

func (d days) String() string {
	var all []string
	for i := 0; i < len(week); i++ {
		run := i
		for run < len(week) && d.every&(1<<week[run]) != 0 {
			run++
		}
		switch {
		case run-i >= 3:
			all = append(all, short(week[i])+".."+short(week[run-1]))
			i = run - 1
		case run > i:
			all = append(all, short(week[i]))
		}
	}
	for _, w := range week {
		for n := 1; n <= 10; n++ {
			if d.nth[w]&(1<<n) == 0 {
				continue
			}
			nth := n
			if n > 5 {
				nth = 5 - n
			}
			all = append(all, fmt.Sprintf("%s#%d", short(w), nth))
		}
	}
	return strings.Join(all, ",")
}
