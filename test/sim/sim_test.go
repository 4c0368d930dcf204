// Package sim plays whole histories of a cluster: the real workflow, the real client and the real store of several
// hosts in virtual time, with a model of Foreman, a network, disks and people that do all that they can do. One seed is
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

// usually is how many histories are played where HISTORIES doesn't say it.
var usually = 2000

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

// TestHistories: no invariant is broken, but where a request was written later than the settle time. SEED plays one
// history only, and shows it; FIRST is the seed of the first of many.
func TestHistories(t *testing.T) {
	if seed := number(t, "SEED", -1); seed >= 0 {
		r := simulate(t, uint64(seed), nil, true)
		t.Log(r.timeline())
		return
	}
	var mu sync.Mutex
	var all tally
	parallel(t, number(t, "FIRST", 0), number(t, "HISTORIES", usually), func(t *testing.T, seed uint64) {
		r := simulate(t, seed, nil, false)
		mu.Lock()
		defer mu.Unlock()
		all.add(r)
		if r.broken == "" || r.late != "" {
			return
		}
		if all.failed++; all.failed > 3 {
			t.Errorf("seed %d: %s (SEED=%d shows it)", seed, r.broken, seed)
			return
		}
		t.Error(simulate(t, seed, nil, true).timeline())
	})
	t.Log(all)
}

// TestSameSeed: a seed is a history, line for line.
func TestSameSeed(t *testing.T) {
	parallel(t, 0, max(number(t, "HISTORIES", usually)/20, 1), func(t *testing.T, seed uint64) {
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
