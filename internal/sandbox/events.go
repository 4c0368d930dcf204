package sandbox

import "time"

// EventKind says what happened to a lock.
type EventKind string

// The kinds of events of foreman_dlm 4.0.0.
const (
	EventAcquire EventKind = "acquire"
	EventRelease EventKind = "release"
	EventFail    EventKind = "fail"
	EventEnable  EventKind = "enable"
	EventDisable EventKind = "disable"
)

// Event is a row of Foreman's table dlmlock_events.
type Event struct {
	Time time.Time `json:"time"`
	Kind EventKind `json:"kind"`
	Lock string    `json:"lock"`
	Host string    `json:"host"` // CN of the host that the row names: for "fail" the holder's, "" if free
	By   string    `json:"by"`   // the real caller: a host's CN, or "admin"; Foreman does not record this
}

// Events returns the event rows so far, the oldest first. They stay in this list when their lock or host is removed; in
// Foreman they would be removed too.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Event(nil), s.events...)
}

// log writes an event row. The caller holds mu.
func (s *Server) log(kind EventKind, r *row, h *host, by string) {
	s.eventID++
	e := Event{Time: time.Now(), Kind: kind, Lock: r.name, By: by}
	if h != nil {
		e.Host = h.cn
	}
	s.events = append(s.events, e)
	if s.opts.Record != nil {
		s.opts.Record(e)
	}
}

// logChange writes the rows for a change of the holder: first for the host that had the lock when the change began,
// then for the new one. The caller holds mu.
func (s *Server) logChange(r *row, was, is *host, by string) {
	if was == is {
		return
	}
	if was != nil {
		s.log(EventRelease, r, was, by)
	}
	if is != nil {
		s.log(EventAcquire, r, is, by)
	}
}
