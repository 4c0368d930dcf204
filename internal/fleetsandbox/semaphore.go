package fleetsandbox

import (
	"slices"
	"time"

	"foreman-dlm-updater/internal/sandbox"
)

// group is a semaphore.
type group struct {
	version int    // counts the writes
	rows    []*row // one for each slot that is taken, in the order of the grants
}

// row is a slot that is taken.
type row struct {
	id     string
	drains int       // how many requests get a 202 yet
	until  time.Time // until then they get one, too
}

func (g *group) find(id string) *row {
	if i := slices.IndexFunc(g.rows, func(r *row) bool { return r.id == id }); i >= 0 {
		return g.rows[i]
	}
	return nil
}

func (g *group) holders() []string {
	var ids []string
	for _, r := range g.rows {
		ids = append(ids, r.id)
	}
	return ids
}

func (g *group) remove(r *row) {
	g.rows = slices.DeleteFunc(g.rows, func(o *row) bool { return o == r })
}

// slots returns how many slots a group has, and whether the server knows it.
func (s *Server) slots(name string) (n int, known bool) {
	switch {
	case s.dialect().OneSlot():
		return 1, true
	case s.opts.Groups != nil:
		n, known = s.opts.Groups[name]
		return n, known
	}
	return max(1, s.opts.Slots), true
}

// named returns a group, and makes it if it is new. The caller holds mu.
func (s *Server) named(name string) *group {
	g := s.groups[name]
	if g == nil {
		g = &group{}
		s.groups[name] = g
	}
	return g
}

// take is pre-reboot.
func (s *Server) take(in *request, f Fault) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, g := s.dialect(), s.named(in.group)
	slots, _ := s.slots(in.group)
	version := g.version
	if r := g.find(in.id); r != nil {
		s.dwell(in, BeforeAnswer, 0)
		return s.answerTo(r, f, true)
	}
	if len(g.rows) >= slots {
		return d.full(in.group, slots, g.holders())
	}

	if f.Kind == Replicas {
		s.dwell(in, BeforeWrite, f.Delay)
	} else {
		s.dwell(in, BeforeWrite, 0)
	}
	if a := s.refuseWrite(in, f, g, version); a != nil {
		return *a
	}
	r := s.insert(in, g, d == Consul && f.Kind != Replicas)
	s.dwell(in, BeforeAnswer, 0)
	return s.answerTo(r, f, false)
}

// refuseWrite is the answer to a request that read an older version of the group than it would overwrite; nil if the
// server writes. The caller holds mu.
func (s *Server) refuseWrite(in *request, f Fault, g *group, version int) *answer {
	var a answer
	slots, _ := s.slots(in.group)
	switch d := s.dialect(); {
	case f.Kind == Replicas, d == Consul:
		return nil
	case d == Heathcliff && len(g.rows) >= slots:
		a = d.full(in.group, slots, g.holders())
	case d != Heathcliff && g.version != version:
		a = d.lost(in.call)
	default:
		return nil
	}
	a.lost = true
	return &a
}

// insert gives the caller a slot; alone, if the server has room for one name only. The caller holds mu.
func (s *Server) insert(in *request, g *group, alone bool) *row {
	if r := g.find(in.id); r != nil {
		return r // it came twice at the same time
	}
	if alone {
		for _, r := range slices.Clone(g.rows) {
			s.drop(in.group, r.id, in.cn)
		}
	}
	r := &row{id: in.id}
	if s.dialect() == Heathcliff {
		r.drains, r.until = s.opts.Drain.Requests, time.Now().Add(s.opts.Drain.Time)
	}
	g.rows = append(g.rows, r)
	g.version++
	s.log(EventAcquire, in.group, in.id, in.cn)
	return r
}

// answerTo tells the holder of a slot that it has it, or to wait. The caller holds mu.
func (s *Server) answerTo(r *row, f Fault, again bool) answer {
	wait := f.Kind == Draining || r.drains > 0 || time.Now().Before(r.until)
	if r.drains > 0 {
		r.drains--
	}
	if wait {
		return draining()
	}
	return s.dialect().granted(again)
}

// consulTick is how often fleetlock-consul works off its list of releases (internal/server/unlock_cleaner.go). It also
// tries a release again that it could not make because another host is the holder; this stand-in does not.
const consulTick = 500 * time.Millisecond

// giveBack is steady-state.
func (s *Server) giveBack(in *request, f Fault) answer {
	switch {
	case f.Kind == EarlyRelease:
		return s.releaseLater(in, f.Delay)
	case s.dialect() == Consul:
		return s.releaseLater(in, consulTick)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d, g := s.dialect(), s.named(in.group)
	version, had := g.version, g.find(in.id) != nil
	if !had && d != Airlock {
		return d.released(in.id, false)
	}
	s.dwell(in, BeforeWrite, 0)
	if d != Heathcliff && g.version != version {
		a := d.lost(in.call)
		a.lost = true
		return a
	}
	s.drop(in.group, in.id, in.cn)
	g.version++ // airlock writes even if nothing changes
	s.dwell(in, BeforeAnswer, 0)
	return d.released(in.id, had)
}

// releaseLater answers at once, and frees the slot when the time has passed: also if the host has taken it again
// meanwhile. If the server is closed before, the slot stays taken.
func (s *Server) releaseLater(in *request, after time.Duration) answer {
	s.working.Go(func() {
		if sandbox.Pause(in.ctx, after) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.drop(in.group, in.id, in.cn)
		}
	})
	return s.dialect().released(in.id, true)
}

// drop frees the slot of a host, if it has one; by is the CN of whoever asked for it. The caller holds mu.
func (s *Server) drop(name, id, by string) {
	g := s.named(name)
	r := g.find(id)
	if r == nil {
		return
	}
	g.remove(r)
	g.version++
	s.log(EventRelease, name, id, by)
}

// forget frees all slots of a group.
func (s *Server) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range s.named(name).holders() {
		s.drop(name, id, forgetful)
	}
}

// dwell unlocks mu and waits, for the time of a gap and longer. The caller holds mu.
func (s *Server) dwell(in *request, gap Gap, longer time.Duration) {
	if s.opts.Window != nil {
		longer += s.opts.Window(in.ctx, in.id, in.call, gap)
	}
	if longer <= 0 {
		return
	}
	s.mu.Unlock()
	defer s.mu.Lock()
	sandbox.Pause(in.ctx, longer)
}

// Holders returns who has a slot of a group, in the order of the grants.
func (s *Server) Holders(group string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.named(group).holders()
}

// Slots returns how many slots a group has; 0 if the server does not know it.
func (s *Server) Slots(group string) int {
	n, _ := s.slots(group)
	return n
}

// Free acts as an administrator who frees the slot of a host.
func (s *Server) Free(group, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(group, id, admin)
}
