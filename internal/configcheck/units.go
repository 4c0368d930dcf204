package configcheck

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/host"
)

const timerUnit, resumeUnit = "foreman-dlm-updater.timer", "foreman-dlm-updater-resume.service"

// ownUnits matches the units that a host may have for further configurations (docs/install.md).
const ownUnits = "foreman-dlm-updater*.service"

func enabled(u host.Unit) bool { return strings.HasPrefix(u.File, "enabled") }

// checkUnits checks whether a timer begins runs, and whether a unit goes on with them after a boot.
func (h *thisHost) checkUnits(_ context.Context, _ *config.Config) (found Finding) {
	units, err := h.units()
	timer := units[timerUnit]
	switch {
	case errors.Is(err, host.ErrNoSystemd):
		return fine("systemd does not run here: something else has to start runs, and to go on with them after a boot " +
			"(run --after-reboot)")
	case err != nil:
		return advise(fmt.Sprintf("it is not known whether %s is enabled: %v", timerUnit, err), "systemctl status "+timerUnit)
	case timer.Load == "not-found":
		return advise(timerUnit+" is not installed: unless something else starts runs (cron), this host is never updated",
			h.install([3]string{"foreman-dlm-updater", "foreman-dlm-updater", "foreman-dlm-updater"}))
	}
	const never = ": unless something else starts runs (cron), this host is never updated"
	switch {
	case timer.Load == "masked":
		found.advise(timerUnit+" is masked"+never, "systemctl unmask "+timerUnit+" && systemctl enable --now "+timerUnit)
	case !enabled(timer) && timer.Active != "active":
		found.advise(timerUnit+" is disabled"+never, "systemctl enable --now "+timerUnit)
	case !enabled(timer):
		found.advise(timerUnit+" is active, but not enabled: after the next boot nothing starts a run",
			"systemctl enable "+timerUnit)
	case timer.Active != "active":
		found.advise(fmt.Sprintf("%s is enabled, but %s: until the next boot nothing starts a run", timerUnit, timer.Active),
			"systemctl start "+timerUnit)
	}
	h.adviseResume(&found, units)
	found.Fine = timerUnit + " is enabled and active, and a unit goes on with a run after a boot"
	return found
}

// adviseResume warns if no unit goes on with a run of this configuration after a reboot, and says why.
func (h *thisHost) adviseResume(found *Finding, units map[string]host.Unit) {
	const waits = ": after a reboot the run waits, with the lock, for the next night"
	c := h.Config
	for _, unit := range units {
		if c != nil && enabled(unit) && h.resumes(unit) != "" && sameFile(h.resumes(unit), c.Path) {
			return
		}
	}
	resume := units[resumeUnit]
	switch with := h.resumes(resume); {
	case resume.Load == "not-found":
		found.advise(resumeUnit+" is not installed"+waits+
			"; let something call `foreman-dlm-updater run --after-reboot` at boot", "")
	case resume.Load == "masked":
		found.advise(resumeUnit+" is masked"+waits, "systemctl unmask "+resumeUnit+" && systemctl enable "+resumeUnit)
	case !enabled(resume):
		found.advise(resumeUnit+" is disabled"+waits, "systemctl enable "+resumeUnit)
	case c != nil && with != "":
		name := strings.TrimSuffix(filepath.Base(c.Path), filepath.Ext(c.Path))
		found.advise(fmt.Sprintf("%s goes on with a run of %s, not of this configuration (%s)%s; enable a "+
			"foreman-dlm-updater-%s-resume.service that calls `foreman-dlm-updater --config %s run --after-reboot` "+
			"(see /usr/share/doc/foreman-dlm-updater/docs/install.md)", resumeUnit, with, c.Path, waits, name, c.Path), "")
	}
}

// resumes returns the configuration of the run that a unit goes on with after a boot: "" if it goes on with none, or if
// its command doesn't tell.
func (h *thisHost) resumes(unit host.Unit) string {
	if len(unit.Exec) == 0 || filepath.Base(unit.Exec[0]) != "foreman-dlm-updater" {
		return ""
	}
	return h.Resumes(unit.Exec[1:])
}

// sameFile reports whether two paths are equal, or lead to the same file.
func sameFile(a, b string) bool {
	one, errA := os.Stat(a)
	other, errB := os.Stat(b)
	return a == b || errors.Join(errA, errB) == nil && os.SameFile(one, other)
}
