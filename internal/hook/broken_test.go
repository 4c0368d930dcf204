package hook

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foreman-dlm-updater/internal/vet"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

func TestCheckInterpreter(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"python3": 0o755, "plain": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "10-x")
	const (
		disable = "; `chmod a-x "
		fix     = "; install it, or correct the hook's first line" + disable
		none    = "it names no interpreter: there is no #! line at its beginning; write one, #!/bin/sh for a shell script" +
			disable
	)
	tests := []struct {
		name, text, want string
	}{
		{"shell", "#!/bin/sh\nexit 0\n", ""},
		{"blanks and an argument", "#!  /bin/sh -e\n", ""},
		{"no line end", "#!/bin/sh", ""},
		{"program", "\x7fELF\x02", ""},
		{"env", "#!/usr/bin/env python3\n", ""},
		{"env with an option and a variable", "#!/usr/bin/env -S LANG=C python3 -u\n", ""},
		{"env alone", "#!/usr/bin/env\n", ""},
		{"env unsets a variable", "#!/usr/bin/env -S -u FOO --unset BAR -uBAZ --unset=QUX python3\n", ""},
		{"env changes the directory", "#!/usr/bin/env -S -C /srv --chdir /srv --chdir=/srv python3\n", ""},
		{"behind options with an argument", "#!/usr/bin/env -S -v -u FOO -C /srv A=b ruby\n",
			`command "ruby" not found in PATH "` + dir + `"` + fix},
		{"behind options that hold their argument", "#!/usr/bin/env -S -uFOO -C/srv --unset=A --chdir=/srv ruby\n",
			`command "ruby" not found in PATH "` + dir + `"` + fix},
		{"an option that is not known", "#!/usr/bin/env -S --argv0 x ruby\n", ""},
		{"an option without its argument", "#!/usr/bin/env -S -u\n", ""},
		{"the end of the options", "#!/usr/bin/env -S -- ruby\n", `command "ruby" not found in PATH "` + dir + `"` + fix},
		{"quotes", "#!/usr/bin/env -S 'ruby' -w\n", ""},
		{"a variable", "#!/usr/bin/env -S ${RUBY} -w\n", ""},
		{"another PATH", "#!/usr/bin/env -S PATH=/opt/ruby/bin ruby\n", ""},
		{"an empty environment", "#!/usr/bin/env -S -i ruby\n", ""},
		{"no PATH", "#!/usr/bin/env -S -u PATH ruby\n", ""},
		{"missing", "#!/no/such/thing -e\n", `interpreter "/no/such/thing": no such file or directory` + fix},
		{"a directory", "#!" + dir + "\n", `interpreter "` + dir + `" is not executable` + fix},
		{"not executable", "#!" + dir + "/plain\n", `interpreter "` + dir + `/plain" is not executable` + fix},
		{"env doesn't find it", "#!/usr/bin/env ruby\n", `command "ruby" not found in PATH "` + dir + `"` + fix},
		{"env finds no program", "#!/usr/bin/env plain\n", `command "plain" not found in PATH "` + dir + `"` + fix},
		{"no first line", "exit 0\n", none},
		{"nothing in it", "", none},
		{"nothing in the line", "#!\n/bin/sh\n", none},
		{"DOS", "#!/bin/sh\r\nexit 0\r\n", "the file has DOS line endings; fix it with: sed -i 's/\\r$//' " + file},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(test.text), 0o755); err != nil {
				t.Fatal(err)
			}
			want := test.want
			if want != "" {
				want = file + ": " + want
			}
			if want != "" && test.name != "DOS" {
				want += file + "` disables the hook"
			}
			got := ""
			if o, bad := CheckInterpreter(Hook{Name: "10-x", Path: file}, []string{"PATH=" + dir}); bad {
				got = o.String()
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestListBroken: a hook that can't be executed makes its stage refused, like an unsafe one. A broken notifier affects
// only itself.
func TestListBroken(t *testing.T) {
	const disables = "; `chmod a-x D/50-x` disables the hook"
	//bad:Hook directories and links: key want
	tests := map[string]struct {
		make func(t *testing.T, dir string)
		want string // how the offender goes on; empty: none
	}{
		"DOS line ends": {with("#!/bin/sh -e\r\nexit 0\r\n"),
			"the file has DOS line endings; fix it with: sed -i 's/\\r$//' D/50-x"},
		"no first line": {with("exit 0\n"),
			"it names no interpreter: there is no #! line at its beginning; write one, #!/bin/sh for a shell script" + disables},
		"an empty file": {with(""),
			"it names no interpreter: there is no #! line at its beginning; write one, #!/bin/sh for a shell script" + disables},
		"its interpreter is not installed": {with("#!/usr/bin/no-such-python\n"),
			`interpreter "/usr/bin/no-such-python": no such file or directory; install it, or correct the hook's first line` +
				disables},
		"env doesn't find its interpreter": {with("#!/usr/bin/env no-such-python\n"),
			`command "no-such-python" not found in PATH "/usr/bin:/bin"; install it, or correct the hook's first line` +
				disables},
		"a link to one without a first line": {func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir+"/lib", 0o755))
			script(t, dir+"/lib", "x", "exit 0\n")
			must(t, os.Symlink("lib/x", dir+"/50-x"))
		}, "it names no interpreter: there is no #! line at its beginning; write one, #!/bin/sh for a shell script; " +
			"`rm D/50-x` disables the hook"},
		"a link to a noexec mount": {func(t *testing.T, dir string) {
			mountNoexec(t, dir+"/usb")
			script(t, dir+"/usb", "x", "#!/bin/sh\n")
			must(t, os.Symlink(dir+"/usb/x", dir+"/50-x"))
		}, "is on a file system that is mounted noexec; fix it with: install -m 0755 D/usb/x D/50-x"},
		"its interpreter is on a noexec mount": {func(t *testing.T, dir string) {
			mountNoexec(t, dir+"/usb")
			script(t, dir+"/usb", "sh", "\x7fELF")
			script(t, dir, "50-x", "#!"+dir+"/usb/sh\n")
		}, `interpreter "D/usb/sh" is not executable; install it, or correct the hook's first line` + disables},
		"disabled": {func(t *testing.T, dir string) { write(t, dir+"/50-x", "exit 0\n", 0o644) }, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PATH", "/usr/bin:/bin")
			dir := tempDir(t)
			script(t, dir, "10-good", "#!/bin/sh\n")
			test.make(t, dir)
			hooks, err := List(vet.NewSession(), dir, hclog.NewNullLogger())
			var refused *vet.UnsafeError
			got := ""
			if errors.As(err, &refused) {
				got = strings.ReplaceAll(refused.Offenders[0].String(), dir, "D")
			}
			want := test.want
			if want != "" {
				want = "D/50-x: " + want
			}
			if diff := cmp.Diff(want, got); diff != "" || want != "" && (hooks != nil || len(refused.Offenders) > 1) {
				t.Error(err, diff)
			}
			if safe, err := ListNotifiers(vet.NewSession(), dir, hclog.NewNullLogger()); err != nil || len(safe) == 0 ||
				safe[0].Name != "10-good" {
				t.Errorf("the other one is not called: %v, %v", safe, err)
			}
		})
	}
}

// with makes a hook with that content.
func with(text string) func(*testing.T, string) {
	return func(t *testing.T, dir string) { script(t, dir, "50-x", text) }
}

// mountNoexec makes a directory on which nothing can be executed.
func mountNoexec(t *testing.T, dir string) {
	t.Helper()
	must(t, os.Mkdir(dir, 0o755))
	if err := unix.Mount("none", dir, "tmpfs", unix.MS_NOEXEC, "mode=0755"); errors.Is(err, unix.EPERM) {
		t.Skip("needs the permission to mount")
	} else {
		must(t, err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(dir, 0)) })
}
