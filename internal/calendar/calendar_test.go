package calendar

import (
	"strings"
	"testing"
	"time"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func parse(t testing.TB, text string) Windows {
	t.Helper()
	w, err := ParseWindows(text)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// opens returns the spans that start in a time, as Next gives them, in RFC 3339 with a zone's offsets.
func opens(t testing.TB, w Windows, from, to time.Time) []string {
	t.Helper()
	var all []string
	for at := from.Add(-1); ; {
		s, ok := w.Next(at)
		if !ok || !s.Start.Before(to) {
			return all
		}
		all = append(all, s.Start.Format("2006-01-02 15:04-07 ")+s.End.Format("2006-01-02 15:04-07"))
		at = s.Start
	}
}

func TestOpens(t *testing.T) {
	for _, test := range []struct {
		name, zone, window, day string
		want                    string // joined with newlines, for the three days from the day before
	}{
		{"plain", "Europe/Berlin", "Mon 02:00-05:00", "2026-11-30", "2026-11-30 02:00+01 2026-11-30 05:00+01"},
	} {
		t.Run(test.name, func(t *testing.T) {
			z := zone(t, test.zone)
			day, err := time.ParseInLocation(time.DateOnly, test.day, z)
			if err != nil {
				t.Fatal(err)
			}
			w := parse(t, test.window+" "+test.zone)
			got := strings.Join(opens(t, w, day.AddDate(0, 0, -1), day.AddDate(0, 0, 2)), "\n")
			if got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}
