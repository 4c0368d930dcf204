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

// TestSlottedAgrees: request by request, the model says the same of one slot as it does in larger steps.
func TestSlottedAgrees(t *testing.T) {
	f := Fleet{Hosts: 20, Begin: 100 * time.Millisecond, Interval: time.Minute, Jitter: 15 * time.Second,
		Settle: 2 * time.Second, Hold: 10 * time.Minute, Latency: 50 * time.Millisecond, Window: 10 * time.Millisecond}
	var steps, requests Result
	for seed := range uint64(40) {
		steps.Add(f.Run(seed))
		requests.Add(f.runSlotted(seed))
	}
	for name, figures := range map[string][2]float64{
		"requests": {float64(steps.Requests()), float64(requests.Requests())},
		"events":   {float64(steps.Events()), float64(requests.Events())},
		"idle":     {steps.MeanIdle().Seconds(), requests.MeanIdle().Seconds()},
	} {
		if ratio := figures[1] / figures[0]; ratio < 0.95 || ratio > 1.05 {
			t.Errorf("%s: %.1f in steps, %.1f request by request", name, figures[0], figures[1])
		}
	}
}

// TestCostOfSlots: what docs/scale.md says of 1000 waiting hosts and four slots, whether the slots are held or a host
// has failed: a request per host, slot and interval, and those of the begin.
func TestCostOfSlots(t *testing.T) {
	f := Fleet{Hosts: 1000, Begin: 100 * time.Millisecond, Interval: time.Minute, Settle: 2 * time.Second,
		Latency: 50 * time.Millisecond, Until: 20 * time.Minute, Slots: 4, MaxFailed: 1}
	for name, change := range map[string]func(*Fleet){
		"held":   func(f *Fleet) { f.Full = true },
		"failed": func(f *Fleet) { f.Failed = true },
	} {
		f := f
		change(&f)
		atBegin := f.Hosts * (2 + f.Slots) // up to two slots, and the flags
		got, most := f.Run(1).Requests(), f.Hosts*f.Slots*20+atBegin
		if got > most || got < most*9/10 {
			t.Errorf("%s: %d requests, want %d at most", name, got, most)
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
