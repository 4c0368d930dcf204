package host

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestInitStart: only an init that boots something tells boots apart, not a program that was started for this
// invocation.
func TestInitStart(t *testing.T) {
	tests := []struct {
		name         string
		init         string // the name of PID 1, and its session
		self         string
		pid, session int
		want         string
	}{
		{"a service of a container", "(systemd) S 0 1 1", "50", 50, 50, "99"},
		{"a login by `machinectl shell` or `docker exec`: its session is outside", "(systemd) S 0 1 1", "50", 50, 0, "99"},
		{"a container with another init", "(init) S 0 1 1", "50", 50, 50, "99"},
		{"it is PID 1 itself", "(init) S 0 1 1", "1", 1, 1, `PID 1 is "init", which is no init`},
		{"it is PID 1 itself, and /proc shows another session", "(init) S 0 0 0", "1", 1, 1,
			`PID 1 is "init", which is no init`},
		{"a job of cron in a container with supervisord", "(supervisord) S 0 1 1", "50", 50, 50, "99"},
		{"a service of an OpenWrt container", "(procd) S 0 1 1", "50", 50, 50, "99"},
		{"a container for each run, under s6-overlay", "(s6-svscan) S 0 1 1", "50", 50, 50,
			`PID 1 is "s6-svscan", which is no init`},
		{"a container for each run, under tini and sudo", "(tini) S 0 1 1", "50", 50, 50,
			`PID 1 is "tini", which is no init`},
		{"unshare -pf: its shell", "(sh) S 0 0 0", "2", 2, 0, `PID 1 is "sh", which is no init`},
		{"a container for each run, whose init was started for it", "(init) S 0 1 1", "7", 7, 1,
			`PID 1 is "init", which is no init`},
		{"a container for each run, under dumb-init", "(dumb-init) S 0 1 1", "7", 7, 7,
			`PID 1 is "dumb-init", which is no init`},
		{"a PID namespace without a /proc of its own", "(systemd) S 0 1 1", "4711", 2, 2,
			"/proc shows another PID namespace"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			proc := t.TempDir()
			stat := "1 " + test.init + strings.Repeat(" 0", 15) + " 99\n"
			for _, err := range []error{os.Mkdir(proc+"/1", 0o755), os.WriteFile(proc+"/1/stat", []byte(stat), 0o644),
				os.Symlink(test.self, proc+"/self")} {
				if err != nil {
					t.Fatal(err)
				}
			}
			start, err := initStart(proc, test.pid, test.session)
			if got := fmt.Sprint(start); err == nil && got != test.want || err != nil && err.Error() != test.want {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
}

// TestPIDNamespaces asks for the boot identity in real PID namespaces, each made for one process.
func TestPIDNamespaces(t *testing.T) {
	file := filepath.Join(t.TempDir(), "boot_id")
	if err := os.WriteFile(file, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, how := range [][]string{
		{"--fork", "--pid", "--mount-proc"},                                          // it is PID 1
		{"--fork", "--pid", "--mount-proc", "sh", "-c", `"$@"; true`, "sh"},          // its shell is
		{"--fork", "--pid", "sh", "-c", `"$@"; true`, "sh"},                          // /proc is the machine's
		{"--fork", "--pid", "--mount-proc", "sh", "-c", `setsid -w "$@"; true`, "s"}, // it has a session of its own
	} {
		cmd := exec.Command("unshare", append(how, os.Args[0])...)
		cmd.Env = append(os.Environ(), "TEST_BOOT="+file)
		out, err := cmd.CombinedOutput()
		if err != nil && strings.Contains(string(out), "Operation not permitted") {
			t.Skip("needs the permission to make a PID namespace")
		}
		if err != nil || !strings.HasPrefix(string(out), "x 0 ") ||
			strings.HasSuffix(string(out), fmt.Sprintf(" %d", uint64(InitialPIDNamespace))) {
			t.Errorf("%q: %q, %v", how, out, err)
		}
	}
}

// TestAppID compares with systemd itself.
func TestAppID(t *testing.T) {
	tool, err := exec.LookPath("systemd-id128")
	if err != nil || MachineID() == "" {
		t.Skip("there is no systemd-id128, or this machine has no id")
	}
	for _, app := range [][16]byte{{0: 1}, {0x5a, 0x4f, 15: 0xff}, [16]byte(slices.Repeat([]byte{0xe7}, 16))} {
		ask := exec.CommandContext(t.Context(), tool, "machine-id", "--app-specific="+hex.EncodeToString(app[:]))
		want, err := ask.Output()
		if got := AppID(app); err != nil || got != strings.TrimSpace(string(want)) {
			t.Errorf("app %x: %s, systemd says %s (%v)", app, got, want, err)
		}
	}
}

// TestDerivedID: the id must never change, or a host would forget the lock that it holds.
func TestDerivedID(t *testing.T) {
	machine := [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	if got, want := deriveID(machine, [16]byte{1}), "57710835d3f14726a4fee3c52f543aed"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
