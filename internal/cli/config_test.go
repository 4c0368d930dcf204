package cli

import (
	"net"
	"os"
	"strings"
	"testing"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/configcheck"
	"foreman-dlm-updater/internal/dlm"
)

// TestNotRoot: root sees everything.
func TestNotRoot(t *testing.T) {
	if got := notRoot(0); got != "" {
		t.Errorf("root is told %q", got)
	}
	got := notRoot(1000)
	if !strings.HasPrefix(got, "run it as root to see everything") || !strings.Contains(got, "uid 1000") {
		t.Errorf("uid 1000 is told %q", got)
	}
}

// TestResumes: which configuration a unit's command line goes on with after a boot, in the words of the original too.
func TestResumes(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"run --after-reboot", DefaultConfig},
		{"--after_reboot", DefaultConfig},
		{"--config /etc/weekly.ini run --after-reboot", "/etc/weekly.ini"},
		{"--config=/etc/weekly.ini run --after-reboot", "/etc/weekly.ini"},
		{"--cfg /etc/weekly.ini --after_reboot", "/etc/weekly.ini"},
		{"-c /etc/weekly.ini run --after-reboot", "/etc/weekly.ini"},
		{"-c/etc/weekly.ini run --after-reboot", "/etc/weekly.ini"},
		{"-c ${CONFIG} run --after-reboot", ""},
		{"-c /etc/weekly.ini run", ""},
		{"status", ""},
		{"nonsense", ""},
		{"", ""},
	} {
		if got := resumes(strings.Fields(test.args)); got != test.want {
			t.Errorf("%q: %q, want %q", test.args, got, test.want)
		}
	}
}

// TestUnknownNameHint: a run that can't find Foreman says who is asked for its address.
func TestUnknownNameHint(t *testing.T) {
	unknown := &net.DNSError{Err: "no such host", Name: "foreman.local", IsNotFound: true}
	got := hint(answer(t, &dlm.Error{Kind: dlm.ErrUnavailable, Err: unknown}))
	if !strings.Contains(got, "add foreman.local to DNS or to /etc/hosts") {
		t.Errorf("a run says %q", got)
	}
}

// TestCheckErrorIsConfiguration: what a check refuses is an error of the configuration.
func TestCheckErrorIsConfiguration(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/state", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir+"/state", 0o666); err != nil {
		t.Fatal(err)
	}
	err := configcheck.VetFiles(&config.Config{State: dir + "/state", Lock: dir + "/lock"})
	if err == nil || exitCode(err) != exitConfig {
		t.Errorf("exit %d: %v", exitCode(err), err)
	}
}

// TestCheckWithoutCertificate: a certificate that can't be read is an error of the configuration.
func TestCheckWithoutCertificate(t *testing.T) {
	dir := t.TempDir()
	options := checkOptions(&config.Config{ClientCert: dir + "/none.pem", ClientKey: dir + "/none.key"})
	if leaf, err := options.Certificate(); leaf != nil || exitCode(err) != exitConfig {
		t.Errorf("exit %d: %v", exitCode(err), err)
	}
}
