package configcheck

import (
	"context"
	"fmt"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/host"
)

// checkBoot sees whether a reboot can be proved, and this machine be told from its copies.
func (h *thisHost) checkBoot(ctx context.Context, c *config.Config) Finding {
	boot, err := host.ReadBoot(ctx, c.BootIDFile)
	if err != nil {
		return unusable(err)
	}
	found := fine(boot.ID)
	found.adviseUnseenReboot(h.init, c)
	if host.MachineIDIsTransient() {
		found.advise("the machine id is made anew at each boot, so a cloned disk goes unnoticed",
			"systemd-machine-id-setup --commit")
	}
	return found
}

// adviseUnseenReboot says what becomes of a run whose reboot can't be proved. It is no error: the reboot may be one of
// the machine, which shows.
func (f *Finding) adviseUnseenReboot(init func() error, c *config.Config) {
	if c.BootIDFile != config.KernelBootID {
		return
	}
	if err := init(); err != nil {
		f.advise(fmt.Sprintf("this is a container, and %v: a reboot of the container alone goes unnoticed, only a boot "+
			"of the kernel counts; a run asks for such a reboot again, up to max_reboots times, and stops with the lock kept; "+
			"let an init such as systemd be PID 1, or let reboot_cmd reboot the machine", err), "")
	}
}
