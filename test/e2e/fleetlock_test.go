//go:build e2e

package e2e

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fleetLock: two hosts share one slot of a FleetLock server. Their timers fire in the same second, and they update and
// reboot one after the other. One shows its certificate, the other has none, and is called by its machine id. Then one
// fails: it keeps the slot, and says so to whoever looks.
func fleetLock(t *testing.T, l *lab) {
	hosts := []*host{l.boot(t, "fleet1"), l.boot(t, "fleet2")}
	named, nameless := hosts[0], hosts[1]
	for _, h := range hosts {
		h.lock, h.fleetLock = "fleet", true
		h.install(settings{"lock_server": "fleetlock", "fleetlock_url": "https://server:8444",
			"lock_retry_interval": "2s", "lock_retry_jitter": "1s"})
	}
	nameless.run("sed", "-i", "/^client_crt\\|^client_key/d", "/etc/foreman_dlm_updater/config.ini")
	nameless.cn = nameless.machineApp()
	at := soon(len(hosts))
	for _, h := range hosts {
		h.startTimer(at)
	}
	for _, h := range hosts {
		h.awaitBoot(2)
		h.awaitEnd()
	}
	var want []string
	first, second := named, nameless
	events := named.lockEvents()
	if len(events) > 0 && events[0].Host == nameless.cn {
		first, second = nameless, named
	}
	for _, h := range []*host{first, second} {
		want = append(want, "acquire fleet for "+h.cn, "release fleet for "+h.cn)
	}
	got := kinds(events)
	for i := range got {
		got[i] = strings.TrimSuffix(got[i], ", asked by ") // who shows no certificate
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("the group (-want +got):\n%s", diff)
	}
	for _, h := range hosts {
		h.checkEnd(2)
		checkTurn(t, h)
	}
	failsWithSlot(t, named, nameless)
}

// machineApp is the id that the host is called by without a certificate. systemd derives the same one.
func (h *host) machineApp() string {
	h.t.Helper()
	const app = "279d5e0c8a414f6b93e21f7cd460b538"
	id := strings.TrimSpace(h.run("systemd-id128", "machine-id", "--app-specific="+app))
	if text := h.run("foreman-dlm-updater", "config", "check"); !strings.Contains(text, `this host is "`+id+`" there`) {
		h.t.Errorf("config check does not say that this host is %s there:\n%s", id, text)
	}
	return id
}

// failsWithSlot: bad's next run fails. It keeps the slot, which the other host then can't have.
func failsWithSlot(t *testing.T, bad, other *host) {
	bad.run("systemctl", "stop", "foreman-dlm-updater.timer")
	bad.once("needs_update", "exit 1") // there is an update
	bad.once("update", "echo no space left >&2; exit 1")
	bad.run("systemctl", "start", "--no-block", updateUnit)
	bad.eventually("the unit has failed", func() error {
		_, err := bad.try("systemctl", "is-failed", updateUnit)
		return err
	})
	says := func(h *host, pattern string, args ...string) {
		t.Helper()
		text, err := h.try(append([]string{"foreman-dlm-updater"}, args...)...)
		if err != nil {
			text += err.Error()
		}
		if !regexp.MustCompile(pattern).MatchString(text) {
			t.Errorf("%s: %s says %q, want %s", h.name, args, text, pattern)
		}
	}
	says(bad, `^stage update failed ..:.. in 10-once .*, lock kept, as far as this host .*; fix it, then`, "status")
	says(bad, `^lock fleet is this run's since ..:.., as far as this host remembers`, "lock", "show")
	says(bad, `DLM CRITICAL - stage update failed`, "check")
	says(bad, `^a run is in progress: it goes on with stage update`, "plan")
	says(bad, `FleetLock server: this host is "fleet1.example.com" there`, "config", "check")
	says(other, `lock "fleet": held by another host \(the FleetLock server says`, "lock", "acquire")
	says(other, `the command was not run: lock "fleet": held by another host`, "lock", "exec", "--", "true")
	bad.run("systemctl", "start", "--no-block", updateUnit) // needs_reboot says no: the update brought no kernel
	bad.checkEnd(2)
	says(other, `^lock fleet acquired: this host begins no update until`, "lock", "acquire")
	says(other, `by hand: by `, "status")
	says(other, `^lock fleet released\n$`, "lock", "release")
	last := bad.lockEvents()
	if n := len(last); n < 2 || last[n-2].Host != other.cn || last[n-1].Host != other.cn {
		t.Errorf("the last events of the group are not %s's: %v", other.cn, kinds(last))
	}
}
