package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
)

// systemd1 makes a stand-in for systemd that has one unit. A test may change it under unitLock.
func systemd1(t *testing.T, path dbus.ObjectPath, unit map[string]dbus.Variant) {
	t.Helper()
	conn, err := dbus.ConnectSystemBus()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	properties := map[string]any{"GetAll": func(string) (map[string]dbus.Variant, *dbus.Error) {
		unitLock.Lock()
		defer unitLock.Unlock()
		return maps.Clone(unit), nil
	}}
	if err := conn.ExportMethodTable(properties, path, "org.freedesktop.DBus.Properties"); err != nil {
		t.Fatal(err)
	}
	list := func(states, patterns []string) ([]systemd.UnitStatus, *dbus.Error) {
		if len(states) > 0 || !slices.Equal(patterns, []string{"a*.service"}) {
			return nil, dbus.MakeFailedError(fmt.Errorf("states %q, patterns %q", states, patterns))
		}
		return []systemd.UnitStatus{{Name: "a.timer", Path: "/", JobPath: "/"}}, nil
	}
	const top, manager = "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"
	if err := conn.ExportMethodTable(map[string]any{"ListUnitsByPatterns": list}, top, manager); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName("org.freedesktop.systemd1", dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
}

var unitLock sync.Mutex

// execStart is a command of a service, as systemd shows it on the bus: org.freedesktop.systemd1(5).
type execStart struct {
	Path                                         string
	Argv                                         []string
	IgnoreFailure                                bool
	Began, BeganMonotonic, Ended, EndedMonotonic uint64
	PID                                          uint32
	Code, Status                                 int32
}

// calendarTimer and monotonicTimer are the triggers of a timer.
type calendarTimer struct {
	Base, Spec string
	Next       uint64
}

type monotonicTimer struct {
	Base         string
	Offset, Next uint64
}

func TestUnits(t *testing.T) {
	systemBus(t)
	unit := map[string]dbus.Variant{
		"Id": dbus.MakeVariant("b.timer"), "LoadState": dbus.MakeVariant("loaded"),
		"ActiveState":   dbus.MakeVariant("inactive"),
		"UnitFileState": dbus.MakeVariant("enabled"), "Job": dbus.MakeVariant(uint32(7)),
	}
	systemd1(t, "/org/freedesktop/systemd1/unit/a_2etimer", unit)
	want := Unit{ID: "b.timer", Load: "loaded", Active: "inactive", File: "enabled"}
	ask := func(names ...string) {
		t.Helper()
		units, err := askUnits(t.Context(), names)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]Unit{"a.timer": want}, units); diff != "" {
			t.Error(diff)
		}
	}
	ask("a.timer")
	ask("a*.service")
	ask("a.timer", "other*.service") // systemd before 230 answers with an error
	unitLock.Lock()
	unit["ExecStart"] = dbus.MakeVariant([]execStart{
		{Path: "/bin/a", Argv: []string{"b", "-c", "d"}},
		{Path: "/bin/c", Argv: []string{"c"}},
	})
	unitLock.Unlock()
	want.Exec = []string{"/bin/a", "-c", "d"}
	ask("a.timer")
	unitLock.Lock()
	unit["TimersCalendar"] = dbus.MakeVariant([]calendarTimer{{"OnCalendar", "*-*-* 04:00:00", 9_000_000},
		{"OnCalendar", "Mon *-*-* 05:00:00", 70_000_000}})
	unit["TimersMonotonic"] = dbus.MakeVariant([]monotonicTimer{})
	unit["RandomizedDelayUSec"] = dbus.MakeVariant(uint64(7200_000_000))
	unit["NextElapseUSecRealtime"] = dbus.MakeVariant(uint64(69_000_000))
	unitLock.Unlock()
	want.Timer = Timer{Calendar: []string{"*-*-* 04:00:00", "Mon *-*-* 05:00:00"}, Latest: 2 * time.Hour}
	ask("a.timer")
	unitLock.Lock()
	unit["FixedRandomDelay"] = dbus.MakeVariant(true)
	unit["TimersMonotonic"] = dbus.MakeVariant([]monotonicTimer{{"OnBootUSec", 1, 2}})
	unitLock.Unlock()
	want.Timer.Earliest, want.Timer.Latest, want.Timer.Monotonic = time.Minute, time.Minute, true
	ask("a.timer")
	unitLock.Lock()
	unit["NextElapseUSecRealtime"] = dbus.MakeVariant(uint64(0)) // it is not waiting
	unitLock.Unlock()
	want.Timer.Earliest, want.Timer.Latest = 0, 2*time.Hour
	ask("a.timer")
	if _, err := askUnits(t.Context(), []string{"c.timer"}); err == nil ||
		!strings.HasPrefix(err.Error(), "ask systemd for c.timer: ") {
		t.Errorf("of a unit that it doesn't answer for: %v", err)
	}
}

// TestUnitsOfASilentBus: if the bus does not answer, there is soon an error.
func TestUnitsOfASilentBus(t *testing.T) {
	silent, err := net.Listen("unix", filepath.Join(t.TempDir(), "silent"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+silent.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := askUnits(ctx, []string{"a.timer"}); err == nil {
		t.Error("it is no error")
	}
}

func TestSynchronised(t *testing.T) {
	for maxError, want := range map[int64]bool{0: true, 15_999_999: true, 16_000_000: false, 16_000_001: false} {
		if got := synchronised(maxError); got != want {
			t.Errorf("%d us: %v", maxError, got)
		}
	}
	if _, err := ClockSynchronised(); err != nil && !errors.Is(err, os.ErrPermission) {
		t.Error(err)
	}
}

func TestFree(t *testing.T) {
	dir := t.TempDir()
	space, err := Free(dir)
	if err != nil || space.Bytes == 0 || space.Device == 0 {
		t.Errorf("%+v, %v", space, err)
	}
	if below, err := Free(filepath.Dir(dir)); err != nil || below.Device != space.Device {
		t.Errorf("%+v, %v, %+v", below, err, space)
	}
	if _, err := Free(dir + "/missing"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
