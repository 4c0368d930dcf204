package test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestLineLength: lines of code and text have up to 120 characters. What can't be wrapped is left out: struct tags of the
// command line, and what a tool generates; so are tests, whose tables have long lines.
func TestLineLength(t *testing.T) {
	list := exec.Command("git", "ls-files", "-z", "*.go", "*.md", "Makefile")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Skipf("this is no checkout: %v", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		if strings.HasSuffix(name, "_test.go") || filepath.Base(name) == "REFERENCE.md" {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		number := 0
		for line := range bytes.Lines(text) {
			number++
			if n := utf8.RuneCount(bytes.TrimRight(line, "\n")); n > 120 && !bytes.Contains(line, []byte("`default:")) &&
				!bytes.Contains(line, []byte("placeholder:")) {
				t.Errorf("%s:%d has %d characters", name, number, n)
			}
		}
	}
}
