package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// plain compares results without the fields that no test can know, and without those that TestSaid and TestLast check.
var plain = cmp.Options{
	cmpopts.IgnoreFields(Result{}, "Duration", "Said", "Last"),
	cmp.Comparer(func(a, b error) bool { return (a == nil) == (b == nil) && (a == nil || a.Error() == b.Error()) }),
}

func TestRunResult(t *testing.T) {
	dir := tempDir(t)
	exe := func(name, text string) string { return script(t, dir, name, text) }
	noexec := exe("noexec", "#!"+dir+"/plain\n")
	write(t, filepath.Join(dir, "plain"), "", 0o644)
	tests := []struct {
		name string
		hook string
		want Result
		text string
	}{
		{"ok", sh(t, "exit 0"), Result{}, "exit 0"},
		{"exit", sh(t, "exit 100"), Result{Exit: 100}, "exit 100"},
		{"killed", sh(t, "kill -KILL $$"), Result{Exit: -1, Signal: syscall.SIGKILL}, "killed by SIGKILL"},
		{"segv", sh(t, "kill -SEGV $$"), Result{Exit: -1, Signal: syscall.SIGSEGV}, "killed by SIGSEGV"},
		{"125", sh(t, "exit 125"), Result{Exit: 125}, "exit 125"},
		{"126", sh(t, "/etc/passwd"),
			Result{Exit: 126, Err: errors.New("a command that it calls is no program, or may not be executed")},
			"exit 126: a command that it calls is no program, or may not be executed"},
		{"127", sh(t, "no-such-command"),
			Result{Exit: 127, Err: errors.New("a command that it calls was not found, or lacks a library")},
			"exit 127: a command that it calls was not found, or lacks a library"},
		{"128", sh(t, "exit 128"), Result{Exit: 128}, "exit 128"},
		{"no #!", exe("noshebang", "echo hello\n"),
			Result{Exit: -1,
				Err: errors.New("exec format error (no #! line at its beginning, or a program for another machine)")},
			"cannot be executed: exec format error (no #! line at its beginning, or a program for another machine)"},
		{"empty", exe("empty", ""),
			Result{Exit: -1,
				Err: errors.New("exec format error (no #! line at its beginning, or a program for another machine)")},
			"cannot be executed: exec format error (no #! line at its beginning, or a program for another machine)"},
		{"interpreter", exe("nointerp", "#! /no/such/python3 -u\n"),
			Result{Exit: -1, Err: errors.New(`interpreter "/no/such/python3" does not exist`)},
			`cannot be executed: interpreter "/no/such/python3" does not exist`},
		{"DOS", exe("dos", "#!/bin/sh\r\n"),
			Result{Exit: -1, Err: errors.New(`interpreter "/bin/sh" does not exist (the file has DOS line endings)`)},
			`cannot be executed: interpreter "/bin/sh" does not exist (the file has DOS line endings)`},
		{"gone", dir + "/gone",
			Result{Exit: -1, Err: errors.New("read " + dir + "/gone: no such file or directory")},
			"cannot be executed: read " + dir + "/gone: no such file or directory"},
		{"denied", noexec,
			Result{Exit: -1, Err: errors.New("permission denied (it or its interpreter is not executable, or mounted noexec)")},
			"cannot be executed: permission denied (it or its interpreter is not executable, or mounted noexec)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, log := newRecord()
			got := run(&Runner{Log: log}, tt.hook)
			if diff := cmp.Diff(tt.want, got, plain); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.text, got.String()); diff != "" {
				t.Error(diff)
			}
			if got.OK() != (tt.name == "ok") {
				t.Error("OK is", got.OK())
			}
		})
	}
}

func TestResultOfOurs(t *testing.T) {
	for _, tt := range []struct {
		res  Result
		text string
	}{
		{Result{TimedOut: true, Duration: 5*time.Minute + 9*time.Millisecond}, "timed out after 5m0s"},
		{Result{TimedOut: true, Signal: syscall.SIGTERM, Duration: 12345 * time.Microsecond}, "timed out after 12ms"},
		{Result{Killed: true}, "ended on request"},
	} {
		if diff := cmp.Diff(tt.text, tt.res.String()); diff != "" {
			t.Error(diff)
		}
		if tt.res.OK() {
			t.Errorf("%+v is OK", tt.res)
		}
	}
}

// TestRunSurroundings checks everything that a hook finds when it starts.
func TestRunSurroundings(t *testing.T) {
	lock, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	must(t, err)
	defer lock.Close()
	must(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))
	// A descriptor that we inherited would not be close-on-exec.
	inherited, err := unix.Open("/dev/null", unix.O_RDONLY, 0)
	must(t, err)
	defer unix.Close(inherited)
	t.Setenv("NOTIFY_SOCKET", "/run/systemd/notify")
	t.Setenv("DLM_TEST", "old")
	t.Setenv("TEST_KEPT", "kept")
	t.Setenv("PATH", "")

	rec, log := newRecord()
	h := sh(t, `
echo "args $#"
echo "cwd $(pwd -P) $PWD"
echo "umask $(umask)"
echo "stdin $(readlink /proc/self/fd/0)"
for fd in /proc/$$/fd/*; do readlink $fd && echo "fd ${fd##*/}"; done
read -r _ _ _ _ pgrp session tty _ </proc/$$/stat
[ "$pgrp $session" = "$$ $$" ] && echo "own group and session, terminal $tty"
echo "notify ${NOTIFY_SOCKET-unset}"
echo "env $DLM_TEST $DLM_STAGE $TEST_KEPT"
echo "path $PATH"
echo "name $0"
# With a builtin: dash blocks all signals while it starts a process.
while read -r key value; do case $key in SigBlk: | SigIgn:) echo "$key $value" ;; esac; done </proc/$$/status`)
	res := run(&Runner{Log: log}, h, "DLM_STAGE=update", "DLM_TEST=new")
	if !res.OK() {
		t.Fatal(res)
	}
	var got []string
	for _, line := range rec.output(t) {
		line = strings.TrimPrefix(line, "stdout: ")
		got = append(got, regexp.MustCompile(`pipe:.*`).ReplaceAllString(line, "pipe"))
	}
	// Signals that we ignore are inherited as ignored; make(1) starts processes that ignore one of glibc's own signals.
	status, err := os.ReadFile("/proc/self/status")
	must(t, err)
	ignored := strings.ReplaceAll(regexp.MustCompile(`SigIgn:.*`).FindString(string(status)), "\t", " ")
	want := []string{
		"args 0", "cwd / /", "umask 0022", "stdin /dev/null",
		"/dev/null", "fd 0", "pipe", "fd 1", h, "fd 10", "pipe", "fd 2", // 10 is dash's own
		"own group and session, terminal 0", "notify unset",
		"env new update kept", "path " + defaultPath, "name " + h, "SigBlk: 0000000000000000", ignored,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCommand(t *testing.T) {
	bin := tempDir(t)
	script(t, bin, "reboot-it", "#!/bin/sh\necho \"$0|$1|$2\"\n")
	write(t, filepath.Join(bin, "disabled"), "", 0o644)
	t.Setenv("PATH", "relative:"+bin)
	for _, tt := range []struct {
		argv []string
		want Result
		out  []string
	}{
		{[]string{"reboot-it", "+1", "a b"}, Result{}, []string{"stdout: " + bin + "/reboot-it|+1|a b"}},
		{[]string{bin + "/reboot-it"}, Result{}, []string{"stdout: " + bin + "/reboot-it||"}},
		{[]string{"/bin/sh", "-c", "exit 4"}, Result{Exit: 4}, nil},
		{[]string{"disabled"}, Result{Exit: -1,
			Err: errors.New(`command "disabled" not found in PATH "relative:` + bin + `"`)}, nil},
		{nil, Result{Exit: -1, Err: errors.New("empty command line")}, nil},
	} {
		rec, log := newRecord()
		got := (&Runner{Log: log}).Command("reboot_cmd", tt.argv)
		if diff := cmp.Diff(tt.want, got, plain); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(tt.out, rec.output(t)); diff != "" {
			t.Error(diff)
		}
		for _, e := range rec.entries(t, "") {
			if e["command"] != "reboot_cmd" {
				t.Errorf("no command name in %v", e)
			}
		}
	}
}

// fifo makes a FIFO in which a hook says with a line how far it has come. wait returns that line. If the hook never
// says it, the test fails, and does not hang: it has the FIFO open at both ends, so that opening it waits for nobody.
func fifo(t *testing.T) (path string, wait func() string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "fifo")
	must(t, unix.Mkfifo(path, 0o600))
	both, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	must(t, err)
	t.Cleanup(func() { both.Close() })
	return path, func() string {
		must(t, both.SetReadDeadline(time.Now().Add(time.Minute)))
		line, err := bufio.NewReader(both).ReadString('\n')
		if err != nil {
			t.Errorf("the hook does not say how far it has come: %v", err)
		}
		return strings.TrimSpace(line)
	}
}

// inTime calls f with a timeout, and with longer ones while its process is ended by another signal than expected: on a
// busy machine TERM may come before a shell has set its trap.
func inTime(expected syscall.Signal, f func(timeout time.Duration) Result) (res Result) {
	for timeout := 100 * time.Millisecond; timeout < 20*time.Second; timeout *= 2 {
		if res = f(timeout); res.Signal == expected {
			break
		}
	}
	return res
}

func TestTimeout(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Result
	}{
		{"exec sleep 60", Result{Exit: -1, Signal: syscall.SIGTERM, TimedOut: true}},
		{"trap 'exit 0' TERM; while :; do sleep 0.01; done", Result{Exit: 0, TimedOut: true}},
	} {
		var rec *record
		h := sh(t, tt.text)
		res := inTime(tt.want.Signal, func(timeout time.Duration) Result {
			var log hclog.Logger
			rec, log = newRecord()
			return run(&Runner{Log: log, Timeout: timeout, Grace: time.Minute}, h)
		})
		if diff := cmp.Diff(tt.want, res, plain); diff != "" {
			t.Error(diff)
		}
		if res.OK() || !strings.HasPrefix(res.String(), "timed out after ") {
			t.Error(res)
		}
		if n := len(rec.entries(t, "ending the process group")); n != 1 {
			t.Errorf("%d warnings", n)
		}
	}
}

// TestTimeoutGroup has a leader that ends at TERM and a child that does not: the child gets its grace, and
// then KILL.
func TestTimeoutGroup(t *testing.T) {
	_, log := newRecord()
	path, wait := fifo(t)
	h := sh(t, `
(trap 'echo child heard TERM' TERM; echo $(exec sh -c 'echo $PPID') >`+path+`; while :; do sleep 0.01; done) &
wait`)
	kill, cancel := context.WithCancel(t.Context())
	r := &Runner{Log: log, Kill: kill, Grace: 200 * time.Millisecond}
	child := make(chan int, 1)
	go func() {
		pid, _ := strconv.Atoi(wait())
		child <- pid
		cancel()
	}()
	began := time.Now()
	res := run(r, h)
	if diff := cmp.Diff(Result{Exit: -1, Signal: syscall.SIGTERM, Killed: true}, res, plain); diff != "" {
		t.Error(diff)
	}
	if took := time.Since(began); took < r.Grace {
		t.Errorf("the grace was cut short: %v", took)
	}
	pid := <-child
	if state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil &&
		!strings.Contains(string(state), ") Z ") {
		t.Errorf("child %d is still there: %s", pid, state)
	}
}

func TestKillBeforehand(t *testing.T) {
	rec, log := newRecord()
	kill, cancel := context.WithCancel(t.Context())
	cancel()
	res := run(&Runner{Log: log, Kill: kill}, sh(t, "echo hello"))
	if diff := cmp.Diff(Result{Exit: -1, Killed: true}, res, plain); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string(nil), rec.output(t)); diff != "" {
		t.Error(diff)
	}
}

// TestLinger leaves a daemon behind that holds the output open.
func TestLinger(t *testing.T) {
	rec, log := newRecord()
	path, _ := fifo(t)
	h := sh(t, "setsid sh -c 'echo $$ >"+path+"; exec sleep 60' & read -r pid <"+path+"; echo $pid; exit 7")
	began := time.Now()
	res := run(&Runner{Log: log, Linger: 100 * time.Millisecond}, h)
	took := time.Since(began)
	if diff := cmp.Diff(Result{Exit: 7}, res, plain); diff != "" {
		t.Error(diff)
	}
	if took < 100*time.Millisecond || took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	killPrinted(t, rec)
	warnings := rec.entries(t, "left a process behind that holds its output open; the output was closed")
	if len(warnings) != 1 || warnings[0]["hook"] != "10-test" || warnings[0]["@level"] != "warn" {
		t.Error(warnings)
	}
}

// TestLingerFlood leaves a daemon behind that never stops writing.
func TestLingerFlood(t *testing.T) {
	h := sh(t, "yes >&2 & exit 0")
	began := time.Now()
	res := run(&Runner{Log: discard(), Linger: 50 * time.Millisecond}, h)
	if took := time.Since(began); !res.OK() || took > 30*time.Second {
		t.Errorf("%v after %v", res, took)
	}
}

// TestNoLinger leaves a daemon behind that does not hold the output open.
func TestNoLinger(t *testing.T) {
	h := sh(t, "sleep 60 >/dev/null 2>&1 & echo $!")
	rec, log := newRecord()
	began := time.Now()
	res := run(&Runner{Log: log, Linger: time.Minute}, h)
	if took := time.Since(began); !res.OK() || took > 30*time.Second {
		t.Errorf("%v after %v", res, took)
	}
	killPrinted(t, rec)
}

// killPrinted ends the process whose number the hook has printed, which must have survived the hook.
func killPrinted(t *testing.T, rec *record) {
	t.Helper()
	lines := rec.output(t)
	if len(lines) != 1 {
		t.Fatal(lines)
	}
	pid, err := strconv.Atoi(strings.TrimPrefix(lines[0], "stdout: "))
	must(t, err)
	must(t, syscall.Kill(pid, syscall.SIGKILL))
}

// BenchmarkRun200 runs 200 trivial hooks, as a stage would.
func BenchmarkRun200(b *testing.B) {
	hooks := trivial(b)
	kill, cancel := context.WithCancel(b.Context())
	defer cancel()
	r := &Runner{Log: discard(), Kill: kill}
	for b.Loop() {
		for _, h := range hooks {
			if res := run(r, h); !res.OK() {
				b.Fatal(res)
			}
		}
	}
}

// BenchmarkPlain200 is for comparison with BenchmarkRun200: os/exec and nothing else.
func BenchmarkPlain200(b *testing.B) {
	hooks := trivial(b)
	for b.Loop() {
		for _, h := range hooks {
			if err := exec.Command(h).Run(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkRunParts200 has Debian's run-parts do it.
func BenchmarkRunParts200(b *testing.B) {
	runParts, err := exec.LookPath("run-parts")
	if err != nil {
		b.Skip(err)
	}
	dir := filepath.Dir(trivial(b)[0])
	for b.Loop() {
		if err := exec.Command(runParts, "--report", dir).Run(); err != nil {
			b.Fatal(err)
		}
	}
}

func trivial(b *testing.B) []string {
	dir := tempDir(b)
	var hooks []string
	for i := range 200 {
		hooks = append(hooks, script(b, dir, "hook-"+strconv.Itoa(1000+i), "#!/bin/sh\nexit 0\n"))
	}
	return hooks
}

// TestOldKernel: without pidfds (before Linux 5.4) the exit is noticed in another way.
func TestOldKernel(t *testing.T) {
	rec, log := newRecord()
	r := &Runner{Log: log, noPidfd: true, Timeout: time.Minute}
	res := run(r, sh(t, "echo one; exit 7"))
	if diff := cmp.Diff(Result{Exit: 7}, res, plain); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"stdout: one"}, rec.output(t)); diff != "" {
		t.Error(diff)
	}
	r.Timeout, r.Grace = 20*time.Millisecond, 50*time.Millisecond
	res = run(r, sh(t, "exec sleep 60"))
	if diff := cmp.Diff(Result{Exit: -1, Signal: syscall.SIGTERM, TimedOut: true}, res, plain); diff != "" {
		t.Error(diff)
	}
}

// TestSaid: the last line of standard error goes with the result.
func TestSaid(t *testing.T) {
	for script, want := range map[string]string{
		"echo out; echo 'E: disk is full' >&2; echo out; exit 1":   "E: disk is full",
		"echo first >&2; printf 'last \\033[1m\\n\\n' >&2; exit 1": `last \x1b[1m`,
		"echo out; exit 1": "",
		"head -c 5000 /dev/zero | tr '\\0' x >&2; exit 1": strings.Repeat("x", 200) + "...",
	} {
		_, log := newRecord()
		if res := run(&Runner{Log: log}, sh(t, script)); res.Said != want {
			t.Errorf("%s: %q", script, res.Said)
		}
	}
}

// TestLast: the last lines of both streams go with the result, clean, in order and bounded.
func TestLast(t *testing.T) {
	result := run(&Runner{}, sh(t, `i=0; while [ $i -lt 100 ]; do i=$((i + 1)); echo "line $i"; done; `+
		`printf '\033[1mred\n' >&2
head -c 5000 /dev/zero | tr '\0' x`))
	var want []string
	for i := 63; i <= 100; i++ {
		want = append(want, fmt.Sprintf("line %d", i))
	}
	want = append(want, `\x1b[1mred`, strings.Repeat("x", 300)+"...")
	if diff := cmp.Diff(want, result.Last); diff != "" {
		t.Error(diff)
	}
	if result := run(&Runner{}, sh(t, "echo only")); !slices.Equal(result.Last, []string{"only"}) {
		t.Errorf("%q", result.Last)
	}
	if result := run(&Runner{}, sh(t, "true")); result.Last != nil {
		t.Errorf("%q", result.Last)
	}
}

// TestInput: a process can read all of its input, and need not, whatever its size. Without input there is nothing to
// read.
func TestInput(t *testing.T) {
	big := strings.Repeat("0123456789\n", 100_000)
	for _, test := range []struct{ name, input, script, want string }{
		{"none", "", "readlink /proc/self/fd/0", "stdout: /dev/null"},
		{"read", "{\"a\": 1}\nend", "cat", "stdout: {\"a\": 1} stdout: end"},
		{"more than a pipe takes", big, "wc -c", fmt.Sprintf("stdout: %d", len(big))},
		{"not read", big, "echo done", "stdout: done"},
		{"read twice", "one\n", "head -n 1; cat", "stdout: one"},
	} {
		rec, log := newRecord()
		r := &Runner{Log: log}
		if test.input != "" {
			r.Input = []byte(test.input)
		}
		for range 2 { // a notifier after the other reads the same
			rec.buf.Reset()
			if res := run(r, sh(t, test.script)); !res.OK() {
				t.Errorf("%s: %s", test.name, res)
			}
			if diff := cmp.Diff(test.want, strings.Join(rec.output(t), " ")); diff != "" {
				t.Errorf("%s: %s", test.name, diff)
			}
		}
	}
}
