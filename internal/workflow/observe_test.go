package workflow

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
)

// TestWaitsForSomethingElse: what is waited for need not be the lock. It is told, on record, and told again only if it
// changes.
func TestWaitsForSomethingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var told []string
		work := w.workflow()
		work.Observe = func(e Event) {
			if e.Kind == Waiting {
				told = append(told, e.Wait.Why)
			}
		}
		r := &run{Workflow: work, Record: state.Record{Stage: state.LockGet, RunID: "r"}}
		if err := r.save(); err != nil {
			t.Fatal(err)
		}
		since := time.Now()
		for _, why := range []string{"outside the window", "outside the window", "gate says no"} {
			r.waits(lock.Wait{Why: why, For: lock.Gate})
			time.Sleep(time.Minute) // virtual
		}
		if !slices.Equal(told, []string{"outside the window", "gate says no"}) {
			t.Errorf("told %q", told)
		}
		if wait := w.disk.Story.Waiting; wait == nil || wait.Why != "gate says no" || !wait.Since.Equal(since) {
			t.Errorf("on record: %+v", wait)
		}
		r.waits(lock.Wait{Why: "held by web3"})
		if wait := w.disk.Story.Waiting; wait.Why != "" || wait.Refusal != "held by web3" || len(told) != 3 {
			t.Errorf("on record: %+v, told %q", wait, told)
		}
		r.waits(lock.Wait{Why: "held by web4"})
		if wait := w.disk.Story.Waiting; wait.Refusal != "held by web4" || len(told) != 3 {
			t.Errorf("on record: %+v, told %q", wait, told)
		}
		if got := w.disk.Story.WaitedFor; !slices.Equal(got, []string{"gate", "lock"}) {
			t.Errorf("waited for %q", got)
		}
	})
}
