package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("TEST_HOLD_LOCK"); path != "" {
		holdLock(path)
		return
	}
	if file := os.Getenv("TEST_BOOT"); file != "" {
		boot, err := ReadBoot(context.Background(), file)
		fmt.Printf("%s %d %d", boot.ID, boot.Init, boot.PIDNamespace)
		if err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// holdLock is the other process of the tests: it holds the lock until its standard input ends.
func holdLock(path string) {
	if _, err := Only(path, path+"-state"); err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
		return
	}
	os.Stdout.WriteString("held\n")
	os.Stdin.Read(make([]byte, 1))
}

// holder starts a process that holds the lock file.
func holder(t *testing.T, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TEST_HOLD_LOCK="+path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); cmd.Wait() })
	line := make([]byte, 5)
	if _, err := stdout.Read(line); err != nil || string(line) != "held\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	return cmd
}

func TestOneAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if err := Running(path, path+"-state"); err != nil {
		t.Errorf("without a file: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("looking made the file")
	}
	if err := os.WriteFile(path, []byte("12345\n"), 0o644); err != nil { // what a process left that is gone
		t.Fatal(err)
	}
	if err := Running(path, path+"-state"); err != nil {
		t.Errorf("with a stale file: %v", err)
	}
	other := holder(t, path)
	var running *RunningError
	for _, err := range []error{Running(path, path+"-state"),
		func() error { _, err := Only(path, path+"-state"); return err }()} {
		if !errors.As(err, &running) || running.PID != other.Process.Pid {
			t.Errorf("while pid %d holds it: %v", other.Process.Pid, err)
		}
	}
	if err := other.Process.Kill(); err != nil { // however it ends, the kernel drops the lock
		t.Fatal(err)
	}
	other.Wait()
	instance, err := Only(path, path+"-state")
	if err != nil {
		t.Fatal(err)
	}
	if err := instance.Close(); err != nil {
		t.Error(err)
	}
}

// TestLockIsNotInherited: a child that outlives its invocation must not keep the lock.
func TestLockIsNotInherited(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	instance, err := Only(path, path+"-state")
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command("cat")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer stdin.Close()
	if err := instance.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Only(path, path+"-state")
	if err != nil {
		t.Fatalf("a child has it still: %v", err)
	}
	again.Close()
}

func TestLockFileThatCannotBe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "lock")
	if _, err := Only(path, path+"-state"); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}

func TestReadBoot(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "boot_id")
	if _, err := ReadBoot(t.Context(), file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("without the file: %v", err)
	}
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadBoot(t.Context(), file); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("with an empty file: %v", err)
	}
	if err := os.WriteFile(file, []byte("3f0e\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	boot, err := ReadBoot(t.Context(), file)
	if err != nil || boot.ID != "3f0e" || boot.PIDNamespace == 0 {
		t.Errorf("%+v, %v", boot, err)
	}
	again, err := ReadBoot(t.Context(), file)
	if err != nil || !cmp.Equal(boot, again) {
		t.Errorf("it changed within a boot: %+v, %+v, %v", boot, again, err)
	}
}

// TestOddFiles: a file that is not regular neither blocks nor fills the memory.
func TestOddFiles(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, "/dev/zero", filepath.Dir(fifo)} {
		if boot, err := ReadBoot(t.Context(), path); err == nil {
			t.Errorf("%s gave the boot %.20q", path, boot.ID)
		}
		if pid := readPID(path); pid != 0 {
			t.Errorf("%s gave the pid %d", path, pid)
		}
	}
	long := filepath.Join(t.TempDir(), "long")
	if err := os.WriteFile(long, bytes.Repeat([]byte("x"), 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadBoot(t.Context(), long); err == nil {
		t.Error("5000 bytes were taken for a boot id")
	}
	if err := Running(fifo, long); err != nil {
		t.Errorf("a FIFO that nobody holds: %v", err)
	}
}

func TestStartTime(t *testing.T) {
	tail := strings.Repeat("0 ", 18)
	tests := []struct {
		stat string
		want uint64
		ok   bool
	}{
		{"1 (systemd) S " + tail + "17 more", 17, true},
		{"1 (a) b) (c) S " + tail + "99", 99, true},
		{"1 (systemd) S 1 2", 0, false},
		{"", 0, false},
		{"1 (systemd) S " + tail + "x", 0, false},
	}
	for _, test := range tests {
		if got, err := startTime([]byte(test.stat)); got != test.want || (err == nil) != test.ok {
			t.Errorf("%q: %d, %v", test.stat, got, err)
		}
	}
}

func TestParseCount(t *testing.T) {
	for property, want := range map[string]string{"@u 0": "0", "@u 3": "3", "3": "3", "": "none", `"x"`: "none",
		"@u -1": "none"} {
		got := "none"
		if n := parseCount(property); n != nil {
			got = string(rune('0' + *n))
		}
		if got != want {
			t.Errorf("%q: %s, want %s", property, got, want)
		}
	}
}

func TestUptimeGoesOn(t *testing.T) {
	first, err := Uptime()
	if err != nil || first <= 0 {
		t.Fatalf("%s, %v", first, err)
	}
	if second, err := Uptime(); err != nil || second < first {
		t.Errorf("%s after %s, %v", second, first, err)
	}
}

// TestShowStatus: systemd gets the sentence; without systemd nothing happens.
func TestShowStatus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	ShowStatus("waiting for lock web: held by web3")
	heard := make([]byte, 200)
	n, err := systemd.Read(heard)
	if got := string(heard[:n]); err != nil || got != "STATUS=waiting for lock web: held by web3" {
		t.Errorf("%q, %v", got, err)
	}
	t.Setenv("NOTIFY_SOCKET", "")
	ShowStatus("nobody hears this")
}

// TestLockFileOfValue: a file that holds something else, or a link to one, is refused and left as it is.
func TestLockFileOfValue(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key.pem")
	if err := os.WriteFile(key, []byte("-----BEGIN KEY-----\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(key, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{key, link, dir} {
		if instance, err := Only(path, filepath.Join(dir, "state")); err == nil {
			instance.Close()
			t.Errorf("%s was taken for a lock file", path)
		}
	}
	content, err := os.ReadFile(key)
	info, statErr := os.Stat(key)
	if err != nil || statErr != nil || string(content) != "-----BEGIN KEY-----\n" || info.Mode().Perm() != 0o640 {
		t.Errorf("the file is %q, %v now", content, info.Mode())
	}
}

// TestLeasedLockFile: whoever holds a lease on the lock file, such as a file server, could delay opening it for 45 s
// (lease-break-time).
func TestLeasedLockFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Skipf("NOT TESTED: no leases here: %v", err)
	}
	if _, err := Only(path, path+"-state"); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("got %v", err)
	}
}

// TestLockFileIsPrivate: whoever can open the lock file can lock it.
func TestLockFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(path, []byte("1\n"), 0o644); err != nil { // as the original leaves it
		t.Fatal(err)
	}
	instance, err := Only(path, path+"-state")
	if err != nil {
		t.Fatal(err)
	}
	defer instance.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
