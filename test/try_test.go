package test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTryIt follows docs/try.md in a copy of the tree: the commands as they stand, but for the port, which may be in
// use here, and for how long the update sleeps.
func TestTryIt(t *testing.T) {
	for _, tool := range []string{"make", "curl", "git"} {
		_, err := exec.LookPath(tool)
		switch {
		case err != nil && os.Getenv("CI") != "":
			t.Fatal(err)
		case err != nil:
			t.Skip(err)
		}
	}
	document, err := os.ReadFile("../docs/try.md")
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(document), -1) {
		script.WriteString(block[1])
	}
	address := freeAddress(t)
	commands := script.String()
	for _, one := range []struct{ old, new string }{
		{"dlm-sandbox serve ", "dlm-sandbox serve --listen=" + address + " "},
		{"dlm-sandbox issue ", "dlm-sandbox issue --foreman-url=https://" + address + " "},
		{"https://127.0.0.1:8443", "https://" + address},
		{"exec sleep 5", "exec sleep 1"},
	} {
		if !strings.Contains(commands, one.old) {
			t.Fatalf("the document has no %q", one.old)
		}
		commands = strings.ReplaceAll(commands, one.old, one.new)
	}
	out := shell(t, copyOfTree(t), "set -eu\n"+commands)
	for _, want := range []string{
		`"name":"web","enabled":true`, "web1/config.ini is fine", "waiting for the lock",
		"nothing to do: no run in progress; lock web is free", "admin POST /api/dlmlocks -> 201", "web1 DELETE web -> 200",
		"web2 DELETE web -> 200",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("nothing says %q", want)
		}
	}
	if n := strings.Count(out, "run finished"); n != 2 {
		t.Errorf("%d runs finished", n)
	}
	if t.Failed() {
		t.Log(out)
	}
}

// freeAddress is one on loopback that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// copyOfTree is a fresh folder with the sources, what is not committed yet included.
func copyOfTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = ".."
	names, err := list.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, names)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		info, err := os.Stat(filepath.Join("..", name))
		if err != nil || info.IsDir() { // deleted, and not committed yet; a folder that a link leads to
			continue
		}
		content, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, info.Mode()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// shell runs a script in a directory, and returns all that it says. What it leaves behind ends with the test.
func shell(t *testing.T, dir, script string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", script)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v:\n%s", err, &out)
	}
	return out.String()
}
