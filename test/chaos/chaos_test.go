// Package chaos runs real updaters on eight hosts against a real lock server, kills them all the time, fills their
// disks, breaks their updates, pauses them and restarts the server. It proves by what hooks and server wrote down that
// no more hosts worked at once than there are slots, none began when it might not, no run was lost, and no lock and no
// flag was left behind.
//
// The hosts are directories and their reboots a new boot id; the programs, their processes, TLS, files and signals are
// real. How often it kills is in KILLS; without it, it does just enough to see that it works.
package chaos

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inNamespace in the environment says that this process has a mount namespace of its own.
const inNamespace = "CHAOS_IN_NAMESPACE"

func TestMain(m *testing.M) {
	if os.Geteuid() == 0 && os.Getenv(inNamespace) == "" {
		again := exec.Command("/proc/self/exe", os.Args[1:]...)
		again.Args[0] = os.Args[0]
		again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
		again.Env = append(os.Environ(), inNamespace+"=1")
		// Mounts vanish with it, and it ends with us: this is the main thread, which lives as long as the process.
		again.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
		err := again.Run()
		var exit *exec.ExitError
		if err == nil || errors.As(err, &exit) {
			os.Exit(again.ProcessState.ExitCode())
		}
	}
	os.Exit(m.Run())
}

// kills is how many processes are to be killed, and whether somebody has asked for it.
func kills(t *testing.T) (n int, asked bool) {
	t.Helper()
	text := os.Getenv("KILLS")
	if text == "" {
		return 8, false
	}
	n, err := strconv.Atoi(text)
	must(t, err)
	return n, true
}

// build builds the programs into a directory of their own. overlay maps source files to what is to be compiled instead.
func build(t *testing.T, overlay map[string]string) string {
	t.Helper()
	// Look at each source file: go test repeats an old result ("cached") until something changes that the test itself has
	// looked at. What the compiler reads doesn't count.
	for _, sources := range []string{"../../cmd", "../../internal"} {
		must(t, filepath.WalkDir(sources, func(_ string, _ fs.DirEntry, err error) error { return err }))
	}
	dir := t.TempDir()
	text, err := json.Marshal(map[string]any{"Replace": overlay})
	must(t, err)
	file := filepath.Join(dir, "overlay.json")
	must(t, os.WriteFile(file, text, 0o644))
	cmd := exec.Command("go", "build", "-buildvcs=false", "-overlay", file, "-o", dir+"/",
		"foreman-dlm-updater/cmd/foreman-dlm-updater", "foreman-dlm-updater/cmd/dlm-sandbox")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// lockServers are the lock servers to run with: the one that LOCK names, Foreman if kills are asked for, else all.
func lockServers(t *testing.T) []lockServer {
	only := lockServer(os.Getenv("LOCK"))
	_, asked := kills(t)
	switch {
	case only == "" && asked:
		return []lockServer{plainForeman}
	case only == "":
		return []lockServer{plainForeman, fleetLock} // a guarded Foreman is the same with fewer races
	case misfortunes[only] == nil:
		t.Fatalf("LOCK=%q is no lock server: foreman, guarded or fleetlock", only)
	}
	return []lockServer{only}
}

// withEach runs a test with each lock server; at the same time if nobody has asked for kills, since they mostly wait.
func withEach(t *testing.T, f func(*testing.T, lockServer)) {
	if _, asked := kills(t); !asked {
		t.Parallel()
	}
	for _, lock := range lockServers(t) {
		t.Run(string(lock), func(t *testing.T) {
			if _, asked := kills(t); !asked {
				t.Parallel()
			}
			f(t, lock)
		})
	}
}

// TestKills is the proof, with three slots, gates, pauses and, if there are any, flags.
func TestKills(t *testing.T) {
	n, asked := kills(t)
	hosts := 8
	if !asked {
		hosts = 4
	}
	withEach(t, func(t *testing.T, lock lockServer) {
		v := prevail(t, settings{lock: lock, hosts: hosts, kills: n, slots: 3, broken: 6})
		few := v.refusals == 0 || v.maxFailed > 0 && v.flags == 0 || v.beside == 0
		if asked && n >= 300 && few {
			t.Error("it proves little: no gate refused after the claim, no flag was raised, or no two hosts were ever inside")
		}
	})
}

// TestKillsPlain is the proof with nothing but one lock, as most clusters have it.
func TestKillsPlain(t *testing.T) {
	n, asked := kills(t)
	hosts := 8
	if !asked {
		hosts = 2
	}
	withEach(t, func(t *testing.T, lock lockServer) {
		prevail(t, settings{lock: lock, hosts: hosts, kills: (n + 3) / 4, slots: 1})
	})
}

// prevail lets a world live, in which all that can go wrong does.
func prevail(t *testing.T, s settings) *verdict {
	t.Helper()
	s.programs, s.window, s.hasty = build(t, nil), "20ms", 3
	w := newWorld(t, s)
	v := w.run(t, 10*time.Minute+time.Duration(s.kills)*2*time.Second)
	t.Logf("what happened:\n%s", w.account(v))
	for _, flaw := range v.flaws {
		t.Error(flaw)
	}
	if v.finished < len(w.living) {
		t.Errorf("only %d runs were finished", v.finished)
	}
	return v
}

// mistake is a change to the program that the proof must notice.
type mistake struct {
	name         string
	file         string
	right, wrong string
	settings
	flaw string
}

var mistakes = []mistake{
	{"no settle time", "internal/foreman/lock.go", "return max(l.Settle, 3*l.api.Slowest())", "return 1",
		settings{window: "150ms", hosts: 4}, " while "},
	{"no look at the boot", "internal/workflow/resume.go",
		"case rebootAsked && !r.Asked.Boot.Same(r.boot):", "case rebootAsked:", settings{hosts: 2, kills: 30},
		"inside reboot"},
	{"a stage not written down", "internal/state/store.go", "\tr.Format = Format\n",
		"\tr.Format = Format\n\tif r.Stage == Update {\n\t\treturn nil\n\t}\n", settings{hosts: 2, kills: 30},
		"after update"},
	{"no second look at the gate", "internal/workflow/begin.go", "lock.Verified:\n\t\tif wait, err := r.gates(ctx, true);",
		"lock.Verified:\n\t\tif wait, err := (lock.Wait{}), error(nil);", settings{hosts: 3, slots: 2},
		"its gate has not said yes"},
	{"a slot kept after a refusal", "internal/foreman/take.go", "if !t.Asked() || t.holder == notUs {", "if true {",
		settings{hosts: 8, slots: 3, kills: 60}, "which has said no, and has kept web"},
	{"the budget looked at only before the claim", "internal/workflow/begin.go",
		"wait, err := r.budget(ctx); wait.Why", "wait, err := (lock.Wait{}), error(nil); wait.Why",
		settings{hosts: 8, slots: 3, kills: 60, broken: 1}, "were up before it looked"},
	{"a slot of a FleetLock server kept after a refusal", "internal/fleetlock/take.go",
		"if !t.Asked() || t.notOurs {", "if true {", settings{lock: fleetLock, hosts: 4, slots: 3, kills: 60},
		"which has said no, and has kept web of web"},
}

// overlay writes the file with the mistake in it, for build.
func (m mistake) overlay(t *testing.T) map[string]string {
	t.Helper()
	path, err := filepath.Abs("../../" + m.file)
	must(t, err)
	text, err := os.ReadFile(path)
	must(t, err)
	if n := strings.Count(string(text), m.right); n != 1 {
		t.Fatalf("%s has changed: %q is in it %d times, not once. Fix the table mistakes", m.file, m.right, n)
	}
	mutant := filepath.Join(t.TempDir(), "mutant.go")
	must(t, os.WriteFile(mutant, []byte(strings.Replace(string(text), m.right, m.wrong, 1)), 0o644))
	return map[string]string{path: mutant}
}

// TestMistakesCanBeMade: the lines that TestMistakes changes are still there. `make test` leaves TestMistakes out.
func TestMistakesCanBeMade(t *testing.T) {
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) { m.overlay(t) })
	}
}

// TestMistakes: the proof fails for a program that is wrong.
func TestMistakes(t *testing.T) {
	if _, asked := kills(t); !asked {
		t.Skip("a part of `make chaos`: it takes minutes (KILLS is not set)")
	}
	for _, m := range mistakes {
		m.lock = cmp.Or(m.lock, plainForeman)
		if !slices.Contains(lockServers(t), m.lock) {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			m.programs, m.calm, m.hasty = build(t, m.overlay(t)), true, 1
			m.slots, m.window = max(m.slots, 1), cmp.Or(m.window, "1ms")
			w := newWorld(t, m.settings)
			v := w.run(t, time.Minute)
			first := slices.IndexFunc(v.flaws, func(flaw string) bool { return strings.Contains(flaw, m.flaw) })
			if first < 0 {
				t.Fatalf("not found: %q is not among %d flaws:\n%s\n%s", m.flaw, len(v.flaws), strings.Join(v.flaws, "\n"),
					w.account(v))
			}
			t.Logf("found: %s", v.flaws[first])
		})
	}
}
