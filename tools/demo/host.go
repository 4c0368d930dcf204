package main

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// hostNames are the hosts of the cluster. The first two get a new kernel with the update.
var hostNames = []string{"web1", "web2", "web3", "web4", "web5"}

const (
	lockName   = "web"
	failing    = "web3" // its disk is full, and it is the first to begin
	oldVersion = "1.0"
	newVersion = "2.0"
	settle     = time.Second
)

var stages = []string{"needs_update", "pre_update", "update", "needs_reboot", "post_update"}

// scripts are the hooks of all stages, and the programs that simulate a reboot.
//
//go:embed scripts
var scripts embed.FS

// host is a folder that plays a host, and the updater that runs there.
type host struct {
	name    string
	dir     string
	lab     *lab
	process *process
	log     []logLine

	asked    time.Time // since when it has waited for what waits says
	waits    byte      // waiting or stopped
	claimed  bool      // the server granted it a slot, and it has not looked again yet
	said     string    // what it waits for, as told last
	failed   bool      // its run has failed
	visited  bool      // and an operator is on the way
	down     bool      // it was told to reboot, and has not booted yet
	fired    bool      // its timer fired while it went down
	pending  bool      // the updater then said that the reboot is pending
	finished bool
}

// create fills the folder.
func (h *host) create(connection string) error {
	files := map[string]string{
		"config.ini":        h.config(connection),
		"boot_id":           h.name + "-boot-1\n",
		"running_kernel":    "6.1\n",
		"installed/version": oldVersion + "\n",
		"installed/kernel":  "6.1\n",
		"offered/version":   newVersion + "\n",
		"offered/program":   "the program, version " + newVersion + "\n",
		"offered/kernel":    "6.2\n",
		"service.running":   oldVersion + "\n",
	}
	if !getsKernel(h.name) {
		files["offered/kernel"] = "6.1\n"
	}
	if h.name == failing {
		files["disk_full"] = ""
	}
	for name, content := range files {
		if err := h.write(name, content, 0o644); err != nil {
			return err
		}
	}
	programs := map[string]string{"ledger.sh": "ledger.sh", "reboot": "reboot.sh", "boot": "boot.sh"}
	for _, stage := range stages {
		programs[stage+".d/50-demo"] = stage + ".sh"
	}
	for name, source := range programs {
		content, err := scripts.ReadFile("scripts/" + source)
		if err != nil {
			return err
		}
		if err := h.write(name, string(content), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// getsKernel reports whether the update brings a host a new kernel, so that it reboots.
func getsKernel(host string) bool { return slices.Index(hostNames, host) < 2 }

// config is the host's configuration file. connection holds the settings that dlm-sandbox issue printed.
func (h *host) config(connection string) string {
	var b strings.Builder
	set := func(key, value string) { fmt.Fprintf(&b, "%s = %s\n", key, strings.ReplaceAll(value, "%", "%%")) }
	b.WriteString("[main]\n" + strings.ReplaceAll(strings.TrimSpace(connection), "%", "%%") + "\n")
	set("lock_name", lockName)
	if locks := h.lab.account.locks; !locks.fleetLock {
		set("lock_slots", strconv.Itoa(len(locks.slots)))
		set("max_failed", "1")
	}
	for _, stage := range stages {
		set(stage+".d", h.path(stage+".d"))
	}
	set("state", h.path("state"))
	set("lock", h.path("lock"))
	set("boot_id_file", h.path("boot_id"))
	set("reboot_cmd", "'"+strings.ReplaceAll(h.path("reboot"), "'", `'\''`)+"'")
	set("log_format", "json")
	set("lock_settle", settle.String())
	set("lock_retry_interval", "1s")
	set("lock_timeout", timeLimit.String()) // so that no host waits for ever if the demonstration is killed
	return b.String()
}

func (h *host) path(name string) string { return filepath.Join(h.dir, name) }

func (h *host) write(name, content string, mode os.FileMode) error {
	path := h.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make host %s: %w", h.name, err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		return fmt.Errorf("make host %s: %w", h.name, err)
	}
	return nil
}

// updater is the updater's command line on this host.
func (h *host) updater(args ...string) *exec.Cmd {
	args = append([]string{"--config", h.path("config.ini")}, args...)
	cmd := exec.Command(h.lab.program("foreman-dlm-updater"), args...)
	cmd.Env = environment("DEMO_HOST="+h.name, "DEMO_DIR="+h.dir,
		"DEMO_LEDGER="+h.lab.ledger.path, "DEMO_UPDATER="+cmd.Path)
	return cmd
}

// boot is the command that runs on this host when it boots.
func (h *host) boot() *exec.Cmd {
	cmd := exec.Command(h.path("boot"))
	cmd.Env = h.updater().Env
	return cmd
}

// check returns what is wrong with the host now that its run is over.
func (h *host) check() error {
	for file, want := range map[string]string{"installed/version": newVersion, "service.running": newVersion} {
		content, err := os.ReadFile(h.path(file))
		if err != nil {
			return fmt.Errorf("%s: after the run: %w", h.name, err)
		}
		if got := strings.TrimSpace(string(content)); got != want {
			return fmt.Errorf("%s: after the run %s says %q, not %q", h.name, file, got, want)
		}
	}
	if _, err := os.Stat(h.path("state")); !os.IsNotExist(err) {
		return fmt.Errorf("%s: there is a state file after the run", h.name)
	}
	return nil
}
