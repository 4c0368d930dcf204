package configcheck

import (
	"context"
	"fmt"

	"foreman-dlm-updater/internal/config"
)

// checkClock checks whether the clock is synchronised: certificates are valid only between two times.
func (h *thisHost) checkClock(context.Context, *config.Config) Finding {
	// The files by which systemd, podman and docker mark a container.
	for _, sign := range []string{"/run/systemd/container", "/run/.containerenv", "/.dockerenv"} {
		if exists(h.root + sign) {
			return fine("this container uses the clock of its machine")
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
