package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"foreman-dlm-updater/internal/outcome"
	"foreman-dlm-updater/internal/sandbox"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the table of outcomes in docs/monitoring.md anew")

const (
	outcomesDocument = "../../docs/monitoring.md"
	outcomesBegin    = "<!-- begin: outcomes, written by `make docs-outcomes` -->\n"
	outcomesEnd      = "<!-- end: outcomes -->\n"
)

// happening is something that can happen to a run. It is made to happen on a host with a real program, files and
// processes, and a Foreman on loopback; it returns how the invocation ended: an exit code, a signal, or nothing where
// none has ended.
type happening struct {
	what string
	make func(*outcomeHost) string
}

const (
	says0, says1 = "#!/bin/sh\nexit 0\n", "#!/bin/sh\nexit 1\n"
	// blocks waits in the hook until the test has seen it, and ends with the test's directory: it has a session of its
	// own, and outlives a program that is killed.
	blocks = "#!/bin/sh\n: >\"$(dirname \"$DLM_CONFIG\")/in-hook\"\n" +
		"while [ -e \"$0\" ] && [ ! -e \"$(dirname \"$DLM_CONFIG\")/go-on\" ]; do sleep 0.02; done\n"
)

var happenings = []happening{
	{"nothing to do", func(h *outcomeHost) string { h.hook("needs_update", says0); return h.run() }},
	{"finished", func(h *outcomeHost) string { return h.run() }},
	{"finished, and a reboot may be due", func(h *outcomeHost) string {
		h.server.SetHolder("web", h.name)
		h.put("state", `post_update
{"format":1,"run":"r1","lock":"web","reboot_due":{"time":"2026-11-22T02:14:03Z","hook":"50-kernel",`+
			`"message":"no kernel found","boot":{"id":"boot-1"}}}`)
		return h.run()
	}},
	{"rebooting", func(h *outcomeHost) string { h.hook("needs_reboot", says1); return h.run() }},
	{"a stage failed", func(h *outcomeHost) string { h.hook("update", says1); return h.run() }},
	{"a hook of needs_update could not find out",
		func(h *outcomeHost) string { h.hook("needs_update", "#!/bin/sh\nexit 75\n"); return h.run() }},
	{"the lock was held until lock_timeout",
		func(h *outcomeHost) string { h.server.SetHolder("web", h.other); return h.run() }},
	{"the lock was disabled until lock_timeout",
		func(h *outcomeHost) string { h.server.SetEnabled("web", false); return h.run() }},
	{"this host was barred until lock_timeout",
		func(h *outcomeHost) string { h.server.Bar(h.name, true); return h.run() }},
	{"Foreman was away at the first look", func(h *outcomeHost) string {
		h.server.Inject(sandbox.Fault{Kind: sandbox.DropBefore})
		defer h.server.ClearFaults()
		return h.run()
	}},
	{"Foreman was away while it waited", func(h *outcomeHost) string {
		h.server.SetHolder("web", h.other)
		h.conf["lock_timeout"] = "1s"
		ended := h.begin()
		h.await("state", `"waiting":`)
		h.server.Inject(sandbox.Fault{Kind: sandbox.DropBefore})
		defer h.server.ClearFaults()
		return <-ended
	}},
	{"nothing to do, Foreman is away when checked", func(h *outcomeHost) string {
		h.hook("needs_update", says0)
		defer h.server.Inject(sandbox.Fault{Kind: sandbox.DropBefore})
		return h.run()
	}},
	{"it waits for a lock that is held",
		func(h *outcomeHost) string { h.server.SetHolder("web", h.other); return h.waits() }},
	{"it waits for a lock that is disabled",
		func(h *outcomeHost) string { h.server.SetEnabled("web", false); return h.waits() }},
	{"paused", func(h *outcomeHost) string { h.pause(); return h.run() }},
	{"frozen", func(h *outcomeHost) string { h.freeze(); return h.run() }},
	{"no window is open", func(h *outcomeHost) string { h.closeWindow(); return h.run() }},
	{"paused, and not updated for 15 days", func(h *outcomeHost) string {
		h.pause()
		h.run()
		return h.lastRun(time.Hour, 15*oneDay)
	}},
	{"a freeze can't be read", func(h *outcomeHost) string {
		h.freeze()
		h.put("freeze.d/year", "soon\n")
		return h.run()
	}},
	{"it waits for a gate", func(h *outcomeHost) string { h.hook("gate", says1); return h.waits() }},
	{"paused while it waits", func(h *outcomeHost) string {
		h.hook("gate", says1)
		h.conf["lock_timeout"] = "0"
		ended := h.begin()
		h.await("state", `"for":"gate"`)
		h.pause()
		return <-ended
	}},
	{"a gate said no until lock_timeout", func(h *outcomeHost) string { h.hook("gate", says1); return h.run() }},
	{"it waits since another host has failed (max_failed)", func(h *outcomeHost) string {
		h.conf["max_failed"], h.conf["lock_slots"] = "1", "2"
		h.server.SetHolder("web", h.other)
		h.server.SetHolder("web.failed1", h.other)
		return h.waits()
	}},
	{"it waits for a lock of blocked_by", func(h *outcomeHost) string {
		h.conf["blocked_by"] = "db"
		h.server.SetHolder("db", h.other)
		return h.waits()
	}},
	{"another host's flag is left behind", func(h *outcomeHost) string {
		h.hook("needs_update", says0)
		h.conf["max_failed"] = "2"
		h.server.SetHolder("web.failed1", h.other)
		return h.run()
	}},
	{"Foreman refuses this host (401)",
		func(h *outcomeHost) string { h.certificate("stranger.example.com"); return h.run() }},
	{"the certificate can't be read",
		func(h *outcomeHost) string { h.conf["client_crt"] = h.path("no.pem"); return h.run() }},
	{"others could change a hook", func(h *outcomeHost) string {
		h.must(os.Chmod(h.path("update.d/50-hook"), 0o777))
		return h.run()
	}},
	{"others could replace the state", func(h *outcomeHost) string {
		h.must(os.Mkdir(h.path("open"), 0o777), os.Chmod(h.path("open"), 0o777))
		h.conf["state"] = h.path("open/state")
		return h.run()
	}},
	{"the log file can't be opened", func(h *outcomeHost) string { h.conf["log"] = h.path("none/log"); return h.run() }},
	{"the disk is full", (*outcomeHost).fullDisk},
	{"the disk gets full in a stage", (*outcomeHost).fullDiskInStage},
	{"the disk is full, first invocation ever", func(h *outcomeHost) string { h.small(); h.fill(); return h.run() }},
	{"the disk is full, host out of service", (*outcomeHost).fullDiskOnResume},
	{"the state can't be read", func(h *outcomeHost) string { h.put("state", "<html>\n"); return h.run() }},
	{"another invocation is running", func(h *outcomeHost) string {
		h.hook("update", blocks)
		h.begin()
		h.await("in-hook", "")
		return h.run()
	}},
	{"a signal in a stage", func(h *outcomeHost) string {
		h.hook("update", blocks)
		ended := h.begin()
		h.await("in-hook", "")
		h.must(h.process.Signal(syscall.SIGTERM))
		h.await("log", "told to stop")
		h.put("go-on", "")
		return <-ended
	}},
	{"a power cut in a stage", func(h *outcomeHost) string {
		h.hook("update", blocks)
		ended := h.begin()
		h.await("in-hook", "")
		h.await("events", "acquired") // what reports comes a little later
		h.await("m.prom", `state="running"} 1`)
		h.must(h.process.Kill())
		<-ended
		h.put("boot_id", "boot-2\n")
		return "" // systemd does not know of it after the boot
	}},
	{"a reboot is overdue by 1 min", func(h *outcomeHost) string { return h.overdue(16 * time.Minute) }},
	{"a reboot is overdue by reboot_timeout", func(h *outcomeHost) string { return h.overdue(31 * time.Minute) }},
	{"nothing to do, and this host holds the lock", func(h *outcomeHost) string {
		h.hook("needs_update", says0)
		h.server.SetHolder("web", h.name)
		return h.run()
	}},
	{"not started for 4 days", func(h *outcomeHost) string { return h.lastRun(4*oneDay, 4*oneDay) }},
	{"not started for 8 days", func(h *outcomeHost) string { return h.lastRun(8*oneDay, 8*oneDay) }},
	{"not updated for 15 days: not now each night", func(h *outcomeHost) string {
		h.server.SetHolder("web", h.other)
		h.run()
		return h.lastRun(time.Hour, 15*oneDay)
	}},
	{"not updated for 31 days: not now each night", func(h *outcomeHost) string {
		h.server.SetHolder("web", h.other)
		h.run()
		return h.lastRun(time.Hour, 31*oneDay)
	}},
}

// TestOutcomes: what the program, the check, the events, the metrics and the fact say of everything that can happen is
// what the document says.
func TestOutcomes(t *testing.T) {
	text, err := os.ReadFile(outcomesDocument)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), outcomesBegin)
	old, tail, ok2 := strings.Cut(rest, outcomesEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks its marks", outcomesDocument)
	}
	rows := make([]string, len(happenings))
	t.Run("rows", func(t *testing.T) {
		for i, one := range happenings {
			t.Run(one.what, func(t *testing.T) {
				t.Parallel()
				defer func() { // one that can't be made to happen here
					if t.Skipped() {
						rows[i] = documented(t, old, one.what)
					}
				}()
				rows[i] = newOutcomeHost(t).row(one, old)
			})
		}
	})
	const columns = "| what happened | exit | unit | event | check | metric: state, last_result | fact |\n" +
		"|---|---|---|---|---|---|---|\n"
	got := "\n" + columns + strings.Join(rows, "") + "\n"
	if *update && !t.Failed() {
		if err := os.WriteFile(outcomesDocument, []byte(head+outcomesBegin+got+outcomesEnd+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(old, "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s says otherwise (-document +happens); `make docs-outcomes` writes it anew:\n%s", outcomesDocument, diff)
	}
}

// documented is the row as the document has it.
func documented(t *testing.T, table, what string) string {
	t.Helper()
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "| "+what+" |") {
			return line
		}
	}
	t.Errorf("%q is not in the document, and can't be tried here", what)
	return ""
}

// outcomeHost is a host with a hook in each stage, which wants an update and no reboot, a notifier, metrics, and a
// Foreman.
type outcomeHost struct {
	t           *testing.T
	dir         string
	name, other string
	conf        map[string]string
	server      *sandbox.Server
	ca          *sandbox.CA
	process     *os.Process
}

func newOutcomeHost(t *testing.T) *outcomeHost {
	h := &outcomeHost{t: t, dir: t.TempDir(), name: "host.example.com", other: "other.example.com"}
	var err error
	h.ca, err = sandbox.NewCA(h.path("ca"))
	h.must(err)
	h.server = sandbox.New(sandbox.Options{Hosts: []string{h.name, h.other}})
	h.server.SetHolder("web", "")
	running, err := h.server.Start(h.ca)
	h.must(err)
	t.Cleanup(func() { running.Close() })
	h.conf = map[string]string{
		"lock_name": "web", "foreman_url": running.URL, "ca": h.ca.File(), "state": h.path("state"), "lock": h.path("lock"),
		"boot_id_file": h.path("boot_id"), "reboot_cmd": "true", "lock_settle": "20ms", "lock_retry_interval": "20ms",
		"lock_timeout": "100ms", "http_retries": "0", "cannot_tell_exit": "75",
		"notify.d": h.path("notify.d"), "metrics_textfile": h.path("m.prom"), "history": h.path("history"),
	}
	for _, stage := range hookDirs {
		h.must(os.Mkdir(h.path(stage+".d"), 0o755))
		h.conf[stage+".d"] = h.path(stage + ".d")
		h.hook(stage, says0)
	}
	h.hook("needs_update", says1)
	h.hook("notify", "#!/bin/sh\necho $DLM_EVENT >>\"$(dirname \"$DLM_CONFIG\")/events\"\n")
	h.certificate(h.name)
	h.put("boot_id", "boot-1\n")
	self, err := os.Executable()
	h.must(err, os.Symlink(self, h.path("foreman-dlm-updater")))
	return h
}

func (h *outcomeHost) path(name string) string { return filepath.Join(h.dir, name) }

func (h *outcomeHost) must(all ...error) {
	h.t.Helper()
	if err := errors.Join(all...); err != nil {
		h.t.Fatal(err)
	}
}

func (h *outcomeHost) put(name, text string) { put(h.t, h.path(name), text, 0o644) }

func (h *outcomeHost) hook(stage, text string) { put(h.t, h.path(stage+".d/50-hook"), text, 0o755) }

func (h *outcomeHost) pause() {
	h.must(h.command("pause", "--reason", "audit").Run())
}

func (h *outcomeHost) freeze() {
	h.must(os.Mkdir(h.path("freeze.d"), 0o755))
	h.conf["freeze.d"] = h.path("freeze.d")
	h.put("freeze.d/year", "2000-01-01 .. 2999-12-31\n")
}

// closeWindow sets a window that is open on another day of the week.
func (h *outcomeHost) closeWindow() {
	h.conf["window"] = time.Now().AddDate(0, 0, 3).Format("Mon") + " 02:00-03:00"
}

func (h *outcomeHost) certificate(name string) {
	cert, key, err := h.ca.Issue(name, sandbox.IssueOptions{})
	h.must(err)
	h.conf["client_crt"], h.conf["client_key"] = cert, key
}

// command is the program with the configuration as it is now.
func (h *outcomeHost) command(args ...string) *exec.Cmd {
	text := "[main]\n"
	for _, key := range slices.Sorted(maps.Keys(h.conf)) {
		text += key + " = " + h.conf[key] + "\n"
	}
	h.put("config.ini", text)
	cmd := exec.Command(h.path("foreman-dlm-updater"), append([]string{"-c", h.path("config.ini")}, args...)...)
	cmd.Env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS=unix:path="+h.path("no-bus"), "GORACE=atexit_sleep_ms=0")
	return cmd
}

// begin starts a run, whose end the channel tells.
func (h *outcomeHost) begin() <-chan string {
	os.Remove(h.path("events"))
	log, err := os.Create(h.path("log"))
	h.must(err)
	cmd := h.command("run")
	cmd.Stderr = log
	h.must(cmd.Start(), log.Close())
	h.process = cmd.Process
	ended := make(chan string, 1)
	h.t.Cleanup(func() { cmd.Process.Kill() })
	go func() {
		cmd.Wait()
		ended <- fmt.Sprint(cmd.ProcessState.ExitCode())
	}()
	return ended
}

// run is one from its beginning to its end. If another one runs, what that one has told stays.
func (h *outcomeHost) run() string {
	if h.process != nil {
		cmd := h.command("run")
		cmd.Run()
		return fmt.Sprint(cmd.ProcessState.ExitCode())
	}
	defer func() { h.process = nil }()
	return <-h.begin()
}

// await returns once the file is there and has the text in it.
func (h *outcomeHost) await(name, text string) {
	h.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if content, err := os.ReadFile(h.path(name)); err == nil && strings.Contains(string(content), text) {
			return
		}
	}
	log, _ := os.ReadFile(h.path("log"))
	h.t.Fatalf("%s: no %q in it\n%s", name, text, log)
}

// waits is an invocation that waits and goes on waiting.
func (h *outcomeHost) waits() string {
	h.conf["lock_timeout"] = "0"
	h.begin()
	h.await("state", `"waiting":`)
	h.await("events", "waiting")
	h.await("m.prom", `state="waiting"} 1`)
	return ""
}

// fullDisk has no block left when the run begins; there was one before.
func (h *outcomeHost) fullDisk() string {
	h.small()
	h.hook("needs_update", says0)
	h.run()
	h.fill()
	h.hook("needs_update", says1)
	return h.run()
}

// fullDiskInStage is the first invocation ever.
func (h *outcomeHost) fullDiskInStage() string {
	h.small()
	h.hook("pre_update", blocks)
	ended := h.begin()
	h.await("in-hook", "")
	h.fill()
	h.put("go-on", "")
	return <-ended
}

// fullDiskOnResume is an invocation that waits until its state can be written.
func (h *outcomeHost) fullDiskOnResume() string {
	h.small()
	h.hook("update", says1)
	h.run()
	h.fill()
	h.begin()
	h.await("log", "no stage begins before it is")
	h.await("events", "waiting")
	h.await("m.prom", `state="stopped"} 1`)
	return ""
}

// small puts the state on a small disk of its own.
func (h *outcomeHost) small() {
	h.must(os.Mkdir(h.path("small"), 0o755))
	if err := unix.Mount("tmpfs", h.path("small"), "tmpfs", 0, "size=256k,mode=755"); err != nil {
		h.t.Skipf("NOT TESTED: mounting needs root: %v", err)
	}
	h.t.Cleanup(func() { unix.Unmount(h.path("small"), unix.MNT_DETACH) })
	h.conf["state"] = h.path("small/state")
}

func (h *outcomeHost) fill() {
	much, err := os.Create(h.path("small/much"))
	h.must(err)
	defer much.Close()
	if _, err := io.Copy(much, zeros{}); !errors.Is(err, unix.ENOSPC) {
		h.t.Fatal(err)
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// overdue makes it that long ago that the reboot was asked for.
func (h *outcomeHost) overdue(ago time.Duration) string {
	h.hook("needs_reboot", says1)
	h.run()
	text, err := os.ReadFile(h.path("state"))
	h.must(err)
	asked := regexp.MustCompile(`"asked":{"time":"[^"]*"`)
	if !asked.Match(text) {
		h.t.Fatalf("no reboot was asked for: %s", text)
	}
	h.put("state",
		asked.ReplaceAllString(string(text), `"asked":{"time":"`+time.Now().Add(-ago).Format(time.RFC3339Nano)+`"`))
	return ""
}

// lastRun makes it that long ago that the last run ended, and that the last one succeeded.
func (h *outcomeHost) lastRun(ended, success time.Duration) string {
	file := outcome.Beside(h.conf["state"])
	if _, err := os.Stat(file.Path); err != nil {
		h.hook("needs_update", says0)
		h.run()
	}
	os.Remove(h.path("events"))
	o, err := file.Read()
	h.must(err)
	now := time.Now()
	o.Ended, o.Since, o.First, o.Success = now.Add(-ended), now.Add(-success), now.Add(-100*oneDay), now.Add(-success)
	h.must(file.Write(*o))
	return ""
}

// row makes it happen, and asks everybody.
func (h *outcomeHost) row(one happening, old string) string {
	exit := one.make(h)
	unit, systemd := h.unit(exit)
	verdict, err := h.command("check").Output()
	word := strings.Fields(string(verdict))
	if len(word) < 2 {
		h.t.Fatalf("check: %s, %v", verdict, err)
	}
	h.t.Logf("%s%s", verdict, h.log())
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s |\n", one.what, or(exit), unit, h.event(), word[1], h.metric(),
		h.fact(one.what, systemd, old))
}

func or(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func (h *outcomeHost) log() string {
	log, _ := os.ReadFile(h.path("log"))
	return string(log)
}

// event is the last one.
func (h *outcomeHost) event() string {
	text, _ := os.ReadFile(h.path("events"))
	all := slices.DeleteFunc(strings.Fields(string(text)), func(event string) bool { return event == "alive" })
	if len(all) == 0 {
		return "-"
	}
	return "`" + all[len(all)-1] + "`"
}

func (h *outcomeHost) metric() string {
	text, _ := os.ReadFile(h.path("m.prom"))
	is := func(name, label string) string {
		if m := regexp.MustCompile(`(?m)^foreman_dlm_updater_` + name + `{.*` + label +
			`="(\w+)".*} 1$`).FindSubmatch(text); m != nil {
			return "`" + string(m[1]) + "`"
		}
		return "-"
	}
	return is("state", "state") + ", " + is("last_result", "result")
}

// unit is what systemd makes of an exit code, and the properties that it shows.
func (h *outcomeHost) unit(exit string) (result, properties string) {
	if exit == "" {
		return "-", ""
	}
	result = "exit-code"
	successes := each(document(h.t, "packaging/systemd/foreman-dlm-updater.service"), `(?m)^SuccessExitStatus=(.*)$`)
	if exit == "0" || slices.Contains(strings.Fields(successes[0]), exit) {
		result = "success"
	}
	return result, fmt.Sprintf("Result=%s\nExecMainStatus=%s\nExecMainExitTimestampMonotonic=10\n", result, exit)
}

// facter is as much of Facter as the fact needs. systemd's answer is given; the program is asked.
const facter = `
module Facter
  module Core
    module Execution
      def self.execute(command, **)
        command.start_with?('systemctl') ? ARGV[2] : ARGV[1]
      end
    end
  end
  class Fact
    def confine(*, **); end

    def setcode(&block)
      puts block.call['last_result']
    end
  end

  def self.add(_, &block)
    Fact.new.instance_eval(&block)
  end
end
load ARGV[0]
`

// fact is the last_result of Puppet's fact, by its own code.
func (h *outcomeHost) fact(what, systemd, old string) string {
	status, _ := h.command("status", "--offline", "--json").Output()
	if _, err := exec.LookPath("ruby"); err != nil {
		if ci := os.Getenv("CI"); ci != "" && ci != "false" {
			h.t.Fatal(err)
		}
		h.t.Log("NOT TESTED: the fact: ruby is not installed")
		cells := strings.Split(documented(h.t, old, what), " | ")
		return strings.TrimSuffix(cells[len(cells)-1], " |\n")
	}
	fact, err := filepath.Abs("../../contrib/puppet/lib/facter/foreman_dlm_updater.rb")
	h.must(err)
	out, err := exec.Command("ruby", "-rjson", "-e", facter, fact, string(status), systemd).CombinedOutput()
	if err != nil {
		h.t.Fatalf("%v: %s", err, out)
	}
	return "`" + strings.TrimSpace(string(out)) + "`"
}
