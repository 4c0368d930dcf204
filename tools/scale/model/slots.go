package model

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"time"
)

// slotted plays a fleet with several slots or a failure budget, request by request. Hosts wait as Spread does.
type slotted struct {
	Fleet
	*rand.Rand
	Result
	now   time.Duration // when the server deals with a request, or a host goes on
	tasks tasks
	made  int // how many tasks were made
	slots []slot
}

type slot struct {
	holder *host         // nil: free
	freed  time.Duration // when it became free; negative: it is held, or nobody has had it yet
}

// elsewhere holds a slot for ever: a host whose run has failed, or one that takes very long.
var elsewhere = &host{}

// task is something that happens at a moment.
type task struct {
	at    time.Duration
	count int // tasks of one moment happen in the order in which they were made
	do    func()
}

type tasks []task

func (t tasks) Len() int { return len(t) }
func (t tasks) Less(i, j int) bool {
	return t[i].at < t[j].at || t[i].at == t[j].at && t[i].count < t[j].count
}
func (t tasks) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t *tasks) Push(x any)   { *t = append(*t, x.(task)) }
func (t *tasks) Pop() any {
	last := (*t)[len(*t)-1]
	*t = (*t)[:len(*t)-1]
	return last
}

func (f Fleet) runSlotted(seed uint64) Result {
	s := &slotted{Fleet: f, Rand: rand.New(rand.NewPCG(seed, 3)), slots: make([]slot, max(1, f.Slots))}
	if s.Until == 0 {
		s.Until = math.MaxInt64
	}
	for i := range s.slots {
		s.slots[i].freed = -1
		if i == 0 && f.Failed || f.Full {
			s.slots[i].holder = elsewhere
		}
	}
	for range f.Hosts {
		h := &host{slot: s.IntN(len(s.slots))}
		s.after(s.upTo(f.Begin), func() { s.round(h) })
	}
	for len(s.tasks) > 0 {
		next := heap.Pop(&s.tasks).(task)
		if next.at >= s.Until {
			break
		}
		s.now = next.at
		next.do()
	}
	return s.Result
}

func (s *slotted) after(d time.Duration, do func()) {
	s.made++
	heap.Push(&s.tasks, task{s.now + d, s.made, do})
}

func (s *slotted) upTo(d time.Duration) time.Duration { return time.Duration(s.Float64() * float64(d)) }

// request lets the server deal with a request, and the host go on with what follows.
func (s *slotted) request(n *int, then func()) {
	s.after(s.Latency/2, func() {
		*n++
		then()
	})
}

// back lets the host go on once it has the answer.
func (s *slotted) back(then func()) { s.after(s.Latency-s.Latency/2, then) }

// looks asks who holds some locks, one after the other.
func (s *slotted) looks(n int, then func()) {
	if n == 0 {
		then()
		return
	}
	s.request(&s.Gets, func() { s.back(func() { s.looks(n-1, then) }) })
}

// flagged is how many flags a host looks at.
func (s *slotted) flagged() int {
	if s.MaxFailed == 0 {
		return 0
	}
	return len(s.slots)
}

// round tries each slot once. While the budget says no, it only looks at the flags.
func (s *slotted) round(h *host) {
	if !h.overBudget {
		s.try(h, len(s.slots), false)
		return
	}
	s.looks(s.flagged(), func() {
		if h.overBudget = s.Failed; h.overBudget {
			s.pause(h)
			return
		}
		s.try(h, len(s.slots), true)
	})
}

// try looks at a slot, and claims it if it is free. left is how many slots are left in this round. withinBudget: the
// flags were looked at in this round.
func (s *slotted) try(h *host, left int, withinBudget bool) {
	s.request(&s.Gets, func() {
		free := s.slots[h.slot].holder == nil
		s.back(func() {
			switch {
			case !free:
				s.nextSlot(h, left, withinBudget)
			case withinBudget:
				s.claim(h, left)
			default:
				s.looks(s.flagged(), func() {
					if h.overBudget = s.Failed && s.MaxFailed > 0; h.overBudget {
						s.pause(h)
						return
					}
					s.claim(h, left)
				})
			}
		})
	})
}

func (s *slotted) nextSlot(h *host, left int, withinBudget bool) {
	if left == 1 {
		s.pause(h)
		return
	}
	h.slot = (h.slot + 1) % len(s.slots)
	s.try(h, left-1, withinBudget)
}

// claim sends a PUT. A host whose claim was overwritten goes on with the next slot. After a refusal it does so in the
// next round, when its claim must have settled.
func (s *slotted) claim(h *host, left int) {
	h.apart = false
	s.request(&s.Puts, func() {
		at := &s.slots[h.slot]
		if at.holder != nil {
			s.Fails++
			s.back(func() { s.looks(1, func() { s.pause(h) }) }) // one more look, to see why
			return
		}
		s.after(s.Window, func() {
			s.Acquires++
			if at.freed >= 0 {
				s.Idle = append(s.Idle, s.now-at.freed)
			}
			at.holder, at.freed = h, -1
			s.back(func() { s.after(max(s.Settle, 3*(s.Latency+s.Window)), func() { s.verify(h, left) }) })
		})
	})
}

// verify looks who has the slot.
func (s *slotted) verify(h *host, left int) {
	s.request(&s.Gets, func() {
		mine := s.slots[h.slot].holder == h
		s.back(func() {
			if !mine {
				s.nextSlot(h, left, true)
				return
			}
			s.looks(s.flagged(), func() { s.work(h) })
		})
	})
}

// work is the run of a host that has a slot.
func (s *slotted) work(h *host) {
	const stages = 5 // before pre_update, update, needs_reboot, post_update and the release
	s.looks(stages, func() {
		s.after(s.Hold/2+s.upTo(s.Hold), func() {
			s.request(&s.Deletes, func() {
				s.after(s.Window, func() {
					s.Releases++
					s.slots[h.slot] = slot{freed: s.now}
					s.Took = s.now
					s.back(func() { s.looks(1, func() {}) }) // the look afterwards
				})
			})
		})
	})
}

// pause is the wait before the next round.
func (s *slotted) pause(h *host) {
	jitter := s.Jitter
	if !h.apart {
		jitter = max(jitter, s.Interval/2)
	}
	h.apart = true
	s.after(s.Interval-jitter+s.upTo(2*jitter), func() { s.round(h) })
}
