package configcheck

import (
	"context"
	"fmt"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/host"
)

// checkBoot checks whether a run can prove a reboot, and whether it can tell this machine from a copy.
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

// adviseUnseenReboot says what happens to a run that can't prove its reboot. It is no error: reboot_cmd may reboot the
// machine, and that can be seen.
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
