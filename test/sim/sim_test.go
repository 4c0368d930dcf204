// Package sim plays whole histories of a cluster: the real workflow, the real client and the real store of several
// hosts in virtual time, with a model of Foreman, a network, disks and people that do all that they can do. One seed is
// one history. See docs/safety.md.
package sim

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
)

func inBubble(t *testing.T, f func()) { synctest.Test(t, func(*testing.T) { f() }) }

// usually is how many histories of a lock server are played where HISTORIES doesn't say it.
var usually = 300

// number reads a number from the environment.
func number(t *testing.T, key string, otherwise int) int {
	text := os.Getenv(key)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s=%q is no number", key, text)
	}
	return n
}

// servers are the lock servers to play with: the one that LOCK names, or all. Of each, one history out of so many is
// played.
func servers(t *testing.T) map[lockServer]int {
	all := map[lockServer]int{plainForeman: 1, fleetLock: 1, guardedForeman: 4}
	only := lockServer(os.Getenv("LOCK"))
	switch {
	case only == "":
		return all
	case all[only] == 0:
		t.Fatalf("LOCK=%q is no lock server: foreman, guarded or fleetlock", only)
	}
	return map[lockServer]int{only: 1}
}

// TestHistories: no invariant is broken, but where a request was written later than the settle time. SEED plays one
// history only, and shows it; FIRST is the seed of the first of many. LOCK plays with one lock server only.
func TestHistories(t *testing.T) {
	for _, asks := range slices.Sorted(maps.Keys(servers(t))) {
		t.Run(string(asks), func(t *testing.T) {
			if seed := number(t, "SEED", -1); seed >= 0 {
				t.Log(simulate(t, asks, uint64(seed), nil, true).timeline())
				return
			}
			histories(t, asks, number(t, "HISTORIES", usually)/servers(t)[asks], (*result).flaw)
		})
	}
}

// histories plays n histories, and returns what happened in them. flaw says what is wrong with one; empty: nothing.
func histories(t *testing.T, asks lockServer, n int, flaw func(*result) string) *tally {
	var mu sync.Mutex
	all := &tally{asks: asks}
	parallel(t, number(t, "FIRST", 0), n, func(t *testing.T, seed uint64) {
		r := simulate(t, asks, seed, nil, false)
		mu.Lock()
		defer mu.Unlock()
		all.add(r)
		what := flaw(&r)
		if what == "" {
			return
		}
		if all.failed++; all.failed > 3 {
			t.Errorf("seed %d: %s (LOCK=%s SEED=%d shows it)", seed, what, asks, seed)
			return
		}
		r = simulate(t, asks, seed, nil, true)
		t.Error(what, r.timeline())
	})
	t.Log(all)
	return all
}

// flaw says what is wrong with a history: a broken invariant that no late request explains.
func (r *result) flaw() string {
	switch {
	case r.late == "":
		return r.broken
	case r.asks == guardedForeman && r.twoInside != "" && !r.lateRelease:
		return "no late DELETE explains it: " + r.twoInside
	case r.overwrites != "":
		return r.overwrites
	}
	return ""
}

// TestSameSeed: a seed is a history, line for line.
func TestSameSeed(t *testing.T) {
	for asks := range servers(t) {
		t.Run(string(asks), func(t *testing.T) { sameSeed(t, asks) })
	}
}

func sameSeed(t *testing.T, asks lockServer) {
	parallel(t, 0, max(number(t, "HISTORIES", usually)/servers(t)[asks]/20, 1), func(t *testing.T, seed uint64) {
		one, two := simulate(t, asks, seed, nil, true), simulate(t, asks, seed, nil, true)
		for i := range min(len(one.events), len(two.events)) {
			if one.events[i] != two.events[i] {
				t.Fatalf("seed %d: line %d is\n%s\nand then\n%s", seed, i, one.events[i], two.events[i])
			}
		}
		if len(one.events) != len(two.events) {
			t.Fatalf("seed %d: %d lines, and then %d", seed, len(one.events), len(two.events))
		}
	})
}
