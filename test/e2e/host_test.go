//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"foreman-dlm-updater/internal/sandbox"
	"foreman-dlm-updater/internal/workflow"
)

// patience is for what a host does in a second or two; a slow machine gets more.
const patience = 5 * time.Minute

// traceFile is where the hook "trace" writes.
const traceFile = "/var/log/stages"

// host is one host of the lab.
type host struct {
	t    *testing.T
	lab  *lab
	name string
	cn   string // of its certificate; not its name, so that a test can tell which one counts
	lock string // one for each host, so that no test waits for another
	// fleetLock: the lock is a group of the FleetLock server, which knows the host as cn.
	fleetLock bool
}

// settings is what an administrator puts into config.ini, besides what the package has put there.
type settings map[string]string

// hooks that a host has enabled; STAGE/NAME.
var aptHooks = []string{"needs_update/apt", "pre_update/services-stop", "update/apt", "needs_reboot/reboot-required",
	"post_update/services-start", "post_update/systemd-healthy"}

// boot boots a host with the package ledger in its old version.
func (l *lab) boot(t *testing.T, name string) *host {
	t.Helper()
	h := &host{t: t, lab: l, name: name, cn: name + ".example.com", lock: "cluster-of-" + name}
	must(t, l.script("up", name))
	t.Cleanup(func() { _ = l.script("rm", name).Run() }) // hosts that are up use the machine's inotify instances up
	t.Cleanup(h.tellIfFailed)
	h.sources(ledgerOld, product(productOld))
	h.run("apt-get", "-q", "update")
	h.run("apt-get", "-q", "-y", "install", "ledger")
	h.run("systemctl", "start", "ledger.service")
	return h
}

// install installs the product from its repository, and does what its documentation tells an administrator to do. In
// the end there is a newer ledger to be had.
func (h *host) install(more settings) {
	h.t.Helper()
	h.run("apt-get", "-q", "-y", "install", "foreman-dlm-updater")

	const ssl = "/var/lib/puppet/ssl/"
	must(h.t, h.lab.command(h.lab.path("given/bin/dlm-sandbox"), "issue", "--dir", h.lab.path("given/ca"), h.cn))
	crt, key, ca := ssl+"certs/"+h.cn+".pem", ssl+"private_keys/"+h.cn+".pem", ssl+"certs/ca.pem"
	h.run("install", "-D", "-m", "0644", "/e2e/ca/"+h.cn+".pem", crt)
	h.run("install", "-D", "-m", "0600", "/e2e/ca/"+h.cn+".key", key)
	h.run("install", "-D", "-m", "0644", "/e2e/ca/ca.pem", ca)
	all := settings{"lock_name": h.lock, "foreman_url": "https://server:8443", "client_crt": crt, "client_key": key,
		"ca": ca, "loglevel": "DEBUG"}
	maps.Copy(all, more)
	h.configure(all)

	for _, name := range aptHooks {
		h.run("foreman-dlm-updater", "hooks", "enable", name)
	}
	h.write("/etc/foreman_dlm_updater/hooks.conf.d/services-stop.conf", "SERVICES=ledger.service\n")
	for _, stage := range hookStages {
		dir := "/etc/foreman_dlm_updater/" + string(stage) + ".d/"
		h.run("install", "-m", "0755", "/e2e/hooks/trace", dir+"00-trace")
		h.run("install", "-m", "0755", "/e2e/hooks/once", dir+"10-once")
		h.run("install", "-m", "0755", "/e2e/hooks/trace", dir+"99-trace")
	}
	h.run("install", "-m", "0755", "/e2e/hooks/accepts", "/etc/foreman_dlm_updater/post_update.d/90-accepts")
	h.run("foreman-dlm-updater", "config", "check")
	h.sources(ledgerNew, product(productOld))
}

// hookStages are the stages whose directories the package makes.
var hookStages = slices.DeleteFunc(workflow.HookStages(), workflow.Optional)

// configure changes keys in config.ini, where the package has put them or their examples.
func (h *host) configure(changes settings) {
	h.t.Helper()
	const path = "/etc/foreman_dlm_updater/config.ini"
	text := h.run("cat", path)
	for key, value := range changes {
		line := regexp.MustCompile(`(?m)^[#; ]*` + key + ` *=.*$`)
		if found := line.FindAllString(text, -1); len(found) != 1 {
			h.t.Fatalf("%s has %d lines for %s: %q\n%s", path, len(found), key, found, text)
		}
		text = line.ReplaceAllLiteralString(text, key+" = "+value)
	}
	h.write(path, text)
}

// sources are the repositories that the host's apt knows.
func (h *host) sources(lines ...string) {
	h.t.Helper()
	h.write("/etc/apt/sources.list", strings.Join(lines, "\n")+"\n")
}

// once leaves a script that a stage, or the upgrade of the package ledger, does one single time.
func (h *host) once(where, script string) {
	h.t.Helper()
	h.run("mkdir", "-p", "/var/lib/e2e")
	h.write("/var/lib/e2e/"+where, script+"\n")
}

// pause is a script that stays where it is until the test lets it go on.
const pause = "touch /run/paused; until [ -e /run/go-on ]; do sleep 0.1; done"

// timerStamp has the time since which the timer makes up for what it has missed.
const timerStamp = "/var/lib/systemd/timers/stamp-foreman-dlm-updater.timer"

// startTimer starts the timer as its documentation says, and lets it fire at a time of the test's choice; at once, if
// that is past by then.
func (h *host) startTimer(at time.Time) {
	h.t.Helper()
	h.run("mkdir", "-p", "/etc/systemd/system/foreman-dlm-updater.timer.d")
	h.write("/etc/systemd/system/foreman-dlm-updater.timer.d/test.conf", fmt.Sprintf(
		"[Timer]\nOnCalendar=\nOnCalendar=%s\nRandomizedDelaySec=0\nAccuracySec=1us\n",
		at.UTC().Format("2006-01-02 15:04:05 UTC")))
	h.run("systemctl", "daemon-reload")
	h.run("touch", "-d", "1 hour ago", timerStamp)
	h.run("systemctl", "enable", "--now", "foreman-dlm-updater.timer")
}

// soon is when the timers of some hosts can fire that are started now, one after the other.
func soon(hosts int) time.Time { return time.Now().Add(time.Duration(hosts) * 10 * time.Second) }

// run runs a command on the host, which has to succeed, and returns its output.
func (h *host) run(args ...string) string {
	h.t.Helper()
	return must(h.t, h.lab.script("exec", append([]string{h.name}, args...)...))
}

func (h *host) try(args ...string) (string, error) {
	return output(h.lab.script("exec", append([]string{h.name}, args...)...))
}

func (h *host) write(path, content string) {
	h.t.Helper()
	cmd := h.lab.script("push", h.name, "/dev/stdin", path)
	cmd.Stdin = strings.NewReader(content)
	must(h.t, cmd)
}

// awaitBoot waits until the host is up for the nth time.
func (h *host) awaitBoot(n int) {
	h.t.Helper()
	must(h.t, h.lab.script("wait", h.name, strconv.Itoa(n)))
}

// reboot is an administrator's, and waits until the host is up again.
func (h *host) reboot() {
	h.t.Helper()
	must(h.t, h.lab.script("reboot", h.name))
}

func (h *host) boots() int {
	h.t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(must(h.t, h.lab.script("boots", h.name))))
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// awaitEnd waits for the end of a run, and of the units.
func (h *host) awaitEnd() {
	h.t.Helper()
	h.eventually("the state file is gone", func() error {
		_, err := h.try("test", "!", "-e", stateFile)
		return err
	})
	h.eventually("the units have ended", func() error {
		units, err := h.try("systemctl", "show", "--property=ActiveState", "--value", updateUnit, resumeUnit)
		if err == nil && strings.Join(strings.Fields(units), " ") != "inactive inactive" {
			return fmt.Errorf("the units are %q", units)
		}
		return err
	})
}

// checkEnd looks at what every run has to leave behind: the new ledger at work, the lock free, taken and released once.
func (h *host) checkEnd(wantBoots int) {
	h.t.Helper()
	h.awaitEnd()
	if got := h.boots(); got != wantBoots {
		h.t.Errorf("the host has booted %d times, want %d", got, wantBoots)
	}
	if got := h.run("dpkg-query", "-W", "-f", "${Version} ${db:Status-Status}", "ledger"); got != "2.0 installed" {
		h.t.Errorf("package ledger: %q", got)
	}
	if got := h.run("systemctl", "is-active", "ledger.service"); got != "active\n" {
		h.t.Errorf("ledger.service: %s", got)
	}
	if got := h.run("systemctl", "list-units", "--failed", "--plain", "--no-legend"); got != "" {
		h.t.Errorf("failed units: %s", got)
	}
	want := fmt.Sprintf("nothing to do: no run in progress; lock %s is free\n", h.lock)
	if h.fleetLock {
		want = fmt.Sprintf("nothing to do: no run in progress; lock %s is not this host's, as far as this host remembers "+
			"(FleetLock has no way to look at a lock)\n", h.lock)
	}
	if got := h.run("foreman_dlm_updater", "status"); got != want {
		h.t.Errorf("status: got %q, want %q", got, want)
	}
}

// stage is the first line of the state file; empty if there is none.
func (h *host) stage() string {
	text, _ := h.try("cat", stateFile)
	stage, _, _ := strings.Cut(text, "\n")
	return stage
}

// statusText is what `systemctl status` shows of what the unit says of itself.
func (h *host) statusText(unit string) string {
	h.t.Helper()
	return strings.TrimSpace(h.run("systemctl", "show", "--property=StatusText", "--value", unit))
}

// started counts how often the program was started by a unit.
func (h *host) started(unit string) int {
	h.t.Helper()
	n := 0
	for _, line := range h.journal() {
		if line.Unit == unit && strings.Contains(line.Message, "program started") {
			n++
		}
	}
	return n
}

// said counts the lines with a text that the units wrote in the nth boot.
func (h *host) said(boot int, text string) int {
	h.t.Helper()
	lines := h.run("journalctl", "--boot="+strconv.Itoa(boot), "--output=cat", "--unit="+updateUnit, "--unit="+resumeUnit)
	return strings.Count(lines, text)
}

// eventually waits until there is no error any more.
func (h *host) eventually(what string, check func() error) {
	h.t.Helper()
	if err := poll(check); err != nil {
		h.t.Fatalf("%s: not within %s: %s: %v", h.name, patience, what, err)
	}
}

// mark is a line that the hook "trace" wrote.
type mark struct {
	time time.Time
	boot string // as the journal writes it
	run  string
	seen string // the rest: stage, hook, and what was to be seen
}

func (m mark) stage() string {
	stage, _, _ := strings.Cut(m.seen, "/")
	return stage
}

func (h *host) trace() []mark {
	h.t.Helper()
	var marks []mark
	for line := range strings.Lines(h.run("cat", traceFile)) {
		words := strings.Fields(line)
		if len(words) != 6 {
			h.t.Fatalf("%s on %s: %q", traceFile, h.name, line)
		}
		seconds, nanoseconds, _ := strings.Cut(words[0], ".")
		s, errS := strconv.ParseInt(seconds, 10, 64)
		ns, errNS := strconv.ParseInt(nanoseconds, 10, 64)
		if errS != nil || errNS != nil {
			h.t.Fatalf("%s on %s: time of %q", traceFile, h.name, line)
		}
		marks = append(marks, mark{
			time: time.Unix(s, ns),
			boot: strings.ReplaceAll(strings.TrimPrefix(words[2], "boot="), "-", ""),
			run:  words[3],
			seen: strings.Join([]string{words[1], words[4], words[5]}, " "),
		})
	}
	return marks
}

// entry is an entry of the journal (systemd.journal-fields(7)).
type entry struct {
	Message     string `json:"MESSAGE"`
	Priority    string `json:"PRIORITY"`
	Boot        string `json:"_BOOT_ID"`
	PID         string `json:"_PID"`
	Unit        string `json:"_SYSTEMD_UNIT"` // whose process wrote it
	ManagedUnit string `json:"UNIT"`          // which one systemd writes about
	UnitResult  string `json:"UNIT_RESULT"`   // why it failed
	MessageID   string `json:"MESSAGE_ID"`
	// Microseconds since 1970.
	Microseconds string `json:"__REALTIME_TIMESTAMP"`
}

// at is when it was written.
func (e entry) at(t *testing.T) time.Time {
	t.Helper()
	microseconds, err := strconv.ParseInt(e.Microseconds, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.UnixMicro(microseconds)
}

// Manager reports whether it is systemd that wrote this.
func (e entry) Manager() bool { return e.PID == "1" }

// journal returns what the units wrote, and what systemd wrote about them, in all boots.
func (h *host) journal() []entry {
	h.t.Helper()
	h.run("journalctl", "--sync")
	text := h.run("journalctl", "--output=json", "--unit="+updateUnit, "--unit="+resumeUnit)
	var entries []entry
	for line := range strings.Lines(text) {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			h.t.Fatalf("journal of %s: %v: %s", h.name, err, line)
		}
		entries = append(entries, e)
	}
	return entries
}

// lockEvents returns what the server recorded about the host's lock.
func (h *host) lockEvents() []sandbox.Event {
	h.t.Helper()
	var events []sandbox.Event
	decoder := json.NewDecoder(bytes.NewReader(h.lab.read("record")))
	for decoder.More() {
		var e sandbox.Event
		if err := decoder.Decode(&e); err != nil {
			h.t.Fatalf("record of the server: %v", err)
		}
		if e.Lock == h.lock {
			events = append(events, e)
		}
	}
	return events
}

// kinds is what can be compared of events.
func kinds(events []sandbox.Event) []string {
	var all []string
	for _, e := range events {
		text := fmt.Sprintf("%s %s for %s", e.Kind, e.Lock, e.Host)
		if e.By != e.Host {
			text += ", asked by " + e.By
		}
		all = append(all, text)
	}
	return all
}

// tellIfFailed shows what there is to find the cause in.
func (h *host) tellIfFailed() {
	if !h.t.Failed() {
		return
	}
	if text, err := h.try("journalctl", "--output=short-precise", "--no-hostname"); err != nil {
		h.t.Logf("no journal of %s: %v\nits console:\n%s", h.name, err, h.lab.read("lab/hosts/"+h.name+"/console.log"))
	} else {
		h.t.Logf("journal of %s:\n%s", h.name, text)
	}
	h.t.Logf("the servers:\n%s\n%s", h.lab.read("server.log"), h.lab.read("fleetlock.log"))
}
