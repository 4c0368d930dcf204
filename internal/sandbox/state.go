package sandbox

import "time"

// Row is a lock as the database has it.
type Row struct {
	ID        int
	Name      string
	Holder    string // CN of the host that holds it, "" when it is free
	Enabled   bool
	UpdatedAt time.Time
}

// Lock returns the lock of this name, and whether there is one; of two rows
// of a name the first. Unlike the API it looks at names only, never at ids.
func (s *Server) Lock(name string) (Row, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.named(name)
	if r == nil {
		return Row{}, false
	}
	out := Row{ID: r.id, Name: r.name, Enabled: r.enabled, UpdatedAt: r.updated}
	if r.holder != nil {
		out.Holder = r.holder.cn
	}
	return out, true
}

// SetEnabled is an administrator who enables or disables a lock, which is
// made if there is none.
func (s *Server) SetEnabled(name string, enabled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.namedOrNew(name)
	s.set(r, enabled, r.holder)
}

// SetHolder is an administrator who gives a lock to the host with this CN, or
// frees it ("" or an unknown CN). The lock is made if there is none.
func (s *Server) SetHolder(name, cn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.namedOrNew(name)
	s.set(r, r.enabled, s.knownHost(cn))
}

// Restore makes the locks what these events left of them, as a server finds its database when it starts. It writes no events, and passes
// over kinds that it doesn't know. Hosts keep neither their ids nor other names.
func (s *Server) Restore(events []Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		switch e.Kind {
		case EventAcquire:
			s.namedOrNew(e.Lock).holder = s.knownHost(e.Host)
		case EventRelease:
			s.namedOrNew(e.Lock).holder = nil
		case EventEnable, EventDisable:
			s.namedOrNew(e.Lock).enabled = e.Kind == EventEnable
		}
	}
}

func (s *Server) namedOrNew(name string) *row {
	if r := s.named(name); r != nil {
		return r
	}
	return s.insert(name)
}

// Duplicate adds a second row of this name, as two first PUTs that meet do:
// from then on every PUT and DELETE of it is answered 200 and changes nothing.
func (s *Server) Duplicate(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.namedOrNew(name)
	s.insert(name)
}

// Remove destroys all locks of this name.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := s.named(name); r != nil; r = s.named(name) {
		s.destroy(r)
	}
}

// Bar sets the host parameter can_acquire_update_locks to false, or takes it
// away: a barred host is refused every PUT. An unknown CN is left alone.
func (s *Server) Bar(cn string, barred bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.knownHost(cn); h != nil {
		h.barred = barred
	}
}

// NameHost gives the host with this certificate CN another name, as a host
// has that was renamed. An unknown CN is left alone.
func (s *Server) NameHost(cn, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.knownHost(cn); h != nil {
		h.name = name
	}
}

// RemoveHost deletes the record of the host with this CN: it is unknown from
// then on, and what it held is free, without an event.
func (s *Server) RemoveHost(cn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[cn]
	s.hosts[cn] = nil
	for _, r := range s.rows {
		if h != nil && r.holder == h {
			r.holder = nil
		}
	}
}
