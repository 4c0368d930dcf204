package test

import (
	"bytes"
	"go/scanner"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestLineLength: lines of code and text have up to 120 characters. What can't be wrapped is left out: struct tags of
// the command line, what a tool generates, and lines that begin inside a raw string, which are data. So are most long
// lines of the scripts for bats, which are left out, too.
func TestLineLength(t *testing.T) {
	list := exec.Command("git", "ls-files", "-z", "*.go", "*.md", "*.sh", "contrib/hooks", "packaging/systemd",
		"Makefile")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Skipf("this is no checkout: %v", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		if filepath.Base(name) == "REFERENCE.md" {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		var raw map[int]bool
		if strings.HasSuffix(name, ".go") {
			raw = rawLines(text)
		}
		number := 0
		for line := range bytes.Lines(text) {
			number++
			if n := utf8.RuneCount(bytes.TrimRight(line, "\n")); n > 120 && !raw[number] &&
				!bytes.Contains(line, []byte("`default:")) && !bytes.Contains(line, []byte("placeholder:")) {
				t.Errorf("%s:%d has %d characters", name, number, n)
			}
		}
	}
}

// rawLines are the numbers of the lines that begin inside a raw string of Go code.
func rawLines(code []byte) map[int]bool {
	file := token.NewFileSet().AddFile("", -1, len(code))
	var s scanner.Scanner
	s.Init(file, code, nil, 0)
	lines := map[int]bool{}
	for {
		at, kind, literal := s.Scan()
		if kind == token.EOF {
			return lines
		}
		if kind == token.STRING {
			for n := range strings.Count(literal, "\n") {
				lines[file.Line(at)+n+1] = true
			}
		}
	}
}
