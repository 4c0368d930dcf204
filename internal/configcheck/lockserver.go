package configcheck

import (
	"context"
	"fmt"
	"strings"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/workflow"
)

// serverName is what people call the lock server.
func serverName(c *config.Config) string {
	if c.LockServer == config.FleetLock {
		return "FleetLock server"
	}
	return "Foreman"
}

// checkLock asks the lock server for the lock and all its slots. An answer shows that the CA signed the server's
// certificate, and that Foreman knows this host.
func (h *thisHost) checkLock(ctx context.Context, c *config.Config) (found Finding) {
	var holders []string
	for _, name := range workflow.Slots(c.LockName, c.LockSlots) {
		holder, exists, err := h.Look(ctx, name)
		if err != nil {
			return Finding{Err: err}
		}
		if !exists {
			found.advise(fmt.Sprintf("it knows this host, but has no lock %q yet: the first run makes one; create it "+
				"beforehand, so that a mistyped name is noticed and two hosts can't create it at once", name), "")
		}
		holders = append(holders, holder)
	}
	for _, name := range c.BlockedBy {
		_, exists, err := h.Look(ctx, name)
		if err != nil {
			return Finding{Err: err}
		}
		if !exists {
			found.advise(fmt.Sprintf("blocked_by: there is no lock %q, so it blocks nothing; correct the name, or create the "+
				"lock", name), "")
		}
	}
	if len(found.Advice) == 0 {
		found.Fine = strings.Join(holders, "; ")
		if c.LockServer != config.FleetLock {
			found.Fine = "it knows this host; " + found.Fine
		}
	}
	return found
}

// checkName warns if only other programs of this host find the lock server's address: glibc asks whatever
// /etc/nsswitch.conf names (mDNS, LDAP, systemd-resolved), but this program only reads /etc/hosts and asks DNS servers.
func (h *thisHost) checkName(ctx context.Context, c *config.Config) Finding {
	url, key := c.ForemanURL, "foreman_url"
	if c.LockServer == config.FleetLock {
		url, key = c.FleetLockURL, "fleetlock_url"
	}
	name := url.Hostname()
	addresses, err := h.lookup(ctx, name)
	if err == nil {
		return fine(fmt.Sprintf("%s is %s", name, strings.Join(addresses, ", ")))
	}
	said, _ := h.command(ctx, "getent", "ahosts", name)
	if address, _, known := strings.Cut(said, " "); known {
		return advise(fmt.Sprintf("this host knows the address of %s (%s), but /etc/hosts and DNS don't, and a run asks "+
			"nothing else: %v", name, address, err), fmt.Sprintf("echo '%s %s' >>/etc/hosts", address, name))
	}
	return advise(fmt.Sprintf("nobody knows the address of %s: %v; correct %s, or DNS", name, err, key), "")
}
