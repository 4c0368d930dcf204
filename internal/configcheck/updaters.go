package configcheck

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/file"
)

// updaters are units of other programs that install updates or reboot without asking for the lock.
var updaters = []struct {
	unit  string
	what  string
	works func(*thisHost, context.Context) bool // whether its configuration makes it do so; nil: it always does
}{
	{"apt-daily-upgrade.timer", "unattended-upgrades installs updates", (*thisHost).unattendedUpgrades},
	{"dnf-automatic.timer", "dnf-automatic installs updates", applies("/etc/dnf/automatic.conf")},
	{"dnf-automatic-install.timer", "dnf-automatic installs updates", nil},
	{"dnf5-automatic.timer", "dnf5-automatic installs updates", applies("/etc/dnf/automatic.conf")},
	{"yum-cron.service", "yum-cron installs updates", applies("/etc/yum/yum-cron.conf")},
	{"os-update.timer", "os-update installs updates and reboots", nil},
	{"transactional-update.timer", "transactional-update installs updates", nil},
	{"zincati.service", "zincati installs updates and reboots", nil},
}

// checkUpdaters warns of other programs that update or reboot this host.
func (h *thisHost) checkUpdaters(ctx context.Context, _ *config.Config) (found Finding) {
	units, err := h.units()
	seen := map[string]bool{}
	for _, u := range updaters {
		unit := units[u.unit]
		on := unit.Active == "active" || enabled(unit) && unit.Load == "loaded"
		if !on || seen[unit.ID] || u.works != nil && !u.works(h, ctx) {
			continue
		}
		seen[unit.ID] = true // Fedora has one of them under two names
		found.advise(u.what+" without the lock", "systemctl disable --now "+unit.ID)
	}
	// yast2-online-update-configuration makes such a link when it is switched on.
	crons, _ := filepath.Glob(h.root + "/etc/cron.*/opensuse.org-online_update")
	for _, cron := range crons {
		found.advise("YaST's online update installs updates without the lock", "rm "+cron)
	}
	// systemd.offline-updates(7): PackageKit and dnf use it.
	if link := h.root + "/system-update"; exists(link) {
		found.advise("an offline update is prepared: the next boot installs it, whoever asks for that boot", "rm "+link)
	}
	if h.runs("kured") {
		found.advise("kured reboots this host without the lock", "kubectl -n kube-system delete daemonset kured")
	}
	found.Fine = "none found"
	if err != nil {
		found.Fine += " (but no units were looked at)"
	}
	return found
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// unattendedUpgrades asks apt for the settings that apt.systemd.daily reads. The timer starts that script on every
// Debian; unless the settings ask for more, it does nothing.
func (h *thisHost) unattendedUpgrades(ctx context.Context) bool {
	if !h.has("unattended-upgrade") {
		return false
	}
	said, err := h.command(ctx, "apt-config", "shell", "enable", "APT::Periodic::Enable",
		"every", "APT::Periodic::Unattended-Upgrade")
	return err == nil && strings.Contains(said, "every=") && !strings.Contains(said, "every='0'") &&
		!strings.Contains(said, "enable='0'")
}

var applyUpdates = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?im)^[ \t]*apply_updates[ \t]*[=:][ \t]*(yes|true|on|1)[ \t]*$`)
})

// maxUpdaterConfig is the most that is read of another updater's configuration, in bytes.
const maxUpdaterConfig = 1 << 20

// applies reports whether a file sets apply_updates. Without it, dnf-automatic and yum-cron only download.
func applies(path string) func(*thisHost, context.Context) bool {
	return func(h *thisHost, _ context.Context) bool {
		content, err := file.Read(h.root+path, maxUpdaterConfig)
		return err == nil && applyUpdates().Match(content)
	}
}

// runs reports whether a process of that name runs, in a container or outside.
func (h *thisHost) runs(name string) bool {
	files, _ := filepath.Glob(h.root + "/proc/[0-9]*/comm")
	for _, file := range files {
		if comm, err := os.ReadFile(file); err == nil && string(comm) == name+"\n" {
			return true
		}
	}
	return false
}
