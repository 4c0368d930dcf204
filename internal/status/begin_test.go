package status

import (
	"strings"
	"testing"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/outcome"
	"foreman-dlm-updater/internal/state"

	"github.com/google/go-cmp/cmp"
)

// TestMayNotBegin is every answer to the questions that a run asks before it takes the lock, in every state in which it
// matters.
func TestMayNotBegin(t *testing.T) {
	at := time.Date(2026, 11, 22, 2, 14, 3, 0, time.Local)
	evening := time.Date(2026, 11, 22, 22, 12, 0, 0, time.Local)
	before := at.Add(-3 * time.Hour)
	free, held := lock.View{Exists: true, Enabled: true}, lock.View{Exists: true, Enabled: true, Holder: "web3", Since: at}
	own := lock.View{Exists: true, Enabled: true, Holder: "web1", Self: true, Since: at}
	by := func(name string) lock.View { return lock.View{Exists: true, Enabled: true, Holder: name, Since: at} }
	gaveUp := func(stage state.Stage, why string) *outcome.Outcome {
		return &outcome.Outcome{Ended: at, Result: outcome.NotNow, Exit: 75, Since: at, First: at, Error: why,
			Next: "what to do", Stage: stage}
	}
	failed := &state.Record{Stage: state.Update, RunID: "r", Flags: []state.Flag{{Name: "web.failed1", Set: true}},
		Error: &state.Error{Time: at, Stage: state.Update, Hook: "50-apt", Message: "exit 100"}}
	notRaised := *failed
	notRaised.Flags = []state.Flag{{Name: "web.failed1"}}
	noUpdate := &state.Record{Stage: state.NeedsUpdate, RunID: "r",
		Error: &state.Error{Time: at, Stage: state.NeedsUpdate, Hook: "10-apt", Message: "exit 75"}}
	waits := func(question lock.Question, why string) *state.Record {
		return &state.Record{Stage: state.LockGet, RunID: "r", Lock: "web", Story: &state.Story{
			Waiting: &state.Waiting{Since: before, For: string(question), Why: why}}}
	}
	slot2 := waits("", "")
	slot2.Lock = "web.slot2"
	const paused = "paused by anna: database migration"
	pause := &Pause{Reason: "database migration", By: "anna", Why: paused}
	type look struct {
		running  bool
		record   *state.Record
		last     *outcome.Outcome
		pause    *Pause
		no       *No
		view     *lock.View
		slots    []lock.View
		flags    []lock.View
		max      int
		blockers []lock.View
	}
	tests := []struct {
		name string
		look look
		code Code
		want string
	}{
		{"paused", look{no: &No{lock.Pause, paused, &before, &evening}, pause: pause, view: &free}, NotNow,
			"no run begins now: paused by anna: database migration (until 22:12); lock web is free"},
		{"paused for ever", look{no: &No{lock.Pause, paused, &before, nil}, pause: pause, view: &held}, NotNow,
			"no run begins now: paused by anna: database migration (until `foreman-dlm-updater unpause`); " +
				"lock web held by web3 since 02:14"},
		{"frozen, and Foreman was not asked", look{no: &No{lock.Freeze, "frozen: end of year", nil, nil}}, NotNow,
			"no run begins now: frozen: end of year"},
		{"the last run was refused for the same reason",
			look{no: &No{lock.Window, "outside the maintenance window", nil, &evening}, view: &free,
				last: gaveUp("", "outside the maintenance window (until 2026-11-22 22:12)")}, NotNow,
			"no run begins now: outside the maintenance window (until 22:12); lock web is free"},
		{"the last run was refused, and may begin now",
			look{view: &free, last: gaveUp("", "outside the maintenance window (until 2026-11-22 02:15)")}, NotNow,
			"gave up 02:14: outside the maintenance window (until 2026-11-22 02:15); lock web is free; what to do"},
		{"the last run waited over the end of the window",
			look{no: &No{lock.Window, "outside the maintenance window", nil, &evening}, view: &free,
				last: gaveUp(state.LockGet, "outside the maintenance window (until 2026-11-22 22:12)")}, NotNow,
			"gave up 02:14 in stage lock_get: outside the maintenance window (until 2026-11-22 22:12); lock web is free; " +
				"what to do"},
		{"the last run waited, and the host has been paused since",
			look{no: &No{lock.Pause, paused, nil, &evening}, view: &free,
				last: gaveUp(state.LockGet, "outside the maintenance window")}, NotNow,
			"gave up 02:14 in stage lock_get: outside the maintenance window; no run begins now: paused by anna: " +
				"database migration (until 22:12); lock web is free; what to do"},
		{"the last run waited, and the pause has ended", look{view: &free, last: gaveUp(state.LockGet, paused)}, NotNow,
			"gave up 02:14 in stage lock_get: paused by anna: database migration; lock web is free; what to do"},

		{"out of service, failed and paused",
			look{record: failed, pause: pause, view: &own}, Failed,
			"stage update failed 02:14 in 50-apt (exit 100), lock kept, flag web.failed1 up; fix it, then " +
				"`foreman-dlm-updater run`; paused by anna: database migration (until `foreman-dlm-updater unpause`): " +
				"this run goes on to its end, and no new one begins"},
		{"failed, and somebody freed its slot", look{record: failed, view: &free}, Failed,
			"stage update failed 02:14 in 50-apt (exit 100), but lock web is free, and flag web.failed1 was raised for this " +
				"host; fix it, then `foreman-dlm-updater run`"},
		{"failed, somebody freed its slot, and the flag is not up", look{record: &notRaised, view: &free}, Failed,
			"stage update failed 02:14 in 50-apt (exit 100), but lock web is free; fix it, then `foreman-dlm-updater run`"},
		{"failed, and the flag is not up", look{record: &notRaised, view: &own}, Failed,
			"stage update failed 02:14 in 50-apt (exit 100), lock kept; fix it, then `foreman-dlm-updater run`"},
		{"failed before the lock, and frozen",
			look{record: noUpdate, no: &No{lock.Freeze, "frozen: sales", nil, nil}, view: &free}, Failed,
			"stage needs_update failed 02:14 in 10-apt (exit 75); lock web is free; fix it, or let the next " +
				"`foreman-dlm-updater run` try again; no run begins now: frozen: sales"},
		{"an orphan, and paused", look{no: &No{lock.Pause, paused, nil, &evening}, view: &own}, Orphan,
			"no run in progress, but lock web held by this host since 02:14: it was taken by hand, by a run that was " +
				"forgotten (state clear) or of another configuration of this host, or by another machine with this " +
				"certificate; once this host is in service and nobody needs it, `foreman-dlm-updater lock release`; " +
				"no run begins now: paused by anna: database migration (until 22:12)"},

		{"a gate says no", look{running: true, record: waits(lock.Gate, "gate ceph: HEALTH_WARN"), view: &free}, Waiting,
			"waiting 3 h: gate ceph: HEALTH_WARN; lock web is free"},
		{"a run that waits knows itself what for",
			look{running: true, record: waits(lock.Gate, "gate ceph: HEALTH_WARN"), view: &free,
				slots: []lock.View{held}, flags: []lock.View{held}, max: 1, blockers: []lock.View{held}}, Waiting,
			"waiting 3 h: gate ceph: HEALTH_WARN; lock web is free"},
		{"an invocation that was killed while a gate said no",
			look{record: waits(lock.Gate, "gate ceph: HEALTH_WARN"), view: &free}, Interrupted,
			"stage lock_get was not finished (a signal, a crash or a power cut) and nothing runs; lock web is free; " +
				"go on with `foreman-dlm-updater run`"},

		{"a host has failed", look{view: &held, slots: []lock.View{held}, flags: []lock.View{held}, max: 1}, NotNow,
			"no run begins now: stopped: 1 failure is allowed, and web3 has failed (since 2026-11-22 02:14); lock web held by " +
				"web3 since 02:14"},
		{"fewer hosts have failed than may",
			look{view: &held, slots: []lock.View{held, free}, flags: []lock.View{held, free}, max: 2}, Idle,
			"nothing to do: no run in progress; lock web: 1 of 2 slots is free; the rest is held by web3"},
		{"a pause comes first",
			look{no: &No{lock.Pause, paused, nil, &evening}, view: &held, slots: []lock.View{held}, flags: []lock.View{held},
				max: 1}, NotNow,
			"no run begins now: paused by anna: database migration (until 22:12); lock web held by web3 since 02:14"},
		{"a lock of blocked_by is held", look{view: &free, blockers: []lock.View{own, held}}, NotNow,
			`no run begins now: blocked by lock "b2", which web3 holds (since 2026-11-22 02:14); lock web is free`},
		{"the failures come before blocked_by",
			look{view: &held, slots: []lock.View{held}, flags: []lock.View{held}, max: 1, blockers: []lock.View{held}}, NotNow,
			"no run begins now: stopped: 1 failure is allowed, and web3 has failed (since 2026-11-22 02:14); lock web held by " +
				"web3 since 02:14"},

		{"all slots are free", look{view: &free, slots: []lock.View{free, free, free}}, Idle,
			"nothing to do: no run in progress; lock web: all 3 slots are free"},
		{"one slot is free, one is disabled",
			look{view: &held, slots: []lock.View{held, {Exists: true}, {}}}, Idle,
			"nothing to do: no run in progress; lock web: 1 of 3 slots is free; the rest is held by web3; " +
				"disabled in Foreman: 1"},
		{"it waits for a slot", look{running: true, record: slot2, view: &held,
			slots: []lock.View{by("web2"), held}}, Waiting,
			"waiting 3 h for a slot of lock web: 0 of 2 slots are free: held by web2, web3"},
		{"an orphan in another slot", look{view: &free, slots: []lock.View{free, own}}, Orphan,
			"no run in progress, but lock web.slot2 held by this host since 02:14: it was taken by hand, by a run that was " +
				"forgotten (state clear) or of another configuration of this host, or by another machine with this " +
				"certificate; once this host is in service and nobody needs it, `foreman-dlm-updater lock release`"},

		{"its own flag is up", look{view: &free, slots: []lock.View{free}, flags: []lock.View{own}, max: 1}, Idle,
			"nothing to do: no run in progress; lock web is free; flag web.failed1 is up for this host (since 02:14), but no " +
				"run is on record: other hosts count it as failed; once it is well, `foreman-dlm-updater lock release`"},
		{"an administrator freed only the slot",
			look{view: &free, slots: []lock.View{free, by("web4")}, flags: []lock.View{by("web2"), by("web4")}, max: 3}, Idle,
			"nothing to do: no run in progress; lock web: 1 of 2 slots is free; the rest is held by web4; " +
				"flag web.failed1 is left behind " +
				"by web2 (since 02:14), whose slot is free: once that host is well, free the flag in Foreman " +
				"(Monitor > Distributed Locks)"},
		{"and another host has that slot, and waits",
			look{running: true, record: waits(lock.Budget, "stopped: 1 failure is allowed, and web2 has failed"), view: &held,
				slots: []lock.View{held}, flags: []lock.View{by("web2")}, max: 1}, Waiting,
			"waiting 3 h: stopped: 1 failure is allowed, and web2 has failed; lock web held by web3 since 02:14; flag " +
				"web.failed1 is left behind by web2 (since 02:14), whose slot is held by web3: once that host is well, free " +
				"the flag in Foreman (Monitor > Distributed Locks)"},
	}
	schema := schema(t)
	for _, test := range tests {
		look := test.look
		s := Status{Running: look.running, At: at, Lock: Lock{Name: "web"}, Wording: wording, No: look.no, Pause: look.pause}
		s.SetRecord(look.record)
		if look.last != nil {
			s.SetLast(*look.last)
		}
		if look.view != nil {
			s.See(*look.view)
		}
		names := func(all ...string) []string { return all }
		if look.slots != nil {
			s.SetSlots(names("web", "web.slot2", "web.slot3")[:len(look.slots)], look.slots)
		}
		if look.flags != nil {
			s.SetFlags(names("web.failed1", "web.failed2")[:len(look.flags)], look.flags, look.max)
		}
		s.SetBlockers(names("b1", "b2")[:len(look.blockers)], look.blockers)
		s.Say(at)
		if s.Code != test.code || s.Sentence != test.want {
			t.Errorf("%s: %s: %s", test.name, s.Code, cmp.Diff(test.want, s.Sentence))
		}
		if err := schema.Validate(asJSON(t, s)); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// TestStale: a host is named if it has not refreshed its lock for twice as long as it should.
func TestStale(t *testing.T) {
	at := time.Date(2026, 11, 22, 2, 14, 3, 0, time.Local)
	view := func(holder string, ago time.Duration) lock.View {
		return lock.View{Exists: true, Enabled: true, Holder: holder, Self: holder == "web1", Since: at.Add(-ago)}
	}
	names := []string{"web", "web.slot2", "web.slot3", "web.slot4"}
	s := Status{At: at, Stage: state.LockGet, Lock: Lock{Name: "web"}}
	s.See(view("web2", 2*time.Hour))
	const web2 = "web2 has not refreshed lock web for 2 h: nothing runs there, or the host is gone"
	if diff := cmp.Diff([]string{web2}, s.Stale(time.Hour)); diff != "" {
		t.Error(diff)
	}
	s.SetSlots(names, []lock.View{view("web2", 2*time.Hour), view("web3", 119*time.Minute), view("web1", 9*time.Hour), {}})
	if diff := cmp.Diff([]string{web2}, s.Stale(time.Hour)); diff != "" {
		t.Error(diff)
	}
	if all := s.Stale(0); all != nil {
		t.Errorf("nobody refreshes, and yet %s", strings.Join(all, ", "))
	}
}

// TestFlagLeftSince is what the check counts.
func TestFlagLeftSince(t *testing.T) {
	at := time.Date(2026, 11, 22, 2, 14, 3, 0, time.Local)
	by := func(holder string, ago time.Duration) lock.View {
		return lock.View{Exists: true, Enabled: true, Holder: holder, Since: at.Add(-ago)}
	}
	s := Status{At: at, Lock: Lock{Name: "web"}}
	if since := s.FlagLeftSince(); since != nil {
		t.Error(since)
	}
	s.SetSlots([]string{"web", "web.slot2", "web.slot3"}, []lock.View{{}, {}, by("web4", time.Hour)})
	s.SetFlags([]string{"web.failed1", "web.failed2", "web.failed3"},
		[]lock.View{by("web2", time.Hour), by("web3", 2*time.Hour), by("web4", 3*time.Hour)}, 9)
	if since := s.FlagLeftSince(); since == nil || !since.Equal(at.Add(-2*time.Hour)) {
		t.Error(since)
	}
}
