// Package model computes what a fleet of hosts that want the same lock costs Foreman, how long the fleet takes, and for
// how long the lock lies free meanwhile. It knows the requests of the updater and what each writes into Foreman's
// database (foreman_dlm 4.0.0: a fail row for each refused PUT, dlm_facets for each request), and takes every request to
// last equally long: how fast a Foreman under load answers is not its business. Updates are shorter than lock_refresh,
// and nobody reboots. internal/cli holds it against the real workflow, client and stand-in server.
package model

import (
	"math"
	"math/rand/v2"
	"time"
)

// Way is a way of waiting for a lock.
type Way int

const (
	Spread   Way = iota // GET, PUT once it is free; the first wait, and the one after a lost claim, is spread over an interval
	InStep              // the same, but every wait is the interval ± the jitter
	Original            // PUT, again after the interval; a 200 is believed at once
)

func (w Way) String() string { return [...]string{"spread", "in step", "original"}[w] }

// Fleet is a number of hosts that want one lock, once each.
type Fleet struct {
	Way
	Hosts            int
	Begin            time.Duration // they begin within this time of each other
	Interval, Jitter time.Duration
	Settle           time.Duration
	Hold             time.Duration // what the stages under the lock take on average: each host's a half to one and a half of it
	Latency          time.Duration // of a request: half of it before, half after the server's own time
	Window           time.Duration // between the server's look at the lock and its write
	Until            time.Duration // what comes later is not counted; 0: all is
}

// Result is what came of it.
type Result struct {
	Gets, Puts, Deletes       int
	Acquires, Fails, Releases int // event rows
	Doubled                   int // grants that were believed although somebody else had one
	Took                      time.Duration
	Idle                      []time.Duration // how long the lock was free though somebody wanted it, before each acquisition but the first
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

// host is one that waits. Times are those at which the server deals with a request, since the fleet's begin.
type host struct {
	begun, next time.Duration // its next look; with the original its next PUT
	apart       bool          // it has waited since it began or claimed the lock, perhaps together with others
}

type simulation struct {
	Fleet
	*rand.Rand
	Result
	hosts []*host
}

// Run lets the fleet run once. One seed, one history.
func (f Fleet) Run(seed uint64) Result {
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

// upTo is a random time of at most d.
func (s *simulation) upTo(d time.Duration) time.Duration {
	return time.Duration(s.Float64() * float64(d))
}

// pollUntil lets all hosts poll the lock, which is held until then.
func (s *simulation) pollUntil(free time.Duration) {
	for _, h := range s.hosts {
		for h.next < min(free, s.Until) {
			s.poll(1)
			h.next += s.wait(h) + s.Latency
			if period := s.Interval + s.Latency; s.Jitter == 0 && h.next < min(free, s.Until) { // the rest at once
				n := (min(free, s.Until) - h.next + period - 1) / period
				s.poll(int(n))
				h.next += n * period
			}
		}
	}
}

// poll counts requests that meet a held lock.
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

// earliest is since when somebody has wanted the lock.
func (s *simulation) earliest() time.Duration {
	begun := s.hosts[0].begun
	for _, h := range s.hosts {
		begun = min(begun, h.begun)
	}
	return begun
}

// toWrite is the time from a look that sees the lock free to the write of the claim.
func (s *simulation) toWrite() time.Duration {
	if s.Way == Original {
		return s.Window
	}
	return s.Latency + s.Window
}

// contend is what happens from the first look at the free lock on: whoever looks before the claim is written sees it
// free as well. Whose PUT comes before that write is granted the lock too, and the last one to be written has it. It
// returns when the lock is free again.
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

// settled is how long after its look a host whose claim was granted looks again.
func (s *simulation) settled() time.Duration {
	return 2*s.Latency + s.Window + max(s.Settle, 3*(s.Latency+s.Window))
}

// beaten adds a host to those that wait: its claim was granted, but another's was written later. The original doesn't
// notice, and updates; its DELETE is refused.
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

// refused is a host whose PUT came too late: it looks why, and waits.
func (s *simulation) refused(h *host) {
	s.Gets += 2
	s.Puts++
	s.Fails++
	h.apart = false
	h.next += 3*s.Latency + s.wait(h)
}

// update is the run of the host that has the lock. It returns when the lock is released.
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
