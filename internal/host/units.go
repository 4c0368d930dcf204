package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	"github.com/coreos/go-systemd/v22/util"
)

// ErrNoSystemd says that this host does not run systemd.
var ErrNoSystemd = errors.New("systemd does not run here")

// Unit is what systemd says about a unit, in the words of systemctl(1).
type Unit struct {
	ID     string // its name; Units may have been asked for it by another name
	Load   string // loaded, masked, not-found
	Active string // active, inactive, failed
	File   string // enabled, disabled, static, masked; empty if there is none
	// Exec is what the first ExecStart= of a service runs: the program's path, and its arguments.
	Exec []string
	// Timer is when a timer fires.
	Timer Timer
}

// Timer is when a timer unit fires: see systemd.timer(5).
type Timer struct {
	Calendar []string // each OnCalendar=
	// Earliest and Latest are how long after such a moment it fires: RandomizedDelaySec= and FixedRandomDelay=.
	Earliest, Latest time.Duration
	Monotonic        bool // it also fires some time after a boot, or after it has fired
}

// Units asks systemd about units. systemd loads those that are not loaded, which changes nothing. A name with * stands
// for all loaded units that match; whatever a boot starts is loaded. The error wraps ErrNoSystemd if systemd is not
// running.
func Units(ctx context.Context, names ...string) (map[string]Unit, error) {
	if !util.IsRunningSystemd() {
		return nil, ErrNoSystemd
	}
	return askUnits(ctx, names)
}

func askUnits(ctx context.Context, names []string) (map[string]Unit, error) {
	ctx, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	conn, err := dbus.NewWithContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to systemd: %w", err)
	}
	defer conn.Close()
	units := map[string]Unit{}
	for _, name := range expanded(ctx, conn, names) {
		properties, err := conn.GetAllPropertiesContext(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("ask systemd for %s: %w", name, err)
		}
		text := func(property string) string {
			value, _ := properties[property].(string)
			return value
		}
		units[name] = Unit{ID: text("Id"), Load: text("LoadState"), Active: text("ActiveState"), File: text("UnitFileState"),
			Exec: firstCommand(properties["ExecStart"]), Timer: timer(properties)}
	}
	return units, nil
}

// expanded replaces each pattern by the units that match it. systemd before version 230 can't list them.
func expanded(ctx context.Context, conn *dbus.Conn, names []string) (all []string) {
	for _, name := range names {
		if !strings.Contains(name, "*") {
			all = append(all, name)
			continue
		}
		loaded, _ := conn.ListUnitsByPatternsContext(ctx, []string{}, []string{name})
		for _, unit := range loaded {
			all = append(all, unit.Name)
		}
	}
	return all
}

// firstCommand reads ExecStart of org.freedesktop.systemd1(5), which has the type a(sasbttttuii); nil if there is no
// command.
func firstCommand(property any) []string {
	commands, _ := property.([][]any)
	if len(commands) == 0 || len(commands[0]) < 2 {
		return nil
	}
	path, _ := commands[0][0].(string)
	args, _ := commands[0][1].([]string)
	if len(args) == 0 {
		return nil
	}
	return append([]string{path}, args[1:]...)
}

// timer reads TimersCalendar, which has the type a(sst), TimersMonotonic and the delay of org.freedesktop.systemd1(5).
func timer(properties map[string]any) (t Timer) {
	var next []uint64 // of each expression, without the delay, in microseconds
	calendar, _ := properties["TimersCalendar"].([][]any)
	for _, entry := range calendar {
		if len(entry) < 3 {
			continue
		}
		spec, isText := entry[1].(string)
		elapse, isTime := entry[2].(uint64)
		if isText && isTime {
			t.Calendar, next = append(t.Calendar, spec), append(next, elapse)
		}
	}
	monotonic, _ := properties["TimersMonotonic"].([][]any)
	t.Monotonic = len(monotonic) > 0
	delay, _ := properties["RandomizedDelayUSec"].(uint64)
	t.Latest = time.Duration(delay) * time.Microsecond
	fires, _ := properties["NextElapseUSecRealtime"].(uint64)
	if fixed, _ := properties["FixedRandomDelay"].(bool); fixed && len(next) > 0 {
		// The delay of this host is always the same, so it can be seen.
		if first := slices.Min(next); fires >= first && fires-first <= delay {
			t.Earliest = time.Duration(fires-first) * time.Microsecond
			t.Latest = t.Earliest
		}
	}
	return t
}
