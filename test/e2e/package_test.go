//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// upgradeOfTheUpdater: the update brings a new foreman-dlm-updater, systemd and C library, and needrestart restarts
// what still uses the old ones: all but the run that it is part of, which goes on after the boot with the new program.
func upgradeOfTheUpdater(t *testing.T, l *lab) {
	h := l.boot(t, "self1")
	h.install(nil)
	l.publishSystem(h)
	h.write("/etc/needrestart/conf.d/test.conf", "$nrconf{restart} = 'a';\n")
	// The bundled hook keeps needrestart from being started by apt; an administrator's own hook may well start it.
	h.write("/etc/foreman_dlm_updater/update.d/60-needrestart", "#!/bin/sh\nexec needrestart -r a\n")
	h.run("chmod", "0755", "/etc/foreman_dlm_updater/update.d/60-needrestart")
	h.sources(ledgerNew, systemNew, product(productNew))
	config := h.run("cat", "/etc/foreman_dlm_updater/config.ini")
	h.startTimer(soon(1))
	h.awaitBoot(2)
	h.checkEnd(2)

	for _, name := range []string{"systemd", "libsystemd0", "libc6"} {
		if got := h.run("dpkg-query", "-W", "-f", "${Version}", name); !strings.HasSuffix(got, "+e2e1") {
			t.Errorf("%s is %s", name, got)
		}
	}
	versions := map[string]string{} // of the program, in each boot; started once in each
	var boots []string
	restarted := false
	for _, line := range h.journal() {
		if _, version, ok := strings.Cut(line.Message, "program started: version="); ok {
			version, _, _ = strings.Cut(version, " ")
			if versions[line.Boot] != "" {
				t.Errorf("started a second time in boot %s: %s", line.Boot, line.Message)
			}
			versions[line.Boot] = version
			boots = append(boots, line.Boot)
		}
		restarted = restarted || strings.Contains(line.Message, "systemctl restart")
	}
	var got []string
	for _, boot := range boots {
		got = append(got, versions[boot])
	}
	if diff := cmp.Diff([]string{productOld, productNew}, got); diff != "" {
		t.Errorf("versions of the program that ran (-want +got):\n%s", diff)
	}
	if !restarted {
		t.Error("needrestart has restarted nothing, so nothing is proven")
	}
	if diff := cmp.Diff(config, h.run("cat", "/etc/foreman_dlm_updater/config.ini")); diff != "" {
		t.Errorf("config.ini (-before +after):\n%s", diff)
	}
	if got := h.run("systemctl", "is-enabled", "foreman-dlm-updater.timer"); got != "enabled\n" {
		t.Errorf("the timer is %s", got)
	}
}

// removeAndPurge leaves nothing of the product behind on a host that was updated with it.
func removeAndPurge(t *testing.T, l *lab) {
	h := l.boot(t, "gone1")
	before := h.files()
	h.install(nil)
	h.startTimer(soon(1))
	h.awaitBoot(2)
	h.checkEnd(2)

	h.run("apt-get", "-q", "-y", "remove", "foreman-dlm-updater")
	h.run("test", "-e", "/etc/foreman_dlm_updater/config.ini")
	h.run("test", "!", "-e", "/usr/bin/foreman-dlm-updater")
	if got := h.run("systemctl", "show", "--property=ActiveState", "--value",
		"foreman-dlm-updater.timer"); got != "inactive\n" {
		t.Errorf("the timer is %s after the package was removed", got)
	}
	// What the test itself has put there.
	for _, stage := range hookStages {
		dir := "/etc/foreman_dlm_updater/" + string(stage) + ".d/"
		h.run("rm", dir+"00-trace", dir+"10-once", dir+"99-trace")
	}
	h.run("rm", "-r", "/etc/foreman_dlm_updater/post_update.d/90-accepts",
		"/etc/systemd/system/foreman-dlm-updater.timer.d", "/var/lib/puppet", traceFile)
	h.run("apt-get", "-q", "-y", "purge", "foreman-dlm-updater")
	if diff := cmp.Diff(before, h.files()); diff != "" {
		t.Errorf("files before it was installed, and after it was purged (-before +after):\n%s", diff)
	}
	if got := h.run("systemctl", "list-units", "--all", "--no-legend", "foreman-dlm-updater*"); got != "" {
		t.Errorf("units: %s", got)
	}
}

// files lists what is on the host's disk and could be the product's.
func (h *host) files() []string {
	h.t.Helper()
	list := strings.Fields(h.run("find", "/etc", "/usr", "/var", "/opt", "/srv", "/root", "/home", "-xdev",
		"-not", "-path", "/var/lib/dpkg/*", "-not", "-path", "/var/lib/apt/*", "-not", "-path", "/var/cache/*",
		"-not", "-path", "/var/log/*", "-not", "-path", "/var/lib/systemd/*", "-not", "-path", "/var/tmp/*",
		"-not", "-path", "/var/backups/*"))
	timers := strings.Fields(h.run("find", "/var/lib/systemd", "/var/log", "/var/lib/dpkg/info", "-name", "*foreman*"))
	list = append(list, timers...)
	slices.Sort(list)
	return list
}
