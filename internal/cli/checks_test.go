package cli

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/sandbox"
)

// TestCertificateEnds: soon is a doubt, and its end an error.
func TestCertificateEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, err := sandbox.NewCA(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		name, err := os.Hostname()
		if err != nil {
			t.Fatal(err)
		}
		cert, key, err := ca.Issue(name, sandbox.IssueOptions{})
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
			{13*24*time.Hour + time.Hour, "client_crt " + cert + " expires in 13 days ", "; fix it with: puppet ssl renew_cert (since Puppet 8)"},
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

// TestNotRoot: root sees everything.
func TestNotRoot(t *testing.T) {
	if got := notRoot(0); got != "" {
		t.Errorf("root is told %q", got)
	}
	if got := notRoot(1000); !strings.HasPrefix(got, "run it as root to see everything") || !strings.Contains(got, "uid 1000") {
		t.Errorf("uid 1000 is told %q", got)
	}
}
