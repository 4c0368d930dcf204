package calendar

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func zoneOf(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// hostZone makes a zone the host's for one test.
func hostZone(t testing.TB, name string) {
	t.Helper()
	old := time.Local
	t.Cleanup(func() { time.Local = old })
	time.Local = zoneOf(t, name)
}

func parse(t testing.TB, text string) Windows {
	t.Helper()
	w, err := ParseWindows(text)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

const aMinute = "Mon 2006-01-02 15:04-07:00"

// opens returns the spans that start in a time, as Next gives them.
func opens(w Windows, from, to time.Time) []Span {
	var all []Span
	for at := from.Add(-1); ; {
		s, ok := w.Next(at)
		if !ok || !s.Start.Before(to) {
			return all
		}
		all = append(all, s)
		at = s.Start
	}
}

// TestOpens: when windows open on one day and on the days before and after it, by hand.
func TestOpens(t *testing.T) {
	type row struct {
		window string
		want   string // spans with a comma between them
	}
	for _, test := range []struct {
		zone, day string
		rows      []row
	}{
		{"Europe/Berlin", "2026-11-30", []row{ // a Monday, the fifth
			{"Mon 02:00-05:00", "Mon 2026-11-30 02:00+01:00 - Mon 2026-11-30 05:00+01:00"},
			{"Sun 22:00-02:00", "Sun 2026-11-29 22:00+01:00 - Mon 2026-11-30 02:00+01:00"},
			{"Mon 22:00-24:00", "Mon 2026-11-30 22:00+01:00 - Tue 2026-12-01 00:00+01:00"},
			{"Mon", "Mon 2026-11-30 00:00+01:00 - Tue 2026-12-01 00:00+01:00"},
			{"Mon 02:00-02:00", "Mon 2026-11-30 02:00+01:00 - Tue 2026-12-01 02:00+01:00"},
			{"Mon#5 02:00-05:00", "Mon 2026-11-30 02:00+01:00 - Mon 2026-11-30 05:00+01:00"},
			{"Mon#-1 02:00-05:00", "Mon 2026-11-30 02:00+01:00 - Mon 2026-11-30 05:00+01:00"},
			{"Mon#4 02:00-05:00", ""},
			{"Mon#-2 02:00-05:00", ""},
			{"Tue#1 02:00-05:00", "Tue 2026-12-01 02:00+01:00 - Tue 2026-12-01 05:00+01:00"},
			{"Tue#-5 02:00-05:00", "Tue 2026-12-01 02:00+01:00 - Tue 2026-12-01 05:00+01:00"},
			{"Mon 02:00-05:00; Mon 05:00-06:00; Mon 04:00-04:30",
				"Mon 2026-11-30 02:00+01:00 - Mon 2026-11-30 06:00+01:00"},
			{"Sun,Mon", "Sun 2026-11-29 00:00+01:00 - Tue 2026-12-01 00:00+01:00"},
		}},
		{"Europe/Berlin", "2026-03-29", []row{ // no 02:00 to 03:00
			{"Sun 02:30-04:00", "Sun 2026-03-29 03:00+02:00 - Sun 2026-03-29 04:00+02:00"},
			{"Sun 02:30-03:10", "Sun 2026-03-29 03:00+02:00 - Sun 2026-03-29 03:10+02:00"},
			{"Sun 02:00-03:00", "Sun 2026-03-29 03:00+02:00 - Sun 2026-03-29 04:00+02:00"},
			{"Sun#-1 02:10-02:40", "Sun 2026-03-29 03:00+02:00 - Sun 2026-03-29 03:30+02:00"},
			{"Sun 01:30-02:30", "Sun 2026-03-29 01:30+01:00 - Sun 2026-03-29 03:00+02:00"},
			{"Sun 01:00-03:00", "Sun 2026-03-29 01:00+01:00 - Sun 2026-03-29 03:00+02:00"},
			{"Sun 03:00-04:00", "Sun 2026-03-29 03:00+02:00 - Sun 2026-03-29 04:00+02:00"},
			{"Sat 22:00-02:30", "Sat 2026-03-28 22:00+01:00 - Sun 2026-03-29 03:00+02:00"},
			{"Sun 02:30-02:30", "Sun 2026-03-29 03:00+02:00 - Mon 2026-03-30 02:30+02:00"},
			{"Sun", "Sun 2026-03-29 00:00+01:00 - Mon 2026-03-30 00:00+02:00"},
		}},
		{"Europe/Berlin", "2026-10-25", []row{ // 02:00 to 03:00 twice
			{"Sun 02:30-04:00", "Sun 2026-10-25 02:30+02:00 - Sun 2026-10-25 04:00+01:00"},
			{"Sun 02:00-02:30", "Sun 2026-10-25 02:00+02:00 - Sun 2026-10-25 02:30+02:00," +
				"Sun 2026-10-25 02:00+01:00 - Sun 2026-10-25 02:30+01:00"},
			{"Sun 01:30-02:30", "Sun 2026-10-25 01:30+02:00 - Sun 2026-10-25 02:30+02:00," +
				"Sun 2026-10-25 02:00+01:00 - Sun 2026-10-25 02:30+01:00"},
			{"Sat 23:00-02:15", "Sat 2026-10-24 23:00+02:00 - Sun 2026-10-25 02:15+02:00," +
				"Sun 2026-10-25 02:00+01:00 - Sun 2026-10-25 02:15+01:00"},
			{"Sun 02:30-03:00", "Sun 2026-10-25 02:30+02:00 - Sun 2026-10-25 02:00+01:00," +
				"Sun 2026-10-25 02:30+01:00 - Sun 2026-10-25 03:00+01:00"},
			{"Sun 02:00-03:00", "Sun 2026-10-25 02:00+02:00 - Sun 2026-10-25 03:00+01:00"},
			{"Sun 03:00-04:00", "Sun 2026-10-25 03:00+01:00 - Sun 2026-10-25 04:00+01:00"},
			{"Sun", "Sun 2026-10-25 00:00+02:00 - Mon 2026-10-26 00:00+01:00"},
		}},
		{"America/New_York", "2026-03-08", []row{ // no 02:00 to 03:00
			{"Sun 02:00-05:00", "Sun 2026-03-08 03:00-04:00 - Sun 2026-03-08 05:00-04:00"},
			{"Sun#2 02:15-02:45", "Sun 2026-03-08 03:00-04:00 - Sun 2026-03-08 03:30-04:00"},
			{"Sat 22:00-03:00", "Sat 2026-03-07 22:00-05:00 - Sun 2026-03-08 03:00-04:00"},
		}},
		{"America/New_York", "2026-11-01", []row{ // 01:00 to 02:00 twice
			{"Sun 01:30-03:00", "Sun 2026-11-01 01:30-04:00 - Sun 2026-11-01 03:00-05:00"},
			{"Sun#1 01:00-01:30", "Sun 2026-11-01 01:00-04:00 - Sun 2026-11-01 01:30-04:00," +
				"Sun 2026-11-01 01:00-05:00 - Sun 2026-11-01 01:30-05:00"},
			{"Sun 00:00-02:00", "Sun 2026-11-01 00:00-04:00 - Sun 2026-11-01 02:00-05:00"},
		}},
		{"Australia/Lord_Howe", "2026-10-04", []row{ // no 02:00 to 02:30
			{"Sun 02:15-04:00", "Sun 2026-10-04 02:30+11:00 - Sun 2026-10-04 04:00+11:00"},
			{"Sun 02:00-02:45", "Sun 2026-10-04 02:30+11:00 - Sun 2026-10-04 02:45+11:00"},
			{"Sun 02:00-02:30", "Sun 2026-10-04 02:30+11:00 - Sun 2026-10-04 03:00+11:00"},
			{"Sun 01:00-02:10", "Sun 2026-10-04 01:00+10:30 - Sun 2026-10-04 02:30+11:00"},
		}},
		{"Australia/Lord_Howe", "2026-04-05", []row{ // 01:30 to 02:00 twice
			{"Sun 01:30-02:00", "Sun 2026-04-05 01:30+11:00 - Sun 2026-04-05 02:00+10:30"},
			{"Sun 01:45-02:30", "Sun 2026-04-05 01:45+11:00 - Sun 2026-04-05 02:30+10:30"},
			{"Sun 01:00-01:45", "Sun 2026-04-05 01:00+11:00 - Sun 2026-04-05 01:45+11:00," +
				"Sun 2026-04-05 01:30+10:30 - Sun 2026-04-05 01:45+10:30"},
		}},
		{"Pacific/Apia", "2011-12-30", []row{ // no such day
			{"02:00-05:00", "Thu 2011-12-29 02:00-10:00 - Thu 2011-12-29 05:00-10:00," +
				"Sat 2011-12-31 02:00+14:00 - Sat 2011-12-31 05:00+14:00"},
			{"Fri 02:00-05:00", ""},
			{"Fri 22:00-02:00", ""},
			{"Fri", ""},
			{"Fri#5", ""},
			{"Thu 22:00-02:00", "Thu 2011-12-29 22:00-10:00 - Sat 2011-12-31 00:00+14:00"},
			{"Thu,Sat", "Thu 2011-12-29 00:00-10:00 - Sun 2012-01-01 00:00+14:00"},
		}},
		{"Pacific/Apia", "2012-09-30", []row{ // no 03:00 to 04:00
			{"Sun 03:30-05:00", "Sun 2012-09-30 04:00+14:00 - Sun 2012-09-30 05:00+14:00"},
			{"Sun 03:00-04:00", "Sun 2012-09-30 04:00+14:00 - Sun 2012-09-30 05:00+14:00"},
		}},
		{"Pacific/Apia", "2012-04-01", []row{ // 03:00 to 04:00 twice
			{"Sun 03:30-05:00", "Sun 2012-04-01 03:30+14:00 - Sun 2012-04-01 05:00+13:00"},
			{"Sun 03:00-03:30", "Sun 2012-04-01 03:00+14:00 - Sun 2012-04-01 03:30+14:00," +
				"Sun 2012-04-01 03:00+13:00 - Sun 2012-04-01 03:30+13:00"},
		}},
		{"America/Nuuk", "2024-03-30", []row{ // no 23:00 to 24:00
			{"Sat 23:00-24:00", "Sun 2024-03-31 00:00-01:00 - Sun 2024-03-31 01:00-01:00"},
			{"Sat 23:30-01:00", "Sun 2024-03-31 00:00-01:00 - Sun 2024-03-31 01:00-01:00"},
		}},
		{"America/Nuuk", "2024-10-26", []row{ // 23:00 to 24:00 twice
			{"Sat 23:00-24:00", "Sat 2024-10-26 23:00-01:00 - Sun 2024-10-27 00:00-02:00"},
			{"Sun 00:00-02:00", "Sun 2024-10-27 00:00-02:00 - Sun 2024-10-27 02:00-02:00"},
		}},
	} {
		zone := zoneOf(t, test.zone)
		day, err := time.ParseInLocation(time.DateOnly, test.day, zone)
		if err != nil {
			t.Fatal(err)
		}
		from := dayOf(day.Year(), day.Month(), day.Day()-1)
		if strings.Contains(test.day, "12-30") { // ParseInLocation can't know this day
			from = dayOf(2011, 12, 29)
		}
		c := newClock(zone)
		starts, _ := c.moments(from)
		ends, _ := c.moments(from + 3*24*60*60)
		for _, row := range test.rows {
			var got []string
			for _, w := range strings.Split(row.window, ";") {
				row.window = strings.Replace(row.window, w, w+" "+test.zone, 1)
			}
			for _, s := range opens(parse(t, row.window), time.Unix(starts[0], 0).In(zone), time.Unix(ends[0], 0)) {
				got = append(got, s.Start.In(zone).Format(aMinute)+" - "+s.End.In(zone).Format(aMinute))
			}
			if diff := cmp.Diff(row.want, strings.Join(got, ",")); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", test.day, row.window, diff)
			}
		}
	}
}

func TestAt(t *testing.T) {
	hostZone(t, "Europe/Berlin")
	for _, test := range []struct{ window, at, want string }{
		{"02:00-05:00", "2026-11-30 01:59:59", ""},
		{"02:00-05:00", "2026-11-30 02:00:00", "Mon 2026-11-30 02:00+01:00 - Mon 2026-11-30 05:00+01:00"},
		{"02:00-05:00", "2026-11-30 04:59:59", "Mon 2026-11-30 02:00+01:00 - Mon 2026-11-30 05:00+01:00"},
		{"02:00-05:00", "2026-11-30 05:00:00", ""},
		{"02:00-05:00; 05:00-06:00", "2026-11-30 05:00:00", "Mon 2026-11-30 02:00+01:00 - Mon 2026-11-30 06:00+01:00"},
		{"02:00-05:00; 01:00-02:30 UTC", "2026-11-30 02:00:00", "Mon 2026-11-30 02:00+01:00 - Mon 2026-11-30 05:00+01:00"},
		{"22:00-02:00", "2026-12-01 00:30:00", "Mon 2026-11-30 22:00+01:00 - Tue 2026-12-01 02:00+01:00"},
		{"Mon..Sat", "2026-12-01 00:30:00", "Mon 2026-11-30 00:00+01:00 - Sun 2026-12-06 00:00+01:00"},
		{"Mon..Sat; Sun#1,Sun#2,Sun#3,Sun#4", "2026-12-01 00:30:00", // 29 November and 31 January are fifth Sundays
			"Mon 2026-11-30 00:00+01:00 - Sun 2027-01-31 00:00+01:00"},
	} {
		at, err := time.ParseInLocation(time.DateTime, test.at, time.Local)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if s, ok := parse(t, test.window).At(at); ok {
			got = s.Start.Format(aMinute) + " - " + s.End.Format(aMinute)
		}
		if got != test.want {
			t.Errorf("%s at %s: %q, want %q", test.window, test.at, got, test.want)
		}
	}
}

// TestNth counts the weekdays of each month.
func TestNth(t *testing.T) {
	for month := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC); month.Year() < 2030; month = month.AddDate(0, 1, 0) {
		dates := map[time.Weekday][]time.Time{}
		for date := month; date.Month() == month.Month(); date = date.AddDate(0, 0, 1) {
			dates[date.Weekday()] = append(dates[date.Weekday()], date)
		}
		for weekday, dates := range dates {
			for i, date := range dates {
				midnight := dayOf(date.Date())
				for n := 1; n <= 5; n++ {
					if got := parse(t, fmt.Sprintf("%s#%d", weekday, n)).all[0].days.has(midnight); got != (n == i+1) {
						t.Errorf("%s is %s#%d: %v", date, weekday, n, got)
					}
					if got := parse(t, fmt.Sprintf("%s#-%d", weekday, n)).all[0].days.has(midnight); got != (n == len(dates)-i) {
						t.Errorf("%s is %s#-%d: %v", date, weekday, n, got)
					}
				}
			}
		}
	}
}

// TestNever: windows that never open or never close are answered all the same.
func TestNever(t *testing.T) {
	now := time.Now()
	if s, ok := (Windows{}).At(now); ok {
		t.Errorf("without windows one is open: %v", s)
	}
	if s, ok := (Windows{}).Next(now); ok {
		t.Errorf("without windows one opens: %v", s)
	}
	if !(Windows{}).Empty() || (Windows{}).String() != "" {
		t.Error("the zero value is not empty")
	}
	for _, text := range []string{"00:00-24:00", "Mon..Sun", "02:00-02:00", "Mon..Fri; Sat,Sun",
		"Sun; Mon 00:00-12:00; Mon 12:00-00:00; Tue..Sat UTC; Sat Pacific/Apia; Mon; Sun,Mon America/New_York"} {
		w := parse(t, text)
		s, ok := w.At(now)
		if !ok || s.Start.After(now.AddDate(0, -3, 0)) || s.End.Before(now.AddDate(0, 3, 0)) {
			t.Errorf("%s: %v %v, want months before and after now", text, s, ok)
		}
		if s, ok := w.Next(now); ok {
			t.Errorf("%s opens at %v although it never closes", text, s.Start)
		}
	}
}

// TestLongSpans: however few days At and Next look at, they answer as if they had looked at all.
func TestLongSpans(t *testing.T) {
	first := dayOf(2011, 9, 1)
	for _, text := range []string{"Mon..Sat", "Tue..Sun 22:00-22:00", "Mon..Sat 12:00-12:00; Sun#1,Sun#3 12:00-12:00",
		"Wed..Mon 23:00-23:00 Pacific/Apia", "Mon..Sat 23:59-23:59 America/New_York; Sun#1,Sun#2,Sun#3,Sun#4",
		"Sun..Fri 20:00-20:00 Pacific/Apia; Sat#1,Sat#2,Sat#3,Sat#4 20:00-20:00 America/New_York"} {
		w := parse(t, text)
		spans := w.spans(first-200*day, first+500*day)
		i := 0
		for unix := int64(first); unix < int64(first)+250*day; unix += 4 * 3599 {
			now := time.Unix(unix, 0).UTC()
			for spans[i].end <= unix {
				i++
			}
			next := i
			if spans[i].start <= unix {
				next++
			}
			at, open := w.At(now)
			if open != (next > i) || open && at != spans[i].in(time.UTC) {
				t.Fatalf("%s at %s: %v %v, want %v", w, now, at, open, spans[i].in(time.UTC))
			}
			if s, ok := w.Next(now); !ok || s != spans[next].in(time.UTC) {
				t.Fatalf("%s after %s: %v %v, want %v", w, now, s, ok, spans[next].in(time.UTC))
			}
		}
	}
}

// TestAgainstAWalk walks minute by minute through years in which clocks change in odd ways, and looks at the clock.
func TestAgainstAWalk(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, year := range []struct {
		zone string
		year int
	}{
		{"Australia/Lord_Howe", 2026}, // half an hour
		{"Pacific/Apia", 2011},        // a missing day
		{"America/Nuuk", 2024},        // over midnight
		{"America/St_Johns", 2006},    // over midnight, at 00:01
		{"Antarctica/Troll", 2026},    // two hours
		{"Africa/Casablanca", 2026},   // in Ramadan
		{"Europe/Berlin", 2026},
	} {
		zone := zoneOf(t, year.zone)
		first := time.Date(year.year, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
		walk := newWalk(first, 366*24*60, zone)
		for range 25 {
			w := randomWindows(t, random, year.zone)
			open := walk.open(w)
			checkWalk(t, random, w, open, first)
			if t.Failed() {
				return
			}
		}
	}
}

// walk is what the clock shows in each minute: minutes on that clock, since a midnight two days before.
type walk struct {
	before reading
	shows  []int
	exists []bool // each day since then
}

func newWalk(first int64, minutes int, zone *time.Location) walk {
	w := walk{before: reading(first).midnight() - 2*day, exists: make([]bool, minutes/1440+6)}
	for i := range minutes {
		t := time.Unix(first+int64(i)*60, 0).In(zone)
		year, month, date := t.Date()
		days := int(dayOf(year, month, date)-w.before) / day
		w.shows = append(w.shows, days*1440+t.Hour()*60+t.Minute())
		w.exists[days] = true
	}
	return w
}

// open says for each minute whether a window is open. It goes by the words at the head of the package.
func (w walk) open(windows Windows) []bool {
	open := make([]bool, len(w.shows))
	for _, window := range windows.all {
		opensOn := make([]bool, len(w.exists))
		for i := range opensOn {
			opensOn[i] = w.exists[i] && window.days.has(w.before+reading(i)*day)
		}
		until := -1 // what the clock shows when the window closes, if it is open
		for i, now := range w.shows {
			if now >= until {
				until = -1
			}
			today, minute := now/1440, now%1440
			if opensOn[today] && minute >= window.start && minute < window.end {
				until = max(until, today*1440+window.end)
			}
			if opensOn[today-1] && minute+1440 < window.end {
				until = max(until, (today-1)*1440+window.end)
			}
			open[i] = open[i] || until >= 0
			if i == 0 || now <= w.shows[i-1]+1 {
				continue
			}
			for skipped := (w.shows[i-1] + 1) / 1440; skipped <= today; skipped++ {
				from, to := skipped*1440+window.start, skipped*1440+window.end
				if opensOn[skipped] && from > w.shows[i-1] && to <= now {
					for minute := range min(to-from, len(open)-i) {
						open[i+minute] = true
					}
				}
			}
		}
	}
	return open
}

// checkWalk compares windows with what a walk saw, apart from its first and last days.
func checkWalk(t *testing.T, random *rand.Rand, w Windows, open []bool, first int64) {
	t.Helper()
	minute := func(i int) time.Time { return time.Unix(first+int64(i)*60, 0).UTC() }
	const from, ends = 9 * 1440, 130 * 1440
	to := len(open) - 9*1440
	var want []Span
	for i := from; i < to; i++ {
		if open[i] && !open[i-1] {
			s := Span{Start: minute(i)}
			for i < len(open) && open[i] {
				i++
			}
			s.End = minute(i)
			want = append(want, s)
		}
	}
	got := opens(w, minute(from), minute(to))
	if n := len(got); n > 0 && len(want) == n && want[n-1].End.After(minute(to)) {
		got[n-1].End = want[n-1].End
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-walk +calendar):\n%s", w, diff)
	}
	for range 50 {
		i := from + random.IntN(to-from)
		s, ok := w.At(minute(i).Add(59 * time.Second))
		if ok != open[i] {
			t.Errorf("%s: at %s %v, but the walk says %v", w, minute(i), ok, open[i])
		}
		if !ok {
			continue
		}
		start, end := i, i
		for start > 0 && open[start-1] {
			start--
		}
		for end < len(open) && open[end] {
			end++
		}
		inside := start > from && end < to && end-start < ends
		if inside && (!s.Start.Equal(minute(start)) || !s.End.Equal(minute(end))) {
			t.Errorf("%s: at %s open %v, but the walk says %s to %s", w, minute(i), s, minute(start), minute(end))
		}
	}
}

// randomWindows returns one to three windows, in one zone.
func randomWindows(t testing.TB, random *rand.Rand, zone string) Windows {
	t.Helper()
	var all []string
	for range 1 + random.IntN(3) {
		all = append(all, strings.TrimSpace(randomDays(random)+" "+randomSpan(random)+" "+zone))
	}
	return parse(t, strings.Join(all, "; "))
}
