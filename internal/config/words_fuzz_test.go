package config

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzWords: reboot_cmd is split as /bin/sh would split it, as far as no expansion is asked for.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"shutdown -r +1 'a b'", `a\ b "c\"d" 'e\f'`, `a''b ""`, `"a\b\\"`,
		`'`, `\`, "a\tb", `"\$"`} {
		f.Add(s)
	}
	// Everything else means something more to a shell.
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 \t'\"\\/.,:+-_@%"
	f.Fuzz(func(t *testing.T, text string) {
		var got []string
		_, err := words(&got)(text)
		if strings.Trim(text, plain) != "" ||
			strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(plain, r) }) {
			return
		}
		out, shErr := exec.Command("/bin/sh", "-c", `printf '%s\n' `+text).Output() // no word can have a newline in it
		if err != nil {
			// It names no command, or sh finds no end either; a backslash at the end is a plain one to sh -c.
			if shErr == nil && len(strings.Fields(strings.NewReplacer(`'`, " ", `"`, " ").Replace(text))) > 0 &&
				!strings.HasSuffix(text, `\`) &&
				!strings.HasPrefix(string(out), "\n") {
				t.Errorf("%q: %v; sh takes it for %q", text, err, out)
			}
			return
		}
		if want := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"); shErr != nil || !cmp.Equal(want, got) {
			t.Errorf("%q: %q; sh says %q, %v", text, got, want, shErr)
		}
	})
}
