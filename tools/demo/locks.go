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

// named returns the name of the slot that an event is about. A FleetLock server's events name only the group and the
// host: the slot is the one that the host has, or else the first that is free. If the server grants too many, named
// returns the group, which is no slot.
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
