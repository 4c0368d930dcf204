package file

import (
	"os"
	"path/filepath"
	"testing"
)

// TestReplace: whatever was at the path, and whatever a crash left beside it, afterwards there is only the new content,
// with its mode.
func TestReplace(t *testing.T) {
	for name, replace := range map[string]func(string, []byte, os.FileMode) error{
		"Replace": Replace, "ReplaceUnsynced": ReplaceUnsynced, "ReplaceShared": ReplaceShared,
	} {
		for what, prepare := range map[string]func(path string) error{
			"nothing":        func(string) error { return nil },
			"an old file":    func(path string) error { return os.WriteFile(path, []byte("old content"), 0o600) },
			"a link":         func(path string) error { return os.Symlink("/dev/full", path) },
			"half a new one": func(path string) error { return os.WriteFile(temporary(path), []byte("ne"), 0o400) },
			"a link of the temporary name": func(path string) error {
				return os.Symlink(filepath.Join(filepath.Dir(path), "elsewhere"), temporary(path))
			},
		} {
			t.Run(name+" over "+what, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "x")
				if err := prepare(path); err != nil {
					t.Fatal(err)
				}
				if err := replace(path, []byte("new"), 0o600); err != nil {
					t.Fatal(err)
				}
				content, err := os.ReadFile(path)
				if err != nil || string(content) != "new" {
					t.Errorf("got %q, %v", content, err)
				}
				if info, err := os.Lstat(path); err != nil || info.Mode() != 0o600 {
					t.Errorf("%v, %v", info.Mode(), err)
				}
				if err := Remove(path); err != nil {
					t.Error(err)
				}
				if left, _ := os.ReadDir(filepath.Dir(path)); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
			})
		}
	}
}

// TestReplaceFails: the old file stays as it is, and nothing is left beside it.
func TestReplaceFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	if err := os.MkdirAll(filepath.Join(path, "full"), 0o755); err != nil { // nothing can be renamed to it
		t.Fatal(err)
	}
	for name, replace := range map[string]func(string, []byte, os.FileMode) error{
		"Replace": Replace, "ReplaceUnsynced": ReplaceUnsynced, "ReplaceShared": ReplaceShared,
	} {
		if err := replace(path, []byte("new"), 0o600); err == nil {
			t.Errorf("%s: no error", name)
		}
		if left, _ := os.ReadDir(dir); len(left) != 1 {
			t.Errorf("%s: left behind: %v", name, left)
		}
	}
}

func TestSyncDir(t *testing.T) {
	dir := t.TempDir()
	if err := SyncDir(dir); err != nil {
		t.Error(err)
	}
	if err := SyncDir(filepath.Join(dir, "missing")); err == nil {
		t.Error("a directory that is missing was synced")
	}
}
