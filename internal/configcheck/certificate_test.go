package configcheck

import (
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/config"
)

// TestCertificateEnds: soon is advice, and its end an error.
func TestCertificateEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name, err := os.Hostname()
		if err != nil {
			t.Fatal(err)
		}
		leaf := &x509.Certificate{NotBefore: time.Now(), NotAfter: time.Now().AddDate(1, 0, 0)}
		leaf.Subject.CommonName = name
		h := &thisHost{Options: Options{Certificate: func() (*x509.Certificate, error) { return leaf, nil }}}
		const cert = "/etc/cert.pem"
		c := &config.Config{ClientCert: cert}
		for _, test := range []struct {
			left       time.Duration
			begin, end string
		}{
			{13*24*time.Hour + time.Hour, "client_crt " + cert + " expires in 13 days ",
				"; fix it with: puppet ssl renew_cert (since Puppet 8)"},
			{-time.Hour, "client_crt " + cert + " has expired ", ")"},
		} {
			time.Sleep(time.Until(leaf.NotAfter.Add(-test.left)))
			found := h.checkCertificate(t.Context(), c)
			got, refused := "", (*config.Error)(nil)
			switch {
			case test.left > 0 && len(found.Advice) == 1 && found.Err == nil:
				got = found.Advice[0].String()
			case test.left < 0 && errors.As(found.Err, &refused):
				got = refused.Error()
			}
			if !strings.HasPrefix(got, test.begin) || !strings.HasSuffix(got, test.end) {
				t.Errorf("%s left: %+v", test.left, found)
			}
		}
	})
}

// TestSameHost: a name without a domain may be any host's of that name.
func TestSameHost(t *testing.T) {
	for _, test := range []struct {
		cn, hostname string
		want         bool
	}{
		{"web1.example.com", "web1.example.com", true},
		{"web1.example.com", "WEB1.Example.COM", true},
		{"web1.example.com", "web1", true},
		{"web1", "web1.example.com", true},
		{"web1.example.com", "web1.example.com.", true},
		{"web1.example.com", "web2", false},
		{"web1.example.com", "web2.example.com", false},
		{"web1.example.com", "web1.example.org", false},
		{"", "web1", false},
	} {
		if got := sameHost(test.cn, test.hostname); got != test.want {
			t.Errorf("%q, %q: %t", test.cn, test.hostname, got)
		}
	}
}
