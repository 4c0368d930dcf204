package hook

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// legible checks that a text of one or more lines can be shown on a terminal.
func legible(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if r != '\n' && !strconv.IsPrint(r) {
			t.Fatalf("%q has the character %U", text, r)
		}
	}
}

// FuzzOutput: whatever a hook writes, and in whatever pieces it is read, the same printable lines of bounded length are logged.
func FuzzOutput(f *testing.F) {
	for _, s := range []string{"", "a\nb", "a\r\n\r", "\x1b[2J\xff\u202e\n", strings.Repeat("x", maxLine) + "\r\n", strings.Repeat("ü", maxLine) + "\n"} {
		f.Add([]byte(s), uint16(1))
		f.Add([]byte(s), uint16(maxLine))
	}
	f.Fuzz(func(t *testing.T, written []byte, size uint16) {
		read := func(piece int) (lines []string) {
			s := &stream{log: func(line string) { lines = append(lines, line) }}
			for rest := written; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
				s.write(rest[:min(piece, len(rest))])
			}
			s.end()
			return lines
		}
		whole := read(max(len(written), 1))
		if diff := cmp.Diff(whole, read(max(int(size), 1))); diff != "" {
			t.Errorf("in pieces of %d bytes: %s", size, diff)
		}
		for _, line := range whole {
			legible(t, line)
			if strings.Contains(line, "\n") || len(line) > 4*maxLine+64 {
				t.Errorf("a line of %d bytes: %.100q", len(line), line)
			}
		}
	})
}

// FuzzQuote: any path can be shown, and pasted into bash.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a", "a b", "it's", "\n", "\x1b1", "\xff0", "\u202ea", `\'` + "\n", "~", "-", "é", "!!", "a\\\t"} {
		f.Add(s)
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		f.Skip("bash is not installed")
	}
	f.Fuzz(func(t *testing.T, path string) {
		if strings.Contains(path, "\x00") {
			return // no path
		}
		word := quote(path)
		legible(t, word)
		show := exec.Command(bash, "-c", "printf %s "+word)
		show.Env = []string{"LC_ALL=C.UTF-8"}
		if out, err := show.Output(); err != nil || string(out) != path {
			t.Errorf("%q is quoted as %s, which bash takes for %q, %v", path, word, out, err)
		}
	})
}

// FuzzEntry: an entry of a stage directory is a hook if and only if its name is no leftover's and it leads to a file that its owner
// may execute; if anything is wrong with it, the message can be shown.
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
		if strings.Contains(name, "/") || strings.Contains(name+target, "\x00") || strings.HasPrefix(target, "/proc") || strings.HasPrefix(target, "/dev") {
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
		entries, err := Entries(dir)
		if err != nil || len(entries) != 1 {
			t.Fatalf("%d entries, %v", len(entries), err)
		}
		e := entries[0]
		info, err := os.Stat(path)
		runs := err == nil && info.Mode().IsRegular() && info.Mode()&0o100 != 0
		switch {
		case e.Skipped == "" && len(e.Offenders) == 0 && (!runs || leftover(name) || info.Mode()&0o022 != 0):
			t.Errorf("%q -> %q, %o: a hook, with %v, %v", name, target, mode, info, err)
		case e.Skipped != "" && runs && !leftover(name):
			t.Errorf("%q -> %q, %o: skipped: %s", name, target, mode, e.Skipped)
		}
		legible(t, e.Skipped)
		_, err = List(dir, discard())
		var unsafe *UnsafeError
		if err != nil && !errors.As(err, &unsafe) {
			t.Error(err)
		}
		if err != nil {
			legible(t, err.Error())
		}
	})
}

// FuzzHead: what a hook's file begins with is told, or not, but never shown raw.
func FuzzHead(f *testing.F) {
	for _, s := range []string{"", "#!", "#!/bin/sh\n# Does this. And that.\n", "#!/no/such\r\n", "#! \x1b[2J x\n", "\x7fELF", "# \x1b[2J\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		l := Library{t.TempDir()}
		path := l.Path("update", "x")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, head, 0o755)); err != nil {
			t.Fatal(err)
		}
		legible(t, missing(path).Error())
		legible(t, l.Description("update", "x"))
	})
}
