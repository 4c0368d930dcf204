package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// runner is a host that updates once.
type runner struct {
	name, dir, program, ledger string
}

func (h *runner) path(name string) string { return filepath.Join(h.dir, name) }

// addHosts makes the hosts of a round: certificates, configuration, hooks.
func (r *round) addHosts(s *server) error {
	flag := "--foreman-url"
	if r.lock == fleetLock {
		flag = "--fleetlock-url"
	}
	args := append([]string{"issue", "--dir", filepath.Join(r.dir, "ca"), flag, s.url}, r.names()...)
	out, err := exec.Command(s.program, args...).Output()
	if err != nil {
		return fmt.Errorf("issue certificates: %w", err)
	}
	for i, block := range strings.Split(strings.TrimPrefix(string(out), "# "), "\n# ") {
		name, connection, _ := strings.Cut(block, "\n")
		h := &runner{name: name, dir: filepath.Join(r.dir, name), ledger: r.ledger,
			program: filepath.Join(r.programs, "foreman-dlm-updater")}
		if err := h.make(connection, i); err != nil {
			return err
		}
		r.runners = append(r.runners, h)
	}
	return nil
}

// make fills the host's directory. An odd version, which every other host gets, needs a reboot.
func (h *runner) make(connection string, i int) error {
	if err := os.Mkdir(h.dir, 0o755); err != nil {
		return err
	}
	config := "[main]\n" + connection
	for _, stage := range stages {
		script, err := os.ReadFile("host/stage.sh")
		if err != nil {
			return err
		}
		dir := h.path(stage + ".d")
		if err := errors.Join(os.Mkdir(dir, 0o755), writeScript(filepath.Join(dir, "50-chaos"), script)); err != nil {
			return err
		}
		config += fmt.Sprintf("\n%s.d = %s", stage, dir)
	}
	script, err := os.ReadFile("host/reboot.sh")
	if err != nil {
		return err
	}
	for key, value := range map[string]string{
		"lock_name": "web", "state": h.path("state"), "lock": h.path("lock"), "boot_id_file": h.path("boot_id"),
		"reboot_cmd": h.path("reboot.sh"), "lock_settle": "250ms", "lock_retry_interval": "400ms",
		"lock_retry_jitter": "100ms", "http_timeout": "1s", "http_retries": "0", "log_format": "json",
		"lock_timeout": "2m", // if this test ends without us, so do they
	} {
		config += fmt.Sprintf("\n%s = %s", key, value)
	}
	return errors.Join(writeScript(h.path("reboot.sh"), script),
		os.WriteFile(h.path("config.ini"), []byte(config+"\n"), 0o644),
		os.WriteFile(h.path("installed"), []byte("0\n"), 0o644),
		os.WriteFile(h.path("offered"), fmt.Appendf(nil, "%d\n", 1+i%2), 0o644), h.boot())
}

// boot gives the host a new boot.
func (h *runner) boot() error {
	return os.WriteFile(h.path("boot_id"), fmt.Appendf(nil, "boot at %d\n", time.Now().UnixNano()), 0o644)
}

// update runs the updater, once more after a reboot.
func (h *runner) update(ctx context.Context) error {
	log, err := h.run(ctx, "run")
	if err != nil || !strings.Contains(log, `"rebooting"`) {
		return err
	}
	if err := errors.Join(h.boot(), h.mark(fmt.Sprintf(`{"kind":"boot","host":%q,"asked":true}`, h.name))); err != nil {
		return err
	}
	log, err = h.run(ctx, "run", "--after-reboot")
	if err == nil && !strings.Contains(log, `"run finished"`) {
		err = fmt.Errorf("the run did not finish after the reboot:\n%s", log)
	}
	return err
}

// run starts the updater, and returns its log.
func (h *runner) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, h.program, append([]string{"--config", h.path("config.ini")}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "CHAOS_HOST=" + h.name, "CHAOS_DIR=" + h.dir,
		"CHAOS_LEDGER=" + h.ledger, "DBUS_SYSTEM_BUS_ADDRESS=unix:path=" + h.path("no-bus")}
	var log bytes.Buffer
	cmd.Stderr = &log
	cmd.WaitDelay = 10 * time.Second // for a hook that outlives it
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%v: %w:\n%s", args, err, log.String())
	}
	return log.String(), nil
}

// mark adds a line to the ledger.
func (h *runner) mark(line string) error {
	f, err := os.OpenFile(h.ledger, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, line)
	return errors.Join(err, f.Close())
}
