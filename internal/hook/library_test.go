package hook

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"foreman-dlm-updater/internal/vet"

	"github.com/google/go-cmp/cmp"
)

// newLibrary makes a library with the hooks a and b for the stage update, and a stage directory beside it.
func newLibrary(t *testing.T) (l Library, dir string) {
	t.Helper()
	root := tempDir(t)
	l, dir = Library{filepath.Join(root, "hooks")}, filepath.Join(root, "update.d")
	for _, d := range []string{l.Dir, l.Dir + "/update.d", dir} {
		must(t, os.Mkdir(d, 0o755))
	}
	script(t, l.Dir+"/update.d", "a", "#!/bin/sh\n")
	script(t, l.Dir+"/update.d", "b", "#!/bin/sh\n")
	return l, dir
}

func TestEnable(t *testing.T) {
	l, dir := newLibrary(t)
	must(t, l.Enable("update", "a", dir, "50-a"))
	target, err := os.Readlink(dir + "/50-a")
	if err != nil || target != l.Dir+"/update.d/a" {
		t.Errorf("%q, %v", target, err)
	}
	names, _, err := list(t, dir)
	if diff := cmp.Diff([]string{"50-a"}, names); diff != "" || err != nil {
		t.Error(diff, err)
	}
	// An existing link is not replaced, not even by the same link.
	if err := l.Enable("update", "b", dir, "50-a"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	if err := l.Enable("update", "b", dir, "50-b.bak"); err == nil {
		t.Error("a link that would never run was made")
	}
}

func TestNumber(t *testing.T) {
	l, _ := newLibrary(t)
	for text, want := range map[string]string{
		"#!/bin/sh\n# Does this.\n# Number: 07\n# Stage: update. Exit: 0.\nset -eu\n": "07",
		"#!/bin/sh\n# Does this.\n":                        "50",
		"#!/bin/sh\n# Number: 7\n":                         "50",
		"#!/bin/sh\n# Number: 7/\n":                        "50",
		"#!/bin/sh\n# Does this.\nset -eu\n# Number: 07\n": "50",
		"": "50",
	} {
		must(t, os.WriteFile(l.Path("update", "a"), []byte(text), 0o755))
		if got := l.Number("update", "a"); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
	if got := l.Number("update", "missing"); got != "50" {
		t.Errorf("a hook that is not there has the number %s", got)
	}
}

// TestEnableRefuses: Enable makes no link that would make the stage refused, and none to something unsafe.
func TestEnableRefuses(t *testing.T) {
	tests := map[string]func(l Library, dir string) error{
		"library open to all": func(l Library, _ string) error { return os.Chmod(l.Dir, 0o777) },
		"hook open to all":    func(l Library, _ string) error { return os.Chmod(l.Path("update", "a"), 0o777) },
		"not executable":      func(l Library, _ string) error { return os.Chmod(l.Path("update", "a"), 0o644) },
		"stage open to all":   func(_ Library, dir string) error { return os.Chmod(dir, 0o777) },
		"no stage directory":  func(_ Library, dir string) error { return os.Remove(dir) },
		"no such hook":        func(l Library, _ string) error { return os.Remove(l.Path("update", "a")) },
		"hook leads nowhere": func(l Library, _ string) error {
			return errors.Join(os.Remove(l.Path("update", "a")), os.Symlink("nowhere", l.Path("update", "a")))
		},
	}
	if os.Geteuid() == 0 {
		tests["somebody else's hook"] = func(l Library, _ string) error {
			return os.Chown(l.Path("update", "a"), nobody, nobody)
		}
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			l, dir := newLibrary(t)
			must(t, spoil(l, dir))
			var unsafe *vet.UnsafeError
			if err := l.Enable("update", "a", dir, "50-a"); !errors.As(err, &unsafe) {
				t.Errorf("got %v", err)
			}
			if _, err := os.Lstat(dir + "/50-a"); err == nil {
				t.Error("the link was made")
			}
		})
	}
}

func TestLeads(t *testing.T) {
	l, dir := newLibrary(t)
	for target, want := range map[string]string{
		l.Dir + "/update.d/a":       "a",
		"../hooks/update.d/b":       "b",
		l.Dir + "/update.d/gone":    "gone", // the package was removed
		l.Dir + "/pre_update.d/a":   "",
		l.Dir + "/update.d":         "",
		l.Dir + "/update.d/../a":    "",
		l.Dir + "/update.d/sub/a":   "",
		l.Dir + "-not/update.d/a":   "",
		"/bin/true":                 "",
		"../hooks/update.d/../../x": "",
	} {
		link := filepath.Join(dir, "link")
		os.Remove(link)
		must(t, os.Symlink(target, link))
		if got := l.Leads("update", link); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
	if got := l.Leads("update", script(t, dir, "a", "#!/bin/sh\n").Path); got != "" {
		t.Errorf("a file of one's own: %q", got)
	}
}

func TestNames(t *testing.T) {
	l, _ := newLibrary(t)
	script(t, l.Dir+"/update.d", "a.dpkg-new", "#!/bin/sh\n")
	must(t, os.Mkdir(l.Dir+"/update.d/directory", 0o755))
	names, err := l.Names("update")
	if diff := cmp.Diff([]string{"a", "b"}, names); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if names, err := l.Names("post_update"); len(names) != 0 || err != nil {
		t.Errorf("a stage without hooks: %q, %v", names, err)
	}
}

func TestDescription(t *testing.T) {
	l, _ := newLibrary(t)
	for text, want := range map[string]string{
		"#!/bin/sh\n# Is there room? It looks.\n":                       "Is there room?",
		"#!/bin/sh\n# Stops it,\n# and notes that.\n# Stage: update.\n": "Stops it, and notes that.",
		"#!/bin/sh\n# No end of it\nset -eu\n":                          "No end of it",
		"#!/bin/sh\nset -eu\n# Too late.\n":                             "",
		"":                                                              "",
	} {
		write(t, l.Path("update", "a"), text, 0o755)
		if got := l.Description("update", "a"); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := l.Description("update", "none"); got != "" {
		t.Errorf("got %q", got)
	}
}
