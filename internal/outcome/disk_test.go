package outcome

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFullDisk: that the disk is full is told on the full disk, where there is a file to overwrite.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("NOT TESTED: mounting needs root: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	f := Beside(filepath.Join(dir, "state"))
	fill(t, filepath.Join(dir, "much"))
	if err := f.Write(Outcome{Result: Failed}); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("without a file to overwrite: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "much")); err != nil {
		t.Fatal(err)
	}
	if err := f.Reserve(); err != nil {
		t.Fatal(err)
	}
	fill(t, filepath.Join(dir, "much"))
	if err := f.Write(Outcome{Result: Failed, Error: "no space left on device"}); err != nil {
		t.Fatal(err)
	}
	if o, err := f.Read(); err != nil || o.Result != Failed {
		t.Errorf("%+v, %v", o, err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("%v", files)
	}
}

// fill leaves no block.
func fill(t *testing.T, path string) {
	t.Helper()
	much, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer much.Close()
	for err == nil {
		_, err = much.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}
