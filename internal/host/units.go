package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/coreos/go-systemd/v22/dbus"
	"github.com/coreos/go-systemd/v22/util"
)

// ErrNoSystemd says that systemd is not what runs this host.
var ErrNoSystemd = errors.New("systemd does not run here")

// Unit is what systemd says of a unit, in the words of systemctl(1).
type Unit struct {
	ID     string // its name; it may have been asked for by another
	Load   string // loaded, masked, not-found
	Active string // active, inactive, failed
	File   string // enabled, disabled, static, masked; empty if there is none
}

// Units asks systemd for units, and loads those that are not loaded: that changes nothing. The error wraps ErrNoSystemd if there is
// none.
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
	for _, name := range names {
		properties, err := conn.GetUnitPropertiesContext(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("ask systemd for %s: %w", name, err)
		}
		text := func(property string) string {
			value, _ := properties[property].(string)
			return value
		}
		units[name] = Unit{ID: text("Id"), Load: text("LoadState"), Active: text("ActiveState"), File: text("UnitFileState")}
	}
	return units, nil
}
