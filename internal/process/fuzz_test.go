package process

import (
	"os"
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

// FuzzOutput: the same printable lines of limited length are logged, whatever a hook writes and in whatever pieces it
// is read.
func FuzzOutput(f *testing.F) {
	for _, s := range []string{"", "a\nb", "a\r\n\r", "\x1b[2J\xff\u202e\n", strings.Repeat("x", maxLine) + "\r\n",
		strings.Repeat("ü", maxLine) + "\n"} {
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

// FuzzInterpreter: the beginning of a program's file is never shown raw.
func FuzzInterpreter(f *testing.F) {
	for _, s := range []string{"", "#!", "#!/bin/sh\n", "#!/no/such\r\n", "#! \x1b[2J x\n", "\x7fELF", "# \x1b[2J\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		path := filepath.Join(t.TempDir(), "x")
		must(t, os.WriteFile(path, head, 0o755))
		legible(t, missing(path).Error())
		if err := NewInterpreters(Environment).Check(path); err != nil {
			legible(t, err.Error())
		}
	})
}
