package configcheck

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/state"
)

// BeforeLock checks, before a run asks for the lock, whatever could leave the lock held for ever: the resume unit, a
// reboot that can't be proved, the reboot command, and the tools of the hooks that run after the update. Its warnings
// are those of [Run]. The error, a *config.Error, is a reason not to begin. It uses only the options Config, Library
// and Resumes.
func BeforeLock(ctx context.Context, o Options) (warnings []string, err error) {
	return newThisHost(o).beforeLock(ctx)
}

func (h *thisHost) beforeLock(ctx context.Context) (warnings []string, err error) {
	var found Finding
	c := h.Config
	if _, err := findRebootCmd(c); err != nil {
		found.advise(fmt.Sprintf("reboot_cmd: %v: a reboot would fail, with the lock kept", err), "")
	}
	for _, stage := range []state.Stage{state.NeedsReboot, state.PostUpdate} {
		dir := c.StageDirs[string(stage)]
		entries, _ := os.ReadDir(dir)
		for _, entry := range entries {
			path := filepath.Join(dir, entry.Name())
			if name := h.library.Leads(string(stage), path); name != "" {
				h.adviseTools(&found, path, string(stage)+"/"+name)
			}
		}
	}
	found.adviseUnseenReboot(h.init, c)
	if c.BootIDFile == config.KernelBootID {
		if units, err := h.systemd(ctx, resumeUnit, ownUnits); err == nil {
			h.adviseResume(&found, units)
		}
	}
	for _, one := range found.Advice {
		warnings = append(warnings, one.String())
	}
	return warnings, vetState(c)
}
