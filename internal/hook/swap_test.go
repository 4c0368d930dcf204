package hook

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"foreman-dlm-updater/internal/process"
	"foreman-dlm-updater/internal/vet"

	"github.com/hashicorp/go-hclog"
)

// attack tries every way to put another program in the place of the hook $1, which leads to $2: writing to it, a link
// or a file instead of it, another directory instead of one on the way.
const attack = `
evil() { printf '#!/bin/sh\nexit 7\n' > "$1"; chmod 755 "$1"; }
for file in "$1" "$2"; do
	evil "$file"
	ln -sf /bin/false "$file"
	mv "$file" "$file.old"; evil "$file"
	dir=$(dirname "$file")
	while [ "$dir" != / ]; do
		mv "$dir" "$dir.old" && mkdir -p "$(dirname "$file")" && evil "$file"
		dir=$(dirname "$dir")
	done
done
evil "$(dirname "$1")/00-evil"
exit 0`

// swapped lets another user attack between the vetting of a hook and its execution. It returns the exit code of the
// executed program, and what the vetting said.
func swapped(t *testing.T, make func(t *testing.T, base, dir string)) (exit int, vetted error) {
	base := tempDir(t)
	must(t, os.Chmod(filepath.Dir(base), 0o755)) // so that others can go there
	dir := filepath.Join(base, "etc", "update.d")
	for _, d := range []string{filepath.Dir(dir), dir, filepath.Join(base, "lib")} {
		must(t, os.MkdirAll(d, 0o755))
		must(t, os.Chmod(d, 0o755))
	}
	script(t, filepath.Join(base, "lib"), "hook", "#!/bin/sh\nexit 42\n")
	must(t, os.Symlink(filepath.Join(base, "lib", "hook"), filepath.Join(dir, "10-hook")))
	make(t, base, dir)

	_, vetted = List(vet.NewSession(), dir, hclog.NewNullLogger())
	target, err := filepath.EvalSymlinks(filepath.Join(dir, "10-hook"))
	must(t, err)
	attacker := exec.Command("/bin/sh", "-c", attack, "sh", filepath.Join(dir, "10-hook"), target)
	attacker.Dir = "/"
	attacker.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	must(t, attacker.Run()) // each of its attempts may fail

	after, _ := List(vet.NewSession(), dir, hclog.NewNullLogger())
	if vetted == nil && (len(after) != 1 || after[0].Name != "10-hook") {
		t.Errorf("hooks after the attack: %v", after)
	}
	return Run(&process.Runner{Log: hclog.NewNullLogger()}, "update",
		Hook{"10-hook", filepath.Join(dir, "10-hook")}, nil).Exit, vetted
}

// TestSwappedBeforeItRuns: a hook is executed by its path after it was vetted. Whatever another user does in between,
// the accepted program runs. And a hook is refused only if that user could really swap it.
func TestSwappedBeforeItRuns(t *testing.T) {
	needRoot(t)
	chmod := func(path string, mode os.FileMode) func(*testing.T, string, string) {
		return func(t *testing.T, base, _ string) { must(t, os.Chmod(filepath.Join(base, path), mode)) }
	}
	give := func(path string) func(*testing.T, string, string) {
		return func(t *testing.T, base, _ string) { must(t, os.Lchown(filepath.Join(base, path), nobody, nobody)) }
	}
	tests := map[string]struct {
		make func(t *testing.T, base, dir string)
		safe bool
	}{
		"root's alone":                               {func(*testing.T, string, string) {}, true},
		"a sticky directory on the way":              {chmod(".", 0o777|os.ModeSticky), true},
		"the directory of the link's target is":      {chmod("lib", 0o777|os.ModeSticky), true},
		"the stage directory is open to all":         {chmod("etc/update.d", 0o777), false},
		"a directory on the way is":                  {chmod("etc", 0o777), false},
		"the directory of the link's target is open": {chmod("lib", 0o777), false},
		"the hook is open":                           {chmod("lib/hook", 0o777), false},
		"the hook is another's":                      {give("lib/hook"), false},
		"the link is another's, and all can write beside it": {func(t *testing.T, base, dir string) {
			give("etc/update.d/10-hook")(t, base, dir)
			chmod("etc/update.d", 0o777|os.ModeSticky)(t, base, dir)
		}, false},
		"the stage directory is another's":    {give("etc/update.d"), false},
		"the target's directory is another's": {give("lib"), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			exit, vetted := swapped(t, test.make)
			switch {
			case test.safe && vetted != nil, !test.safe && vetted == nil:
				t.Errorf("vetted: %v", vetted)
			case vetted == nil && exit != 42:
				t.Errorf("accepted, and then another program was executed (exit %d)", exit)
			case vetted != nil && exit == 42:
				t.Error("refused, although the attack comes to nothing: the attack is too weak, or the vetting too strict")
			}
		})
	}
}
