package vet

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestVetOwnFiles: the state and lock files must be as safe as hooks. The lock may be in a sticky directory like
// /run/lock, the state may not.
func TestVetOwnFiles(t *testing.T) {
	//bad:State files: name state
	tests := []struct {
		name        string
		root        bool // it needs root
		make        func(dir, path string) error
		state, lock string // what the error says; empty: none
	}{
		{"not there", false, func(_, _ string) error { return nil }, "", ""},
		{"no directory", false, func(dir, _ string) error { return os.Remove(dir) }, "", ""},
		{"safe", false, func(_, path string) error { return regular(0o644)(path) }, "", ""},
		{"open to all", false, func(_, path string) error { return regular(0o666)(path) },
			"file: can be written by others (mode 0666); fix it with: chmod go-w ",
			"file: can be written by others (mode 0666)"},
		{"another's", true, func(_, path string) error {
			return errors.Join(regular(0o600)(path),
				os.Chown(path, nobody, nobody))
		},
			"file: belongs to nobody (uid 65534); fix it with: chown root:root ", "file: belongs to nobody"},
		{"a link to what is open to all", false, func(dir, path string) error {
			return errors.Join(regular(0o666)(dir+"/x"), os.Symlink("x", path))
		}, "x: can be written by others", "x: can be written by others"},
		{"another's link", true, func(dir, path string) error {
			return errors.Join(regular(0o600)(dir+"/x"), os.Symlink("x", path), os.Lchown(path, nobody, nobody))
		}, "file: belongs to nobody", "file: belongs to nobody"},
		{"in a directory that is open to all", false, func(dir, _ string) error { return os.Chmod(dir, 0o777) },
			"can be written by others (mode 0777); fix it with: chmod go-w ", "can be written by others (mode 0777)"},
		{"in a sticky one", true, func(dir, _ string) error { return os.Chmod(dir, 0o777|os.ModeSticky) },
			"can be written by others (mode 1777)", ""},
		{"in another's", true, func(dir, _ string) error { return os.Chown(dir, nobody, nobody) },
			"belongs to nobody (uid 65534); fix it with: chown root:root ", "belongs to nobody"},
		{"below another's", true, func(dir, _ string) error { return os.Chown(filepath.Dir(dir), nobody, nobody) },
			"belongs to nobody", "belongs to nobody"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.root {
				needRoot(t)
			}
			dir := filepath.Join(tempDir(t), "dir")
			must(t, os.Mkdir(dir, 0o700))
			path := filepath.Join(dir, "file")
			must(t, test.make(dir, path))
			says(t, "refused state file "+path+":", test.state, NewSession().State(path))
			says(t, "refused lock file "+path+":", test.lock, NewSession().Lock(path))
		})
	}
}

// says checks that the error has the text after its beginning; with no text there must be no error.
func says(t *testing.T, begins, text string, err error) {
	t.Helper()
	switch {
	case text == "" && err != nil, text != "" && err == nil:
		t.Errorf("%v, want %q", err, text)
	case text != "" && (!strings.HasPrefix(err.Error(), begins) || !strings.Contains(err.Error(), text)):
		t.Errorf("%v, want %q and %q", err, begins, text)
	}
}
