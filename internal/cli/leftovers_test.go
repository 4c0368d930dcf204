package cli

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/workflow"

	"github.com/google/go-cmp/cmp"
)

// leftOver is a process with an environment of these words.
func leftOver(pid int, command, environ string) host.Leftover {
	return host.Leftover{PID: pid, Command: command, Environ: []byte(strings.ReplaceAll(environ, " ", "\x00"))}
}

func TestLeftovers(t *testing.T) {
	app := leftOver(7, "app -d", "A=b DLM_STAGE=post_update DLM_HOOK=50-app")
	child := leftOver(9, "app -d", "DLM_STAGE=post_update DLM_HOOK=50-app")
	bare := leftOver(8, "bare", "")
	moved := func(pid int, command, hook, scope string) workflow.Leftover {
		return workflow.Leftover{PID: pid, Command: command, Hook: hook, Scope: scope}
	}
	const appScope, bareScope = "foreman-dlm-updater-post_update-50-app-7.scope",
		"foreman-dlm-updater-unknown-hook-8.scope"
	tests := []struct {
		name   string
		keep   bool
		looks  [][]host.Leftover // the last one goes on for ever
		lookTo error             // what looking says then
		moveTo error
		want   []workflow.Leftover
		moves  []string
		err    string
	}{
		{"none", true, [][]host.Leftover{nil}, nil, nil, nil, nil, ""},
		{"only named", false, [][]host.Leftover{{app, bare}}, nil, nil,
			[]workflow.Leftover{moved(8, "bare", "", ""), moved(7, "app -d", "post_update/50-app", "")}, nil, ""},
		{"each hook's in a scope", true, [][]host.Leftover{{app, bare, child}, nil}, nil, nil,
			[]workflow.Leftover{moved(8, "bare", "", bareScope), moved(7, "app -d", "post_update/50-app", appScope),
				moved(9, "app -d", "post_update/50-app", appScope)},
			[]string{bareScope + " Left running by foreman-dlm-updater: unknown hook [8]",
				appScope + " Left running by foreman-dlm-updater: post_update/50-app [7 9]"}, ""},
		{"one more while it is moved", true, [][]host.Leftover{{app}, {child}, nil}, nil, nil,
			[]workflow.Leftover{moved(7, "app -d", "post_update/50-app", appScope),
				moved(9, "app -d", "post_update/50-app", strings.ReplaceAll(appScope, "-7", "-9"))},
			[]string{appScope + " Left running by foreman-dlm-updater: post_update/50-app [7]",
				strings.ReplaceAll(appScope, "-7", "-9") + " Left running by foreman-dlm-updater: post_update/50-app [9]"}, ""},
		{"no bus", true, [][]host.Leftover{{app}}, nil, errors.New("connect to systemd: no such file"), nil, nil,
			`post_update/50-app left "app -d" (pid 7) running, which systemd kills when this program ends: ` +
				`connect to systemd: no such file`},
		{"it ended while it was moved", true, [][]host.Leftover{{app}, nil}, nil,
			errors.New("no such process"), nil, nil, ""},
		{"no answer", true, [][]host.Leftover{{app}}, errors.New("ask systemd"), nil, nil, nil,
			`left running, and perhaps killed by systemd when this program ends: "app -d" (pid 7): ask systemd`},
		{"no look", true, [][]host.Leftover{nil}, errors.New("read the own control group"), nil, nil, nil,
			"read the own control group"},
	}
	for _, test := range tests {
		var moves []string
		looks := 0
		all, err := leftovers{
			look: func() ([]host.Leftover, error) {
				found := test.looks[min(looks, len(test.looks)-1)]
				looks++
				return found, test.lookTo
			},
			move: func(scope, description string, pids []int) error {
				if test.moveTo == nil {
					moves = append(moves, fmt.Sprint(scope, " ", description, " ", pids))
				}
				return test.moveTo
			},
		}.handle(test.keep)
		if diff := cmp.Diff(test.want, all); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
		if diff := cmp.Diff(test.moves, moves); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != test.err {
			t.Errorf("%s: error %q", test.name, got)
		}
	}
}

// TestLeftoversOfAForkBomb: it is given up, not fought for ever.
func TestLeftoversOfAForkBomb(t *testing.T) {
	pid := 1
	l := leftovers{
		look: func() ([]host.Leftover, error) { pid++; return []host.Leftover{leftOver(pid, "x", "")}, nil },
		move: func(string, string, []int) error { return nil },
	}
	if _, err := l.handle(true); err == nil || !strings.Contains(err.Error(), "faster than they can be moved") {
		t.Error(err)
	}
}

func TestUnitName(t *testing.T) {
	for text, want := range map[string]string{
		"post_update/50-app.sh": "post_update-50-app.sh", "ä b@c": "--b-c",
		strings.Repeat("x", 300): strings.Repeat("x", 150),
	} {
		if got := unitName(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
