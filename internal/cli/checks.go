package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/hook"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/process"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/vet"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
	"github.com/kballard/go-shellquote"
	"golang.org/x/sys/unix"
)

// offlineChecks need no network.
var offlineChecks = []check{
	{"hooks", checkHooks},
	{"notifiers", checkNotifiers},
	{"certificate", checkCertificate},
	{"reboot_cmd", checkRebootCmd},
	{"files", checkFiles},
	{"boot identity", checkBoot},
}

// renewBefore is how long before its end a certificate is worth a warning. Puppet's agents renew theirs 30 days
// before (hostcert_renewal_interval), those of older Puppets not at all.
const renewBefore = 14 * 24 * time.Hour

// checkHooks vets all hooks as a run does before it asks for the lock. A forgotten chmod +x is a hook that never runs.
func checkHooks(_ *Process, c *config.Config) (string, error) {
	var counts []string
	var idle doubts
	look := vet.NewSession()
	refused := []error{hook.VetSettings(look, c.SettingsDir()),
		noServices(look, hook.Library{Dir: DefaultLibrary}, hooksDir(c, string(state.PreUpdate)), c.SettingsDir())}
	for _, stage := range workflow.HookStages() {
		dir := hooksDir(c, string(stage))
		found, err := hook.List(look, dir, hclog.NewNullLogger())
		if err != nil {
			refused = append(refused, err)
		}
		counts = append(counts, fmt.Sprintf("%s %d", stage, len(found)))
		idle = append(idle, notRun(look, dir)...)
	}
	if err := errors.Join(refused...); err != nil {
		return "", &configError{err}
	}
	return strings.Join(counts, ", "), idle.orNone()
}

// notRun names the files of a directory that are perhaps meant to run, and don't. What is wrong with dir itself has
// been said.
func notRun(look *vet.Session, dir string) (found doubts) {
	entries, _ := hook.Entries(look, dir)
	for _, e := range entries {
		switch {
		case e.Disabled():
			found.add(shown(e.Path)+" never runs: it is not executable (keep files that are no hooks elsewhere)", "chmod +x "+shellquote.Join(e.Path))
		case e.Forgotten:
			found.add(shown(e.Path)+" never runs, though it is executable: it has "+e.Skipped+"; rename or remove it", "")
		}
	}
	return found
}

func checkCertificate(_ *Process, c *config.Config) (string, error) {
	cert, _, err := credentials(c).Load()
	if err != nil {
		return "", &configError{err}
	}
	leaf, now := cert.Leaf, time.Now()
	what := fmt.Sprintf("CN %q, issued by %q, valid from %s to %s", leaf.Subject.CommonName, leaf.Issuer.CommonName,
		clock(leaf.NotBefore), clock(leaf.NotAfter))
	left := leaf.NotAfter.Sub(now)
	days := int(left.Hours() / 24)
	switch {
	case left < 0:
		return "", &configError{fmt.Errorf("client_crt %s has expired (%s)", c.ClientCert, what)}
	case now.Before(leaf.NotBefore):
		return "", &configError{fmt.Errorf("client_crt %s is not valid yet, or this host's clock is wrong (%s)", c.ClientCert, what)}
	}
	var found doubts
	if left < renewBefore {
		found.add(fmt.Sprintf("client_crt %s expires in %d days (%s): see why Puppet does not renew it", c.ClientCert, days, what),
			"puppet ssl renew_cert (since Puppet 8)")
	}
	if name, err := os.Hostname(); err == nil && !sameHost(leaf.Subject.CommonName, name) {
		found.add(fmt.Sprintf("its CN %q is not this host's name, %q; if another machine has this certificate, too, each takes the other's lock for "+
			"its own, and both update at once", leaf.Subject.CommonName, name), "")
	}
	return fmt.Sprintf("%s, %d days left, matches its key", what, days), found.orNone()
}

// sameHost reports whether two names may be one host's. Where one of them has no domain, only their first labels count.
func sameHost(a, b string) bool {
	a, b = strings.TrimSuffix(a, "."), strings.TrimSuffix(b, ".")
	shortA, domainA, _ := strings.Cut(a, ".")
	shortB, domainB, _ := strings.Cut(b, ".")
	if domainA == "" || domainB == "" {
		return strings.EqualFold(shortA, shortB)
	}
	return strings.EqualFold(a, b)
}

func checkRebootCmd(_ *Process, c *config.Config) (string, error) { return findRebootCmd(c) }

func findRebootCmd(c *config.Config) (string, error) {
	path, err := process.LookPath(c.RebootCmd[0], process.Environment())
	if err == nil {
		err = unix.Access(path, unix.X_OK)
	}
	if err != nil {
		return "", &configError{fmt.Errorf("%s: %w", c.RebootCmd[0], err)}
	}
	return path, nil
}

// checkFiles sees whether the files that a run writes can be written, without writing them.
func checkFiles(_ *Process, c *config.Config) (string, error) {
	files := []string{c.State, c.Lock}
	for _, file := range []string{c.History, c.MetricsTextfile, c.Log} {
		if file != "" {
			files = append(files, file)
		}
	}
	var all []error
	for _, file := range files {
		dir := filepath.Dir(file)
		if info, err := os.Stat(dir); err != nil {
			all = append(all, err)
		} else if !info.IsDir() {
			all = append(all, fmt.Errorf("%s is not a directory", dir))
		} else if info, err := os.Lstat(file); err == nil && !info.Mode().IsRegular() {
			all = append(all, fmt.Errorf("%s is not a regular file", file))
		} else if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
			all = append(all, fmt.Errorf("directory %s can't be written to: %w", dir, err))
		}
	}
	if err := errors.Join(append(all, vetFiles(c), vetState(c))...); err != nil {
		return "", &configError{err}
	}
	return strings.Join(files, ", "), nil
}

func checkBoot(p *Process, c *config.Config) (string, error) {
	boot, err := host.ReadBoot(p.Context, c.BootIDFile)
	if err != nil {
		return "", &configError{err}
	}
	var found doubts
	if unseen := unseenReboot(host.CheckInit()); unseen != nil && c.BootIDFile == config.KernelBootID {
		found = append(found, *unseen)
	}
	if host.MachineIDIsTransient() {
		found.add("the machine id is made anew at each boot, so a cloned disk goes unnoticed", "systemd-machine-id-setup --commit")
	}
	return boot.ID, found.orNone()
}

// checkForeman asks for the lock: that shows that the CA vouches for Foreman, and that Foreman knows this host.
func checkForeman(p *Process, c *config.Config) (string, error) {
	view, err := lookAt(c, c.LockName, lock.Options{}, c.HTTPTimeout, 0).Look(p.Context)
	switch {
	case err == nil && !view.Exists:
		return "", doubts{{what: fmt.Sprintf("it knows this host, but has no lock %q yet: the first run makes one; create it beforehand, so that "+
			"a mistyped name is noticed and two hosts can't create it at once", c.LockName)}}
	case err != nil:
		return "", err
	}
	return "it knows this host; " + holder(c.LockName, view), nil
}
