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
