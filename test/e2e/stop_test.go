//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// untilStopping is a hook's script that works until the unit is told to stop, and then still has something to do.
const untilStopping = `touch /run/paused
until [ "$(systemctl show --property=ActiveState --value foreman-dlm-updater.service)" = deactivating ]; do sleep 0.1; done
sleep 1
touch /var/lib/e2e/ended`

// stopInUpdate: `systemctl stop` lets the hook end, the lock is kept, and the next start finishes.
func stopInUpdate(t *testing.T, l *lab) {
	h := startUpdate(t, l, "stop1")
	h.run("systemctl", "stop", updateUnit)
	h.run("test", "-e", "/var/lib/e2e/ended")
	if got := h.stage(); got != "update" {
		t.Errorf("the state is %q", got)
	}
	if got := h.run("systemctl", "show", "--property=ActiveState,Result", updateUnit); !strings.Contains(
		got, "ActiveState=inactive") || !strings.Contains(got, "Result=success") {
		t.Errorf("the unit: %s", got)
	}
	if got := h.run("foreman-dlm-updater", "status"); !strings.Contains(got, "stage update was not finished") ||
		!strings.Contains(got, "held by this host") {
		t.Errorf("status: %s", got)
	}
	h.run("systemctl", "start", "--no-block", updateUnit)
	h.awaitBoot(2)
	h.checkEnd(2)
}

// shutdownInUpdate: so does a shutdown, and the boot finishes.
func shutdownInUpdate(t *testing.T, l *lab) {
	h := startUpdate(t, l, "stop2")
	if got := h.run("systemd-inhibit", "--list", "--no-legend"); !strings.Contains(got, "foreman-dlm-updater") ||
		!strings.Contains(got, "shutdown") || !strings.Contains(got, "block") {
		t.Errorf("inhibitors: %s", got)
	}
	h.reboot()
	h.run("test", "-e", "/var/lib/e2e/ended")
	h.awaitBoot(3) // the boot that the update asked for
	h.checkEnd(3)
	if h.said(2, "went down") == 0 {
		t.Error("nobody says that the host went down in the middle of an update")
	}
}

// startUpdate starts a run and waits until it is in the middle of update.
func startUpdate(t *testing.T, l *lab, name string) *host {
	h := l.boot(t, name)
	h.install(nil)
	h.run("systemctl", "enable", resumeUnit)
	h.once("update", untilStopping)
	h.run("systemctl", "start", "--no-block", updateUnit)
	h.awaitStage("update")
	if got, want := h.statusText(updateUnit), "stage update is running since"; !strings.HasPrefix(got, want) ||
		!strings.Contains(got, "lock "+h.lock+" held by this host") {
		t.Errorf("systemctl status: %q", got)
	}
	return h
}
