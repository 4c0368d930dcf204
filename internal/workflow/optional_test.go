package workflow

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	"foreman-dlm-updater/internal/state"

	"github.com/google/go-cmp/cmp"
)

// withOptionalStage puts a stage with hooks, which the original did not have, before lock_get.
func withOptionalStage(t *testing.T, stage state.Stage) {
	original := table
	t.Cleanup(func() { table = original })
	table = slices.Insert(slices.Clone(table), 1,
		row{stage: stage, hooks: runAll, optional: true, next: to{done: state.LockGet}})
	table[0].next = maps.Clone(table[0].next)
	table[0].next[yes] = stage
}

// TestOptionalStage: a run passes over it where it has no hooks, and goes through it like any other where it has.
func TestOptionalStage(t *testing.T) {
	const before state.Stage = "before"
	withOptionalStage(t, before)
	for name, test := range map[string]struct {
		hooks []fakeHook
		want  []string
		kind  string
	}{
		"no hooks": {nil, []string{"state needs_update", "hook needs_update/10-check", "state lock_get"}, "ok"},
		"a hook": {[]fakeHook{{"10-x", exits(0)}},
			[]string{"state needs_update", "hook needs_update/10-check", "state before", "hook before/10-x", "state lock_get"},
			"ok"},
		"a hook that fails": {[]fakeHook{{"10-x", exits(1)}},
			[]string{"state needs_update", "hook needs_update/10-check", "state before", "hook before/10-x", "state before"},
			"failed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.hooks[before] = test.hooks
				if err := w.invoke(false); kind(err) != test.kind {
					t.Fatal(err)
				}
				got := without(w.effects("hook", "state"), "ended")
				if diff := cmp.Diff(test.want, got[:min(len(got), len(test.want))]); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}
