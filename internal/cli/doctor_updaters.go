package cli

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/file"
)

// updaters are units of others that install updates or reboot without asking for the lock.
var updaters = []struct {
	unit  string
	what  string
	works func(*surroundings, context.Context) bool // whether it does so, as it is configured; nil: always
}{
	{"apt-daily-upgrade.timer", "unattended-upgrades installs updates", (*surroundings).unattendedUpgrades},
	{"dnf-automatic.timer", "dnf-automatic installs updates", applies("/etc/dnf/automatic.conf")},
	{"dnf-automatic-install.timer", "dnf-automatic installs updates", nil},
	{"dnf5-automatic.timer", "dnf5-automatic installs updates", applies("/etc/dnf/automatic.conf")},
	{"yum-cron.service", "yum-cron installs updates", applies("/etc/yum/yum-cron.conf")},
	{"os-update.timer", "os-update installs updates and reboots", nil},
	{"transactional-update.timer", "transactional-update installs updates", nil},
	{"zincati.service", "zincati installs updates and reboots", nil},
}

// checkUpdaters looks for others that update or reboot this host, each at its own time.
func (s *surroundings) checkUpdaters(p *Process, _ *config.Config) (string, error) {
	units, err := s.units()
	var found doubts
	seen := map[string]bool{}
	for _, u := range updaters {
		unit := units[u.unit]
		on := unit.Active == "active" || enabled(unit) && unit.Load == "loaded"
		if !on || seen[unit.ID] || u.works != nil && !u.works(s, p.Context) {
			continue
		}
		seen[unit.ID] = true // Fedora has one of them under two names
		found.add(u.what+" without the lock", "systemctl disable --now "+unit.ID)
	}
	// yast2-online-update-configuration says by such a link that it is on.
	crons, _ := filepath.Glob(s.root + "/etc/cron.*/opensuse.org-online_update")
	for _, cron := range crons {
		found.add("YaST's online update installs updates without the lock", "rm "+cron)
	}
	// systemd.offline-updates(7): PackageKit's and dnf's.
	if link := s.root + "/system-update"; exists(link) {
		found.add("an offline update is prepared: the next boot installs it, whoever asks for that boot", "rm "+link)
	}
	if s.runs("kured") {
		found.add("kured reboots this host without the lock", "kubectl -n kube-system delete daemonset kured")
	}
	what := "none found"
	if err != nil {
		what += " (but no units were looked at)"
	}
	return what, found.orNone()
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// unattendedUpgrades asks apt for what apt.systemd.daily reads, which the timer starts on every Debian, and which mostly does nothing.
func (s *surroundings) unattendedUpgrades(ctx context.Context) bool {
	if !s.has("unattended-upgrade") {
		return false
	}
	said, err := s.command(ctx, "apt-config", "shell", "enable", "APT::Periodic::Enable", "every", "APT::Periodic::Unattended-Upgrade")
	return err == nil && strings.Contains(said, "every=") && !strings.Contains(said, "every='0'") && !strings.Contains(said, "enable='0'")
}

var applyUpdates = regexp.MustCompile(`(?im)^[ \t]*apply_updates[ \t]*[=:][ \t]*(yes|true|on|1)[ \t]*$`)

// maxUpdaterConfig is the most that is read of another updater's configuration, in bytes.
const maxUpdaterConfig = 1 << 20

// applies says whether a file has apply_updates, without which dnf-automatic and yum-cron only download.
func applies(path string) func(*surroundings, context.Context) bool {
	return func(s *surroundings, _ context.Context) bool {
		content, err := file.Read(s.root+path, maxUpdaterConfig)
		return err == nil && applyUpdates.Match(content)
	}
}

// runs reports whether a process of that name runs, in a container too.
func (s *surroundings) runs(name string) bool {
	files, _ := filepath.Glob(s.root + "/proc/[0-9]*/comm")
	for _, file := range files {
		if comm, err := os.ReadFile(file); err == nil && string(comm) == name+"\n" {
			return true
		}
	}
	return false
}
