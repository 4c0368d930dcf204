// Package model computes what a fleet of hosts that want the same lock costs Foreman, how long the fleet takes, and how
// long the lock is free meanwhile. It knows the updater's requests and what each writes into Foreman's database
// (foreman_dlm 4.0.0: a fail row for each refused PUT, dlm_facets for each request). Every request takes equally long:
// the model does not say how fast Foreman answers under load. Updates are shorter than lock_refresh, and no host
// reboots. Tests in internal/cli compare the model with the real workflow, client and stand-in server.
package model

import (
	"math"
	"math/rand/v2"
	"time"
)

// Way is a way of waiting for a lock.
type Way int

const (
	// Spread: GET, then PUT once the lock is free. The first wait, and the wait after a lost claim, is spread over an
	// interval.
	Spread   Way = iota
	InStep       // the same, but every wait is the interval ± the jitter
	Original     // PUT, again after the interval; a 200 is believed at once
)

func (w Way) String() string { return [...]string{"spread", "in step", "original"}[w] }

// Fleet is a number of hosts that want one lock, once each.
type Fleet struct {
	Way
	Hosts            int
	Begin            time.Duration // all hosts begin within this time
	Interval, Jitter time.Duration
	Settle           time.Duration
	Hold             time.Duration // how long the lock is held on average; a host's time is 0.5 to 1.5 times this
	Latency          time.Duration // of a request: half before, half after the server's own time
	Window           time.Duration // between the server's look at the lock and its write
	Until            time.Duration // later requests are not counted; 0: all are counted
	Slots            int           // how many hosts may have the lock at once; 0: one
	MaxFailed        int           // the hosts have a failure budget, and look at the flags of the slots
	Failed           bool          // a host that is not of the fleet has failed, and holds the first slot and its flag
	Full             bool          // hosts that are not of the fleet hold all slots
}

// Result is what a fleet cost, and how long it took.
type Result struct {
	Gets, Puts, Deletes       int
	Acquires, Fails, Releases int // event rows
	Doubled                   int // grants that a host acted on although another host had one too
	Took                      time.Duration
	// Idle is how long the lock was free although a host wanted it, before each acquisition except the first.
	Idle []time.Duration
}

// Requests are all requests; each updates a row of dlm_facets.
func (r Result) Requests() int { return r.Gets + r.Puts + r.Deletes }

// Events are the rows that were added to dlmlock_events.
func (r Result) Events() int { return r.Acquires + r.Fails + r.Releases }

// LockWrites are the updates of rows of dlmlocks.
func (r Result) LockWrites() int { return r.Acquires + r.Releases }

// Jobs are the Dynflow jobs: one for each PUT that was granted.
func (r Result) Jobs() int { return r.Acquires }

// MeanIdle is the mean of Idle.
func (r Result) MeanIdle() time.Duration {
	var sum time.Duration
	for _, idle := range r.Idle {
		sum += idle
	}
	return sum / time.Duration(max(1, len(r.Idle)))
}

// Add adds up fleets that don't share a lock.
func (r *Result) Add(o Result) {
	r.Gets, r.Puts, r.Deletes = r.Gets+o.Gets, r.Puts+o.Puts, r.Deletes+o.Deletes
	r.Acquires, r.Fails, r.Releases = r.Acquires+o.Acquires, r.Fails+o.Fails, r.Releases+o.Releases
	r.Doubled += o.Doubled
	r.Took = max(r.Took, o.Took)
	r.Idle = append(r.Idle, o.Idle...)
}

// host is a waiting host. Times are when the server deals with a request, counted from the fleet's begin.
type host struct {
	begun, next time.Duration // next is its next look; with the original its next PUT
	apart       bool          // it has waited since it began or claimed the lock, so it is out of step with others
	slot        int           // the slot that it looks at, or has
	overBudget  bool          // the flags said that too many hosts have failed
}

type simulation struct {
	Fleet
	*rand.Rand
	Result
	hosts []*host
}

// Run runs the fleet once. The same seed gives the same history.
func (f Fleet) Run(seed uint64) Result {
	if f.Slots > 1 || f.MaxFailed > 0 || f.Full {
		return f.runSlotted(seed)
	}
	s := &simulation{Fleet: f, Rand: rand.New(rand.NewPCG(seed, 1))}
	if s.Until == 0 {
		s.Until = math.MaxInt64
	}
	for range f.Hosts {
		begin := s.upTo(f.Begin)
		s.hosts = append(s.hosts, &host{begun: begin, next: begin})
	}
	for free := time.Duration(0); len(s.hosts) > 0; {
		s.pollUntil(free)
		first := s.first()
		if first.next >= s.Until {
			break
		}
		if len(s.hosts) < f.Hosts {
			s.Idle = append(s.Idle, first.next+s.toWrite()-max(free, s.earliest()))
		}
		free = s.contend(first.next)
	}
	return s.Result
}

// upTo is a random time up to d.
func (s *simulation) upTo(d time.Duration) time.Duration {
	return time.Duration(s.Float64() * float64(d))
}

// pollUntil lets all hosts poll the lock, which is held until free.
func (s *simulation) pollUntil(free time.Duration) {
	for _, h := range s.hosts {
		for h.next < min(free, s.Until) {
			s.poll(1)
			h.next += s.wait(h) + s.Latency
			if period := s.Interval + s.Latency; s.Jitter == 0 && h.next < min(free, s.Until) { // count the rest in one step
				n := (min(free, s.Until) - h.next + period - 1) / period
				s.poll(int(n))
				h.next += n * period
			}
		}
	}
}

// poll counts requests that find the lock held.
func (s *simulation) poll(n int) {
	if s.Way == Original {
		s.Puts, s.Fails = s.Puts+n, s.Fails+n
		return
	}
	s.Gets += n
}

// wait is how long a host waits before it asks again.
func (s *simulation) wait(h *host) time.Duration {
	jitter := s.Jitter
	if s.Way == Spread && !h.apart {
		jitter = max(jitter, s.Interval/2)
	}
	h.apart = true
	return s.Interval - jitter + s.upTo(2*jitter)
}

func (s *simulation) first() *host {
	first := s.hosts[0]
	for _, h := range s.hosts {
		if h.next < first.next {
			first = h
		}
	}
	return first
}

// earliest is since when a host has wanted the lock.
func (s *simulation) earliest() time.Duration {
	begun := s.hosts[0].begun
	for _, h := range s.hosts {
		begun = min(begun, h.begun)
	}
	return begun
}

// toWrite is the time from a look that finds the lock free to the write of the claim.
func (s *simulation) toWrite() time.Duration {
	if s.Way == Original {
		return s.Window
	}
	return s.Latency + s.Window
}

// contend plays the race that begins with the first look at the free lock. Every host that looks before the claim is
// written finds the lock free too. A host whose PUT comes before that write is granted the lock too, and the last claim
// that is written wins. contend returns the time when the lock is free again.
func (s *simulation) contend(first time.Duration) (free time.Duration) {
	var waiting []*host
	var winner *host
	for _, h := range s.hosts {
		switch {
		case h.next >= first+s.toWrite() && h.next > first:
			waiting = append(waiting, h)
		case h.next > first && h.next >= first+s.Window:
			s.refused(h)
			waiting = append(waiting, h)
		case winner == nil || h.next > winner.next:
			waiting = s.beaten(waiting, winner)
			winner = h
		default:
			waiting = s.beaten(waiting, h)
		}
	}
	s.hosts = waiting
	return s.update(winner)
}

// granted counts the requests of a claim.
func (s *simulation) granted() {
	s.Puts++
	s.Acquires++
	if s.Way != Original {
		s.Gets += 2 // the look before, and the one after the settle time
	}
}

// settled is the time from a host's look to its next look, after the claim in between was granted.
func (s *simulation) settled() time.Duration {
	return 2*s.Latency + s.Window + max(s.Settle, 3*(s.Latency+s.Window))
}

// beaten adds a host to the waiting ones: its claim was granted, but another host's claim was written later. The
// original doesn't notice, and updates; its DELETE is refused.
func (s *simulation) beaten(waiting []*host, h *host) []*host {
	if h == nil {
		return waiting
	}
	s.granted()
	if s.Way == Original {
		s.Doubled++
		s.Deletes++
		s.Fails++
		return waiting
	}
	h.apart = false
	h.next += s.settled() + s.Latency + s.wait(h)
	return append(waiting, h)
}

// refused handles a host whose PUT came too late: the host looks why, and waits.
func (s *simulation) refused(h *host) {
	s.Gets += 2
	s.Puts++
	s.Fails++
	h.apart = false
	h.next += 3*s.Latency + s.wait(h)
}

// update plays the run of the host that has the lock. It returns the time when the lock is released.
func (s *simulation) update(h *host) (free time.Duration) {
	s.granted()
	hold := s.Hold/2 + s.upTo(s.Hold)
	if s.Way == Original {
		free = h.next + s.Window + s.Latency + hold + s.Window
	} else {
		const looks = 5 // before pre_update, update, needs_reboot, post_update and the release
		free = h.next + s.settled() + (looks+1)*s.Latency + hold + s.Window
		s.Gets += looks
	}
	if free >= s.Until {
		return free
	}
	s.Deletes++
	s.Releases++
	if s.Way != Original {
		s.Gets++ // the look afterwards
	}
	s.Took = free
	return free
}
