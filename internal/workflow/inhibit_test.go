package workflow

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/state"

	"github.com/google/go-cmp/cmp"
)

// TestInhibitor: nobody shall shut the host down from the first hook of pre_update on; before the reboot command, and
// however else the run goes on or ends, that is over.
func TestInhibitor(t *testing.T) {
	tests := []struct {
		name  string
		setup func(*world)
		want  []string
	}{
		{"a reboot", func(w *world) { w.needsReboot() },
			[]string{"hook needs_update/10-check", "inhibit shutdown", "hook pre_update/20-stop", "hook update/30-upgrade",
				"hook needs_reboot/flag", "allow shutdown", "reboot"}},
		{"nothing to do", func(w *world) { w.hooks[state.NeedsUpdate] = []fakeHook{{"10-check", exits(0)}} },
			[]string{"hook needs_update/10-check"}},
		{"a failure", func(w *world) { w.hooks[state.Update] = []fakeHook{{"30-upgrade", exits(1)}} },
			[]string{"hook needs_update/10-check", "inhibit shutdown", "hook pre_update/20-stop",
				"hook update/30-upgrade", "allow shutdown"}},
		{"resumed", func(w *world) { w.disk = &state.Record{Stage: state.Update, RunID: "run", Lock: "web"} },
			[]string{"inhibit shutdown", "hook update/30-upgrade", "hook needs_reboot/40-flag", "allow shutdown",
				"hook post_update/50-start"}},
		{"while it waits for Foreman between two stages, the host may go down", func(w *world) {
			w.disk = &state.Record{Stage: state.PreUpdate, RunID: "run", Lock: "web"}
			w.hooks[state.PreUpdate] = []fakeHook{{"20-stop", func([]string) HookResult {
				w.foreman.before = w.away(state.Update, time.Minute)
				return HookResult{}
			}}}
		}, []string{"inhibit shutdown", "hook pre_update/20-stop", "allow shutdown", "inhibit shutdown",
			"hook update/30-upgrade", "hook needs_reboot/40-flag", "allow shutdown", "hook post_update/50-start"}},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			test.setup(w)
			_ = w.invoke(false)
			got := slices.DeleteFunc(w.effects("hook", "inhibit", "allow", "reboot"),
				func(step string) bool { return strings.HasSuffix(step, " ended") })
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s:\n%s", test.name, diff)
			}
		})
	}
}
