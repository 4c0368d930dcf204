package cli

import (
	"fmt"
	"slices"
	"strings"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/logging"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

type hooksRunCmd struct {
	Stage hookStage `arg:"" help:"The stage: ${hookstages}."`
	Name  string    `arg:"" optional:"" help:"Only this hook: its name in hooks list, or the bundled hook's name."`
}

func (cmd *hooksRunCmd) Run(p *Process, path configPath) error {
	c, unlock, err := p.loadAlone(path) // these hooks must not run beside the hooks of a run
	if err != nil {
		return err
	}
	defer unlock()
	terminal, journal := logging.Detect(p.Stderr)
	log, outputs, err := logging.New(logging.Options{Level: c.LogLevel, JSON: c.LogJSON, Patient: p.Kill,
		Stderr: p.Stderr, Terminal: terminal, Journal: journal, Edit: p.editLog})
	if err != nil {
		return &config.Error{Err: err}
	}
	defer outputs.Close()
	defer logStop(p, log)()
	stage := state.Stage(cmd.Stage)
	work := newWorkflow(p, c, log, outputs.Wait)
	work.Hooks.(hooks).gates.Level = hclog.Info // a person wants to see what the gates say, each time
	names, err := work.Hooks.List(stage)
	if err != nil {
		return refused(err)
	}
	if cmd.Name != "" {
		only := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
			return name != cmd.Name && bundled(name) != cmd.Name
		})
		if len(only) == 0 {
			return fmt.Errorf("stage %s has no hook %q that would run; it has %s", stage, cmd.Name, orNone(names))
		}
		names = only
	}
	if workflow.Guarded(stage) {
		fmt.Fprintln(p.Stderr, p.withConfig("foreman-dlm-updater: warning: hooks run takes no lock: "+
			"make sure that no other host of the cluster is down (`foreman-dlm-updater lock acquire`)"))
	}
	work.Hooks = chosenHooks{work.Hooks, names}
	yes, err := work.RunHooks(p.Context, stage)
	if err != nil {
		return refused(err)
	}
	outputs.Close() // the hooks' last lines come before the conclusion
	fmt.Fprintln(p.Stdout, conclusion(stage, yes, names))
	return nil
}

// conclusion says what a run would do after the hooks' answers.
func conclusion(stage state.Stage, yes bool, names []string) string {
	switch {
	case stage == state.NeedsUpdate && yes:
		return "there are updates: a run would ask for the lock now"
	case stage == state.NeedsUpdate:
		return "nothing to do: no hook knows of updates"
	case stage == workflow.Gate && yes:
		return "yes: this host may go out of service now"
	case stage == workflow.Gate:
		return "no: a run would wait, and ask again"
	case stage == state.NeedsReboot && yes && len(names) == 0:
		return "a reboot is needed: there is no hook that could say otherwise"
	case stage == state.NeedsReboot && yes:
		return "a reboot is needed"
	case stage == state.NeedsReboot:
		return "no reboot is needed"
	}
	return fmt.Sprintf("done: %s", orNone(names))
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "no hooks"
	}
	return strings.Join(names, ", ")
}

// chosenHooks lists only the chosen hooks of a stage.
type chosenHooks struct {
	workflow.Hooks
	names []string
}

func (h chosenHooks) List(state.Stage) ([]string, error) { return h.names, nil }
