package file

import (
	"os/exec"
	"strings"
	"testing"

	"foreman-dlm-updater/test/legible"
)

// FuzzShellWord: any path can be shown, and pasted into bash.
func FuzzShellWord(f *testing.F) {
	for _, s := range []string{"", "a", "a b", "it's", "\n", "\x1b1", "\xff0", "\u202ea", `\'` + "\n", "~", "-", "é",
		"!!", "a\\\t"} {
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
		word := ShellWord(path)
		legible.Lines(t, word)
		show := exec.Command(bash, "-c", "printf %s "+word)
		show.Env = []string{"LC_ALL=C.UTF-8"}
		if out, err := show.Output(); err != nil || string(out) != path {
			t.Errorf("%q is quoted as %s, which bash takes for %q, %v", path, word, out, err)
		}
	})
}
