package hook

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/vet"
	"foreman-dlm-updater/test/legible"

	"github.com/hashicorp/go-hclog"
)

// FuzzEntry: an entry of a stage directory is a hook if and only if its name is not a leftover's and it leads to a file
// that its owner may execute. If anything is wrong with it, the message is safe to show.
func FuzzEntry(f *testing.F) {
	f.Add("50-x", "", uint16(0o755))
	f.Add("50-x", "/bin/true", uint16(0))
	f.Add("50-x", "50-x", uint16(0))
	f.Add("a\n\x1b[2J", "../\xff", uint16(0))
	f.Add("x.dpkg-new", "", uint16(0o4755))
	f.Add("x", "/./bin//../bin/true", uint16(0))
	f.Fuzz(func(t *testing.T, name, target string, mode uint16) {
		dir := t.TempDir()
		path := dir + "/" + name
		if strings.Contains(name, "/") || strings.Contains(name+target, "\x00") || strings.HasPrefix(target, "/proc") ||
			strings.HasPrefix(target, "/dev") {
			return // no name, or what changes meanwhile
		}
		var err error
		if target != "" {
			err = os.Symlink(target, path)
		} else if err = os.WriteFile(path, nil, 0o600); err == nil {
			err = os.Chmod(path, os.FileMode(mode&0o777))
		}
		if err != nil {
			return // no name for a file
		}
		entries, err := Entries(vet.NewSession(), dir)
		if err != nil || len(entries) != 1 {
			t.Fatalf("%d entries, %v", len(entries), err)
		}
		e := entries[0]
		info, err := os.Stat(path)
		runs := err == nil && info.Mode().IsRegular() && info.Mode()&0o100 != 0
		switch {
		case e.Skipped == "" && len(e.Offenders) == 0 && (!runs || file.Leftover(name) || info.Mode()&0o022 != 0):
			t.Errorf("%q -> %q, %o: a hook, with %v, %v", name, target, mode, info, err)
		case e.Skipped != "" && runs && !file.Leftover(name):
			t.Errorf("%q -> %q, %o: skipped: %s", name, target, mode, e.Skipped)
		}
		legible.Lines(t, e.Skipped)
		_, err = List(vet.NewSession(), dir, hclog.NewNullLogger())
		var unsafe *vet.UnsafeError
		if err != nil && !errors.As(err, &unsafe) {
			t.Error(err)
		}
		if err != nil {
			legible.Lines(t, err.Error())
		}
	})
}

// FuzzHead: the beginning of a hook's file is never shown raw.
func FuzzHead(f *testing.F) {
	for _, s := range []string{"", "#!", "#!/bin/sh\n# Does this. And that.\n", "#!/no/such\r\n", "#! \x1b[2J x\n",
		"\x7fELF", "# \x1b[2J\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		l := Library{t.TempDir()}
		path := l.Path("update", "x")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, head, 0o755)); err != nil {
			t.Fatal(err)
		}
		legible.Lines(t, l.Description("update", "x"))
		broken, _ := CheckInterpreter(Hook{"x", path}, nil)
		legible.Lines(t, broken.String())
	})
}
