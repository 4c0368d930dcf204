package configcheck

import (
	"context"
	"fmt"

	"foreman-dlm-updater/internal/config"
)

// checkClock: certificates depend on it.
func (h *thisHost) checkClock(context.Context, *config.Config) Finding {
	// systemd's, podman's, docker's
	for _, sign := range []string{"/run/systemd/container", "/run/.containerenv", "/.dockerenv"} {
		if exists(h.root + sign) {
			return fine("it is that of the machine that this container runs on")
		}
	}
	synchronised, err := h.synchronised()
	switch {
	case err != nil:
		return advise(fmt.Sprintf("it is not known whether it is synchronised: %v", err), "timedatectl")
	case !synchronised:
		return advise("it is not synchronised: once it is wrong by much, certificates are not valid, and Foreman "+
			"refuses this host", "timedatectl set-ntp true (it needs systemd-timesyncd, chrony or ntpd)")
	}
	return fine("synchronised")
}
