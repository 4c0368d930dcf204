package fleetsandbox

import "time"

// EventKind says what happened to a slot.
type EventKind string

// The kinds of events.
const (
	EventAcquire EventKind = "acquire"
	EventRelease EventKind = "release"
)

// Event is a change of a slot. In JSON it has the names of an event of package sandbox, so that whoever reads one
// record can read the other.
type Event struct {
	Time  time.Time `json:"time"`
	Kind  EventKind `json:"kind"`
	Group string    `json:"lock"`
	ID    string    `json:"host"` // whose slot it is
	By    string    `json:"by"`   // the caller's CN, "" without a certificate; or "admin", or "server" (fault Forget)
}

// Who changes slots without a request for it.
const (
	admin     = "admin"
	forgetful = "server"
)

// Events returns the events so far, the oldest first.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Event(nil), s.events...)
}

// log writes an event. The caller holds mu.
func (s *Server) log(kind EventKind, group, id, by string) {
	e := Event{Time: time.Now(), Kind: kind, Group: group, ID: id, By: by}
	s.events = append(s.events, e)
	if s.opts.Record != nil {
		s.opts.Record(e)
	}
}

// Restore brings the slots to the state after these events, as if the server had kept them over a restart. It writes no
// events, and ignores unknown kinds.
func (s *Server) Restore(events []Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		g := s.named(e.Group)
		switch held := g.find(e.ID); {
		case e.Kind == EventAcquire && held == nil:
			g.rows = append(g.rows, &row{id: e.ID})
		case e.Kind == EventRelease:
			g.remove(held)
		}
	}
}
