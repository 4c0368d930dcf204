package hook

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"foreman-dlm-updater/internal/vet"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

const nobody = 65534

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to give files away")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// list gives the names of the hooks in dir, and what the log said about each of the others.
func list(t *testing.T, dir string) (names []string, skipped map[string]string, err error) {
	t.Helper()
	rec, log := newRecord()
	hooks, err := List(vet.NewSession(), dir, log)
	for _, h := range hooks {
		if h.Path != filepath.Join(dir, h.Name) {
			t.Errorf("hook %q has path %q", h.Name, h.Path)
		}
		names = append(names, h.Name)
	}
	skipped = map[string]string{}
	for _, e := range logged(t, rec) {
		if e["@message"] == "hook skipped" {
			skipped[filepath.Base(e["path"].(string))] = fmt.Sprintf("%s: %s", e["@level"], e["why"])
		}
	}
	return names, skipped, err
}

func TestListOrder(t *testing.T) {
	dir := tempDir(t)
	for _, name := range []string{"é", "b", "a b", "10", "9", "B", "a", "_", "a-b", "a.sh"} {
		script(t, dir, name, "#!/bin/sh\n")
	}
	names, _, err := list(t, dir)
	must(t, err)
	if diff := cmp.Diff([]string{"10", "9", "B", "_", "a", "a b", "a-b", "a.sh", "b", "é"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestListSkips(t *testing.T) {
	const odd = "the name of a leftover or hidden file"
	//bad:Hook directories and links: name want
	tests := []struct {
		name string
		make func(path string) error
		want string // level and reason; empty: it is a hook
	}{
		{"executable", regular(0o755), ""},
		{"only-owner", regular(0o700), ""},
		{"only-x", regular(0o100), ""},
		{"setuid", regular(0o4755), ""},
		{"not-executable", regular(0o644), "info: not executable"},
		{"only-others-execute", regular(0o655), "info: not executable"},
		{"directory", func(p string) error { return os.Mkdir(p, 0o755) }, "debug: a directory"},
		{"fifo", func(p string) error { return unix.Mkfifo(p, 0o755) }, "debug: not a regular file"},
		{"link", link("executable"), ""},
		{"absolute-link", link("/bin/true"), ""},
		{"link-through-dots", link("./directory/..//executable"), ""},
		{"link-to-link", link("link"), ""},
		{"link-to-directory", link("directory"), "debug: a directory"},
		{"link-to-not-executable", link("not-executable"), "info: not executable"},
		{"link-to-fifo", link("fifo"), "debug: not a regular file"},
		{"masked", link("/dev/null"), "debug: not a regular file"},
		{".hidden", regular(0o755), "warn: " + odd},
		{".hidden-disabled", regular(0o644), "debug: " + odd},
		{".hidden-dir", func(p string) error { return os.Mkdir(p, 0o755) }, "debug: " + odd},
		{".dangling", link("nowhere"), "debug: " + odd},
		{"dangling~", link("nowhere"), "debug: " + odd},
		{"link.bak", link("executable"), "warn: " + odd},
		{"x~", regular(0o755), "warn: " + odd},
		{"x.bak", regular(0o755), "warn: " + odd},
		{"x.orig", regular(0o755), "warn: " + odd},
		{"x.rej", regular(0o755), "warn: " + odd},
		{"x.swp", regular(0o755), "warn: " + odd},
		{"x.rpmsave", regular(0o755), "warn: " + odd},
		{"x.rpmnew", regular(0o755), "warn: " + odd},
		{"x.rpmorig", regular(0o755), "warn: " + odd},
		{"x.dpkg-old", regular(0o755), "warn: " + odd},
		{"x.dpkg-new.y", regular(0o755), "warn: " + odd},
		{"x.ucf-dist", regular(0o755), "warn: " + odd},
		{"x.bak.sh", regular(0o755), ""},
		{"bak", regular(0o755), ""},
		{"dpkg-x", regular(0o755), ""},
	}
	dir := tempDir(t)
	var want []string
	wantSkipped := map[string]string{}
	for _, tt := range tests {
		must(t, tt.make(filepath.Join(dir, tt.name)))
		if tt.want != "" {
			wantSkipped[tt.name] = tt.want
		} else {
			want = append(want, tt.name)
		}
	}
	names, skipped, err := list(t, dir)
	must(t, err)
	if diff := cmp.Diff(wantSkipped, skipped); diff != "" {
		t.Error(diff)
	}
	for _, name := range want {
		if !strings.Contains(strings.Join(names, "\n")+"\n", name+"\n") {
			t.Errorf("%s is no hook", name)
		}
	}
	if len(names) != len(want) {
		t.Errorf("%d hooks, want %d", len(names), len(want))
	}
}

func regular(mode uint32) func(string) error {
	return func(path string) error {
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o600); err != nil {
			return err
		}
		return syscall.Chmod(path, mode)
	}
}

func link(target string) func(string) error {
	return func(path string) error { return os.Symlink(target, path) }
}

// TestListUnsafe makes a stage directory D in a base B. It checks the offenders, and what is left after a shell has run
// the commands in the error.
func TestListUnsafe(t *testing.T) {
	const copied = "; read the script, then copy it here"
	const elsewhere = "leave it as it is, and name another place in the configuration, " +
		"below directories that belong to root"
	theTrue, err := filepath.EvalSymlinks("/bin/true")
	must(t, err)
	//bad:Hook directories and links: key want
	tests := map[string]struct {
		make func(t *testing.T, base, dir string)
		want []string // path: why: fix
	}{
		"hook of another": {
			func(t *testing.T, base, dir string) { must(t, os.Chown(filepath.Join(dir, "a"), nobody, 0)) },
			[]string{"B/D/a: belongs to nobody (uid 65534): chown root:root B/D/a"},
		},
		"of nobody known": {
			func(t *testing.T, base, dir string) { must(t, os.Chown(filepath.Join(dir, "a"), 3999999999, 0)) },
			[]string{"B/D/a: belongs to uid 3999999999: chown root:root B/D/a"},
		},
		"all at once": {
			func(t *testing.T, base, dir string) {
				must(t, os.Chmod(filepath.Join(dir, "a"), 0o775))
				must(t, os.Chmod(filepath.Join(dir, "b"), 0o757))
				must(t, os.Chown(filepath.Join(dir, "b"), nobody, 0))
			},
			[]string{
				"B/D/a: can be written by others (mode 0775): chmod go-w B/D/a",
				"B/D/b: belongs to nobody (uid 65534) and can be written by others (mode 0757): " +
					"chown root:root B/D/b && chmod go-w B/D/b",
			},
		},
		"stage directory": {
			func(t *testing.T, base, dir string) { must(t, os.Chmod(dir, 0o777)) },
			[]string{"B/D: can be written by others (mode 0777): chmod go-w B/D"},
		},
		"sticky stage directory": {
			func(t *testing.T, base, dir string) { must(t, os.Chmod(dir, 0o777|os.ModeSticky)) },
			[]string{"B/D: can be written by others (mode 1777): chmod go-w B/D"},
		},
		"sticky ancestor of root": {
			func(t *testing.T, base, dir string) { must(t, os.Chmod(base, 0o777|os.ModeSticky)) },
			nil,
		},
		"sticky ancestor of another": {
			func(t *testing.T, base, dir string) {
				must(t, os.Chmod(base, 0o777|os.ModeSticky))
				must(t, os.Chown(base, nobody, 0))
			},
			[]string{"B: belongs to nobody (uid 65534) and can be written by others (mode 1777); " + elsewhere + ": "},
		},
		"ancestor": {
			func(t *testing.T, base, dir string) { must(t, os.Chmod(base, 0o775)) },
			[]string{"B: can be written by others (mode 0775): chmod go-w B"},
		},
		"link of another": {
			func(t *testing.T, base, dir string) {
				must(t, os.Symlink("/bin/true", filepath.Join(dir, "c")))
				must(t, os.Lchown(filepath.Join(dir, "c"), nobody, 0))
			},
			[]string{"B/D/c: belongs to nobody (uid 65534): chown -h root:root B/D/c"},
		},
		"link's target and its directory": {
			func(t *testing.T, base, dir string) {
				must(t, os.Mkdir(filepath.Join(base, "lib"), 0o755))
				must(t, os.Chmod(filepath.Join(base, "lib"), 0o770))
				must(t, regular(0o757)(filepath.Join(base, "lib", "x")))
				must(t, os.Symlink("../lib/x", filepath.Join(dir, "c")))
			},
			[]string{
				"B/lib: can be written by others (mode 0770)" + copied + ": install -m 0755 B/lib/x B/D/c",
				"B/lib/x: can be written by others (mode 0757)" + copied + ": install -m 0755 B/lib/x B/D/c",
			},
		},
		"directory that only a link in between goes through": {
			func(t *testing.T, base, dir string) {
				must(t, os.Mkdir(filepath.Join(base, "lib"), 0o755))
				must(t, os.Chmod(filepath.Join(base, "lib"), 0o777))
				must(t, os.Symlink("/bin/true", filepath.Join(base, "lib", "x")))
				must(t, os.Symlink(filepath.Join(base, "lib", "x"), filepath.Join(dir, "c")))
			},
			[]string{"B/lib: can be written by others (mode 0777)" + copied + ": install -m 0755 TRUE B/D/c"},
		},
		"a hook in the home of somebody, who can change it there": {
			func(t *testing.T, base, dir string) {
				must(t, os.Mkdir(filepath.Join(base, "alice"), 0o755))
				must(t, regular(0o755)(filepath.Join(base, "alice", "x")))
				must(t, os.Chown(filepath.Join(base, "alice"), nobody, 0))
				must(t, os.Chown(filepath.Join(base, "alice", "x"), nobody, 0))
				must(t, os.Symlink(filepath.Join(base, "alice", "x"), filepath.Join(dir, "c")))
			},
			[]string{
				"B/alice: belongs to nobody (uid 65534)" + copied + ": install -m 0755 B/alice/x B/D/c",
				"B/alice/x: belongs to nobody (uid 65534)" + copied + ": install -m 0755 B/alice/x B/D/c",
			},
		},
		"a link's target, in a directory of root's": {
			func(t *testing.T, base, dir string) {
				must(t, regular(0o757)(filepath.Join(base, "x")))
				must(t, os.Symlink("../x", filepath.Join(dir, "c")))
			},
			[]string{"B/x: can be written by others (mode 0757): chmod go-w B/x"},
		},
		"the way to a disabled hook": {
			func(t *testing.T, base, dir string) {
				must(t, os.Mkdir(filepath.Join(base, "alice"), 0o755))
				must(t, regular(0o644)(filepath.Join(base, "alice", "x")))
				must(t, os.Chown(filepath.Join(base, "alice"), nobody, 0))
				must(t, os.Symlink("../alice/x", filepath.Join(dir, "c")))
			},
			[]string{"B/alice: belongs to nobody (uid 65534); remove the link B/D/c: "},
		},
		"unsafe, but no hooks": {
			func(t *testing.T, base, dir string) {
				must(t, os.Chmod(filepath.Join(dir, "a"), 0o666))
				must(t, os.Rename(filepath.Join(dir, "b"), filepath.Join(dir, "b~")))
				must(t, os.Chmod(filepath.Join(dir, "b~"), 0o777))
				must(t, os.Symlink("a", filepath.Join(dir, "c")))
			},
			nil,
		},
		"dangling": {
			func(t *testing.T, base, dir string) {
				must(t, os.Symlink("nowhere", filepath.Join(dir, "it's; c")))
				must(t, os.Symlink("a/b", filepath.Join(dir, "d")))
			},
			[]string{
				"B/D/d: leads nowhere: not a directory; restore what it points to, " +
					"or remove the link if this host does not need that hook: ",
				"B/D/it's; c: leads nowhere: no such file or directory; restore what it points to, " +
					"or remove the link if this host does not need that hook: ",
			},
		},
		"link to a file, with a slash or a dot behind it": {
			func(t *testing.T, base, dir string) {
				must(t, os.Symlink("/bin/true/", filepath.Join(dir, "c")))
				must(t, os.Symlink("/bin/true/.", filepath.Join(dir, "d")))
			},
			[]string{
				"B/D/c: leads nowhere: not a directory; restore what it points to, " +
					"or remove the link if this host does not need that hook: ",
				"B/D/d: leads nowhere: not a directory; restore what it points to, " +
					"or remove the link if this host does not need that hook: ",
			},
		},
		"loop": {
			func(t *testing.T, base, dir string) { must(t, os.Symlink("c", filepath.Join(dir, "c"))) },
			[]string{"B/D/c: leads nowhere: too many levels of symbolic links; restore what it points to, " +
				"or remove the link if this host does not need that hook: "},
		},
		"missing": {
			func(t *testing.T, base, dir string) { must(t, os.RemoveAll(dir)) },
			[]string{"B/D: does not exist: install -d -m 0755 B/D"},
		},
		"leads nowhere": {
			func(t *testing.T, base, dir string) {
				must(t, os.RemoveAll(dir))
				must(t, os.Symlink("x", dir))
			},
			[]string{"B/D: leads to B/x, which does not exist: install -d -m 0755 B/x"},
		},
		"leads to itself": {
			func(t *testing.T, base, dir string) {
				must(t, os.RemoveAll(dir))
				must(t, os.Symlink(dir, dir))
			},
			[]string{"B/D: too many levels of symbolic links: rm B/D && install -d -m 0755 B/D"},
		},
		"a file": {
			func(t *testing.T, base, dir string) {
				must(t, os.RemoveAll(dir))
				must(t, regular(0o644)(dir))
			},
			[]string{"B/D: is not a directory: mv B/D B/D.saved && install -d -m 0755 B/D"},
		},
		"below a file": {
			func(t *testing.T, base, dir string) {
				must(t, os.RemoveAll(base))
				must(t, regular(0o644)(base))
			},
			[]string{"B: is not a directory: mv B B.saved && install -d -m 0755 B/D"},
		},
		"linked directory": {
			func(t *testing.T, base, dir string) {
				must(t, os.Rename(dir, filepath.Join(base, "real")))
				must(t, os.Chmod(filepath.Join(base, "real"), 0o777|os.ModeSticky))
				must(t, os.Symlink("real", dir))
			},
			[]string{"B/real: can be written by others (mode 1777): chmod go-w B/real"},
		},
		"odd name": {
			func(t *testing.T, base, dir string) { must(t, regular(0o777)(filepath.Join(dir, "a\x1b\n'b\xff"))) },
			[]string{"B/D/a\x1b\n'b\xff: can be written by others (mode 0777): chmod go-w $'B/D/a\\x1b\\n\\'b\\xff'"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			needRoot(t)
			base := filepath.Join(tempDir(t), "base")
			dir := filepath.Join(base, "D")
			must(t, os.MkdirAll(dir, 0o755))
			must(t, os.Chmod(base, 0o755))
			must(t, os.Chmod(dir, 0o755))
			script(t, dir, "a", "#!/bin/sh\n")
			script(t, dir, "b", "#!/bin/sh\n")
			tt.make(t, base, dir)

			_, err := List(vet.NewSession(), dir, hclog.NewNullLogger())
			var unsafe *vet.UnsafeError
			var got []string
			if errors.As(err, &unsafe) {
				for _, o := range unsafe.Offenders {
					got = append(got, strings.ReplaceAll(strings.ReplaceAll(o.Path+": "+o.Why+": "+o.Fix, base, "B"), theTrue, "TRUE"))
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Fatal(diff)
			}
			if unsafe == nil {
				return
			}
			for _, o := range unsafe.Offenders {
				if o.Fix == "" { // a person has to choose: here a link goes, or a directory is given back
					if os.Remove(o.Path) != nil {
						must(t, errors.Join(os.Chown(o.Path, 0, 0), os.Chmod(o.Path, 0o755)))
					}
					continue
				}
				if out, err := exec.Command("bash", "-c", o.Fix).CombinedOutput(); err != nil {
					t.Errorf("%s: %v\n%s", o.Fix, err, out)
				}
			}
			if _, err := List(vet.NewSession(), dir, hclog.NewNullLogger()); err != nil {
				t.Errorf("after the fixes: %v", err)
			}
		})
	}
}

func TestListLinkDepth(t *testing.T) {
	for depth, ok := range map[int]bool{40: true, 41: false} {
		dir := tempDir(t)
		lib := tempDir(t)
		script(t, lib, "0", "#!/bin/sh\n")
		for i := 1; i < depth; i++ {
			must(t, os.Symlink(fmt.Sprint(i-1), filepath.Join(lib, fmt.Sprint(i))))
		}
		must(t, os.Symlink(filepath.Join(lib, fmt.Sprint(depth-1)), filepath.Join(dir, "a")))
		_, err := List(vet.NewSession(), dir, hclog.NewNullLogger())
		if (err == nil) != ok {
			t.Errorf("%d links: %v", depth, err)
		}
		if _, statErr := os.Stat(filepath.Join(dir, "a")); (statErr == nil) != ok {
			t.Errorf("%d links: the kernel says %v", depth, statErr)
		}
	}
}

// BenchmarkList vets a stage with five hooks, as each start does for all stages.
func BenchmarkList(b *testing.B) {
	dir := tempDir(b)
	for i := range 5 {
		script(b, dir, fmt.Sprint(i), "#!/bin/sh\n")
	}
	for b.Loop() {
		if _, err := List(vet.NewSession(), dir, hclog.NewNullLogger()); err != nil {
			b.Fatal(err)
		}
	}
}

func TestMissing(t *testing.T) {
	dir := t.TempDir()
	dangling := filepath.Join(dir, "dangling")
	if err := os.Symlink(filepath.Join(dir, "nothing"), dangling); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		filepath.Join(dir, "absent"): true, filepath.Join(dir, "absent", "too"): true, dir: false, dangling: false,
	} {
		if got := Missing(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}
