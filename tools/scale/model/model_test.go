package model

import (
	"testing"
	"time"
)

// TestMoreHostsLessIdle: the time that a lock is free goes down as more hosts wait for it, with no more requests than
// hosts make that ask in step. In step it doesn't go down, so the test does measure something.
func TestMoreHostsLessIdle(t *testing.T) {
	mean := func(way Way, hosts int) (idle time.Duration, requests int) {
		f := Fleet{Way: way, Hosts: hosts, Begin: 100 * time.Millisecond, Interval: time.Minute, Settle: 2 * time.Second,
			Hold: 10 * time.Minute, Latency: 50 * time.Millisecond, Window: 10 * time.Millisecond}
		var sum Result
		for seed := range uint64(40) {
			sum.Add(f.Run(seed))
		}
		return sum.MeanIdle(), sum.Requests()
	}
	before := time.Minute
	for _, hosts := range []int{3, 10, 30, 100, 300} {
		idle, requests := mean(Spread, hosts)
		if idle >= before*3/4 {
			t.Errorf("%d hosts: idle for %s, fewer hosts for %s", hosts, idle, before)
		}
		before = idle
		inStep, atMost := mean(InStep, hosts)
		if inStep < 20*time.Second || inStep > 40*time.Second {
			t.Errorf("%d hosts in step: idle for %s, want about half an interval", hosts, inStep)
		}
		if float64(requests) > 1.02*float64(atMost) {
			t.Errorf("%d hosts: %d requests, in step %d", hosts, requests, atMost)
		}
	}
}

// TestLoneHost: 10 requests per update, and nothing to wait for.
func TestLoneHost(t *testing.T) {
	f := Fleet{Hosts: 1, Interval: time.Minute, Settle: 2 * time.Second, Hold: time.Minute, Latency: time.Millisecond}
	if r := f.Run(1); r.Requests() != 10 || r.Events() != 2 || r.Puts != 1 || r.Deletes != 1 || len(r.Idle) != 0 {
		t.Errorf("%+v", r)
	}
}
