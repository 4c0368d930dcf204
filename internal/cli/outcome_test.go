package cli

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/outcome"
	"foreman-dlm-updater/internal/status"

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
