package hook

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foreman-dlm-updater/internal/vet"

	"golang.org/x/sys/unix"
)

// TestVetSettings: files that hooks source must be as safe as the hooks; other files need not.
func TestVetSettings(t *testing.T) {
	//bad:Hook settings: name want
	tests := []struct {
		name string
		root bool // it needs root
		make func(t *testing.T, dir string) error
		want string // what the error says; empty: none
	}{
		{"no directory", false, func(_ *testing.T, dir string) error { return os.Remove(dir) }, ""},
		{"safe", false, func(_ *testing.T, dir string) error { return regular(0o600)(dir + "/apt.conf") }, ""},
		{"writable by the group", false, func(_ *testing.T, dir string) error { return regular(0o664)(dir + "/apt.conf") },
			"/apt.conf: can be written by others (mode 0664); fix it with: chmod go-w "},
		{"somebody else's", true, func(_ *testing.T, dir string) error {
			return errors.Join(regular(0o644)(dir+"/apt.conf"), os.Chown(dir+"/apt.conf", nobody, nobody))
		}, "/apt.conf: belongs to "},
		{"hidden, and sourced by no hook but named so", false,
			func(_ *testing.T, dir string) error { return regular(0o666)(dir + "/.x.conf") },
			"/.x.conf: can be written by others"},
		{"another name", false, func(_ *testing.T, dir string) error { return regular(0o666)(dir + "/README") }, ""},
		{"a leftover", false, func(_ *testing.T, dir string) error { return regular(0o666)(dir + "/apt.conf.dpkg-old") }, ""},
		{"a link to a safe file", false, func(t *testing.T, dir string) error {
			target := filepath.Join(tempDir(t), "x")
			return errors.Join(regular(0o644)(target), os.Symlink(target, dir+"/apt.conf"))
		}, ""},
		{"a link to a file of all", false, func(t *testing.T, dir string) error {
			target := filepath.Join(tempDir(t), "x")
			return errors.Join(regular(0o666)(target), os.Symlink(target, dir+"/apt.conf"))
		}, "/x: can be written by others"},
		{"a link into a directory of all", false, func(t *testing.T, dir string) error {
			open := tempDir(t)
			return errors.Join(regular(0o644)(open+"/x"), os.Chmod(open, 0o777), os.Symlink(open+"/x", dir+"/apt.conf"))
		}, "can be written by others (mode 0777)"},
		{"a dangling link", false, func(_ *testing.T, dir string) error { return os.Symlink("nowhere", dir+"/apt.conf") },
			"/apt.conf: leads nowhere"},
		{"a directory", false, func(_ *testing.T, dir string) error { return os.Mkdir(dir+"/apt.conf", 0o755) },
			"/apt.conf: is not a regular file"},
		{"a FIFO", false, func(_ *testing.T, dir string) error { return unix.Mkfifo(dir+"/apt.conf", 0o600) },
			"/apt.conf: is not a regular file"},
		{"the directory is open to all", false, func(_ *testing.T, dir string) error { return os.Chmod(dir, 0o777) },
			"hooks.conf.d: can be written by others"},
		{"the directory is sticky", false, func(_ *testing.T, dir string) error { return os.Chmod(dir, 0o777|os.ModeSticky) },
			"hooks.conf.d: can be written by others"},
		{"a file instead of the directory", false, func(_ *testing.T, dir string) error {
			return errors.Join(os.Remove(dir), regular(0o644)(dir))
		}, "is not a directory"},
		{"a link that leads nowhere instead of it", false, func(_ *testing.T, dir string) error {
			return errors.Join(os.Remove(dir), os.Symlink("nowhere", dir))
		}, "which does not exist"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.root {
				needRoot(t)
			}
			dir := filepath.Join(tempDir(t), "hooks.conf.d")
			must(t, os.Mkdir(dir, 0o755))
			must(t, test.make(t, dir))
			err := VetSettings(vet.NewSession(), dir)
			var unsafe *vet.UnsafeError
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (!errors.As(err, &unsafe) || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v", err)
			case test.want != "" && !strings.HasPrefix(err.Error(), "refused settings directory "+dir+":"):
				t.Errorf("it is not named: %v", err)
			}
		})
	}
}
