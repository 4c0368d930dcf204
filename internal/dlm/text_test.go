package dlm

import (
	"strings"
	"testing"
	"testing/synctest"

	"foreman-dlm-updater/test/legible"
)

// TestMessagesAreLegible, whatever is in an answer.
func TestMessagesAreLegible(t *testing.T) {
	object := `{"error":{"message":"x\u001b[2J\u202e` + strings.Repeat(`\u2028`, 1000) + `","details":"\u0000\n"}}`
	text := `{"error":"\u001b]0;title\u0007\n"}`
	bodies := []string{
		"", object, text, legible.Nasty, strings.Repeat(legible.Nasty, 1000), `{"name":"\u001b\n","host":null}`,
		`{"name":"web","host":{"name":"\u001b\n"}}`, strings.Repeat("\xff", 1000),
		`{"name":"` + strings.Repeat("🔒", 1000) + `","host":null}`,
	}
	for _, status := range []int{
		200, 204, 299, 300, 301, 302, 304, 399, 400, 401, 403, 404, 412, 415, 429, 500, 503, 999,
	} {
		for _, body := range bodies {
			synctest.Test(t, func(t *testing.T) {
				c := clientOf(saying(status, map[string]string{"Location": strings.Repeat(legible.Nasty, 100)}, body))
				c.files.Cert.Path = "/etc/" + legible.Nasty
				for method := range operations {
					if err := do(t.Context(), c, method); err != nil {
						legible.Line(t, err.Error())
					}
				}
			})
		}
	}
}

// TestLongNames: long names don't push the cause out of a message.
func TestLongNames(t *testing.T) {
	c := clientOf(saying(412, nil, `{"error":{"message":"Precondition failed."}}`))
	_, err := c.Show(t.Context(), strings.Repeat("\x1b", 8000))
	expect(t, err, ErrNotNow, "not now (412)")
	legible.Line(t, err.Error())
}

// TestPrintable: printable text stays as it is.
func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"":               "",
		"Grüße, \"🔒\" '": "Grüße, \"🔒\" '",
		"a\nb\t'\x1b'":   `a\nb\t'\x1b'`,
		"\u00a0\u202e":   `\u00a0\u202e`,
		"\xff":           "\ufffd",
	} {
		if got := printable(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
