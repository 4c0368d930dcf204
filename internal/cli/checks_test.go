package cli

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/dlm/dlmtest"
)

// TestCertificateEnds: soon is a doubt, and its end an error.
func TestCertificateEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, err := dlmtest.NewCA(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		cert, key, err := ca.Issue("web1.example.com", dlmtest.IssueOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c := &config.Config{ClientCert: cert, ClientKey: key}
		pair, _, err := credentials(c).Load()
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			left       time.Duration
			begin, end string
		}{
			{13*24*time.Hour + time.Hour, "client_crt " + cert + " expires in 13 days ", "; mend it with: puppet ssl renew_cert (since Puppet 8)"},
			{-time.Hour, "client_crt " + cert + " has expired ", ")"},
		} {
			time.Sleep(time.Until(pair.Leaf.NotAfter.Add(-test.left)))
			_, err = checkCertificate(nil, c)
			var found doubts
			if err == nil || errors.As(err, &found) != (test.left > 0) || !strings.HasPrefix(err.Error(), test.begin) || !strings.HasSuffix(err.Error(), test.end) {
				t.Errorf("%s left: %v", test.left, err)
			}
		}
	})
}
