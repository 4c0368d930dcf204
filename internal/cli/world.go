package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/configcheck"
	"foreman-dlm-updater/internal/hook"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/logging"
	"foreman-dlm-updater/internal/process"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/vet"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

// load reads the configuration. Warnings are returned for the caller to show. An error in the windows is only a warning
// while a run that has the lock is on record: an update of tzdata may have removed a time zone, and no window may stop
// such a run.
func load(path configPath) (*config.Config, []config.Problem, error) {
	c, problems, err := loadAll(path)
	wrong := func(p config.Problem) bool { return !p.Warning && p.Key != "window" }
	if err == nil || len(problems) == 0 || slices.ContainsFunc(problems, wrong) {
		return c, problems, err
	}
	c, _, _ = config.LoadWithoutWindows(string(path), stageNames(workflow.HookDirs()), err)
	if c == nil {
		return nil, problems, err
	}
	record, _ := state.Store{Path: c.State}.Load()
	if !record.InProgress() || !workflow.HasLock(record.Stage) {
		return nil, problems, err
	}
	for i := range problems {
		problems[i].Warning = true
	}
	return c, problems, nil
}

// loadAll reads the configuration, as load does, and returns every error.
func loadAll(path configPath) (*config.Config, []config.Problem, error) {
	c, problems, err := config.Load(string(path), stageNames(workflow.HookDirs()))
	if err != nil {
		return nil, nil, &config.Error{Err: err}
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
	return nil, problems, &config.Error{Err: errors.Join(all...)}
}

// loadFor reads the configuration for a command that prints to a person.
func (p *Process) loadFor(path configPath) (*config.Config, error) {
	c, problems, err := load(path)
	p.warn(problems)
	return c, err
}

// warn shows and counts the problems that are only warnings.
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
		return nil, nil, nameExec(err, c)
	}
	return c, instance.Close, nil
}

// consoleLog is the logger of a command that prints to a person: warnings and errors only. Call close before the
// command prints anything.
func (p *Process) consoleLog() (log hclog.Logger, close func() error, err error) {
	terminal, _ := logging.Detect(p.Stderr)
	log, outputs, err := logging.New(logging.Options{Level: "warn", Patient: p.Kill, Stderr: p.Stderr, Terminal: terminal,
		Edit: p.editLog})
	if err != nil {
		return nil, nil, err
	}
	return log, outputs.Close, nil
}

// logStop logs the first signal, until stop is called.
func logStop(p *Process, log hclog.Logger) (stop func() bool) {
	return context.AfterFunc(p.Context, func() {
		log.Warn("told to stop: a running hook may finish, no other hook starts; a second signal ends a running hook")
	})
}

// newWorkflow builds the workflow's world. wait slows down a command that writes faster than the log reads; it may be
// nil.
func newWorkflow(p *Process, c *config.Config, log hclog.Logger, wait func(context.Context)) *workflow.Workflow {
	runner := func(timeout time.Duration) *process.Runner {
		return &process.Runner{Log: log, Wait: wait, Timeout: timeout, Kill: p.Kill}
	}
	gates := runner(gateTimeout(c))
	gates.Level = hclog.Debug // a run asks them again and again; it logs what they say when that changes
	return &workflow.Workflow{
		Settings: workflow.Settings{
			LockName:         c.LockName,
			LockSlots:        c.LockSlots,
			MaxFailed:        c.MaxFailed,
			BlockedBy:        c.BlockedBy,
			GateInterval:     c.GateInterval,
			RebootTimeout:    c.RebootTimeout,
			CannotTellExit:   c.CannotTellExit,
			CannotTellReboot: c.CannotTellReboot,
			MaxReboots:       c.MaxReboots,
			ConfigPath:       c.Path,
			StatePath:        c.State,
			OtherConfig:      func(path string) bool { return isOther(c.Path, path) },
		},
		Store:    state.Store{Path: c.State},
		OpenLock: lockServer(c).open(c, log, requests{c.HTTPTimeout, c.HTTPRetries}),
		Hooks:    hooks{c.StageDirs, c.SettingsDir(), runner(c.HookTimeout), gates, log},
		Host:     thisHost{c, runner(c.RebootTimeout), log},
		Log:      log,
		Hand:     handRecordOf(c),
		MayBegin: func(now time.Time) (*workflow.Refusal, error) {
			no, err := scheduleOf(c).Ask(now)
			if no == nil || err != nil {
				return nil, err
			}
			return &workflow.Refusal{Question: lock.Question(no.Question), Why: no.Why, Until: no.Until}, nil
		},
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

// hooks are the hooks in the configured directories.
type hooks struct {
	dirs     map[string]string
	settings string
	runner   *process.Runner
	gates    *process.Runner
	log      hclog.Logger
}

// gateTimeout limits a gate: it may be asked while this host has the lock, and a gate that hangs must not keep it.
func gateTimeout(c *config.Config) time.Duration {
	if c.HookTimeout > 0 {
		return min(c.HookTimeout, c.GateInterval)
	}
	return c.GateInterval
}

func (h hooks) VetSettings() error {
	library := hook.Library{Dir: DefaultLibrary}
	look := vet.NewSession()
	return errors.Join(hook.VetSettings(look, h.settings),
		configcheck.VetServicesStop(look, library, h.dirs[string(state.PreUpdate)], h.settings))
}

func (h hooks) List(stage state.Stage) ([]string, error) {
	dir := h.dirs[string(stage)]
	if missing(string(stage), dir) {
		return nil, nil
	}
	found, err := hook.List(vet.NewSession(), dir, h.log)
	names := make([]string, len(found))
	for i, one := range found {
		names[i] = one.Name
	}
	return names, err
}

func (h hooks) Run(stage state.Stage, name string, env []string) workflow.HookResult {
	one := hook.Hook{Name: name, Path: filepath.Join(h.dirs[string(stage)], name)}
	runner := h.runner
	if stage == workflow.Gate {
		runner = h.gates
	}
	result := hook.Run(runner, string(stage), one, env)
	return workflow.HookResult{Exit: result.Exit, Err: toldNothing(result), Said: result.Said, Last: result.Last,
		Notes: result.Notes, Stopped: result.Killed}
}

// toldNothing returns an error if a process did not end by itself, with an exit code: that is no answer.
func toldNothing(r process.Result) error {
	if r.Err != nil || r.Signal != 0 || r.TimedOut {
		return errors.New(r.String())
	}
	return nil
}

// thisHost is the host for the workflow.
type thisHost struct {
	config *config.Config
	runner *process.Runner
	log    hclog.Logger
}

func (h thisHost) Boot(ctx context.Context) (state.Boot, error) {
	boot, err := host.ReadBoot(ctx, h.config.BootIDFile)
	return state.Boot(boot), err
}

func (h thisHost) Uptime() (time.Duration, error) { return host.Uptime() }
func (h thisHost) MachineID() string              { return host.MachineID() }

// Vet looks for problems that would leave the lock held for ever.
func (h thisHost) Vet(ctx context.Context) (warnings []string, err error) {
	return configcheck.BeforeLock(ctx, checkOptions(h.config))
}

func (h thisHost) InhibitShutdown(why string) (allow func()) {
	inhibitor, err := host.InhibitShutdown(context.Background(), why)
	if err != nil {
		h.log.Debug("shutdown can't be inhibited", "error", err)
		return func() {}
	}
	return func() { inhibitor.Close() }
}

func (h thisHost) Inhibitors(ctx context.Context) (all []workflow.Inhibitor) {
	found, err := host.ShutdownInhibitors(ctx)
	if err != nil {
		h.log.Debug("shutdown inhibitors can't be listed", "error", err)
	}
	for _, one := range found {
		all = append(all, workflow.Inhibitor{Who: one.Who, Why: one.Why, UID: one.UID, PID: one.PID})
	}
	return all
}

func (h thisHost) Reboot() error {
	result := h.runner.Command("reboot_cmd", h.config.RebootCmd)
	switch said := lastWords(result.Last); {
	case result.OK():
		return nil
	case said != "":
		return fmt.Errorf("%s; it said %q", result, said)
	default:
		return errors.New(result.String())
	}
}

// lastWords joins the last lines of a command: systemctl needs several lines to name the inhibitors.
func lastWords(lines []string) string {
	const most = 5
	return strings.Join(lines[max(0, len(lines)-most):], "; ")
}
