package main

import (
	"fmt"
	"slices"
	"strings"
)

// locks are the locks of a kind of lock server.
type locks struct {
	fleetLock bool
	slots     []string // each lets one host update
	flags     []string // tell of failed runs, one for each slot; a FleetLock server has none
}

var (
	foreman = locks{slots: []string{lockName, lockName + ".slot2"},
		flags: []string{lockName + ".failed1", lockName + ".failed2"}}
	// One more slot, because the host that fails keeps one, and stops nobody.
	fleetLock = locks{fleetLock: true, slots: []string{"slot1", "slot2", "slot3"}}
)

// locksOf returns the locks of the lock server with this name; "": Foreman.
func locksOf(name string) (locks, error) {
	switch strings.ToLower(name) {
	case "", "foreman":
		return foreman, nil
	case "fleetlock":
		return fleetLock, nil
	}
	return locks{}, fmt.Errorf("LOCK=%s is no lock server; foreman or fleetlock would be right", name)
}

// rows are the rows of the timeline that show who holds the slots.
func (l locks) rows() (rows []string) {
	for i := range l.slots {
		rows = append(rows, fmt.Sprintf("slot%d", i+1))
	}
	return rows
}

// named gives a slot of a FleetLock server, whose events say only who has one of them, a name of its own: that of the
// slot which the host has, or of the first that is free. If the server grants too many, the name is that of the group,
// which is no slot.
func (l locks) named(e entry, holders []string) string {
	if !l.fleetLock || e.lock != lockName {
		return e.lock
	}
	slot := slices.Index(holders, e.host)
	if slot < 0 {
		slot = slices.Index(holders, "")
	}
	if slot < 0 {
		return e.lock
	}
	return l.slots[slot]
}
