package calendar

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const aWindow = "a window such as Mon..Fri 02:00-05:00, Tue#2 01:00-04:00 Europe/Berlin or Sun#-1 would be right"

// ParseWindows reads windows that are separated by semicolons or stand on lines of their own. Each has weekdays, a span
// of the day, or both, and perhaps a time zone at the end:
//
//	Mon..Fri 02:00-05:00; Sat 22:00-02:00; Tue#2 01:00-04:00 Europe/Berlin; Sun#-1
//
// Without weekdays it means every day, without a span the whole day, without a zone the host's. A span whose end is not
// after its start ends on the next day. #2 is the second such weekday of the month, #-1 the last. Weekdays may be
// written in full, and in any case. A text that is blank has no windows. The error names the first window that is
// wrong, and what would be right.
func ParseWindows(text string) (Windows, error) {
	var windows Windows
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ';' || r == '\n' }) {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		w, err := parseWindow(part)
		if err != nil {
			return Windows{}, fmt.Errorf("window %q: %w", part, err)
		}
		windows.all = append(windows.all, w)
	}
	if windows.Empty() && strings.Contains(text, ";") {
		return Windows{}, fmt.Errorf("%q has no window; "+aWindow, text)
	}
	return windows, nil
}

func parseWindow(text string) (window, error) {
	w := window{end: 24 * 60}
	words := strings.Fields(strings.ReplaceAll(text, ", ", ","))
	something := false
	switch text[0] {
	case '"', '\'':
		return window{}, fmt.Errorf("%q begins with a quote, which belongs to the value; leave the quotes out", text)
	case '#':
		return window{}, errComment(words[0])
	}
	if !isSpan(words[0]) && !isZone(words[0]) {
		var err error
		if w.days, err = parseDays(words[0]); err != nil {
			return window{}, err
		}
		something, words = true, words[1:]
	}
	if len(words) > 0 && isSpan(words[0]) {
		var err error
		if w.start, w.end, err = parseSpan(words); err != nil {
			return window{}, err
		}
		something, words = true, words[1:]
	}
	if !something {
		return window{}, errors.New("has neither weekdays nor a span of the day in front; " + aWindow)
	}
	if len(words) > 0 {
		if err := checkZone(words[0], w.days); err != nil {
			return window{}, err
		}
		zone, err := loadZone(words[0])
		if err != nil {
			return window{}, err
		}
		w.zone, words = zone, words[1:]
	}
	if len(words) > 0 {
		return window{}, fmt.Errorf("%q is too much: a window is weekdays, a span of the day and a time zone, "+
			"and windows are separated by semicolons; "+aWindow, strings.Join(words, " "))
	}
	return w, nil
}

// checkZone refuses what stands in the place of the time zone and is plainly something else.
func checkZone(word string, before days) error {
	if strings.HasPrefix(word, "#") {
		return errComment(word)
	}
	if d, err := parseDays(word); err == nil && before == (days{}) {
		return fmt.Errorf("%q comes too late: weekdays come first; %s 02:00-05:00 would be right", word, d)
	} else if err == nil {
		return fmt.Errorf("%q comes too late: weekdays are joined by commas, and windows are separated by semicolons; "+
			"%s,%s 02:00-05:00 or %s 02:00-05:00; %s 02:00-05:00 would be right", word, before, d, before, d)
	}
	return nil
}

func errComment(word string) error {
	return fmt.Errorf("%q is no part of a window; a comment needs a line of its own", word)
}

// isSpan reports whether a word is meant as a span of the day.
func isSpan(word string) bool { return word[0] >= '0' && word[0] <= '9' }

// isZone reports whether the first word of a window is meant as a time zone, which is wrong there.
func isZone(word string) bool { return strings.Contains(word, "/") || strings.EqualFold(word, "UTC") }

// parseDays reads a list of weekdays.
func parseDays(text string) (days, error) {
	var d days
	for item := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(item, "..")
		if strings.Contains(item, "#") {
			if isRange {
				return days{}, fmt.Errorf("%q has # with a range, and it belongs to one weekday; "+
					"Mon#1,Tue#1 would be right", item)
			}
			if err := d.addNth(item); err != nil {
				return days{}, err
			}
			continue
		}
		first, ok := parseWeekday(from)
		last := first
		if isRange && ok {
			last, ok = parseWeekday(to)
		}
		if !ok {
			return days{}, wrongDays(text, item)
		}
		for w := first; ; w = (w + 1) % 7 {
			d.every |= 1 << w
			if w == last {
				break
			}
		}
	}
	for w := range d.nth {
		if d.every&(1<<w) != 0 {
			d.nth[w] = 0
		}
	}
	if d.every == allWeek {
		return days{}, nil
	}
	return d, nil
}

// addNth adds a weekday of the month, such as Tue#2 or Sun#-1.
func (d *days) addNth(item string) error {
	name, number, _ := strings.Cut(item, "#")
	w, ok := parseWeekday(name)
	if !ok {
		return wrongDays(item, name)
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < -5 || n > 5 || n == 0 || number[0] == '+' {
		return fmt.Errorf("%q is no weekday of a month; %s#1 to %s#5, or %s#-1 for the last one, would be right",
			item, short(w), short(w), short(w))
	}
	if n < 0 {
		n = 5 - n
	}
	d.nth[w] |= 1 << n
	return nil
}

func parseWeekday(name string) (time.Weekday, bool) {
	for _, w := range week {
		if strings.EqualFold(name, w.String()) || strings.EqualFold(name, short(w)) {
			return w, true
		}
	}
	return 0, false
}

// wrongDays is the error for weekdays that can't be read. It suggests what was probably meant.
func wrongDays(text, item string) error {
	if better, ok := repairDays(text); ok {
		return fmt.Errorf("%q is not how weekdays are written; %s would be right", text, better)
	}
	return fmt.Errorf("%q is not a weekday; Mon, Mon..Fri or Mon,Wed,Sun would be right", item)
}

// repairDays writes weekdays as they should be, if they can be guessed.
func repairDays(text string) (string, bool) {
	var better []string
	for item := range strings.SplitSeq(unifyDashes(text), ",") {
		item = strings.NewReplacer("...", "..", "-", "..").Replace(item)
		var ends []string
		for name := range strings.SplitSeq(item, "..") {
			w, ok := guessWeekday(name)
			if !ok {
				return "", false
			}
			ends = append(ends, short(w))
		}
		if len(ends) > 2 {
			return "", false
		}
		better = append(better, strings.Join(ends, ".."))
	}
	return strings.Join(better, ","), true
}

// abbreviated has what people write for a weekday that is no beginning of its English name.
var abbreviated = map[string]time.Weekday{"di": time.Tuesday, "mi": time.Wednesday, "do": time.Thursday,
	"so": time.Sunday, "weds": time.Wednesday}

// guessWeekday takes a beginning of a weekday's name, of at least two letters, and an s at its end.
func guessWeekday(name string) (time.Weekday, bool) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for _, w := range week {
		full := strings.ToLower(w.String())
		if len(name) >= 2 && (strings.HasPrefix(full, name) || name == full+"s") {
			return w, true
		}
	}
	w, ok := abbreviated[name]
	return w, ok
}

// BeginsWindow reports whether a text begins as a window does, with a weekday or a digit.
func BeginsWindow(text string) bool {
	if text != "" && isDigit(text[0]) {
		return true
	}
	word, _, _ := strings.Cut(text, " ")
	end := strings.IndexFunc(word, func(r rune) bool { return !unicode.IsLetter(r) })
	if end < 0 {
		end = len(word)
	}
	_, ok := guessWeekday(word[:end])
	return ok
}

// unifyDashes turns all kinds of dashes into the sign on the keyboard.
func unifyDashes(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Pd, r) || r == '\u2212' {
			return '-'
		}
		return r
	}, text)
}

// parseSpan reads a span of the day, the first of words. The others tell what was meant if it is wrong.
func parseSpan(words []string) (start, end int, err error) {
	from, to, _ := strings.Cut(words[0], "-")
	start, okStart := parseClock(from)
	end, okEnd := parseClock(to)
	if !okStart || !okEnd || start == 24*60 {
		return 0, 0, wrongSpan(words)
	}
	if end <= start {
		end += 24 * 60
	}
	return start, end, nil
}

// parseClock reads a time of the day from 00:00 to 24:00, in minutes.
func parseClock(text string) (int, bool) {
	if len(text) != len("00:00") || text[2] != ':' {
		return 0, false
	}
	for i, r := range []byte(text) {
		if i != 2 && (r < '0' || r > '9') {
			return 0, false
		}
	}
	hour, minute := int(text[0]-'0')*10+int(text[1]-'0'), int(text[3]-'0')*10+int(text[4]-'0')
	if minute > 59 || hour*60+minute > 24*60 {
		return 0, false
	}
	return hour*60 + minute, true
}

// wrongSpan is the error for a span that can't be read. It suggests what was probably meant.
func wrongSpan(words []string) error {
	word := words[0]
	if before, after, ok := strings.Cut(word, ","); ok {
		return fmt.Errorf("%q has a comma, and windows are separated by semicolons; %s would be right",
			word, strings.TrimSpace(before+"; "+after))
	}
	// "02:00 - 05:00", "2 am - 5 am"
	whole := ""
	for _, w := range words {
		if !strings.ContainsFunc(w, unicode.IsDigit) && unifyDashes(w) != "-" && w != ".." && !isHalf(w) {
			break
		}
		whole += w
	}
	if better, ok := repairSpan(whole); ok {
		return fmt.Errorf("%q is not how a span of the day is written; %s would be right",
			strings.Join(words[:max(1, countOf(words, whole))], " "), better)
	}
	if clock, ok := guessClock(word); ok && clock != "24:00" {
		at, _ := parseClock(clock)
		return fmt.Errorf("%q is a time without an end; %s-%02d:%02d would be right", word, clock, (at/60+1)%24, at%60)
	}
	return fmt.Errorf("%q is not a span of the day; 02:00-05:00 would be right, with times from 00:00 to 24:00", word)
}

// countOf returns how many words make up whole.
func countOf(words []string, whole string) int {
	length := 0
	for i, w := range words {
		if length >= len(whole) {
			return i
		}
		length += len(w)
	}
	return len(words)
}

func isHalf(word string) bool { return strings.EqualFold(word, "am") || strings.EqualFold(word, "pm") }

// repairSpan writes a span as it should be, if it can be guessed.
func repairSpan(text string) (string, bool) {
	from, to, ok := strings.Cut(strings.Replace(unifyDashes(text), "..", "-", 1), "-")
	if !ok {
		return "", false
	}
	start, okStart := guessClock(from)
	end, okEnd := guessClock(to)
	if !okStart || !okEnd || start == "24:00" {
		return "", false
	}
	return start + "-" + end, true
}

// guessClock takes a time of the day as people write it: 2, 2:00, 02.00, 0200, 2h, 2am, 2:00pm, 02:00:00.
func guessClock(text string) (string, bool) {
	text = strings.ToLower(text)
	text, am := strings.CutSuffix(text, "am")
	text, pm := strings.CutSuffix(text, "pm")
	text, _ = strings.CutSuffix(text, "h")
	if len(text) == 4 && strings.Trim(text, "0123456789") == "" {
		text = text[:2] + ":" + text[2:]
	}
	hours, minutes, _ := strings.Cut(strings.NewReplacer(".", ":", "h", ":").Replace(text), ":")
	minutes, _ = strings.CutSuffix(minutes, ":00") // seconds
	if minutes == "" {
		minutes = "00"
	}
	hour, err := strconv.ParseUint(hours, 10, 8)
	if err != nil || (am || pm) && (hour == 0 || hour > 12) {
		return "", false
	}
	if am || pm {
		hour %= 12
	}
	if pm {
		hour += 12
	}
	clock := fmt.Sprintf("%02d:%s", hour, minutes)
	_, ok := parseClock(clock)
	return clock, ok
}
