package calendar

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// forSystemd writes when a window starts as systemd.time(7) has it. It knows neither #2 nor lists of alternatives, so
// the window has either weekdays or one weekday of the month, which are days counted from an end of the month. From
// the end it counts up to 28 days, so #-5 can't be asked; TestNth has it.
func forSystemd(t *testing.T, w window) string {
	t.Helper()
	date := "*-*-*"
	days := w.days
	for weekday, nth := range w.days.nth {
		for n := 1; n < 10; n++ {
			switch {
			case nth&(1<<n) == 0:
				continue
			case n == 5:
				date = "*-*-29..31"
			case n < 5:
				date = fmt.Sprintf("*-*-%02d..%02d", 7*n-6, 7*n)
			default:
				date = fmt.Sprintf("*-*~%02d..%02d", 7*(n-5)-6, 7*(n-5))
			}
			days = w.days
			days.nth = [7]uint16{}
			days.every = 1 << weekday
		}
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %02d:%02d:00", days, date, w.start/60, w.start%60))
}

// oracleZones are zones whose clocks change in all ways, and some whose don't.
var oracleZones = []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC",
	"America/Nuuk", "America/St_Johns", "Antarctica/Troll", "Africa/Casablanca", "Europe/Dublin", "America/Havana",
	"Asia/Kolkata"}

// randomStart returns a window that systemd can start, and whose spans do not touch each other.
func randomStart(t *testing.T, random *rand.Rand, zone string) Windows {
	t.Helper()
	days := strings.ReplaceAll(randomDays(random), "#-5", "#-1")
	if strings.Contains(days, "#") {
		items := strings.Split(days, ",")
		days = items[slices.IndexFunc(items, func(item string) bool { return strings.Contains(item, "#") })]
	}
	w := parse(t, strings.TrimSpace(days+" "+randomSpan(random)+" "+zone))
	w.all[0].end = min(w.all[0].end, w.all[0].start+18*60)
	return w
}

// TestAgainstSystemd: windows start when systemd would start a timer, apart from the days on which a clock changes.
// There, each difference must be one of those that are named here, and which the tables cover.
func TestAgainstSystemd(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if ci := os.Getenv("CI"); ci != "" && ci != "false" {
			t.Fatal(err) // nobody would notice the skip
		}
		t.Skip("NOT TESTED: systemd-analyze is not installed, so starts are not compared with systemd's")
	}
	const calls, expressions, starts = 125, 80, 3
	random := rand.New(rand.NewPCG(3, 4))
	differences := map[string]int{}
	compared := 0
	for range calls {
		name := oracleZones[random.IntN(len(oracleZones))]
		base := time.Date(1990+random.IntN(47), 1, 1, 0, random.IntN(366*24*60), 0, 0, time.UTC)
		if _, change := base.In(zoneOf(t, name)).ZoneBounds(); !change.IsZero() {
			switch random.IntN(3) {
			case 0: // in the days before the clock changes
				base = change.Add(-time.Duration(random.IntN(2*24*60)) * time.Minute).UTC()
			case 1: // close to the change
				base = change.Add(time.Duration(random.IntN(180)-90) * time.Minute).UTC()
			}
		}
		var windows []Windows
		var asked []string
		for range expressions {
			w := randomStart(t, random, name)
			windows = append(windows, w)
			asked = append(asked, forSystemd(t, w.all[0]))
		}
		answers := askSystemd(t, name, base, starts, asked)
		for i, w := range windows {
			theirs, ok := answers[asked[i]]
			switch {
			case !ok:
				checkGivenUp(t, w, base, starts, differences)
			case len(theirs) != starts:
				t.Errorf("systemd says %v to %q from %s on", theirs, asked[i], base)
			default:
				compareStarts(t, w, base, theirs, differences)
			}
			compared++
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d expressions compared; differences: %v", compared, differences)
	for _, known := range []string{skippedStart, secondStart, putBackInto, secondIsInner} {
		if differences[known] == 0 { // the other two are flaws of systemd 252 that others may not have
			t.Errorf("the difference %q never came up, so it is not tested", known)
		}
	}
}

const (
	skippedStart  = "the start is skipped: systemd leaves the day out, a window opens at the next moment"
	secondStart   = "the start comes twice: systemd elapses once, a window opens each time"
	putBackInto   = "the clock is put back into the window: it opens once more"
	secondIsInner = "the start comes twice: systemd was asked in between, the window is still open from the first"
	afterSkip     = "a time just after midnight is skipped: systemd leaves out a start soon after it, a window opens"
	givenUp       = "the start is skipped: systemd finds an infinite loop and gives up, a window opens at the next moment"
)

// checkGivenUp wants one of the first starts to be one that is skipped.
func checkGivenUp(t *testing.T, w Windows, base time.Time, starts int, differences map[string]int) {
	t.Helper()
	differences[givenUp]++
	at := base
	for range starts {
		next, _ := w.Next(at)
		if whyOnlyOurs(w.all[0], next.Start) == skippedStart {
			return
		}
		at = next.Start
	}
	t.Errorf("%s from %s on: systemd gives up although the clock skips no start until %s", w, base, at)
}

// compareStarts compares the starts of a window up to systemd's last one, and counts differences by kind.
func compareStarts(t *testing.T, w Windows, base time.Time, theirs []time.Time, differences map[string]int) {
	t.Helper()
	var ours []time.Time
	for _, s := range opens(w, base.Add(1), theirs[len(theirs)-1].Add(1)) {
		ours = append(ours, s.Start.UTC())
	}
	for _, at := range ours {
		if slices.ContainsFunc(theirs, at.Equal) {
			continue
		}
		if why := whyOnlyOurs(w.all[0], at); why != "" {
			differences[why]++
			continue
		}
		t.Errorf("%s from %s on: only the calendar starts at %s\nours   %v\ntheirs %v", w, base, at, ours, theirs)
	}
	for _, at := range theirs {
		if slices.ContainsFunc(ours, at.Equal) {
			continue
		}
		if _, open := w.At(at.Add(-1)); open && isTwice(w.all[0], at) {
			differences[secondIsInner]++
			continue
		}
		t.Errorf("%s from %s on: only systemd starts at %s\nours   %v\ntheirs %v", w, base, at, ours, theirs)
	}
}

// shows returns the minutes since midnight that the clock of a window shows.
func shows(w window, t time.Time) int { return t.In(w.zone).Hour()*60 + t.In(w.zone).Minute() }

// isTwice reports whether the clock shows a window's start at t and showed it not long before.
func isTwice(w window, t time.Time) bool {
	for back := time.Minute; back <= 3*time.Hour; back += time.Minute {
		if shows(w, t.Add(-back)) == w.start {
			return shows(w, t) == w.start
		}
	}
	return false
}

// whyOnlyOurs names the difference that a start is which systemd doesn't have, or returns "".
func whyOnlyOurs(w window, t time.Time) string {
	if shows(w, t) == w.start {
		if isTwice(w, t) {
			return secondStart
		}
		for back := range 2 * 60 {
			at := t.Add(-time.Duration(back) * time.Minute)
			before, after := shows(w, at.Add(-time.Minute))+1, shows(w, at)
			if after > before && before <= 30 {
				return afterSkip
			}
		}
		return ""
	}
	before, after := shows(w, t.Add(-time.Minute))+1, shows(w, t)
	jump := (after - before + 1440) % 1440 // forward, if it is not most of a day
	switch {
	case jump > 0 && jump <= 120 && (w.start-before+1440)%1440 < jump:
		return skippedStart
	case jump >= 1440-120 && (after-w.start+1440)%1440 < w.end-w.start:
		return putBackInto
	}
	return ""
}

// askSystemd returns the first starts after base of each expression that systemd did not give up. The zone is in the
// environment, since systemd-analyze starts a process for each start of an expression with a zone.
func askSystemd(t *testing.T, zone string, base time.Time, starts int, expressions []string) map[string][]time.Time {
	t.Helper()
	args := []string{"calendar", fmt.Sprintf("--iterations=%d", starts),
		"--base-time=" + base.Format(time.DateTime) + " UTC"}
	ask := exec.Command("systemd-analyze", append(args, expressions...)...)
	ask.Env = append(ask.Environ(), "TZ="+zone, "LC_ALL=C")
	var stderr bytes.Buffer
	ask.Stderr = &stderr
	out, err := ask.Output()
	if err != nil && strings.Count(stderr.String(), "\n") != 2*strings.Count(stderr.String(), "Infinite loop") {
		t.Fatalf("%s: %v\n%s", ask, err, stderr.String())
	}
	answers := map[string][]time.Time{}
	expression := "" // the original form, or the normalized one if there is no other
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		name, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), ": ")
		switch {
		case name == "":
			expression = ""
		case name == "Original form", name == "Normalized form" && expression == "":
			expression = value
			answers[expression] = nil // asked twice, it is answered twice
		case name == "(in UTC)" || zone == "UTC" && (name == "Next elapse" || strings.HasPrefix(name, "Iter")):
			at, err := time.Parse("Mon 2006-01-02 15:04:05 MST", value)
			if err != nil {
				t.Fatal(err)
			}
			answers[expression] = append(answers[expression], at)
		}
	}
	return answers
}
