package file

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"plain text, \"quoted\"": "plain text, \"quoted\"",
		`back\slash \n`:          `back\slash \n`,
		"grün €  😀":              "grün €  😀",
		"a\tb\rc\x00":            `a\tb\rc\x00`,
		"\x1b[31mred\x7f":        `\x1b[31mred\x7f`,
		"c1 \u0085 \u009b":       `c1 \u0085 \u009b`,
		"ls \u2028 ps \u2029":    `ls \u2028 ps \u2029`,
		"bidi \u202e \u2066":     `bidi \u202e \u2066`,
		"bom \ufeff":             `bom \ufeff`,
		"latin1 \xfc, \xe2\x82":  `latin1 \xfc, \xe2\x82`,
		"surrogate \xed\xa0\x80": `surrogate \xed\xa0\x80`,
		"replacement \ufffd":     "replacement \ufffd",
	} {
		if diff := cmp.Diff(want, Escape(in)); diff != "" {
			t.Errorf("%q: %s", in, diff)
		}
	}
}

// TestEscapeBut: the newlines of a text stay, and nothing else.
func TestEscapeBut(t *testing.T) {
	if got, want := EscapeBut("one\n\x1b[1mtwo\r\n\xff", "\n"), "one\n\\x1b[1mtwo\\r\n\\xff"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestCut(t *testing.T) {
	for _, test := range []struct{ what, got, want string }{
		{"short enough", Cut("grün", 4), "grün"},
		{"too long", Cut("grünes", 4), "grün..."},
		{"bytes that are not UTF-8 count as characters", Cut("\xff\xfeab", 3), "\xff\xfea..."},
		{"bytes", CutBytes("grün", 5), "grün"},
		{"no half character", CutBytes("grün", 3), "gr..."},
		{"quoted", Quote([]byte("a\nb"), 3), `"a\nb"`},
		{"quoted and too long", Quote([]byte("a\nbc"), 3), `"a\nb"...`},
	} {
		if test.got != test.want {
			t.Errorf("%s: %q, want %q", test.what, test.got, test.want)
		}
	}
}
