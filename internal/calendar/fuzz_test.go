package calendar

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// FuzzCalendar: nothing that is read panics or hangs, what is read is written so that it is read again as the same, and
// answers agree with each other.
func FuzzCalendar(f *testing.F) {
	for _, seed := range []string{"", "Mon..Fri 02:00-05:00; Sat 22:00-02:00", "Tue#2 01:00-04:00 Europe/Berlin", "Sun#-1",
		"00:00-24:00", "Fri..Mon,Tue#5 23:59-23:58 Pacific/Apia\nMonday", "Mon-Fri 2am-5am", "02:30-03:00 Europe/Berlin",
		"Sun 01:30-02:00 Australia/Lord_Howe", "2026-12-18 .. 2027-01-06              end of year",
		"2026-11-27 08:00 .. 2026-11-30 20:00 Europe/Berlin   sales weekend",
		"2026-12-24 and/or\n# x\n2026-10-25 02:30..\u2013",
		"2026-12-18T08:00", "06:00", "tomorrow 06:00", "Mon 06:00", "2026-12-01T06:00:00+01:00", "90s", "1w2d3h", "15",
		".5h", "in 2 days", "1 hour 30 min", "6 pm"} {
		f.Add(seed, int64(1790000000))
	}
	f.Add("Sun 02:00-03:00 Europe/Berlin", time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC).Unix())
	f.Add("Thu 22:00-02:00; Fri Pacific/Apia", time.Date(2011, 12, 30, 9, 59, 59, 0, time.UTC).Unix())
	f.Fuzz(func(t *testing.T, text string, unix int64) {
		if len(text) > 200 {
			return
		}
		const year = 366 * 24 * 60 * 60
		now := time.Unix(unix%(300*year), unix&0xffff).UTC()
		checkWindows(t, text, now)
		checkFreezes(t, text)
		if at, err := ParseTime(text, now, time.UTC); (err == nil) != at.After(now) {
			t.Errorf("ParseTime: %s, %v at %s", at, err, now)
		}
		if d, err := ParseDuration(text); (err == nil) != (d > 0) {
			t.Errorf("ParseDuration: %s, %v", d, err)
		}
		if better, ok := GuessDuration(text); ok {
			if _, err := ParseDuration(better); err != nil {
				t.Errorf("GuessDuration: %v", err)
			}
		}
		BeginsWindow(text)
	})
}

func checkWindows(t *testing.T, text string, now time.Time) {
	t.Helper()
	w, err := ParseWindows(text)
	if err != nil {
		return
	}
	again, err := ParseWindows(w.String())
	if err != nil || again.String() != w.String() {
		t.Fatalf("%q is written as %q and read as %q, %v", text, w, again, err)
	}
	for i, w := range w.all {
		if w.days != again.all[i].days || w.start != again.all[i].start || w.end != again.all[i].end {
			t.Fatalf("%q is read again as %q", w, again)
		}
	}
	at, open := w.At(now)
	if open && (at.Start.After(now) || !at.End.After(now)) {
		t.Errorf("%s is open at %s: %v", w, now, at)
	}
	next, opens := w.Next(now)
	if !opens {
		return
	}
	if !next.Start.After(now) || !next.End.After(next.Start) || open && !next.Start.After(at.End) {
		t.Errorf("%s opens after %s (%v): %v", w, now, at, next)
	}
	if again, ok := w.At(next.Start); !ok || !cmp.Equal(again, next) {
		t.Errorf("%s: next %v, and then open %v, %v", w, next, again, ok)
	}
	if _, ok := w.At(next.Start.Add(-1)); ok {
		t.Errorf("%s: open before %v", w, next)
	}
	if s, ok := w.At(next.End); ok {
		t.Errorf("%s: %v does not end: %v", w, next, s)
	}
	if !open {
		return
	}
	if s, ok := w.At(at.End); ok {
		t.Errorf("%s: %v does not end: %v", w, at, s)
	}
}

func checkFreezes(t *testing.T, text string) {
	t.Helper()
	freezes, _ := ParseFreezes("FILE", text)
	for _, freeze := range freezes {
		if !freeze.End.After(freeze.Start) {
			t.Errorf("%v ends before it begins", freeze)
		}
		again, err := ParseFreezes("FILE", strings.TrimSpace(freeze.When+" "+freeze.Reason))
		if len(again) == 1 {
			again[0].Where = freeze.Where
		}
		if diff := cmp.Diff([]Freeze{freeze}, again); diff != "" || err != nil {
			t.Errorf("%q is read again as (-want +got):\n%s%v", freeze.When, diff, err)
		}
	}
}
