package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"foreman-dlm-updater/internal/fleetsandbox"
)

// fleetLockFlags are about a server that speaks FleetLock.
type fleetLockFlags struct {
	Group     map[string]int       `mapsep:"none" placeholder:"NAME=SLOTS" help:"A group that the server knows, and its slots; repeatable. Without any, every group has one slot."`
	Dialect   fleetsandbox.Dialect `placeholder:"NAME" help:"Which server to answer as: ${dialects} (default: airlock)."`
	PlainHTTP bool                 `name:"plain-http" help:"Listen without TLS, on a loopback address only."`
}

// mustBeUnset refuses the flags that make no sense for Foreman.
func (c *fleetLockFlags) mustBeUnset() error {
	if len(c.Group) > 0 || c.Dialect != "" || c.PlainHTTP {
		return errors.New("--group, --dialect and --plain-http need --fleetlock")
	}
	return nil
}

// groupName is what the protocol allows.
var groupName = regexp.MustCompile(`^[a-zA-Z0-9.-]+$`)

// check refuses values that can't be.
func (c *fleetLockFlags) check(listen string) error {
	for name, slots := range c.Group {
		switch {
		case !groupName.MatchString(name):
			return fmt.Errorf("--group %s=%d: a group is named by letters, digits, dots and hyphens", name, slots)
		case slots < 1:
			return fmt.Errorf("--group %s=%d: slots must be a number from 1", name, slots)
		case c.Dialect.OneSlot():
			return fmt.Errorf("--group %s=%d: with --dialect %s every group has one slot", name, slots, c.Dialect)
		}
	}
	if host, _, err := net.SplitHostPort(listen); c.PlainHTTP && err == nil && !net.ParseIP(host).IsLoopback() {
		return fmt.Errorf("--plain-http listens on a loopback address such as 127.0.0.1 only, not on %q", host)
	}
	return nil
}

// asFleetLock makes the stand-in for a FleetLock server.
func (c *serveCmd) asFleetLock(out *printer, record *recorder) (standIn, error) {
	before, err := restored[fleetsandbox.Event](record)
	if err != nil {
		return standIn{}, err
	}
	if err := record.open(); err != nil {
		return standIn{}, err
	}
	var s *fleetsandbox.Server
	s = fleetsandbox.New(fleetsandbox.Options{
		Dialect:  c.Dialect,
		Groups:   c.Group,
		Window:   c.fleetLockWindow,
		Record:   func(e fleetsandbox.Event) { record.write(e) },
		Answered: func(r fleetsandbox.Request) { out.fleetLockRequest(s, r) },
	})
	s.Restore(before)
	faults, err := fleetLockFaults(c.Fault)
	for _, f := range faults {
		s.Inject(f)
	}
	return standIn{s, "groups: " + c.groups()}, err
}

// fleetLockWindow is how long a request waits in a gap.
func (c *serveCmd) fleetLockWindow(_ context.Context, _, _ string, gap fleetsandbox.Gap) time.Duration {
	if gap == fleetsandbox.BeforeWrite {
		return c.RaceWindow
	}
	return 0
}

// groups says which groups there are.
func (c *fleetLockFlags) groups() string {
	if len(c.Group) == 0 {
		return "every group has one slot"
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(c.Group)) {
		all = append(all, fmt.Sprintf("%s=%d", name, c.Group[name]))
	}
	return strings.Join(all, ", ")
}

// fleetLockFaults reads the faults on the command line.
func fleetLockFaults(texts []string) ([]fleetsandbox.Fault, error) {
	return parseFaults(texts, func(f fault) (out fleetsandbox.Fault, err error) {
		out = fleetsandbox.Fault{Times: f.times, Delay: f.delay, Location: nowhere}
		if out.Call = strings.ToLower(f.method); out.Call == "any" {
			out.Call = ""
		} else if out.Call != fleetsandbox.PreReboot && out.Call != fleetsandbox.SteadyState {
			return out, errors.New("method must be pre-reboot, steady-state or any")
		}
		if out.Kind, err = fleetsandbox.ParseFaultKind(f.kind); err != nil {
			return out, err
		}
		if only := out.Kind.Only(); only != "" && out.Call != "" && out.Call != only {
			return out, fmt.Errorf("%s is a fault of %s only", f.kind, only)
		}
		return out, nil
	})
}
