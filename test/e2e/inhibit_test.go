//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// inhibitedReboot: a backup keeps the host from being shut down until it is done; the host reboots then, and not
// before.
func inhibitedReboot(t *testing.T, l *lab) {
	h := l.boot(t, "inhibited")
	// Before systemd 257 an inhibitor does not bind root, unless the command asks for that.
	h.install(settings{"reboot_cmd": "systemctl reboot --check-inhibitors=yes"})
	h.run("systemctl", "enable", resumeUnit)
	h.run("systemd-run", "--unit=backup", "systemd-inhibit", "--what=shutdown", "--who=backup",
		"--why=nightly dump", "sleep", "infinity")
	h.run("systemctl", "start", "--no-block", updateUnit)
	for what, look := range map[string]func() string{
		"systemctl status": func() string { return h.statusText(updateUnit) },
		"status":           func() string { return h.run("foreman-dlm-updater", "status") },
	} {
		h.eventually(what+" names the backup", func() error {
			if got := look(); !strings.Contains(got, "shutdown blocked by") || !strings.Contains(got, "nightly dump") {
				return fmt.Errorf("it says %q", got)
			}
			return nil
		})
	}
	h.eventually("the state is the one before the command again", func() error {
		if got := h.stage(); got != "reboot" {
			return fmt.Errorf("it is %q", got)
		}
		return nil
	})
	if h.said(1, "reboot inhibited") != 1 {
		t.Error("the log does not say once who is in the way")
	}
	h.run("systemctl", "stop", "backup.service")
	h.awaitBoot(2)
	h.checkEnd(2)
}
