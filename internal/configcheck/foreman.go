package configcheck

import (
	"context"
	"fmt"
	"strings"

	"foreman-dlm-updater/internal/config"
)

// checkLock asks for the lock: that shows that the CA vouches for Foreman, and that Foreman knows this host.
func (h *thisHost) checkLock(ctx context.Context, c *config.Config) Finding {
	holder, exists, err := h.Look(ctx, c.LockName)
	switch {
	case err != nil:
		return Finding{Err: err}
	case !exists:
		return advise(fmt.Sprintf("it knows this host, but has no lock %q yet: the first run makes one; create it "+
			"beforehand, so that a mistyped name is noticed and two hosts can't create it at once", c.LockName), "")
	}
	return fine("it knows this host; " + holder)
}

// checkName looks for a name of Foreman that only other programs of this host find: glibc asks what /etc/nsswitch.conf
// names (mDNS, LDAP, systemd-resolved), and this one reads /etc/hosts and asks DNS servers.
func (h *thisHost) checkName(ctx context.Context, c *config.Config) Finding {
	name := c.ForemanURL.Hostname()
	addresses, err := h.lookup(ctx, name)
	if err == nil {
		return fine(fmt.Sprintf("%s is %s", name, strings.Join(addresses, ", ")))
	}
	said, _ := h.command(ctx, "getent", "ahosts", name)
	if address, _, known := strings.Cut(said, " "); known {
		return advise(fmt.Sprintf("%s is known to this host (%s), but neither by /etc/hosts nor by DNS, and nothing else is "+
			"asked: %v", name, address, err), fmt.Sprintf("echo '%s %s' >>/etc/hosts", address, name))
	}
	return advise(fmt.Sprintf("nobody knows the address of %s: %v", name, err), "resolvectl query "+name)
}
