package calendar

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Freeze is a time in which no run begins.
type Freeze struct {
	Span
	Reason string // the rest of the line, as it stands there; may be empty
	Where  string // FILE:LINE
	When   string // the time as it is written: "2026-12-18 .. 2027-01-06 Europe/Berlin"
}

const aFreeze = `"2026-12-18 .. 2027-01-06 reason" or "2026-11-27 08:00 .. 2026-11-30 20:00 Europe/Berlin reason" ` +
	"would be right"

// ParseFreezes reads freezes from text, one a line; name is the file's, for messages. Blank lines and lines that begin
// with # are skipped. A freeze is a first and a last moment with .. between them, perhaps a time zone (none: the
// host's), and the reason:
//
//	2026-12-18 .. 2027-01-06              end of year
//	2026-11-27 08:00 .. 2026-11-30 20:00 Europe/Berlin   sales weekend
//	2026-12-24                            nobody is here
//
// A date alone means the whole day: as the last moment, up to the midnight after it. A moment that daylight saving
// skips is the next one that exists. Where a moment occurs twice a freeze lasts as long as it can.
//
// A word with a / at the beginning of the reason is a time zone and must be one that the host knows, unless it is in
// lower case and begins with no continent: "and/or" and "24/7" are reasons.
//
// The freezes that could be read are returned with an error that joins one for each line that could not.
func ParseFreezes(name, text string) ([]Freeze, error) {
	var freezes []Freeze
	var wrong []error
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		where := fmt.Sprintf("%s:%d", name, number)
		freeze, err := parseFreeze(line)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", where, err))
			continue
		}
		freeze.Where = where
		freezes = append(freezes, freeze)
	}
	return freezes, errors.Join(wrong...)
}

func parseFreeze(line string) (Freeze, error) {
	rest := words(line)
	from, err := rest.moment()
	if err != nil {
		return Freeze{}, err
	}
	to, isRange := from, rest.dots()
	if isRange {
		if to, err = rest.moment(); err != nil {
			return Freeze{}, err
		}
	}
	if err := rest.checkReason(from, isRange); err != nil {
		return Freeze{}, err
	}
	freeze := Freeze{When: from.String()}
	if isRange {
		freeze.When += " .. " + to.String()
	}
	zone, err := rest.zone()
	if err != nil {
		return Freeze{}, err
	}
	if zone != nil {
		freeze.When += " " + zone.String()
	} else {
		zone = time.Local
	}
	freeze.Reason = strings.TrimSpace(string(rest))

	c := newClock(zone)
	starts, _ := c.moments(from.first())
	ends, _ := c.moments(to.end())
	freeze.Span = span{starts[0], slices.Max(ends)}.in(zone)
	switch {
	case to.first() < from.first():
		return Freeze{}, fmt.Errorf("%q ends before it begins; the earlier moment comes first", freeze.When)
	case to.end() <= from.first():
		return Freeze{}, fmt.Errorf("%q ends when it begins; a later end would be right", freeze.When)
	case !freeze.Start.Before(freeze.End):
		return Freeze{}, fmt.Errorf("%q never comes: the clock of %s skips it; another time would be right",
			freeze.When, zone)
	}
	return freeze, nil
}

// words is the rest of a line.
type words string

// peek returns the next word, or "".
func (w words) peek() string {
	word, _ := w.cut()
	return word
}

func (w words) cut() (word string, rest words) {
	text := strings.TrimSpace(string(w))
	if i := strings.IndexFunc(text, unicode.IsSpace); i >= 0 {
		return text[:i], words(text[i:])
	}
	return text, ""
}

// take takes the next word. Of 2026-12-18..2027-01-06 it takes the first date.
func (w *words) take() string {
	word, rest := w.cut()
	if before, after, ok := strings.Cut(word, ".."); ok && before != "" {
		word, rest = before, words(".. "+after)+rest
	}
	*w = rest
	return word
}

// dots takes the sign between two moments, if it is next.
func (w *words) dots() bool {
	word, rest := w.cut()
	after, ok := strings.CutPrefix(word, "..")
	if ok {
		*w = words(after) + rest
	}
	return ok
}

// moment is a date, perhaps with a time of the day.
type moment struct {
	midnight reading
	minutes  int // since midnight; less than 0 for the whole day
}

func (m moment) first() reading { return m.midnight + reading(max(m.minutes, 0))*60 }

// end returns the end of a span with this last moment.
func (m moment) end() reading {
	if m.minutes < 0 {
		return m.midnight + day
	}
	return m.first()
}

func (m moment) String() string {
	date := time.Unix(int64(m.midnight), 0).UTC().Format(time.DateOnly)
	if m.minutes < 0 {
		return date
	}
	return fmt.Sprintf("%s %02d:%02d", date, m.minutes/60, m.minutes%60)
}

// moment takes a date, and the time of the day after it if there is one.
func (w *words) moment() (moment, error) {
	word := w.take()
	if word == "" {
		return moment{}, errors.New("a date is missing at the end; " + aFreeze)
	}
	midnight, err := parseDate(word)
	if err != nil {
		return moment{}, err
	}
	m := moment{midnight, -1}
	next := *w
	clock := next.take()
	if minutes, ok := parseClock(clock); ok {
		m.minutes, *w = minutes, next
	} else if looksLikeClock(clock) {
		if better, ok := guessClock(clock); ok {
			return moment{}, fmt.Errorf("%q is not how a time of the day is written; %s would be right", clock, better)
		}
		return moment{}, fmt.Errorf("%q is not a time of the day; 08:00 would be right, from 00:00 to 24:00", clock)
	}
	return m, nil
}

// looksLikeClock reports whether a word is digits with signs as they are in a time of the day, such as 8:00 or 25:00.
func looksLikeClock(word string) bool {
	hour, minute, ok := strings.Cut(word, ":")
	return ok && hour != "" && strings.Trim(hour, "0123456789") == "" && minute != "" && isDigit(minute[0])
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// parseDate reads a date such as 2026-12-18.
func parseDate(text string) (reading, error) {
	date, err := time.Parse(time.DateOnly, text)
	if err == nil && len(text) == len(time.DateOnly) {
		return reading(date.Unix()), nil
	}
	if date, clock, ok := strings.Cut(text, "T"); ok && looksLikeClock(clock) {
		if _, err := parseDate(date); err == nil {
			return 0, fmt.Errorf("%q is not how a moment is written; %s %.5s would be right", text, date, clock)
		}
	}
	if better, ok := repairDate(text); ok {
		return 0, fmt.Errorf("%q is not how a date is written; %s would be right", text, better)
	}
	if len(text) == len(time.DateOnly) && text[4] == '-' && text[7] == '-' && isDigit(text[0]) {
		return 0, fmt.Errorf("%q is no day of any calendar; a date such as 2026-12-18 would be right", text)
	}
	return 0, fmt.Errorf("%q is not a date; 2026-12-18 would be right", text)
}

// repairDate writes a date as it should be, if it can be guessed: 2026-1-6, 2026/12/18, 18.12.2026. It doesn't guess
// whether 6/1/2027 is in January or June.
func repairDate(text string) (string, bool) {
	for _, layout := range []string{"2006-1-2", "2006/1/2", "2006.1.2", "20060102", "2.1.2006"} {
		if date, err := time.Parse(layout, unifyDashes(text)); err == nil && date.Year() > 0 {
			return date.Format(time.DateOnly), true
		}
	}
	return "", false
}

// checkReason refuses a reason that is probably a part of the time which was written in another way. Ignoring it would
// make the freeze shorter than it was meant.
func (w words) checkReason(from moment, isRange bool) error {
	next := w.peek()
	switch {
	case !isRange && from.minutes >= 0:
		return fmt.Errorf("%q has no end; %s .. %s 20:00 would be right", from, from, from.midnight.date())
	case isRange && strings.HasPrefix(next, ".."):
		return fmt.Errorf("%q is one .. too many; "+aFreeze, strings.TrimSpace(string(w)))
	case !isRange && slices.Contains(strings.Fields(string(w)), ".."):
		return fmt.Errorf("%q stands where .. or the reason would begin; "+aFreeze, strings.TrimSpace(string(w)))
	}
	_, rest := w.cut()
	joins := unifyDashes(next) == "-" || strings.EqualFold(next, "to") || strings.EqualFold(next, "until") ||
		strings.EqualFold(next, "till")
	for _, word := range []string{next, rest.peek()} {
		bare := strings.TrimLeft(unifyDashes(word), "-")
		_, err := parseDate(bare)
		_, repaired := repairDate(bare)
		clock := looksLikeClock(bare) && (word == next || joins)
		if err != nil && !repaired && !clock || word != next && !joins {
			continue
		}
		return fmt.Errorf("%q stands where the reason would begin; "+aFreeze, strings.TrimSpace(string(w)))
	}
	return nil
}

func (r reading) date() string { return time.Unix(int64(r), 0).UTC().Format(time.DateOnly) }

// areas are how the names of time zones begin, apart from those without a /.
var areas = []string{"africa", "america", "antarctica", "arctic", "asia", "atlantic", "australia", "brazil", "canada",
	"chile", "etc", "europe", "indian", "mexico", "pacific", "us"}

// abbreviations are short for offsets from UTC, and not for time zones.
var abbreviations = []string{"Z", "GMT", "WET", "WEST", "BST", "CET", "CEST", "MEZ", "MESZ", "EET", "EEST", "MSK",
	"EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT", "JST", "AEST", "AEDT"}

// zone takes the time zone, if it is next. It returns nil if there is none.
func (w *words) zone() (*time.Location, error) {
	word, rest := w.cut()
	if word == "" {
		return nil, nil
	}
	const orReason = "; if it belongs to the reason, begin the reason with another word"
	offset := (word[0] == '+' || word[0] == '-') && len(word) > 1 && isDigit(word[1])
	if offset || slices.Contains(abbreviations, word) {
		return nil, fmt.Errorf("%q is not the name of a time zone; "+aZone+orReason, word)
	}
	area, _, slash := strings.Cut(word, "/")
	lower := word == strings.ToLower(word)
	if !strings.EqualFold(word, "UTC") && (!slash || lower && !slices.Contains(areas, area)) {
		return nil, nil
	}
	zone, err := loadZone(word)
	if err != nil {
		return nil, fmt.Errorf("%w"+orReason, err)
	}
	*w = rest
	return zone, nil
}
