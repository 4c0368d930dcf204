package cli

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/outcome"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"
	"foreman-dlm-updater/internal/workflow"

	"golang.org/x/sys/unix"
)

// TestRefusedSince: how long no run could begin counts from the first that failed, or from the change that keeps it
// from beginning.
func TestRefusedSince(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	mkdir(t, open)
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	changed := func(path string) time.Time {
		var is unix.Stat_t
		if err := unix.Lstat(path, &is); err != nil {
			t.Fatal(err)
		}
		return time.Unix(is.Ctim.Unix())
	}
	ended := time.Date(2026, 11, 22, 2, 14, 3, 0, time.UTC)
	tests := []struct {
		name, dir string
		last      *outcome.Result
		want      time.Time
	}{
		{"others can write to the directory", "open", nil, changed(open)},
		{"and the last run succeeded", "open", new(outcome.Finished), changed(open)},
		{"and the last run failed", "open", new(outcome.Failed), ended},
		{"the directory is missing", "none", nil, changed(dir)},
	}
	for _, test := range tests {
		c := &config.Config{State: filepath.Join(dir, test.dir, "state"), Lock: filepath.Join(dir, "lock")}
		s := &status.Status{}
		if test.last != nil {
			s.Last = &status.Last{Ended: ended, Result: *test.last}
		}
		refused := refusedNow(c)
		if refused == nil {
			t.Fatalf("%s: it is not refused", test.name)
		}
		if got := refusedSince(s.Last, c, refused); !got.Equal(test.want) {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// TestFullDisk: ext4 keeps clusters back, so that root gets ENOSPC on a disk that still has free blocks. Finding
// that out leaves no trace.
func TestFullDisk(t *testing.T) {
	dir, image := t.TempDir(), filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 16<<20); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.ext4", "-q", "-b", "4096", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("NOT TESTED: it needs root, mkfs.ext4 and loop devices: %s: %v, %s", command[0], err, out)
		}
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	c := &config.Config{State: filepath.Join(dir, "state")}
	if err := unwritable(c); err != nil {
		t.Fatalf("an empty disk: %v", err)
	}
	much, err := os.Create(filepath.Join(dir, "much"))
	if err != nil {
		t.Fatal(err)
	}
	defer much.Close()
	var is unix.Statfs_t
	for block := make([]byte, 4096); ; {
		if err := unix.Statfs(dir, &is); err != nil {
			t.Fatal(err)
		}
		if full := unwritable(c); full != nil && !errors.Is(full, unix.ENOSPC) {
			t.Fatal(full)
		} else if _, err := much.Write(block); (err != nil) != (full != nil) {
			t.Fatalf("%d blocks are free: %v, but: %v", is.Bfree, full, err)
		} else if err != nil {
			break
		}
	}
	if is.Bfree == 0 {
		t.Error("it keeps no blocks back")
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 2 { // and lost+found
		t.Errorf("%v", files)
	}
	if err := os.Truncate(much.Name(), 0); err != nil {
		t.Fatal(err)
	}
	if err := unwritable(c); err != nil {
		t.Errorf("there is room again: %v", err)
	}
}

// TestKindOf: what invocations that did not fail must have in common, so that the status says that it is always so.
func TestKindOf(t *testing.T) {
	waited := func(err error, wait lock.Wait) error {
		return &workflow.StageError{Stage: state.LockGet, Err: err, Obstacle: wait}
	}
	gate, held := lock.Wait{Why: "no", For: lock.Gate}, lock.Wait{Why: "held by web3"}
	closed := &workflow.Refusal{Question: lock.Window, Why: "closed"}
	for _, test := range []struct {
		name string
		err  error
		want string
	}{
		{"closed", closed, "window"},
		{"closed meanwhile", waited(closed, gate), "window"},
		{"a gate, until lock_timeout", waited(&lock.NotNow{For: lock.Gate}, lock.Wait{}), "gate"},
		{"held, until lock_timeout", waited(&lock.NotNow{}, lock.Wait{}), ""},
		{"a signal, while a gate said no", waited(workflow.ErrTryLater, gate), "signal"},
		{"a signal, while the lock was held", waited(workflow.ErrTryLater, held), "signal"},
		{"no answer", waited(lock.ErrUnavailable, lock.Wait{}), "unavailable"},
		{"by hand", waited(&lock.NotByRun{}, lock.Wait{}), "by-hand"},
	} {
		var stage *workflow.StageError
		errors.As(test.err, &stage)
		if got := kindOf(test.err, stage); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
