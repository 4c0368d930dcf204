package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/hook"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/process"

	"github.com/alecthomas/kong"
)

// surroundings are what `config check` looks at beyond the configuration. Whatever is wrong there is a doubt and no error: a good file
// must not be refused (Puppet checks one so) because the timer is not enabled yet. A test brings its own.
type surroundings struct {
	library      hook.Library
	root         string // before the paths of files that are not the configuration's
	env          []string
	systemd      func(ctx context.Context, names ...string) (map[string]host.Unit, error)
	init         func() error // host.CheckInit
	synchronised func() (bool, error)
	free         func(path string) (host.Space, error)
	command      func(ctx context.Context, name string, args ...string) (string, error)
	lookup       func(ctx context.Context, host string) ([]string, error)

	units func() (map[string]host.Unit, error) // of systemd, asked once
}

func here(library string) *surroundings {
	return &surroundings{
		library:      hook.Library{Dir: library},
		env:          process.Environment(),
		systemd:      host.Units,
		init:         host.CheckInit,
		synchronised: host.ClockSynchronised,
		free:         host.Free,
		lookup:       (&net.Resolver{PreferGo: true}).LookupHost, // as in the static program of the packages
		command: func(ctx context.Context, name string, args ...string) (string, error) {
			cmd := exec.CommandContext(ctx, name, args...)
			cmd.WaitDelay = time.Second
			out, err := cmd.Output()
			return string(out), err
		},
	}
}

// patience is for one check of the host: no mount, bus or command that hangs keeps the others back.
const patience = 10 * time.Second

// checks are those of the host, and those that need a configuration if there is one.
func (s *surroundings) checks(ctx context.Context, configured bool) []check {
	names := []string{timerUnit, resumeUnit, ownUnits}
	for _, u := range updaters {
		names = append(names, u.unit)
	}
	s.units = sync.OnceValues(func() (map[string]host.Unit, error) { return s.systemd(ctx, names...) })
	all := []check{
		{"units", s.checkUnits},
		{"other updaters", s.checkUpdaters},
		{"clock", s.checkClock},
	}
	if configured {
		all = append(all,
			check{"stages", s.checkStages},
			check{"what hooks need", s.checkNeeds},
			check{"disk space", s.checkSpace})
	}
	for i, one := range all {
		all[i].do = within(patience, one.do)
	}
	return all
}

// within gives up on a check that takes longer.
func within(limit time.Duration, do func(*Process, *config.Config) (string, error)) func(*Process, *config.Config) (string, error) {
	return func(p *Process, c *config.Config) (string, error) {
		type answer struct {
			found string
			err   error
		}
		ctx, cancel := context.WithTimeout(p.Context, limit)
		defer cancel()
		bounded := *p
		bounded.Context = ctx
		answers := make(chan answer, 1)
		go func() {
			found, err := do(&bounded, c)
			answers <- answer{found, err}
		}()
		select {
		case a := <-answers:
			return a.found, a.err
		case <-ctx.Done():
			if p.Context.Err() != nil {
				return "", doubts{{what: "interrupted"}}
			}
			return "", doubts{{what: fmt.Sprintf("no answer within %s: look for a mount that hangs, and whether `systemctl is-system-running` answers", limit)}}
		}
	}
}

const timerUnit, resumeUnit = "foreman-dlm-updater.timer", "foreman-dlm-updater-resume.service"

// ownUnits fits those that a host can have beside them, for further configurations (docs/install.md).
const ownUnits = "foreman-dlm-updater*.service"

func enabled(u host.Unit) bool { return strings.HasPrefix(u.File, "enabled") }

func (s *surroundings) checkUnits(_ *Process, c *config.Config) (string, error) {
	units, err := s.units()
	timer := units[timerUnit]
	switch {
	case errors.Is(err, host.ErrNoSystemd):
		return "systemd does not run here: something else has to start runs, and to go on with them after a boot (run --after-reboot)", nil
	case err != nil:
		return "", doubts{{fmt.Sprintf("it is not known whether %s is enabled: %v", timerUnit, err), "systemctl status " + timerUnit}}
	case timer.Load == "not-found":
		return "", doubts{{timerUnit + " is not installed: unless something else starts runs (cron), this host is never updated",
			s.install([3]string{"foreman-dlm-updater", "foreman-dlm-updater", "foreman-dlm-updater"})}}
	}
	var found doubts
	const never = ": unless something else starts runs (cron), this host is never updated"
	switch {
	case timer.Load == "masked":
		found.add(timerUnit+" is masked"+never, "systemctl unmask "+timerUnit+" && systemctl enable --now "+timerUnit)
	case !enabled(timer) && timer.Active != "active":
		found.add(timerUnit+" is disabled"+never, "systemctl enable --now "+timerUnit)
	case !enabled(timer):
		found.add(timerUnit+" is active, but not enabled: after the next boot nothing starts a run", "systemctl enable "+timerUnit)
	case timer.Active != "active":
		found.add(fmt.Sprintf("%s is enabled, but %s: until the next boot nothing starts a run", timerUnit, timer.Active), "systemctl start "+timerUnit)
	}
	if off := resumeOff(units, c); off != nil {
		found = append(found, *off)
	}
	return timerUnit + " is enabled and active, and so is what goes on with a run after a boot", found.orNone()
}

// resumeOff says why a run of this configuration, if there is one, does not go on after a reboot; nil if it does.
func resumeOff(units map[string]host.Unit, c *config.Config) *doubt {
	const waits = ": after a reboot the run waits, with the lock, for the next night"
	for _, unit := range units {
		if c != nil && enabled(unit) && resumes(unit) != "" && sameFile(resumes(unit), c.Path) {
			return nil
		}
	}
	resume := units[resumeUnit]
	switch with := resumes(resume); {
	case resume.Load == "not-found":
		return &doubt{resumeUnit + " is not installed" + waits + "; run --after-reboot at boot goes on with it", ""}
	case resume.Load == "masked":
		return &doubt{resumeUnit + " is masked" + waits, "systemctl unmask " + resumeUnit + " && systemctl enable " + resumeUnit}
	case !enabled(resume):
		return &doubt{resumeUnit + " is disabled" + waits, "systemctl enable " + resumeUnit}
	case c != nil && with != "":
		name := strings.TrimSuffix(filepath.Base(c.Path), filepath.Ext(c.Path))
		return &doubt{fmt.Sprintf("%s goes on with a run of %s, not of this configuration (%s)%s; an enabled "+
			"foreman-dlm-updater-%s-resume.service with `foreman-dlm-updater --config %s run --after-reboot` goes on with it "+
			"(docs/install.md)", resumeUnit, with, c.Path, waits, name, c.Path), ""}
	}
	return nil
}

// resumes is the configuration with which a unit goes on with a run after a boot. Empty if it does not, or if its
// command doesn't tell.
func resumes(unit host.Unit) string {
	if len(unit.Exec) == 0 || filepath.Base(unit.Exec[0]) != "foreman-dlm-updater" {
		return ""
	}
	var g grammar
	parser, err := g.parser(kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) {}))
	if err != nil {
		return ""
	}
	if _, err := parser.Parse(unit.Exec[1:]); err != nil || !g.Run.AfterReboot || strings.Contains(g.Config, "$") {
		return ""
	}
	return g.Config
}

// sameFile reports whether two paths are one, or lead to one file.
func sameFile(a, b string) bool {
	one, errA := os.Stat(a)
	other, errB := os.Stat(b)
	return a == b || errors.Join(errA, errB) == nil && os.SameFile(one, other)
}

// checkName looks for a name of Foreman that only other programs of this host find: glibc asks what /etc/nsswitch.conf
// names (mDNS, LDAP, systemd-resolved), and this one reads /etc/hosts and asks DNS servers.
func (s *surroundings) checkName(p *Process, c *config.Config) (string, error) {
	name := c.ForemanURL.Hostname()
	found, err := s.lookup(p.Context, name)
	if err == nil {
		return fmt.Sprintf("%s is %s", name, strings.Join(found, ", ")), nil
	}
	said, _ := s.command(p.Context, "getent", "ahosts", name)
	if address, _, known := strings.Cut(said, " "); known {
		return "", doubts{{fmt.Sprintf("%s is known to this host (%s), but neither by /etc/hosts nor by DNS, and nothing else is asked: %v", name, address, err),
			fmt.Sprintf("echo '%s %s' >>/etc/hosts", address, name)}}
	}
	return "", doubts{{fmt.Sprintf("nobody knows the address of %s: %v", name, err), "resolvectl query " + name}}
}

// checkClock: certificates depend on it.
func (s *surroundings) checkClock(*Process, *config.Config) (string, error) {
	for _, sign := range []string{"/run/systemd/container", "/run/.containerenv", "/.dockerenv"} { // systemd's, podman's, docker's
		if exists(s.root + sign) {
			return "it is that of the machine that this container runs on", nil
		}
	}
	synchronised, err := s.synchronised()
	switch {
	case err != nil:
		return "", doubts{{fmt.Sprintf("it is not known whether it is synchronised: %v", err), "timedatectl"}}
	case !synchronised:
		return "", doubts{{"it is not synchronised: once it is wrong by much, certificates are not valid, and Foreman refuses this host",
			"timedatectl set-ntp true (it needs systemd-timesyncd, chrony or ntpd)"}}
	}
	return "synchronised", nil
}

// miB is what space is counted in.
const miB = 1 << 20

// checkSpace looks whether a run can keep its record, whether what it says can be kept, and whether there is room for a kernel. How much the
// updates themselves need is asked by the bundled hook disk-space.
func (s *surroundings) checkSpace(_ *Process, c *config.Config) (string, error) {
	logs := s.root + "/var/log"
	if c.Log != "" {
		logs = filepath.Dir(c.Log)
	}
	places := []struct {
		path      string
		want      uint64 // MiB
		what, fix string
	}{
		{s.root + "/boot", 200, "a new kernel may not fit", s.platform("apt-get autoremove --purge", "dnf remove $(dnf repoquery --installonly --latest-limit=-2 -q)", "zypper purge-kernels", "")},
		{logs, 100, "what a run says may be lost", "journalctl --vacuum-size=200M"},
		{filepath.Dir(c.State), 50, "a run stops, with the lock, if its state can't be written", ""},
	}
	seen := map[uint64]bool{}
	var found doubts
	var fine []string
	for _, place := range places {
		space, err := s.free(place.path)
		if errors.Is(err, os.ErrNotExist) { // no /boot in a container; for the others see checkFiles
			continue
		}
		if err != nil {
			found.add(fmt.Sprintf("it is not known how much is free in %s: %v", place.path, err), "df -h "+place.path)
			continue
		}
		free := space.Bytes / miB
		switch {
		case free >= place.want:
			fine = append(fine, fmt.Sprintf("%s %d MiB", place.path, free))
		case !seen[space.Device]:
			seen[space.Device] = true
			fix := fmt.Sprintf("what `du -xh %s | sort -h | tail` shows can perhaps be deleted", place.path)
			if place.fix != "" {
				fix = place.fix
			}
			found.add(fmt.Sprintf("%s has %d MiB free, less than %d: %s", place.path, free, place.want, place.what), fix)
		}
	}
	return "free: " + strings.Join(fine, ", "), found.orNone()
}
