//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// failedHook: a check in post_update fails. The lock is kept, the unit has failed and says why, who listens to
// OnFailure= is told; fixed, the next run of the timer finishes.
func failedHook(t *testing.T, l *lab) {
	h := l.boot(t, "bad1")
	h.install(nil)
	h.run("touch", "/srv/broken")
	for _, unit := range []string{updateUnit, resumeUnit} {
		h.run("mkdir", "-p", "/etc/systemd/system/"+unit+".d")
		h.write("/etc/systemd/system/"+unit+".d/tell.conf", "[Unit]\nOnFailure=tell@%n.service\n")
	}
	h.write("/etc/systemd/system/tell@.service",
		"[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo %i >>/var/lib/told'\n")
	h.run("systemctl", "daemon-reload")
	h.run("systemctl", "enable", resumeUnit)
	h.run("systemctl", "start", "--no-block", updateUnit)
	h.awaitBoot(2)
	h.eventually("the unit has failed", func() error {
		_, err := h.try("systemctl", "is-failed", resumeUnit)
		return err
	})
	h.eventually("somebody is told", func() error {
		told, err := h.try("cat", "/var/lib/told")
		if err == nil && told != resumeUnit+"\n" {
			err = fmt.Errorf("told: %q", told)
		}
		return err
	})

	status := strings.TrimSpace(h.run("foreman-dlm-updater", "status"))
	for _, want := range []string{"stage post_update failed ", " in 90-accepts", "exit 3",
		"ledger gives wrong answers", "lock kept"} {
		if !strings.Contains(status, want) {
			t.Errorf("status does not say %q: %s", want, status)
		}
	}
	if diff := cmp.Diff(status, h.statusText(resumeUnit)); diff != "" {
		t.Errorf("systemctl status (-status +systemctl status):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"acquire " + h.lock + " for " + h.cn}, kinds(h.lockEvents())); diff != "" {
		t.Errorf("the lock (-want +got):\n%s", diff)
	}
	if got := h.stage(); got != "post_update" {
		t.Errorf("the state is %q", got)
	}

	h.run("rm", "/srv/broken")
	h.startTimer(soon(1))
	h.eventually("the lock is released", func() error {
		if got := len(h.lockEvents()); got != 2 {
			return fmt.Errorf("%d events", got)
		}
		return nil
	})
	h.run("systemctl", "reset-failed", resumeUnit)
	h.checkEnd(2)
}
