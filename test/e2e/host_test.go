//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"foreman-dlm-updater/internal/dlm/dlmtest"
)

// patience is for what a host does in a second or two; a slow machine gets more.
const patience = time.Minute

// traceFile is where the hook "trace" writes.
const traceFile = "/var/log/stages"

// host is one host of the lab.
type host struct {
	t    *testing.T
	lab  *lab
	name string
	cn   string // of its certificate; not its name, so that a test can tell which one counts
	lock string // one for each host, so that no test waits for another
}

const config = `[main]
lock_name = %[1]s
foreman_url = https://server:8443
client_crt = /var/lib/puppet/ssl/certs/%[2]s.pem
client_key = /var/lib/puppet/ssl/private_keys/%[2]s.pem
ca = /var/lib/puppet/ssl/certs/ca.pem
reboot_cmd = %[3]s
loglevel = DEBUG
lock_settle = 1s
cannot_tell_exit = 75
`

// boot boots a host on which everything is in place, and for which there is a newer package to be had.
func (l *lab) boot(t *testing.T, name, rebootCommand string) *host {
	t.Helper()
	h := &host{t: t, lab: l, name: name, cn: name + ".example.com", lock: "cluster-of-" + name}
	must(t, l.command(l.path("given/bin/dlm-sandbox"), "issue", "--dir", l.path("given/ca"), h.cn))
	must(t, l.script("up", name))
	t.Cleanup(h.tellIfFailed)
	h.run("/e2e/install.sh", h.cn)
	h.write("/etc/foreman_dlm_updater/config.ini", fmt.Sprintf(config, h.lock, h.cn, rebootCommand))
	h.write("/etc/apt/sources.list", "deb [trusted=yes] file:/e2e/apt/new ./\n")
	return h
}

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
func (h *host) lockEvents() []dlmtest.Event {
	h.t.Helper()
	var events []dlmtest.Event
	decoder := json.NewDecoder(bytes.NewReader(h.lab.read("record")))
	for decoder.More() {
		var e dlmtest.Event
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
func kinds(events []dlmtest.Event) []string {
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
	h.t.Logf("the server:\n%s", h.lab.read("server.log"))
}
