package workflow

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"foreman-dlm-updater/internal/state"

	"github.com/google/go-cmp/cmp"
)

// TestLeftovers: each stage that ran something looks, once, before it ends; only post_update and the reboot command's
// are kept.
func TestLeftovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.leftovers = func(keep bool) ([]Leftover, error) {
			left := Leftover{PID: 7, Command: "sleep 1000", Hook: "pre_update/20-stop"}
			if keep {
				left = Leftover{PID: 8, Command: "app -d", Scope: "app.scope"}
			}
			return []Leftover{left}, nil
		}
		if err := w.invoke(false); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"state needs_update", "hook needs_update/10-check", "leftovers keep=false", "state lock_get", "state lock_get",
			"state pre_update", "hook pre_update/20-stop", "leftovers keep=false",
			"state update", "hook update/30-upgrade", "leftovers keep=false",
			"state needs_reboot", "hook needs_reboot/40-flag", "leftovers keep=false",
			"state post_update", "hook post_update/50-start", "leftovers keep=true", "state lock_release", "state cleared",
		}
		got := w.effects("hook", "leftovers", "state")
		got = without(got, "ended")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		log := w.log.String()
		const killed = `systemd kills it when this invocation ends: hook=pre_update/20-stop command="sleep 1000" pid=7`
		const moved = `lives on: hook="unknown: its environment does not say" command="app -d" pid=8 scope=app.scope`
		if strings.Count(log, killed) != 1 || strings.Count(log, moved) != 1 {
			t.Errorf("the log says\n%s", log)
		}
	})
}

// TestLeftoversThatCannotBeKept fail post_update, with the lock kept, and nothing else; what failed before stays the
// reason.
func TestLeftoversThatCannotBeKept(t *testing.T) {
	for _, test := range []struct {
		name     string
		exit     int // of post_update's hook
		reboots  bool
		trouble  state.Stage // where it is
		want     string
		wantHeld string
	}{
		{"post_update", 0, false, state.PostUpdate, "stage post_update: no bus", "me"},
		{"a hook of post_update failed", 3, false, state.PostUpdate, "stage post_update: hook 50-start: exit 3", "me"},
		{"update", 0, false, state.Update, "", ""},
		{"reboot", 0, true, state.Reboot, "", "me"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.hooks[state.PostUpdate][0].run = exits(test.exit)
				w.hooks[state.NeedsReboot][0].run = exits(map[bool]int{true: 1}[test.reboots])
				w.leftovers = func(keep bool) ([]Leftover, error) {
					last := without(w.trace, "leftovers")
					step := last[len(last)-1]
					if step == string(test.trouble) || strings.HasPrefix(step, "hook "+string(test.trouble)) {
						return nil, errors.New("no bus")
					}
					return nil, nil
				}
				got := ""
				if err := w.invoke(false); err != nil {
					got = err.Error()
				}
				if got != test.want || w.foreman.holder() != test.wantHeld {
					t.Errorf("%q, the lock is held by %q", got, w.foreman.holder())
				}
				warned := strings.Contains(w.log.String(), "could not list or move them all: error=\"no bus\"")
				if warned == strings.Contains(got, "no bus") {
					t.Errorf("the log says\n%s", w.log)
				}
				if test.want != "" && w.stage() != state.PostUpdate {
					t.Errorf("the state is %q", w.stage())
				}
			})
		})
	}
}

func without(steps []string, part string) []string {
	var out []string
	for _, step := range steps {
		if !strings.Contains(step, part) {
			out = append(out, step)
		}
	}
	return out
}

// TestLeftoversWithoutAHook: post_update keeps what earlier stages left, also if it has no hook of its own.
func TestLeftoversWithoutAHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.hooks[state.PostUpdate] = nil
		kept := false
		w.leftovers = func(keep bool) ([]Leftover, error) { kept = kept || keep; return nil, nil }
		if err := w.invoke(false); err != nil || !kept {
			t.Errorf("%v, kept: %t", err, kept)
		}
	})
}
