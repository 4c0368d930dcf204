//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// catchesUp: a host that was down at night makes up for its run in the boot, and waits for the lock. The boot is
// complete all the same, and `systemctl isolate` does not stop the run.
func catchesUp(t *testing.T, l *lab) {
	h := l.boot(t, "late1")
	h.install(nil)
	h.run("systemctl", "add-wants", "multi-user.target", "ledger.service") // neither does a boot nor isolate stop it
	h.lockElsewhere()
	h.run("mkdir", "-p", "/etc/systemd/system/foreman-dlm-updater.timer.d")
	h.write("/etc/systemd/system/foreman-dlm-updater.timer.d/test.conf", "[Timer]\nRandomizedDelaySec=0\n")
	h.run("systemctl", "enable", "foreman-dlm-updater.timer")
	h.run("touch", "-d", "2 days ago", timerStamp)
	h.reboot()
	h.awaitStage("lock_get")
	if got := h.run("systemctl", "is-system-running"); got != "running\n" {
		t.Errorf("the system is %s", got)
	}
	if got := h.run("systemctl", "list-jobs", "--no-legend"); got != "" && !strings.Contains(got, "No jobs running") {
		t.Errorf("jobs that wait: %s", got)
	}

	before := h.run("systemctl", "show", "--property=MainPID,InvocationID", updateUnit)
	h.run("systemctl", "isolate", "multi-user.target")
	if after := h.run("systemctl", "show", "--property=MainPID,InvocationID", updateUnit); after != before {
		t.Errorf("before systemctl isolate: %safter: %s", before, after)
	}
	h.lockElsewhereEnds()
	h.awaitBoot(3)
	h.checkEnd(3)
}
