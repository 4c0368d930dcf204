package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/state"
)

// Vet looks for what `config check` would have warned of and what could leave the lock held for ever: the resume unit,
// a reboot that can't be proved, the reboot command, and the tools of the hooks that run after the update.
func (h thisHost) Vet(ctx context.Context) (warnings []string, err error) {
	return h.vet(ctx, here(DefaultLibrary))
}

func (h thisHost) vet(ctx context.Context, s *surroundings) (warnings []string, err error) {
	var found doubts
	if _, err := findRebootCmd(h.config); err != nil {
		found.add(fmt.Sprintf("reboot_cmd: %v: a reboot would fail, with the lock kept", err), "")
	}
	for _, stage := range []state.Stage{state.NeedsReboot, state.PostUpdate} {
		dir := hooksDir(h.config, string(stage))
		entries, _ := os.ReadDir(dir)
		for _, entry := range entries {
			path := filepath.Join(dir, entry.Name())
			if name := s.library.Leads(string(stage), path); name != "" {
				s.checkTools(&found, path, string(stage)+"/"+name)
			}
		}
	}
	if h.config.BootIDFile == config.KernelBootID {
		if unseen := unseenReboot(s.init()); unseen != nil {
			found = append(found, *unseen)
		}
		if units, err := s.systemd(ctx, resumeUnit, ownUnits); err == nil {
			if off := resumeOff(units, h.config); off != nil {
				found = append(found, *off)
			}
		}
	}
	for _, one := range found {
		warnings = append(warnings, one.String())
	}
	return warnings, vetState(h.config)
}

// unseenReboot says what becomes of a run whose reboot can't be proved. It is no error: the reboot may be one of the
// machine, which shows.
func unseenReboot(err error) *doubt {
	if err == nil {
		return nil
	}
	return &doubt{fmt.Sprintf("this is a container, and %v: a reboot of the container alone goes unnoticed, only a boot "+
		"of the kernel counts; a run asks for such a reboot again, up to max_reboots times, and stops with the lock kept; "+
		"let an init such as systemd be PID 1, or let reboot_cmd reboot the machine", err), ""}
}

// vetState is an error if a boot empties the file system of the state: the run would be forgotten, and the lock held
// for ever.
func vetState(c *config.Config) error {
	if c.BootIDFile != config.KernelBootID { // reboots are simulated, and empty nothing
		return nil
	}
	if kind := host.Emptied(filepath.Dir(c.State)); kind != "" {
		return &configError{fmt.Errorf("state %s is on a file system that a boot empties (%s): the run would be forgotten, and the lock never given "+
			"back; put it on a disk, as /var/lib/foreman_dlm_updater/state is in most cases", c.State, kind)}
	}
	return nil
}
