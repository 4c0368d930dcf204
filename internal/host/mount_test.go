package host

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestVolatile(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return dir + "/" + name }
	mountAt := func(name, kind, options string, flags uintptr, source string) {
		t.Helper()
		if err := os.MkdirAll(at(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount(source, at(name), kind, flags, options); errors.Is(err, unix.EPERM) {
			t.Skip("needs the permission to mount")
		} else if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Unmount(at(name), unix.MNT_DETACH) })
	}
	make := func(names ...string) {
		for _, name := range names {
			if err := os.MkdirAll(at(name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	mountAt("tmp", "tmpfs", "", 0, "none")
	make("tmp/sub", "tmp/upper", "tmp/work", "lower")
	mountAt("overlay", "overlay", "lowerdir="+at("lower")+",upperdir="+at("tmp/upper")+",workdir="+at("tmp/work"), 0,
		"none")
	mountAt("bound", "", "", unix.MS_BIND, at("tmp/sub"))
	mountAt("tmp/disk", "", "", unix.MS_BIND, at("lower"))
	for name, want := range map[string]string{"tmp": "tmpfs", "tmp/sub": "tmpfs", "overlay": "overlay", "bound": "tmpfs"} {
		if got := Emptied(at(name)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got, same := Emptied(at("tmp/disk")), Emptied(dir); got != same {
		t.Errorf("a directory that is mounted from below %s: %q, want %q", dir, got, same)
	}
	if got := Emptied(at("missing")); got != "" {
		t.Errorf("missing: %q", got)
	}
}

func TestParseMount(t *testing.T) {
	tests := []struct {
		name, line string
		want       mount
		ok         bool
		volatile   bool
	}{
		{"a disk", "36 35 98:0 /a /b rw,noatime master:1 - ext3 /dev/root rw,errors=continue",
			mount{point: "/b", root: "/a", kind: "ext3", source: "/dev/root"}, true, false},
		{"compressed memory", "36 35 98:0 / /b rw - ext4 /dev/zram0 rw",
			mount{point: "/b", root: "/", kind: "ext4", source: "/dev/zram0"}, true, true},
		{"a container's overlay, whose upper directory can't be seen",
			"36 35 98:0 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/no/such/dir,workdir=/w",
			mount{point: "/", root: "/", kind: "overlay", source: "overlay", upper: "/no/such/dir"}, true, false},
		{"another mount", "37 35 98:0 / /b rw - tmpfs none rw", mount{}, false, false},
		{"garbage", "36", mount{}, false, false},
	}
	for _, test := range tests {
		if got, ok := parseMount(test.line, "36"); got != test.want || ok != test.ok || got.volatile() != test.volatile {
			t.Errorf("%s: %+v, %v, %v", test.name, got, ok, got.volatile())
		}
	}
}
