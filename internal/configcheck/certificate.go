package configcheck

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"foreman-dlm-updater/internal/config"
)

// renewBefore is how long before its end a certificate is worth a warning. Puppet's agents renew theirs 30 days before
// (hostcert_renewal_interval); agents before Puppet 8 don't renew them.
const renewBefore = 14 * 24 * time.Hour

// checkCertificate checks whether the certificate can be used now, for how long, and whether it is this host's.
func (h *thisHost) checkCertificate(_ context.Context, c *config.Config) (found Finding) {
	if c.ClientCert == "" { // a FleetLock server may need none
		return fine("client_crt is not set, so this host shows none: whoever reaches the server and knows this host's name " +
			"there can release its lock")
	}
	leaf, err := h.Certificate()
	if err != nil {
		return Finding{Err: err}
	}
	now := time.Now()
	what := fmt.Sprintf("CN %q, issued by %q, valid from %s to %s", leaf.Subject.CommonName, leaf.Issuer.CommonName,
		leaf.NotBefore.Local().Format(time.DateTime), leaf.NotAfter.Local().Format(time.DateTime))
	left := leaf.NotAfter.Sub(now)
	days := int(left.Hours() / 24)
	switch {
	case left < 0:
		return unusable(fmt.Errorf("client_crt %s has expired (%s)", c.ClientCert, what))
	case now.Before(leaf.NotBefore):
		return unusable(fmt.Errorf("client_crt %s is not valid yet, or this host's clock is wrong (%s)", c.ClientCert, what))
	}
	if left < renewBefore {
		found.advise(fmt.Sprintf("client_crt %s expires in %d days (%s): see why Puppet does not renew it",
			c.ClientCert, days, what), "puppet ssl renew_cert (since Puppet 8)")
	}
	if name, err := os.Hostname(); err == nil && !sameHost(leaf.Subject.CommonName, name) {
		found.advise(fmt.Sprintf("its CN %q is not this host's name, %q; if another machine has this certificate, too, "+
			"each takes the other's lock for its own, and both update at once", leaf.Subject.CommonName, name), "")
	}
	found.Fine = fmt.Sprintf("%s, %d days left, matches its key", what, days)
	return found
}

// sameHost reports whether two names may belong to one host. If one of them has no domain, only the first labels count.
func sameHost(a, b string) bool {
	a, b = strings.TrimSuffix(a, "."), strings.TrimSuffix(b, ".")
	shortA, domainA, _ := strings.Cut(a, ".")
	shortB, domainB, _ := strings.Cut(b, ".")
	if domainA == "" || domainB == "" {
		return strings.EqualFold(shortA, shortB)
	}
	return strings.EqualFold(a, b)
}
