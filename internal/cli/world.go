package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/hook"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/logging"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

// load reads the configuration. Warnings are returned for the caller to show.
func load(path configPath) (*config.Config, []config.Problem, error) {
	c, problems, err := config.Load(string(path))
	if err != nil {
		return nil, nil, &configError{err}
	}
	if c != nil {
		return c, problems, nil
	}
	var all []error
	for _, p := range problems {
		if !p.Warning {
			all = append(all, errors.New(p.String()))
		}
	}
	return nil, problems, &configError{errors.Join(all...)}
}

// loadFor reads the configuration for a command that prints to a person.
func (p *Process) loadFor(path configPath) (*config.Config, error) {
	c, problems, err := load(path)
	p.warn(problems)
	return c, err
}

// warn shows those problems that stop nothing, and counts them.
func (p *Process) warn(problems []config.Problem) (n int) {
	for _, problem := range problems {
		if problem.Warning {
			fmt.Fprintf(p.Stderr, "foreman-dlm-updater: warning: %s\n", problem)
			n++
		}
	}
	return n
}

// loadAlone reads the configuration for a command that no invocation may run beside, until unlock is called.
func (p *Process) loadAlone(path configPath) (c *config.Config, unlock func() error, err error) {
	if c, err = p.loadFor(path); err != nil {
		return nil, nil, err
	}
	instance, err := host.Only(c.Lock, c.State)
	if err != nil {
		return nil, nil, err
	}
	return c, instance.Close, nil
}

// vetFiles looks whether somebody else could change the program's own files.
func vetFiles(c *config.Config) error {
	if err := errors.Join(hook.VetState(c.State), hook.VetLock(c.Lock), hook.VetLock(c.State+".lock")); err != nil {
		return &configError{err}
	}
	return nil
}

// consoleLog is the logger of a command that prints to a person: warnings and errors only.
func (p *Process) consoleLog() (hclog.Logger, error) {
	terminal, _ := logging.Detect(p.Stderr)
	log, _, err := logging.New(logging.Options{Level: "warn", Blocking: true, Stderr: p.Stderr, Terminal: terminal})
	return log, err
}

// newWorkflow builds the workflow's world. wait holds up what writes faster than the log takes it; nil: nothing does.
func newWorkflow(p *Process, c *config.Config, log hclog.Logger, wait func()) *workflow.Workflow {
	return &workflow.Workflow{
		Settings: workflow.Settings{
			LockName:         c.LockName,
			RetryInterval:    c.LockRetryInterval,
			RetryJitter:      c.LockRetryJitter,
			LockTimeout:      c.LockTimeout,
			Settle:           c.LockSettle,
			Refresh:          c.LockRefresh,
			ReleaseTimeout:   c.ReleaseTimeout,
			RebootTimeout:    c.RebootTimeout,
			Retries:          c.HTTPRetries,
			CannotTellExit:   c.CannotTellExit,
			CannotTellReboot: c.CannotTellReboot,
			MaxReboots:       c.MaxReboots,
			ConfigPath:       c.Path,
			OtherConfig:      func(path string) bool { return isOther(c.Path, path) },
		},
		Store:  state.Store{Path: c.State},
		Server: LockServer{client(c, log, c.HTTPTimeout, c.HTTPRetries)},
		Hooks:  hooks{c.StageDirs, c.SettingsDir(), &hook.Runner{Log: log, Timeout: c.HookTimeout, Kill: p.Kill, Wait: wait}, log},
		Host:   thisHost{c, &hook.Runner{Log: log, Timeout: c.RebootTimeout, Kill: p.Kill, Wait: wait}, log},
		Log:    log,
	}
}

// isOther reports whether a path leads to a file that exists and is not ours.
func isOther(ours, path string) bool {
	if ours == path {
		return false
	}
	this, err := os.Stat(ours)
	if err != nil {
		return false
	}
	that, err := os.Stat(path)
	return err == nil && !os.SameFile(this, that)
}

func client(c *config.Config, log hclog.Logger, timeout time.Duration, retries int) *dlm.Client {
	return dlm.New(dlm.Options{
		URL:     c.ForemanURL.String(),
		TLS:     credentials(c),
		Timeout: timeout,
		Retries: retries,
		Log:     log,
	})
}

func credentials(c *config.Config) dlm.TLS {
	return dlm.TLS{Cert: c.ClientCert, Key: c.ClientKey, CA: c.CA}
}

// LockServer is Foreman for the workflow.
type LockServer struct{ *dlm.Client }

func (s LockServer) Show(ctx context.Context, name string) (workflow.Lock, error) {
	lock, err := s.Client.Show(ctx, name)
	return seen(lock), meaning(err)
}

// seen is a lock in the workflow's words.
func seen(lock dlm.Lock) workflow.Lock {
	return workflow.Lock{Enabled: lock.Enabled, Holder: lock.Holder, Self: lock.Self, Updated: lock.Updated}
}

func (s LockServer) Acquire(ctx context.Context, name string) error {
	return meaningOnce(s.Client.Acquire(ctx, name))
}

func (s LockServer) Release(ctx context.Context, name string) error {
	return meaningOnce(s.Client.Release(ctx, name))
}

// Identity says which Foreman is asked, and under which name.
func (s LockServer) Identity() workflow.Identity {
	url, cn := s.Client.Identity()
	return workflow.Identity{URL: url, CN: cn}
}

// meaningOnce is meaning for a request that was not tried again, after a look that found nothing wrong: files that can't
// be used are in the middle of their renewal.
func meaningOnce(err error) error {
	if errors.Is(err, dlm.ErrCredentials) {
		return &workflow.Unavailable{Why: trouble[dlm.ErrCredentials], Err: err}
	}
	return meaning(err)
}

// trouble is what the workflow says of answers that prove nothing.
var trouble = map[error]string{
	dlm.ErrUnavailable: "Foreman is unavailable",
	dlm.ErrNotForeman:  "the answer is not Foreman's",
	dlm.ErrWrongURL:    "there is no Foreman at foreman_url",
	dlm.ErrUntrusted:   "the server can't prove that it is Foreman",
	dlm.ErrCredentials: "this host's certificate or key can't be used",
	dlm.ErrRefused:     "Foreman's web server refuses this host's certificate",
}

// meaning says in the workflow's words what an error of the client's proves.
func meaning(err error) error {
	var answer *dlm.Error
	if !errors.As(err, &answer) {
		return err
	}
	switch answer.Kind {
	case dlm.ErrUnavailable, dlm.ErrNotForeman, dlm.ErrWrongURL, dlm.ErrUntrusted:
		return &workflow.Unavailable{RetryAfter: answer.RetryAfter, Why: trouble[answer.Kind], Err: err}
	case dlm.ErrCredentials:
		return &workflow.Renewing{Why: trouble[answer.Kind], Err: err}
	case dlm.ErrRefused:
		if answer.Status == 0 { // by the web server, before Foreman was asked who this host is
			return &workflow.Renewing{Why: trouble[answer.Kind], Err: err}
		}
	case dlm.ErrNotNow:
		return &meant{err, workflow.ErrNotNow}
	case dlm.ErrNoLock:
		return &meant{err, workflow.ErrNoLock}
	}
	return err
}

// meant is an error with one more meaning.
type meant struct{ error, as error }

func (e *meant) Error() string   { return e.error.Error() }
func (e *meant) Unwrap() []error { return []error{e.error, e.as} }

// hooks are the hooks in the configured directories.
type hooks struct {
	dirs     map[string]string
	settings string
	runner   *hook.Runner
	log      hclog.Logger
}

func (h hooks) VetSettings() error {
	library := hook.Library{Dir: DefaultLibrary}
	return errors.Join(hook.VetSettings(h.settings), noServices(library, h.dirs[string(state.PreUpdate)], h.settings))
}

func (h hooks) List(stage state.Stage) ([]string, error) {
	found, err := hook.List(h.dirs[string(stage)], h.log)
	names := make([]string, len(found))
	for i, one := range found {
		names[i] = one.Name
	}
	return names, err
}

func (h hooks) Run(stage state.Stage, name string, env []string) workflow.HookResult {
	result := h.runner.Run(string(stage), hook.Hook{Name: name, Path: filepath.Join(h.dirs[string(stage)], name)}, env)
	return workflow.HookResult{Exit: result.Exit, Err: toldNothing(result), Said: result.Said, Last: result.Last, Stopped: result.Killed}
}

// toldNothing is an error if a process ended in a way that is no answer of its own.
func toldNothing(r hook.Result) error {
	if r.Err != nil || r.Signal != 0 || r.TimedOut {
		return errors.New(r.String())
	}
	return nil
}

// thisHost is the host for the workflow.
type thisHost struct {
	config *config.Config
	runner *hook.Runner
	log    hclog.Logger
}

func (h thisHost) Boot(ctx context.Context) (state.Boot, error) {
	boot, err := host.ReadBoot(ctx, h.config.BootIDFile)
	return state.Boot(boot), err
}

func (h thisHost) Uptime() (time.Duration, error) { return host.Uptime() }
func (h thisHost) MachineID() string              { return host.MachineID() }

func (h thisHost) InhibitShutdown(why string) (allow func()) {
	inhibitor, err := host.InhibitShutdown(context.Background(), why)
	if err != nil {
		h.log.Debug("nothing keeps the host from being shut down meanwhile", "error", err)
		return func() {}
	}
	return func() { inhibitor.Close() }
}

func (h thisHost) Inhibitors(ctx context.Context) (all []workflow.Inhibitor) {
	found, err := host.ShutdownInhibitors(ctx)
	if err != nil {
		h.log.Debug("who keeps the host from being shut down is not known", "error", err)
	}
	for _, one := range found {
		all = append(all, workflow.Inhibitor{Who: one.Who, Why: one.Why, UID: one.UID, PID: one.PID})
	}
	return all
}

func (h thisHost) Reboot() error {
	result := h.runner.Command("reboot_cmd", h.config.RebootCmd, nil)
	switch said := lastWords(result.Last); {
	case result.OK():
		return nil
	case said != "":
		return fmt.Errorf("%s, having said %q", result, said)
	default:
		return errors.New(result.String())
	}
}

// lastWords joins the last lines that a command wrote: systemctl needs several to say who is in the way.
func lastWords(lines []string) string {
	const most = 5
	return strings.Join(lines[max(0, len(lines)-most):], "; ")
}
