package host

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
)

// systemBus starts a bus of its own for a test, and makes it the system's.
func systemBus(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("dbus-daemon"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("dbus-daemon is not installed (Debian's package dbus)")
		}
		t.Skip("SKIPPED: dbus-daemon is not installed (Debian's package dbus)")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, `<busconfig><listen>unix:path=%s/bus</listen>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>
</busconfig>`, dir), 0o644); err != nil {
		t.Fatal(err)
	}
	daemon := exec.Command("dbus-daemon", "--config-file="+config, "--nofork", "--nopidfile", "--print-address")
	daemon.Stderr = os.Stderr
	stdout, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { daemon.Process.Kill(); daemon.Wait() })
	address, err := bufio.NewReader(stdout).ReadString('\n') // it listens now
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", strings.TrimSpace(address))
}

// logind is a stand-in for logind with one method.
func logind(t *testing.T, name string, method any) {
	t.Helper()
	conn, err := dbus.ConnectSystemBus()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	methods := map[string]any{name: method}
	if err := conn.ExportMethodTable(methods, "/org/freedesktop/login1", "org.freedesktop.login1.Manager"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName("org.freedesktop.login1", dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
}

// TestInhibitShutdown: logind gets the right request, and the inhibitor lasts until it is closed: no child keeps it
// longer.
func TestInhibitShutdown(t *testing.T) {
	systemBus(t)
	ours, theirs, err := os.Pipe() // logind sees by a FIFO whether an inhibitor is still held, and so does this
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	fd := dbus.UnixFD(theirs.Fd())
	asked := make(chan []string, 1)
	logind(t, "Inhibit", func(what, who, why, mode string) (dbus.UnixFD, *dbus.Error) {
		asked <- []string{what, who, why, mode}
		return fd, nil
	})
	inhibitor, err := InhibitShutdown(t.Context(), "an update is in progress")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"shutdown", "foreman-dlm-updater", "an update is in progress", "block"},
		<-asked); diff != "" {
		t.Error(diff)
	}
	theirs.Close() // sent: only the inhibitor keeps the FIFO open now
	child := exec.Command("cat")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer stdin.Close()
	if !held(t, ours, 50*time.Millisecond) {
		t.Fatal("it was let go at once")
	}
	if err := inhibitor.Close(); err != nil {
		t.Fatal(err)
	}
	if held(t, ours, time.Minute) {
		t.Error("closed by us, and held still: a child has it")
	}
}

// held reports whether somebody still has the other end of the FIFO when the patience is over.
func held(t *testing.T, fifo *os.File, patience time.Duration) bool {
	t.Helper()
	if err := fifo.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	switch _, err := fifo.Read(make([]byte, 1)); {
	case err == io.EOF:
		return false
	case !os.IsTimeout(err):
		t.Fatal(err)
	}
	return true
}

// TestNoInhibitor: whatever is wrong with the bus or with logind, there is soon an error that says so.
func TestNoInhibitor(t *testing.T) {
	silent, err := net.Listen("unix", filepath.Join(t.TempDir(), "silent"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() // it is connected to, and never answers
	tests := []struct {
		name string
		set  func(t *testing.T)
		want string
	}{
		{"no bus", func(t *testing.T) { t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+t.TempDir()+"/bus") },
			"connect to the system bus: "},
		{"a silent bus", func(t *testing.T) { t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+silent.Addr().String()) },
			"connect to the system bus: "},
		{"no logind", systemBus, "ask logind for an inhibitor: "},
		{"a logind that refuses", func(t *testing.T) {
			systemBus(t)
			logind(t, "Inhibit", func(_, _, _, _ string) (dbus.UnixFD, *dbus.Error) {
				return 0, dbus.NewError("org.freedesktop.DBus.Error.AccessDenied", []any{"Permission denied"})
			})
		}, "ask logind for an inhibitor: Permission denied"},
		{"a logind that hangs", func(t *testing.T) {
			systemBus(t)
			over := t.Context()
			logind(t, "Inhibit", func(_, _, _, _ string) (dbus.UnixFD, *dbus.Error) {
				<-over.Done()
				return 0, dbus.NewError("org.freedesktop.DBus.Error.Failed", nil)
			})
		}, "ask logind for an inhibitor: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.set(t)
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			ended := make(chan error, 1)
			go func() {
				inhibitor, err := InhibitShutdown(ctx, "an update is in progress")
				if err == nil {
					inhibitor.Close()
				}
				ended <- err
			}()
			select {
			case err := <-ended:
				if err == nil || !strings.HasPrefix(err.Error(), test.want) {
					t.Errorf("got %v", err)
				}
			case <-time.After(time.Minute):
				t.Error("it hangs, though its time is over")
			}
		})
	}
}

// TestShutdownInhibitors: only inhibitors that block a shutdown are listed.
func TestShutdownInhibitors(t *testing.T) {
	type row struct { // as logind has it
		What, Who, Why, Mode string
		UID, PID             uint32
	}
	systemBus(t)
	rows := []row{
		{"shutdown", "backup", "nightly dump", "block", 34, 812},
		{"sleep:shutdown:idle", "packagekitd", "", "block-weak", 0, 9},
		{"shutdown:sleep", "Unattended Upgrades Shutdown", "Stop ongoing upgrades", "delay", 0, 7},
		{"sleep", "UPower", "Pause device polling", "block", 0, 5},
		{"handle-power-key", "gdm", "shutdown", "block", 0, 6},
	}
	logind(t, "ListInhibitors", func() ([]row, *dbus.Error) { return rows, nil })
	got, err := ShutdownInhibitors(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []Inhibitor{
		{What: "shutdown", Who: "backup", Why: "nightly dump", Mode: "block", UID: 34, PID: 812},
		{What: "sleep:shutdown:idle", Who: "packagekitd", Mode: "block-weak", PID: 9},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestInhibitorsNotKnown: if the bus or logind does not answer, there is soon an error.
func TestInhibitorsNotKnown(t *testing.T) {
	for name, hang := range map[string]bool{"no logind": false, "a logind that hangs": true} {
		t.Run(name, func(t *testing.T) {
			systemBus(t)
			if over := t.Context(); hang {
				logind(t, "ListInhibitors", func() *dbus.Error { <-over.Done(); return nil })
			}
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			got, err := ShutdownInhibitors(ctx)
			if err == nil || !strings.HasPrefix(err.Error(), "ask logind for its inhibitors: ") || got != nil {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}
