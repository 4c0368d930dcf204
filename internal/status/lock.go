package status

import (
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"
)

// Lock is the lock as the lock server showed it.
type Lock struct {
	Name string `json:"name"`
	// Seen says whether the lock server showed the lock. If it did not, the next five fields mean nothing.
	Seen    bool   `json:"seen"`
	Exists  bool   `json:"exists"`
	Enabled bool   `json:"enabled"`
	Holder  string `json:"holder,omitempty"`
	Self    bool   `json:"held_by_this_host"`
	// Since is when the holder took the lock or refreshed it last: Foreman keeps one time for both.
	Since *time.Time `json:"since,omitempty"`
	// Barred: Foreman refuses this host the lock although it is free.
	Barred bool `json:"barred,omitempty"`
	// NoLook: the lock server answered, but its protocol has no way to look at a lock.
	NoLook bool `json:"no_look,omitempty"`
}

// See fills in what the lock server answered.
func (l *Lock) See(view lock.View) {
	*l = Lock{Name: l.Name, Seen: true, Exists: view.Exists, Enabled: view.Enabled, Holder: view.Holder, Self: view.Self,
		Barred: l.Barred && view.Enabled && view.Holder == ""}
	if view.Holder != "" {
		l.Since = timeOrNil(view.Since)
	}
}

// See fills in what the lock server answered. A look does not show whether the server bars this host, so Barred stays.
func (s *Status) See(view lock.View) {
	s.Lock.See(view)
	s.SetAcquired()
}

// SetAcquired fills in when the run took the lock, from the record: the server knows only the last refresh.
func (s *Status) SetAcquired() {
	if at := timeOrNil(s.story().Acquired); s.Lock.Self && at != nil {
		s.Lock.Since = at
	}
}

// SetNoLook fills in that the lock server answered, but its protocol has no way to look at a lock.
func (s *Status) SetNoLook() { s.Lock.NoLook = true }

// SetByHand fills in who has the lock by hand, since when, and the process of `lock exec` that took it; 0: none.
func (s *Status) SetByHand(who string, since time.Time, pid int) {
	s.ByHand, s.handAt, s.handPID = who, timeOrNil(since), pid
}

// SetOrigin fills in which lock server is asked, and under which name.
func (s *Status) SetOrigin(now lock.Origin) { s.origin = now }

// noLook reports whether nobody can look at the lock, even if the server answers.
func (s *Status) noLook() bool { return s.Lock.NoLook || !s.Lock.Seen && s.Wording.NoLook != "" }

// holdsWithoutRun reports whether this host holds the lock, if no run does. If nobody can look at the lock, the record
// of a lock that a person has counts.
func (s *Status) holdsWithoutRun() bool { return s.Lock.Self || s.noLook() && s.ByHand != "" }

// released is when a person released the run's lock, which the run takes again when it goes on; nil: nobody did.
func (s *Status) released() *time.Time { return timeOrNil(s.story().Released) }

// lost is when the lock server said that another host has the run's lock, which the run takes again when it goes on;
// nil: it has not.
func (s *Status) lost() *time.Time { return timeOrNil(s.story().Lost) }

// story is the story of the run; empty: there is no run, or its story is not known.
func (s *Status) story() state.Story {
	if s.Record == nil || s.Record.Story == nil {
		return state.Story{}
	}
	return *s.Record.Story
}

// HeldSince is when this host took the lock; nil: it does not hold the lock, or the time is not known. If the lock
// server did not show it, the record of the run counts, or that of a lock that a person has.
func (s *Status) HeldSince() *time.Time {
	switch {
	case s.Lock.Self:
		return s.Lock.Since
	case s.noLook() && s.ByHand != "":
		return s.handAt
	case s.Lock.Seen, !workflow.HasLock(s.Stage), s.released() != nil, s.lost() != nil:
		return nil
	}
	return timeOrNil(s.story().Acquired)
}

// OrphanSince is when this host took the lock that no run has; nil: the time is not known.
func (s *Status) OrphanSince() *time.Time {
	if s.noLook() {
		return s.handAt
	}
	return s.Lock.Since
}

// WantedSince is when the wait for the lock began; nil: no run waits, or the time is not known.
func (s *Status) WantedSince() *time.Time {
	switch {
	case !s.waits():
		return nil
	case s.WaitingSince == nil && s.Stage == state.LockGet:
		return s.StageBegan
	}
	return s.WaitingSince
}
