// Package configcheck checks everything that a run depends on, for `config check`: the configuration's files and hooks,
// the certificate, Foreman, and the host itself. A run does some of these checks too, before it asks for the lock.
// Nothing here changes, prints or ends anything.
package configcheck

import (
	"context"
	"crypto/x509"
	"fmt"
	"iter"
	"net"
	"os/exec"
	"sync"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/hook"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/process"
)

// Options are what the checks can't find out by themselves.
type Options struct {
	// Config is the configuration. If it can't be used it is nil, and only the host is checked.
	Config *config.Config
	// Library is the directory of the bundled hooks.
	Library string
	// Certificate loads this host's certificate, its key and the CA, as for a request. The error names the one that
	// can't be used.
	Certificate func() (*x509.Certificate, error)
	// Look asks the lock server for a lock by its name, and says who holds it. exists is false if there is no such lock
	// yet. If Look is nil, no server is asked.
	Look func(ctx context.Context, lock string) (holder string, exists bool, err error)
	// Resumes reads a command line of this program. If it goes on with a run after a boot, Resumes returns the
	// configuration that it names. It returns "" if it does not, or if the command line does not tell.
	Resumes func(args []string) (config string)
}

// Run does one check after the other, and yields each finding at once. If there is no configuration, it leaves out the
// checks that need one. No check of the host takes longer than 10 seconds. When ctx ends, the remaining checks say that
// they were interrupted.
func Run(ctx context.Context, o Options) iter.Seq[Finding] {
	h := newThisHost(o)
	return func(yield func(Finding) bool) {
		for _, check := range h.checks(ctx) {
			found := check.do(ctx, o.Config)
			found.About = check.about
			if !yield(found) {
				return
			}
		}
	}
}

// check is one thing to look at.
type check struct {
	about string
	do    checkFunc
}

// checkFunc does the check. The configuration is nil if there is none.
type checkFunc func(context.Context, *config.Config) Finding

// thisHost is what the checks look at besides the configuration. A problem there is advice, not an error: Puppet checks
// a new file with config check, and a good file must not be refused because the timer is not enabled yet. Tests replace
// the functions.
type thisHost struct {
	Options
	library      hook.Library
	root         string // comes before the paths of all files that config.ini does not name
	env          []string
	systemd      func(ctx context.Context, names ...string) (map[string]host.Unit, error)
	init         func() error // host.CheckInit
	synchronised func() (bool, error)
	free         func(path string) (host.Space, error)
	command      func(ctx context.Context, name string, args ...string) (string, error)
	lookup       func(ctx context.Context, host string) ([]string, error)
	now          func() time.Time

	units func() (map[string]host.Unit, error) // of systemd, asked once
}

func newThisHost(o Options) *thisHost {
	return &thisHost{
		Options:      o,
		library:      hook.Library{Dir: o.Library},
		env:          process.Environment(),
		systemd:      host.Units,
		init:         host.CheckInit,
		synchronised: host.ClockSynchronised,
		free:         host.Free,
		now:          time.Now,
		lookup:       (&net.Resolver{PreferGo: true}).LookupHost, // as in the static program of the packages
		command: func(ctx context.Context, name string, args ...string) (string, error) {
			cmd := exec.CommandContext(ctx, name, args...)
			cmd.WaitDelay = time.Second
			out, err := cmd.Output()
			return string(out), err
		},
	}
}

// checks are all checks, in the order of the report.
func (h *thisHost) checks(ctx context.Context) []check {
	var all []check
	if h.Config != nil {
		all = append(all, h.configChecks()...)
	}
	return append(all, h.hostChecks(ctx)...)
}

// configChecks need a configuration. Their findings can be errors.
func (h *thisHost) configChecks() []check {
	all := []check{
		{"hooks", h.checkHooks},
		{"notifiers", checkNotifiers},
		{"certificate", h.checkCertificate},
		{"reboot_cmd", checkRebootCmd},
		{"files", checkFiles},
		{"boot identity", h.checkBoot},
	}
	if hasSchedule(h.Config) {
		all = append(all, check{"pause and freezes", h.checkFreezes})
	}
	if h.Look != nil {
		server := serverName(h.Config)
		all = append(all, check{server, h.checkLock}, check{server + "'s name", within(patience, h.checkName)})
	}
	return all
}

// hostChecks find no errors. Only the last ones need a configuration.
func (h *thisHost) hostChecks(ctx context.Context) []check {
	names := []string{timerUnit, resumeUnit, ownUnits}
	for _, u := range updaters {
		names = append(names, u.unit)
	}
	h.units = sync.OnceValues(func() (map[string]host.Unit, error) { return h.systemd(ctx, names...) })
	all := []check{
		{"units", h.checkUnits},
		{"other updaters", h.checkUpdaters},
		{"clock", h.checkClock},
	}
	if h.Config != nil {
		all = append(all,
			check{"stages", h.checkStages},
			check{"what hooks need", h.checkNeeds},
			check{"disk space", h.checkSpace})
		if !h.Config.Windows.Empty() {
			all = append(all, check{"window", h.checkWindow})
		}
	}
	for i, one := range all {
		all[i].do = within(patience, one.do)
	}
	return all
}

// patience is the time limit of one check of the host, so that a mount, bus or command that hangs does not delay the
// others for long.
const patience = 10 * time.Second

// within gives up on a check that takes longer.
func within(limit time.Duration, do checkFunc) checkFunc {
	return func(ctx context.Context, c *config.Config) Finding {
		bounded, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		answer := make(chan Finding, 1)
		go func() { answer <- do(bounded, c) }()
		select {
		case found := <-answer:
			return found
		case <-bounded.Done():
			if ctx.Err() != nil {
				return advise("interrupted", "")
			}
			return advise(fmt.Sprintf("no answer within %s: look for a mount that hangs, and whether "+
				"`systemctl is-system-running` answers", limit), "")
		}
	}
}
