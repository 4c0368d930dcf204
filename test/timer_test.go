package test

import (
	"archive/zip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestTimerFiresEveryNight: the time in the timer exists once in each night of the next ten years, in every time zone.
// systemd leaves out a night in which the clocks skip the time (systemd.time(7)).
func TestTimerFiresEveryNight(t *testing.T) {
	unit, err := os.ReadFile("../packaging/systemd/foreman-dlm-updater.timer")
	if err != nil {
		t.Fatal(err)
	}
	schedule := regexp.MustCompile(`(?m)^OnCalendar=\*-\*-\* (\d\d:\d\d)$`).FindSubmatch(unit)
	if schedule == nil {
		t.Fatalf("the timer has no time of the day:\n%s", unit)
	}
	zones := zones(t)
	if len(zones) < 400 {
		t.Fatalf("only %d time zones are known", len(zones))
	}
	if len(without(t, "02:00", zones)) < 100 {
		t.Error("the clocks of most zones that change them skip 02:00, which is not found out")
	}
	for zone, day := range without(t, string(schedule[1]), zones) {
		t.Errorf("%s: there is not just one %s on %s", zone, schedule[1], day)
	}
}

// without has the zones in which a time of the day is missing, or comes twice, and the first day of that.
func without(t *testing.T, clock string, zones []*time.Location) map[string]string {
	t.Helper()
	at, err := time.Parse("15:04", clock)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	found := map[string]string{}
	for _, zone := range zones {
		before := time.Date(begin.Year(), begin.Month(), begin.Day(), 12, 0, 0, 0, zone)
		for range 3653 {
			noon := before.AddDate(0, 0, 1)
			if changed(before, noon) {
				for _, day := range []time.Time{before, noon} {
					y, m, d := day.Date()
					if occurrences(time.Date(y, m, d, at.Hour(), at.Minute(), 0, 0, zone), clock) != 1 {
						found[zone.String()] = day.Format(time.DateOnly)
					}
				}
			}
			before = noon
		}
	}
	return found
}

// changed reports whether the clocks were put forward or back between two times.
func changed(before, after time.Time) bool {
	_, was := before.Zone()
	_, is := after.Zone()
	return was != is
}

// occurrences counts the instants around one at which the clock shows that time. No zone changes its clock by more than
// two hours, and all do it by a multiple of half an hour.
func occurrences(around time.Time, clock string) int {
	times := 0
	for shift := -2 * time.Hour; shift <= 2*time.Hour; shift += 30 * time.Minute {
		if around.Add(shift).Format("15:04") == clock {
			times++
		}
	}
	return times
}

// zones are the time zones that Go brings.
func zones(t *testing.T) []*time.Location {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib/time/zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	var all []*time.Location
	for _, entry := range archive.File {
		if entry.FileInfo().IsDir() {
			continue
		}
		file, err := entry.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(file)
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
		zone, err := time.LoadLocationFromTZData(entry.Name, data)
		if err != nil {
			t.Fatalf("%s: %v", entry.Name, err)
		}
		all = append(all, zone)
	}
	return all
}
