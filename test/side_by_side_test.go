package test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// sideBySide runs side-by-side.sh on a Makefile of its own, beside a named pipe for its targets.
func sideBySide(t *testing.T, makefile string, lanes ...string) *exec.Cmd {
	t.Helper()
	script, err := filepath.Abs("side-by-side.sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), script, lanes...)
	cmd.Dir = t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(cmd.Dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cmd.Dir, "Makefile"), []byte(makefile), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	return cmd
}

// TestSideBySide: targets of different arguments run at the same time, those of one argument in turn. One failure stops
// nothing else, and the output of each target comes in one piece.
func TestSideBySide(t *testing.T) {
	const makefile = `
first: ## waits for the other lane
	@read _ <pipe
	@echo "far along" >>"$$PROGRESS"; echo "=== RUN one"; echo two; touch first
second: ## comes after the first
	@test -e first; echo three
other:
	@echo >pipe; echo broken; exit 1
`
	out, err := sideBySide(t, makefile, "first second", "other").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("it ended with %v", err)
	}
	for _, want := range []string{
		" first: waits for the other lane\n", "far along\n", " second: comes after the first\n",
		":\n=== RUN one\ntwo\n--- first: passed after ", ":\nthree\n--- second: passed after ", ":\nbroken\n",
		"--- other: FAILED after ", "=== FAILED after 0 min: other\n",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("nothing says %q", want)
		}
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}

// TestSideBySidePasses: the exit code is 0 if all passed.
func TestSideBySidePasses(t *testing.T) {
	out, err := sideBySide(t, "one:\n\t@:\n", "one").CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "=== all passed after 0 min\n") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestSideBySideInterrupted: after SIGTERM no process and no file of it is left.
func TestSideBySideInterrupted(t *testing.T) {
	cmd := sideBySide(t, "one:\n\t@echo $$$$ >pipe; exec sleep 600\n", "one")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid, err := os.ReadFile(filepath.Join(cmd.Dir, "pipe"))
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("it ended with %v", err)
	}
	if err := exec.Command("kill", "-0", strings.TrimSpace(string(pid))).Run(); err == nil {
		t.Errorf("process %s is still there", pid)
	}
	tmp := cmd.Env[len(cmd.Env)-1]
	if left, err := os.ReadDir(strings.TrimPrefix(tmp, "TMPDIR=")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
