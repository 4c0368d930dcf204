package sandbox

import (
	"fmt"
	"net/http"
	"time"
)

// act does the controller's part, once the caller is known.
func (s *Server) act(in *request, to target, who caller) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	reading := in.method == http.MethodGet || in.method == http.MethodHead
	switch {
	case who.viewer && reading:
		return denied("Missing one of the required permissions: view_dlmlocks", "view_dlmlocks")
	case who.viewer && to.what == allLocks:
		return denied("Missing one of the required permissions: create_dlmlocks", "create_dlmlocks")
	case who.viewer:
		return denied("Missing one of the required permissions: edit_dlmlocks", "edit_dlmlocks")
	case to.what == eventsOf:
		return notFound("dlmlock_event", "") // even if the lock exists: Foreman wants its id
	case to.what == allLocks && reading:
		return notRecorded()
	case to.what == allLocks:
		return s.create(in)
	case reading:
		return s.show(in, to.name, who.host)
	case to.what == oneLock:
		return s.administer(in, to.name)
	case who.host == nil:
		if _, a := s.findOrCreate(in, to.name); a != nil { // Foreman makes the lock before it misses the host
			return *a
		}
		return denied("You need to authenticate with a valid client cert. The DN has to match a known host.")
	}
	return s.change(in, to.name, who.host)
}

// notRecorded answers calls of administrators that nobody recorded: no answer is better than an invented one.
func notRecorded() answer {
	return *failure(http.StatusNotImplemented,
		"This call was not recorded, and the stand-in server does not know its answer")
}

func (s *Server) show(in *request, name string, h *host) answer {
	r := s.find(in, name)
	if r == nil {
		return notFound("dlmlock", name)
	}
	return showLock(r.body(h))
}

// change is a PUT or DELETE from a host, as in acquire! and release! of foreman_dlm 4.0.0 (dlmlock.rb:93-105).
// `where(query).update` is first a SELECT for a lock that is enabled and free or the host's own, and then an UPDATE by
// id alone, of the columns that differ from what the SELECT saw. So whoever updates last has the lock, but each host is
// told that it has it. Then the lock is read again, and callbacks run for the changes since the lookup. The caller
// holds mu; each gap unlocks it.
func (s *Server) change(in *request, name string, h *host) answer {
	r, a := s.findOrCreate(in, name)
	if a != nil {
		return *a
	}
	if in.method == http.MethodPut && h.barred {
		return refused(idOf(r))
	}
	if r == nil {
		return s.noSuchRow()
	}
	found := r.holder
	s.dwell(in, BeforeCheck)
	if s.destroyed(r) {
		return notFound("dlmlock", name) // not recorded
	}
	if !r.enabled || r.holder != nil && r.holder != h {
		s.log(EventFail, r, found, h.cn)
		return refused(idOf(r))
	}

	was := r.holder
	s.dwell(in, BeforeWrite)
	if s.destroyed(r) {
		return notFound("dlmlock", name) // not recorded
	}
	if s.invalid(r) {
		return showLock(r.body(nil))
	}
	var will *host
	if in.method == http.MethodPut {
		will = h
	}
	if was != will {
		if a := s.taken(r, will); a != nil {
			return *a
		}
		r.holder = will
		s.logChange(r, was, will, h.cn)
	}
	r.updated = time.Now()
	s.dwell(in, BeforeAnswer)
	if s.destroyed(r) {
		return notFound("dlmlock", name) // not recorded
	}
	if missesHost(in.method, found, r.holder) {
		return *failure(http.StatusInternalServerError, unexpected)
	}
	return showLock(r.body(nil))
}

// missesHost reports whether a callback runs for a host that is nil, after the change is written (dlmlock.rb:133): PUT
// has no old host for "unlock" (:116), and DELETE no new one for "lock" (:120). This happens if another host takes or
// releases the lock between the lookup (holder: found) and the second reading (holder: now).
func missesHost(method string, found, now *host) bool {
	switch {
	case now == found:
		return false
	case method == http.MethodPut:
		return found != nil
	}
	return now != nil
}

// noSuchRow is the answer if a lock could not be made: the event "fail" has no lock to belong to. The caller holds mu.
func (s *Server) noSuchRow() answer {
	s.eventID++
	now := time.Now().UTC().Format("2006-01-02 15:04:05.000000")
	return *failure(http.StatusInternalServerError, fmt.Sprintf(
		"PG::NotNullViolation: ERROR:  null value in column \"dlmlock_id\" of relation \"dlmlock_events\" "+
			"violates not-null constraint\n"+
			"DETAIL:  Failing row contains (%d, null, fail, null, 1, %s, %s).\n", s.eventID, now, now))
}

func idOf(r *row) *int {
	if r == nil {
		return nil
	}
	id := r.id
	return &id
}
