// Package sim plays whole histories of a cluster: the real workflow, the real client and the real store of several hosts
// in virtual time, with a model of Foreman, a network, disks and people that do all that they can do. One seed is
// one history. See docs/safety.md.
package sim

import (
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
)

func inBubble(t *testing.T, f func()) { synctest.Test(t, func(*testing.T) { f() }) }

// histories is how many are played: HISTORIES, or a number for every day.
func histories(t *testing.T, usual int) int {
	text := os.Getenv("HISTORIES")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("HISTORIES=%q is no number", text)
	}
	return n
}

// TestHistories: no invariant is broken, but where a request was written later than the settle time.
func TestHistories(t *testing.T) {
	n := histories(t, 2000)
	first := 0
	if text := os.Getenv("SEED"); text != "" {
		first, _ = strconv.Atoi(text)
		n = 1
	}
	var mu sync.Mutex
	var late, broken, runs, crashed, failed int
	parallel(t, first, n, func(t *testing.T, seed uint64) {
		r := simulate(t, seed, nil, false)
		mu.Lock()
		defer mu.Unlock()
		runs, crashed = runs+r.runs, crashed+r.crashed
		if r.late {
			late++
		}
		switch {
		case r.broken == "":
		case r.late:
			broken++
		case failed < 3:
			failed++
			t.Error(timeline(t, r, nil))
		default:
			failed++
			t.Errorf("seed %d: %s", seed, r.broken)
		}
	})
	t.Logf("%d histories, %d runs, %d times a host went down; in %d a request was written later than the settle time, which broke an invariant in %d",
		n, runs, crashed, late, broken)
}

// TestSameSeed: a seed is a history, line for line.
func TestSameSeed(t *testing.T) {
	parallel(t, 0, 200, func(t *testing.T, seed uint64) {
		one, two := simulate(t, seed, nil, true), simulate(t, seed, nil, true)
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
