//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// windowCloses: a run waits for a gate until its maintenance window closes. It gives up, and nothing is wrong.
func windowCloses(t *testing.T, l *lab) {
	h := l.boot(t, "window1")
	now := h.now()
	h.install(settings{
		"window":              now.Add(-time.Minute).Format("15:04") + "-" + now.Add(3*time.Minute).Format("15:04"),
		"window_last_start":   "1m",
		"lock_retry_interval": "2s",
		"lock_retry_jitter":   "1s",
		"gate_interval":       "5s",
	})
	h.write("/etc/foreman_dlm_updater/gate.d/10-cluster", "#!/bin/sh\necho 2 of 3 nodes >&2\nexit 1\n")
	h.run("chmod", "0755", "/etc/foreman_dlm_updater/gate.d/10-cluster")
	h.run("systemctl", "start", "--no-block", updateUnit)
	h.eventually("the run waits for the gate", func() error {
		if text := h.statusText(updateUnit); !strings.Contains(text, "gate cluster: 2 of 3 nodes") {
			return fmt.Errorf("systemctl status: %q", text)
		}
		return nil
	})
	h.awaitEnd()
	if got := h.run("systemctl", "show", "--property=Result", "--value", updateUnit); got != "success\n" {
		t.Errorf("the unit: %s", got)
	}
	if got := h.run("cat", stateFile+".last"); !strings.Contains(got, `"result":"not_now","exit":75`) {
		t.Errorf("the outcome: %s", got)
	}
	if got := h.run("foreman-dlm-updater", "status"); strings.HasPrefix(got, "nothing to do") ||
		!strings.Contains(got, "maintenance window") {
		t.Errorf("status: %s", got)
	}
	if got := h.run("foreman-dlm-updater", "check"); !strings.HasPrefix(got, "DLM OK - ") ||
		!strings.Contains(got, "maintenance window") {
		t.Errorf("check: %s", got)
	}
	if events := h.lockEvents(); len(events) > 0 {
		t.Errorf("the lock was asked for: %q", kinds(events))
	}

	// The window stays closed for the timer, and a person may still begin.
	h.run("systemctl", "start", "--wait", updateUnit)
	if n := h.said(1, "no run begins now"); n != 1 {
		t.Errorf("%d lines say that no run begins", n)
	}
	h.run("rm", "/etc/foreman_dlm_updater/gate.d/10-cluster")
	h.run("systemctl", "enable", resumeUnit)
	h.run("systemd-run", "--collect", "foreman-dlm-updater", "run", "--now")
	h.awaitBoot(2)
	h.awaitEnd()
	if got := h.run("dpkg-query", "-W", "-f", "${Version}", "ledger"); got != "2.0" {
		t.Errorf("package ledger: %q", got)
	}
}

// now is the host's time, in its own zone.
func (h *host) now() time.Time {
	h.t.Helper()
	now, err := time.Parse(time.RFC3339, strings.TrimSpace(h.run("date", "--iso-8601=seconds")))
	if err != nil {
		h.t.Fatal(err)
	}
	return now
}
