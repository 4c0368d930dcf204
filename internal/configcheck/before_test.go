package configcheck

import (
	"errors"
	"os"
	"strings"
	"testing"

	"foreman-dlm-updater/internal/config"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestBeforeLock: what would cost the lock, and can be known before it is asked for.
func TestBeforeLock(t *testing.T) {
	const library = "/usr/share/foreman-dlm-updater/hooks"
	dir := t.TempDir()
	bin := dir + "/bin"
	for _, err := range []error{
		os.Mkdir(bin, 0o755), os.WriteFile(bin+"/reboot", nil, 0o755),
		os.Mkdir(dir+"/needs_reboot.d", 0o755), os.Mkdir(dir+"/post_update.d", 0o755),
		os.Symlink(library+"/needs_reboot.d/needrestart", dir+"/needs_reboot.d/50-needrestart"),
		os.Symlink(library+"/post_update.d/haproxy-ready", dir+"/post_update.d/50-haproxy-ready"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	c := &config.Config{State: dir + "/state", BootIDFile: dir + "/boot_id", RebootCmd: []string{"shutdown", "-r"},
		StageDirs: map[string]string{"needs_reboot": dir + "/needs_reboot.d", "post_update": dir + "/post_update.d"}}
	options := Options{Config: c, Library: library, Resumes: resumes}
	warnings, err := BeforeLock(t.Context(), options)
	want := []string{
		`reboot_cmd: shutdown: command "shutdown" not found in PATH "DIR/bin": a reboot would fail, with the lock kept`,
		"DIR/needs_reboot.d/50-needrestart needs needrestart, which this host doesn't have",
		"DIR/post_update.d/50-haproxy-ready needs socat, which this host doesn't have",
		"DIR/post_update.d/50-haproxy-ready needs awk, which this host doesn't have",
	}
	var got []string
	for _, warning := range warnings {
		warning, _, _ = strings.Cut(strings.ReplaceAll(warning, dir, "DIR"), "; fix it with")
		got = append(got, warning)
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}

	c.RebootCmd[0] = "reboot"
	for _, tool := range []string{"needrestart", "socat", "awk"} {
		if err := os.WriteFile(bin+"/"+tool, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if warnings, err := BeforeLock(t.Context(), options); len(warnings) != 0 || err != nil {
		t.Errorf("with all of it: %q, %v", warnings, err)
	}
}

// TestBeforeLockInit: a reboot that could never be proved is warned of before the lock is asked for, as by `config
// check`. It is no error: reboot_cmd may reboot the machine that the container runs on.
func TestBeforeLockInit(t *testing.T) {
	const want = `this is a container, and PID 1 is "tini", which is no init: a reboot of the container alone goes ` +
		"unnoticed, only a boot of the kernel counts; a run asks for such a reboot again, up to max_reboots times, and " +
		"stops with the lock kept; let an init such as systemd be PID 1, or let reboot_cmd reboot the machine"
	h := newTestHost(t)
	h.Config.BootIDFile, h.Config.RebootCmd = config.KernelBootID, []string{"/bin/true"}
	for _, test := range []struct {
		err  error
		want []string
	}{{nil, nil}, {errors.New(`PID 1 is "tini", which is no init`), []string{want}}} {
		h.init = func() error { return test.err }
		warnings, _ := h.beforeLock(t.Context()) // of the state see TestBeforeLockState
		if diff := cmp.Diff(test.want, warnings); diff != "" {
			t.Error(diff)
		}
	}
	h.Config.BootIDFile = "/run/boot_id" // reboots are played
	if warnings, err := h.beforeLock(t.Context()); len(warnings) != 0 || err != nil {
		t.Errorf("played: %q, %v", warnings, err)
	}
}

// TestBeforeLockState: a boot would forget the run, unless reboots are played.
func TestBeforeLockState(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, ""); errors.Is(err, unix.EPERM) {
		t.Skip("needs the permission to mount")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, 0) })
	c := &config.Config{State: dir + "/state", BootIDFile: config.KernelBootID, RebootCmd: []string{"/bin/true"},
		StageDirs: map[string]string{}}
	var unusable *config.Error
	_, err := BeforeLock(t.Context(), Options{Config: c, Resumes: resumes})
	if !errors.As(err, &unusable) || !strings.Contains(err.Error(), "a boot empties (tmpfs)") {
		t.Errorf("got %v", err)
	}
	c.BootIDFile = "/run/boot_id"
	if err := vetState(c); err != nil {
		t.Error(err)
	}
}
