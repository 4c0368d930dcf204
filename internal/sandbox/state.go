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

// Lock returns the lock with this name, and whether there is one; the first if there are two. Unlike the API it looks
// only at names, never at ids.
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

// SetEnabled acts as an administrator who enables or disables a lock. A missing lock is made.
func (s *Server) SetEnabled(name string, enabled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.namedOrNew(name)
	s.set(r, enabled, r.holder)
}

// SetHolder acts as an administrator who gives a lock to the host with this CN, or frees it ("" or an unknown CN). A
// missing lock is made. With Options.Guarded, a lock that another host holds stays as it is.
func (s *Server) SetHolder(name, cn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.namedOrNew(name)
	if h := s.knownHost(cn); s.taken(r, h) == nil {
		s.set(r, r.enabled, h)
	}
}

// Restore brings the locks to the state after these events, as if the server had kept its database over a restart. It
// writes no events, and ignores unknown kinds. It does not restore the hosts' ids, or names other than their CNs.
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

// Duplicate adds a second row with this name, as two first PUTs at the same time do: from then on every PUT and DELETE
// of it gets a 200 and changes nothing.
func (s *Server) Duplicate(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.namedOrNew(name)
	s.insert(name)
}

// Remove destroys all locks with this name.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := s.named(name); r != nil; r = s.named(name) {
		s.destroy(r)
	}
}

// Bar sets the host parameter can_acquire_update_locks to false, or removes it: every PUT of a barred host is refused.
// An unknown CN changes nothing.
func (s *Server) Bar(cn string, barred bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.knownHost(cn); h != nil {
		h.barred = barred
	}
}

// NameHost gives the host with this certificate CN another name, as if it was renamed. An unknown CN changes nothing.
func (s *Server) NameHost(cn, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.knownHost(cn); h != nil {
		h.name = name
	}
}

// RemoveHost deletes the record of the host with this CN: the host is unknown from then on, and its locks are free,
// without an event.
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
