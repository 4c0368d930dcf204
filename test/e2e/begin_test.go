//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

// backupIsKilled: a backup runs under the lock, and is killed in the middle; later the program itself is. Each time the
// lock stays, nightly runs say whose it is, and a person releases it.
func backupIsKilled(t *testing.T, l *lab) {
	h := l.boot(t, "backup1")
	h.install(nil)
	for _, killed := range []string{"tar", "foreman-dlm-upd"} { // the kernel cuts a name after 15 characters
		h.run("sh", "-c", "rm -f /var/tmp/backup.tar /run/half; mkfifo /var/tmp/backup.tar")
		h.run("systemd-run", "--quiet", "--collect", "--unit=reader", "sh", "-c", // of the first half only
			"exec </var/tmp/backup.tar; head -c 65536 >/dev/null; touch /run/half; exec sleep infinity")
		h.run("systemd-run", "--quiet", "--unit=backup", "foreman-dlm-updater", "lock", "exec", "--reason", "nightly backup",
			"--", "tar", "-C", "/usr", "-cf", "/var/tmp/backup.tar", ".")
		h.eventually("the backup is in the middle", func() error {
			_, err := h.try("test", "-e", "/run/half")
			return err
		})
		h.run("systemctl", "start", "--wait", updateUnit) // ends with 75: no run begins beside it

		h.run("sh", "-c", fmt.Sprintf(`cd /proc; for pid in [0-9]*; do
			if [ "$(cat $pid/comm 2>/dev/null)" = %s ]; then kill -KILL $pid; fi; done`, killed))
		h.eventually("the unit has ended", func() error {
			if state, err := h.try("systemctl", "show", "--property=ActiveState", "--value", "backup"); err != nil ||
				state != "failed\n" {
				return fmt.Errorf("it is %s: %v", state, err)
			}
			return nil
		})
		h.run("systemctl", "reset-failed", "backup")
		h.run("systemctl", "stop", "reader")
		if events := kinds(h.lockEvents()); len(events)%2 != 1 || !strings.HasPrefix(events[len(events)-1], "acquire ") {
			t.Errorf("%s was killed, and the lock is not held: %q", killed, events)
		}
		h.run("systemctl", "start", "--wait", updateUnit)
		if got := h.run("foreman-dlm-updater", "status"); !strings.Contains(got, "nightly backup") {
			t.Errorf("status after %s was killed: %s", killed, got)
		}
		if got := h.run("foreman-dlm-updater", "lock", "show"); !strings.Contains(got, "nightly backup") {
			t.Errorf("lock show: %s", got)
		}
		h.run("foreman-dlm-updater", "lock", "release")
	}
	if n := h.said(1, "nightly backup"); n < 4 {
		t.Errorf("%d lines of the nightly runs say whose the lock is", n)
	}
	if got := h.run("dpkg-query", "-W", "-f", "${Version}", "ledger"); got != "1.0" {
		t.Errorf("package ledger: %q", got)
	}
	h.run("foreman-dlm-updater", "lock", "exec", "--", "true")
	want := slices.Repeat([]string{"acquire " + h.lock + " for " + h.cn, "release " + h.lock + " for " + h.cn}, 3)
	if diff := cmp.Diff(want, kinds(h.lockEvents())); diff != "" {
		t.Errorf("the lock (-want +got):\n%s", diff)
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
