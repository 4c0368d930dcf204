package configcheck

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"foreman-dlm-updater/internal/calendar"
	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/schedule"
)

// TestWindow: whether the timer fires inside a window, by systemd's own reckoning.
func TestWindow(t *testing.T) {
	if err := exec.Command("systemd-analyze", "calendar", "--base-time=@0", "daily").Run(); err != nil {
		if ci := os.Getenv("CI"); ci != "" && ci != "false" {
			t.Fatal(err) // nobody would notice the skip
		}
		t.Skip("NOT TESTED: systemd-analyze is not there, or older than 244")
	}
	t.Setenv("TZ", "UTC") // for systemd-analyze
	local := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = local })
	const never = "window: foreman-dlm-updater.timer fires in none of the next windows, so it begins no run: it fires at "
	const fix = "; fix it with: systemctl edit foreman-dlm-updater.timer"
	nightly := []string{"*-*-* 04:00:00"}
	hourLater := host.Timer{Calendar: nightly, Earliest: time.Hour, Latest: time.Hour}
	for name, test := range map[string]struct {
		windows string
		timer   host.Timer
		want    string
	}{
		"inside":                    {windows: "02:00-05:00 UTC", timer: host.Timer{Calendar: nightly}},
		"inside, as it opens":       {windows: "04:00-05:00 UTC", timer: host.Timer{Calendar: nightly}},
		"inside, at the last start": {windows: "02:00-04:30 UTC", timer: host.Timer{Calendar: nightly}},
		"by its delay": {windows: "05:00-06:00 UTC",
			timer: host.Timer{Calendar: nightly, Latest: 2 * time.Hour}},
		"by its fixed delay": {windows: "05:00-06:00 UTC", timer: hourLater},
		"by the second time": {windows: "22:00-23:00 UTC", timer: host.Timer{Calendar: []string{"04:00", "22:10"}}},
		"once a month":       {windows: "Tue#2 02:00-05:00 UTC", timer: host.Timer{Calendar: nightly}},
		"in another zone": {windows: "02:00-05:00 UTC",
			timer: host.Timer{Calendar: []string{"04:30 Europe/Berlin"}}},
		"in one of the next windows": {windows: "Mon 02:00-05:00 UTC; Sun 22:00-24:00 UTC",
			timer: host.Timer{Calendar: nightly}},
		"it fires by another clock": {windows: "22:00-23:00 UTC", timer: host.Timer{Calendar: nightly, Monotonic: true}},
		"no calendar":               {windows: "22:00-23:00 UTC"},
		"outside": {windows: "22:00-23:00 UTC", timer: host.Timer{Calendar: nightly},
			want: never + "*-*-* 04:00:00; the next window is from Mon 2026-11-30 22:00 to Mon 2026-11-30 23:00, and the last " +
				"run may begin at 22:30" + fix},
		"too late": {windows: "Mon 02:00-04:29 UTC", timer: host.Timer{Calendar: nightly, Latest: 2 * time.Hour},
			want: never + "*-*-* 04:00:00, and up to 2h later; the next window is from Mon 2026-12-07 02:00 to Mon 2026-12-07 " +
				"04:29, and the last run may begin at 03:59" + fix},
		"by its fixed delay, too late": {windows: "02:00-05:00 UTC", timer: hourLater,
			want: never + "*-*-* 04:00:00, and up to 1h later; the next window is from Tue 2026-12-01 02:00 to Tue 2026-12-01 " +
				"05:00, and the last run may begin at 04:30" + fix},
		"never again": {windows: "22:00-23:00 UTC", timer: host.Timer{Calendar: []string{"2020-01-01"}},
			want: never + "2020-01-01; the next window is from Mon 2026-11-30 22:00 to Mon 2026-11-30 23:00, and the last run " +
				"may begin at 22:30" + fix},
		"a window that is too short": {windows: "Tue 04:00-04:20 UTC; Wed 02:00-05:00 UTC; Fri#1 04:00-05:00 UTC",
			timer: host.Timer{Calendar: nightly},
			want: "window: no run begins in the window from Tue 2026-12-01 04:00 to Tue 2026-12-01 04:20: it is shorter than " +
				"window_last_start, 30m\nwindow: no run begins in the window from Tue 2026-12-08 04:00 to Tue 2026-12-08 04:20: " +
				"it is shorter than window_last_start, 30m"},
	} {
		h := windowHost(t, test.windows, test.timer)
		if got := strings.Join(h.advice(), "\n"); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, test.want)
		}
	}
}

// windowHost is a host whose timer begins runs of the configuration that is checked.
func windowHost(t *testing.T, windows string, timer host.Timer) *testHost {
	h := newTestHost(t)
	var err error
	if h.Config.Windows, err = calendar.ParseWindows(windows); err != nil {
		t.Fatal(err)
	}
	h.Config.WindowLastStart = 30 * time.Minute
	unit := h.units[timerUnit]
	unit.Timer = timer
	h.units[timerUnit] = unit
	h.units[serviceUnit] = host.Unit{ID: serviceUnit, Load: "loaded", File: "static",
		Exec: []string{program, "-c", h.Config.Path, "run"}}
	others := h.command
	h.command = func(ctx context.Context, name string, args ...string) (string, error) {
		if name != "systemd-analyze" {
			return others(ctx, name, args...)
		}
		out, err := exec.CommandContext(ctx, name, args...).Output()
		return string(out), err
	}
	return h
}

// TestWindowUnknown: where nobody can tell whether the timer fires inside a window, nothing is said.
func TestWindowUnknown(t *testing.T) {
	for name, change := range map[string]func(h *testHost){
		"the service is not known": func(h *testHost) { delete(h.units, serviceUnit) },
		"it has another configuration": func(h *testHost) {
			h.units[serviceUnit] = host.Unit{ID: serviceUnit, Load: "loaded", Exec: []string{program, "run"}}
		},
		"it is a wrapper": func(h *testHost) {
			h.units[serviceUnit] = host.Unit{ID: serviceUnit, Load: "loaded", Exec: []string{"/bin/sh", "-c", "x"}}
		},
		"an old systemd-analyze": func(h *testHost) {
			h.command = func(_ context.Context, name string, _ ...string) (string, error) {
				return "", errors.New("unrecognized option '--base-time'")
			}
		},
		"another answer": func(h *testHost) {
			h.command = func(context.Context, string, ...string) (string, error) { return "Next elapse: soon\n", nil }
		},
	} {
		h := windowHost(t, "22:00-23:00 UTC", host.Timer{Calendar: []string{"*-*-* 04:00:00"}})
		change(h)
		if got := h.advice(); len(got) > 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestNextElapse(t *testing.T) {
	for said, want := range map[string]string{
		" Original form: daily\n   Next elapse: Sun 2026-11-29 00:00:00 UTC\n      From now: 3h\n":   "2026-11-29 00:00:00",
		"   Next elapse: Sat 2027-01-16 04:00:00 CET\n      (in UTC): Sat 2027-01-16 03:00:00 UTC\n": "2027-01-16 03:00:00",
		"    Next elapse: never\n":                       "never",
		"    Next elapse: Sat 2027-01-16 04:00:00 CET\n": "systemd-analyze tells no next elapse",
		"": "systemd-analyze tells no next elapse",
	} {
		next, never, err := nextElapse(said)
		got := next.Format(time.DateTime)
		if never {
			got = "never"
		} else if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s", said, got)
		}
	}
}

// TestFreezes: what keeps every run from beginning is an error, and a freeze that is over may be a mistake.
func TestFreezes(t *testing.T) {
	h := newTestHost(t)
	c := h.Config
	c.FreezeDir = h.dir + "/freeze.d"
	check := func() string {
		t.Helper()
		if !hasSchedule(c) {
			return "no check"
		}
		found := h.checkFreezes(t.Context(), c)
		text := found.Fine
		switch {
		case found.Err != nil:
			var unfit *config.Error
			if !errors.As(found.Err, &unfit) {
				t.Errorf("%T", found.Err)
			}
			text = "error: " + found.Err.Error()
		case len(found.Advice) > 0:
			text = fmt.Sprint(found.Advice)
		}
		return strings.ReplaceAll(text, h.dir, "DIR")
	}
	expect := func(want string) {
		t.Helper()
		if got := check(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	expect("no check")
	h.write("freeze.d/company", 0o644, "2026-12-18 .. 2027-01-06 UTC end of year\n2025-12-18 UTC last year\n")
	expect("no pause, 2 freezes")
	h.write("freeze.d/shop", 0o644, "2025-12-18 UTC last year\n2026-11-27 08:00 .. 2026-11-30 12:00 UTC sale\n")
	expect("[all freezes in DIR/freeze.d/shop are over, the last one since 2026-11-30 12:00; unless a year in it " +
		"is wrong, nobody needs the file; fix it with: rm DIR/freeze.d/shop]")
	h.write("freeze.d/shop", 0o644, "soon\n")
	expect(`error: DIR/freeze.d/shop:1: "soon" is not a date; 2026-12-18 would be right`)
	h.remove("freeze.d/shop")
	pause := schedule.PauseBeside(c.State)
	h.write("state/state", 0o600, "")
	if err := pause.Write(schedule.Pause{Reason: "audit", By: "anna", Until: testNow.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	expect("paused by anna: audit, 2 freezes")
	h.now = func() time.Time { return testNow.Add(time.Hour) }
	expect("no pause, 2 freezes")
	h.write("state/state.pause", 0o600, "{}")
	expect("error: read pause DIR/state/state.pause: it has no format version")
}
