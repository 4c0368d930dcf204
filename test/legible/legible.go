// Package legible is for tests: it checks text that a person reads, whatever a server, a file or a hook put into it.
package legible

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// Nasty is text that would move a terminal's cursor, forge a log line, or change the reading direction.
const Nasty = "x\x1b[2J\r\nerror: forged\x00\u009b\u202e\u2028\x7f"

// Lines checks that a terminal shows a text of one or more lines as it is.
func Lines(t testing.TB, text string) {
	t.Helper()
	for _, r := range text {
		if r != '\n' && !strconv.IsPrint(r) {
			t.Fatalf("%.500q has the character %U", text, r)
		}
	}
	if !utf8.ValidString(text) {
		t.Fatalf("%.500q is not UTF-8", text)
	}
}

// Line checks that a message is a single line, of bounded length.
func Line(t testing.TB, text string) {
	t.Helper()
	const most = 16 << 10
	if strings.Contains(text, "\n") || len(text) > most {
		t.Fatalf("%d bytes: %.500q", len(text), text)
	}
	Lines(t, text)
}
