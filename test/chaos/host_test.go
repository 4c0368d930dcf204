package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// host is a directory that plays a host, and the updater that is started there again and again.
type host struct {
	world   *world
	name    string
	dir     string
	state   string
	program string
	log     *os.File
	version int // that is offered
	boots   int
	// failures is how often the updater must still fail until an operator fixes what is broken.
	failures int
	paused   bool // perhaps
	// leftFlag: a run finished, and could not lower its flag. The next one does.
	leftFlag bool

	// Of the invocation that runs, or was the last:
	stage string
	said  map[string]bool // its messages
	error string          // what it stopped for
}

func (h *host) path(name string) string { return filepath.Join(h.dir, name) }

// write replaces a file of the host's in one step, under the eyes of its hooks.
func (h *host) write(name, content string) error {
	if err := os.WriteFile(h.path(name+".new"), []byte(content), 0o644); err != nil {
		return err
	}
	return os.Rename(h.path(name+".new"), h.path(name))
}

// writeScript writes an executable. If another test started a process meanwhile, that would have the file open for
// writing, and nobody could run it.
func writeScript(path string, script []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, script, 0o755)
}

// updater is the updater's command line on this host. It knows nothing of this machine's systemd.
func (h *host) updater(args ...string) *exec.Cmd {
	cmd := exec.Command(h.program, append([]string{"--config", h.path("config.ini")}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "CHAOS_HOST=" + h.name, "CHAOS_DIR=" + h.dir,
		"CHAOS_LEDGER=" + h.world.ledger.Name(), "DBUS_SYSTEM_BUS_ADDRESS=unix:path=" + h.path("no-bus")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// exit codes
const (
	exitFailed = 1
	exitLater  = 75
)

// live starts the updater again and again, as its timer and its boot unit would, until the kills are used up and
// nothing is left to do.
func (h *host) live(ctx context.Context) error {
	atBoot, impatient := false, false
	for ctx.Err() == nil {
		code, err := h.invoke(ctx, atBoot)
		if err := errors.Join(err, h.unpause()); err != nil {
			return err
		}
		wasAtBoot := atBoot
		atBoot = false
		switch {
		case code < 0: // killed
			if rand.N(4) == 0 { // with the whole host
				h.world.happened("power cuts")
				atBoot, err = true, h.boot()
			}
		case code == 0 && h.said["rebooting"] && rand.N(h.world.hasty) == 0:
			impatient = true // its timer fires before it is down
		case code == 0 && (h.said["rebooting"] || h.said["reboot pending"]):
			if h.said["reboot pending"] {
				h.world.happened("started while the reboot was pending")
			}
			impatient, atBoot, err = false, true, h.boot()
		case code == 0 && impatient:
			return fmt.Errorf("it went on although the reboot was pending: %v", h.said)
		case code == 0 && wasAtBoot && h.said["no run to go on with at boot"]:
		case code == 0 && (h.said["run finished"] || h.said["nothing to do"]):
			if h.said["run finished"] && !h.leftFlag {
				err = h.world.mark(entry{Kind: "finished", Host: h.name})
			}
			if h.world.over() && !h.leftFlag {
				return err
			}
			err = errors.Join(err, h.offer())
		case code == exitFailed && strings.Contains(h.error, "no space left on device"):
			h.world.noSpace()
		case code == exitLater && strings.Contains(h.error, "paused by") && !h.mayWait():
			return fmt.Errorf("a pause stopped it in %s: %s", h.stage, h.error)
		case code == exitFailed, code == exitLater:
			h.world.happened(fmt.Sprintf("invocations that ended with %d", code))
			if code == exitFailed {
				err = h.failed()
			}
		default:
			return fmt.Errorf("it ended with %d: %s", code, h.error)
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("not finished in time, at %s: %w", h.stage, ctx.Err())
}

// invoke starts the updater, kills it perhaps, and returns its exit code when nothing of it is left; -1: it was killed.
func (h *host) invoke(ctx context.Context, atBoot bool) (int, error) {
	h.said, h.error = map[string]bool{}, ""
	cmd := h.updater("run")
	if atBoot {
		cmd.Args = append(cmd.Args, "--after-reboot")
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	err = h.watch(stderr, cmd.Process)
	_ = cmd.Wait() // ProcessState says all
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if err != nil {
		return 0, err
	}
	if !status.Signaled() {
		return status.ExitStatus(), h.world.mark(entry{Kind: "exited", Host: h.name})
	}
	if err := endUnit("CHAOS_DIR=" + h.dir); err != nil {
		return 0, err
	}
	if status.Signal() != syscall.SIGKILL {
		return 0, fmt.Errorf("it died of %s", status.Signal())
	}
	if err := h.world.mark(entry{Kind: "killed", Host: h.name}); err != nil {
		return 0, err
	}
	return -1, h.world.killed(h.stage)
}

// watch reads the updater's log to its end. What is logged is the occasion of a kill, or of a pause.
func (h *host) watch(log io.Reader, process *os.Process) (err error) {
	var kill *time.Timer
	h.stage = "start"
	lines := bufio.NewScanner(io.TeeReader(log, h.log))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Message string `json:"@message"`
			Stage   string
			Error   string
			Why     string
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			line.Error = lines.Text() // a panic, say
		}
		h.said[line.Message] = true
		switch line.Message {
		case "stage begins", "going on with the run in progress", "going on after a reboot":
			h.stage = line.Stage
		case "run finished":
			h.leftFlag = h.said[flagLeft]
		}
		if strings.HasPrefix(line.Why, "stopped: 1 failure is allowed") {
			h.world.happened("times that the log says: stopped by a failed host")
		}
		if line.Error != "" {
			h.error = line.Error
		}
		if h.world.slots > 1 && kill == nil && !h.paused && rand.N(200) == 0 && !h.world.over() {
			err = errors.Join(err, h.pause())
		}
		if kill == nil && rand.N(h.odds()) == 0 && !h.world.over() {
			signal := syscall.SIGKILL
			if rand.N(8) == 0 {
				h.world.happened("told to stop (SIGTERM)")
				signal = syscall.SIGTERM
			}
			kill = time.AfterFunc(rand.N(25*time.Millisecond), func() { _ = process.Signal(signal) })
		}
	}
	if kill != nil {
		kill.Stop()
	}
	return err
}

const flagLeft = "flag left behind: other hosts still count this host as failed"

// mayWait reports whether the run has not begun to work.
func (h *host) mayWait() bool {
	return h.stage == "lock_get" || h.stage == "start" || h.stage == "needs_update"
}

// odds are the number of lines to one kill. Most hosts wait for the lock most of the time, which is soon tried enough.
func (h *host) odds() int {
	if h.mayWait() {
		return 60
	}
	return 10
}

// boot gives the host a new boot, and says whether its run had asked for one, by what was on the disk.
func (h *host) boot() error {
	var record struct{ Asked *json.RawMessage }
	content, err := os.ReadFile(h.state)
	if _, line, ok := strings.Cut(string(content), "\n"); err == nil && ok {
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			return fmt.Errorf("state %q: %w", content, err)
		}
	}
	h.boots++
	if err := h.write("boot_id", fmt.Sprintf("boot %d\n", h.boots)); err != nil {
		return err
	}
	return h.world.mark(entry{Kind: "boot", Host: h.name, Asked: record.Asked != nil})
}
