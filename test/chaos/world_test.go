package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// world is a lock server, its hosts, and what befalls them.
type world struct {
	settings
	dir    string
	ledger *os.File
	server *server
	living []*host

	mu    sync.Mutex
	toGo  int            // kills
	count map[string]int // what happened
	small string         // the small file system, "" if there is none
	full  int            // invocations that must fail for want of space before it is emptied; 0: it isn't full
}

// settings of a world that differ from test to test.
type settings struct {
	programs string // the directory of the programs
	lock     lockServer
	hosts    int
	kills    int
	window   string
	slots    int  // more than one: there are gates that flap and pauses and, with Foreman, a failure budget of 1
	broken   int  // one update out of so many is broken, until an operator comes; 0: none
	calm     bool // no faults, no full disk, no restarts of the server
	hasty    int  // one reboot out of so many is preceded by a timer that fires too early
}

const (
	// A kill out of restartEvery restarts the server, one out of fillEvery fills the disk.
	restartEvery, fillEvery = 8, 11
	// trouble is how many kinds of faults the server has at a time.
	trouble = 5
)

func newWorld(t *testing.T, o settings) *world {
	t.Helper()
	w := &world{settings: o, dir: workDir(t), toGo: o.kills, count: map[string]int{}}
	var err error
	w.ledger, err = os.OpenFile(filepath.Join(w.dir, "ledger"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	must(t, err)
	t.Cleanup(func() { w.ledger.Close() })
	states := filepath.Join(w.dir, "states")
	must(t, os.Mkdir(states, 0o755))
	if !o.calm {
		w.mount(t, states)
	}
	w.server = &server{dir: w.dir, ledger: w.ledger.Name(),
		program: filepath.Join(o.programs, "dlm-sandbox"), window: o.window, lock: o.lock, slots: o.slots}
	// As an administrator should: two first claims that meet would break a lock's name.
	for _, name := range w.lockNames() {
		must(t, w.mark(entry{Kind: "enable", Lock: name}))
	}
	must(t, w.server.start(0))
	t.Cleanup(func() { w.server.kill() })
	for i := range o.hosts {
		w.addHost(t, o, fmt.Sprintf("web%d", i+1), filepath.Join(states, fmt.Sprintf("web%d", i+1)))
	}
	if !o.calm {
		must(t, w.restart(trouble))
	}
	return w
}

func (w *world) rules() rules {
	r := rules{slots: w.slots, gated: w.slots > 1, shared: w.lock == fleetLock,
		guarded: w.lock == guardedForeman}
	if r.gated && !r.shared {
		r.maxFailed = 1
	}
	return r
}

// lockNames are the slots, and the flags if there are any.
func (w *world) lockNames() []string {
	names := []string{"web"}
	if w.lock == fleetLock {
		return names
	}
	for k := 2; k <= w.slots; k++ {
		names = append(names, fmt.Sprintf("web.slot%d", k))
	}
	if w.rules().maxFailed > 0 {
		for _, slot := range slices.Clone(names) {
			names = append(names, flagOf(slot))
		}
	}
	return names
}

// workDir is a directory that stays if the test fails.
func workDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "chaos-")
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("ledger and logs are in %s", dir)
		} else {
			must(t, os.RemoveAll(dir))
		}
	})
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mount puts a file system that is soon full in the place of the state directories. TestMain gave us a mount namespace
// for it, if it could.
func (w *world) mount(t *testing.T, dir string) {
	t.Helper()
	if os.Getenv(inNamespace) != "" {
		must(t, unix.Mount("chaos", dir, "tmpfs", 0, "size=4m,mode=755"))
		t.Cleanup(func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
		w.small = dir
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("no small file system: the test is not root, or may not mount; CI leaves nothing out")
	}
	fmt.Fprintln(os.Stderr, "SKIPPED: no state directory gets full: the test is not root, or may not mount")
}

// addHost makes a host: certificate, configuration, hooks.
func (w *world) addHost(t *testing.T, o settings, name, states string) {
	t.Helper()
	out, err := exec.Command(w.server.program, "issue", "--dir", filepath.Join(w.dir, "ca"),
		"--foreman-url", w.server.url, name).Output()
	must(t, err)
	h := &host{world: w, name: name, dir: filepath.Join(w.dir, name), state: filepath.Join(states, "state"),
		program: filepath.Join(o.programs, "foreman-dlm-updater")}
	must(t, errors.Join(os.Mkdir(h.dir, 0o755), os.MkdirAll(states, 0o755)))
	config := "[main]\n" + string(out)
	withHooks, settings := stages, map[string]string{
		"lock_name": "web", "state": h.state, "lock": h.path("lock"), "boot_id_file": h.path("boot_id"),
		"reboot_cmd": h.path("reboot.sh"), "lock_settle": "250ms", "lock_retry_interval": "250ms",
		"lock_retry_jitter": "100ms", "lock_refresh": "400ms", "http_timeout": "500ms", "http_retries": "0",
		"log_format": "json", "loglevel": "debug",
		"lock_timeout": "2m", // if this test ends without us, so do they
	}
	rules := w.rules()
	if rules.gated {
		withHooks = append(slices.Clone(stages), gate)
		settings["gate_interval"] = "250ms"
	}
	switch {
	case rules.shared:
		maps.Copy(settings, map[string]string{"lock_server": "fleetlock", "fleetlock_url": w.server.url})
	case rules.gated:
		maps.Copy(settings, map[string]string{"lock_slots": strconv.Itoa(rules.slots),
			"max_failed": strconv.Itoa(rules.maxFailed)})
	}
	for key, value := range settings {
		config += key + " = " + value + "\n"
	}
	script, err := os.ReadFile("host/stage.sh")
	must(t, err)
	for _, stage := range withHooks {
		dir := h.path(stage + ".d")
		must(t, errors.Join(os.Mkdir(dir, 0o755), writeScript(filepath.Join(dir, "50-chaos"), script)))
		config += stage + ".d = " + dir + "\n"
	}
	script, err = os.ReadFile("host/reboot.sh")
	must(t, errors.Join(err, writeScript(h.path("reboot.sh"), script), h.write("config.ini", config),
		h.write("installed", "0\n"), h.write("boot_id", "boot 0\n"), h.offer()))
	h.log, err = os.Create(h.path("log"))
	must(t, err)
	t.Cleanup(func() { h.log.Close() })
	w.living = append(w.living, h)
}

// run lets all hosts live until the kills are used up and their runs have ended. It returns what the ledger proves.
func (w *world) run(t *testing.T, limit time.Duration) *verdict {
	t.Helper()
	ctx, giveUp := context.WithTimeout(t.Context(), limit)
	defer giveUp()
	var lives sync.WaitGroup
	ends := make([]error, len(w.living))
	for i, h := range w.living {
		lives.Go(func() {
			if ends[i] = h.live(ctx); ends[i] != nil {
				giveUp() // it may hold the lock for ever
			}
		})
	}
	lives.Wait()
	entries, err := readLedger(w.ledger.Name())
	must(t, err)
	v := prove(entries, w.rules())
	for i, h := range w.living {
		if ends[i] != nil {
			v.flaw("%s: %v", h.name, ends[i])
		}
	}
	if ctx.Err() == nil {
		v.complete(w.names())
		w.nothingLeft(v)
	}
	return v
}

func (w *world) names() (names []string) {
	for _, h := range w.living {
		names = append(names, h.name)
	}
	return names
}

// nothingLeft checks the disk and the server.
func (w *world) nothingLeft(v *verdict) {
	for _, h := range w.living {
		files, err := os.ReadDir(filepath.Dir(h.state))
		for _, file := range files {
			// these stay (host.Instance)
			if file.Name() != "state.lock" && file.Name() != "state.last" && file.Name() != "history.jsonl" {
				v.flaw("at the end %s has %s", h.name, file.Name())
			}
		}
		if err != nil {
			v.flaw("at the end: %v", err)
		}
		history, err := os.ReadFile(filepath.Join(filepath.Dir(h.state), "history.jsonl"))
		if err != nil || !jsonLines(history) {
			v.flaw("at the end the history of %s is %q, %v", h.name, history, err)
		}
	}
	if w.lock == fleetLock { // which has no way to look: its record says all
		return
	}
	out, err := w.living[0].updater("lock", "show").Output()
	if err != nil || strings.Count(string(out), " is free") != len(w.lockNames()) {
		v.flaw("at the end the server says: %s, %v", out, err)
	}
}

// jsonLines reports whether each line is a JSON value: what was killed has left no half of one.
func jsonLines(text []byte) bool {
	for line := range bytes.Lines(text) {
		if !json.Valid(line) {
			return false
		}
	}
	return true
}

// mark adds an entry of this test's own.
func (w *world) mark(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = w.ledger.Write(append(line, '\n'))
	return err
}

// happened counts something.
func (w *world) happened(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count[what]++
}

// over reports whether the kills are used up.
func (w *world) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.toGo <= 0
}

// killed counts a kill, and brings on what comes with it.
func (w *world) killed(stage string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.toGo--
	w.count["killed in "+stage]++
	switch {
	case w.toGo == 0: // from now on all goes well
		w.empty()
		return errors.Join(os.WriteFile(filepath.Join(w.dir, "calm"), nil, 0o644), w.restart(0))
	case w.toGo < 0, w.calm:
	case w.toGo%restartEvery == 0:
		w.count["server killed and restarted"]++
		return w.restart(trouble)
	case w.toGo%fillEvery == 0 && w.small != "" && w.full == 0:
		w.count["disk filled"]++
		w.full = 1 + rand.N(4)
		return w.fill()
	}
	return nil
}

func (w *world) restart(trouble int) error {
	w.server.kill()
	return w.server.start(trouble)
}

func (w *world) ballast() string { return filepath.Join(w.small, "ballast") }

// fill leaves no space on the small file system.
func (w *world) fill() error {
	f, err := os.Create(w.ballast())
	if err != nil {
		return err
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("fill the disk: %w", err)
	}
	return nil
}

// empty gives the space back.
func (w *world) empty() {
	if w.small != "" {
		_ = os.Remove(w.ballast())
	}
	w.full = 0
}

// noSpace takes note of an invocation that found no space. After some the disk is emptied.
func (w *world) noSpace() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count["invocations that found no space"]++
	if w.full--; w.full == 0 {
		w.empty()
	}
}

// account is what happened, for people.
func (w *world) account(v *verdict) string {
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(w.count)) {
		fmt.Fprintf(&b, "%5d %s\n", w.count[what], what)
	}
	fmt.Fprintf(&b, "%5d runs finished\n%5d guarded stages begun\n%5d hooks cut short\n%5d reboots asked for and made\n"+
		"%5d claims answered with yes\n%5d of them overwritten by another's\n",
		v.finished, v.intervals, v.interrupted, v.rebooted, v.claims, v.overwritten)
	if w.rules().gated {
		fmt.Fprintf(&b, "%5d refusals by a gate after the claim\n%5d gates too slow to answer\n%5d flags raised\n"+
			"%5d runs begun beside another one\n%5d hosts inside at most\n",
			v.refusals, v.unanswered, v.flags, v.beside, v.most)
	}
	fmt.Fprintf(&b, "%5d flaws\n", len(v.flaws))
	return b.String()
}
