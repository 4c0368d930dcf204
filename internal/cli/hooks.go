package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/hook"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/vet"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

// hooksCmd makes and removes the links that enable bundled hooks, and runs hooks by hand.
type hooksCmd struct {
	Library string `type:"path" placeholder:"DIR" default:"${library}" help:"The bundled hooks (${library})."`

	List    hooksListCmd    `cmd:"" help:"Show which hooks run in which order, and which bundled ones are available."`
	Enable  hooksEnableCmd  `cmd:"" help:"Link a bundled hook into its stage, under its own number or yours (70-NAME)."`
	Disable hooksDisableCmd `cmd:"" help:"Remove the link to a bundled hook."`
	Run     hooksRunCmd     `cmd:"" help:"Run a stage's hooks by hand, as a run would. Takes no lock and keeps no state."`
}

// DefaultLibrary is where the packages put the bundled hooks.
const DefaultLibrary = "/usr/share/foreman-dlm-updater/hooks"

// hookArg is the argument STAGE/NAME.
type hookArg struct{ stage, name string }

// UnmarshalText lets kong read it.
func (a *hookArg) UnmarshalText(text []byte) error {
	stage, name, _ := strings.Cut(string(text), "/")
	a.stage, a.name = strings.TrimSuffix(stage, ".d"), name
	if bundled(name) == "" || strings.Contains(name, "/") || name == "." || name == ".." {
		return fmt.Errorf("%q is not STAGE/NAME, as in needs_update/apt", text)
	}
	var known hookDir
	return known.UnmarshalText([]byte(a.stage))
}

// hookDir is an argument that names a directory of hooks: a stage's, or the notifiers'.
type hookDir string

// UnmarshalText lets kong read it.
func (d *hookDir) UnmarshalText(text []byte) error {
	if !slices.Contains(hookDirs, string(text)) {
		return fmt.Errorf("%q is no directory of hooks; those are %s", text, hookDirNames())
	}
	*d = hookDir(text)
	return nil
}

// hookDirs are the stages that have hooks, gate, and notify.
var hookDirs = append(stageNames(workflow.HookDirs()), notifyStage)

func hookDirNames() string { return strings.Join(hookDirs, ", ") }

// hookStage is the argument STAGE. The stage must have hooks.
type hookStage string

// UnmarshalText lets kong read it.
func (s *hookStage) UnmarshalText(text []byte) error {
	if !slices.Contains(workflow.HookDirs(), state.Stage(text)) {
		return fmt.Errorf("%q is no stage that has hooks; those are %s", text, hookStageNames())
	}
	*s = hookStage(text)
	return nil
}

func hookStageNames() string { return joinStages(workflow.HookDirs(), ", ") }

// bundled returns the name of a bundled hook. name may begin with the number of a link.
func bundled(name string) string { return strings.TrimLeft(strings.TrimLeft(name, "0123456789"), "-") }

// hooksDir returns the absolute path of a stage's directory, or of the notifiers'; "" if there is none.
func hooksDir(c *config.Config, stage string) string {
	if stage == notifyStage {
		return c.NotifyDir
	}
	return filepath.Clean(c.StageDirs[stage])
}

// missing reports whether the directory of an optional stage does not exist. Such a stage has no hooks.
func missing(stage, dir string) bool {
	return workflow.Optional(state.Stage(stage)) && hook.Missing(dir)
}

// warnOfRun warns whoever changes hooks during a run. Notifiers stop nothing.
func (p *Process) warnOfRun(c *config.Config, stage string) {
	record, err := state.Store{Path: c.State}.Load()
	if err == nil && stage != notifyStage && record.InProgress() {
		fmt.Fprintf(p.Stderr, "foreman-dlm-updater: warning: a run is in progress, at stage %s: "+
			"what a hook has stopped stays down if you disable the hook that starts it\n", record.Stage)
	}
}

// refused turns an error of vetting into one of the configuration.
func refused(err error) error {
	var unsafe *vet.UnsafeError
	if errors.As(err, &unsafe) {
		return &config.Error{Err: err}
	}
	return err
}

type hooksListCmd struct {
	Stage hookDir `arg:"" optional:"" help:"Only these: ${hookdirs}."`
}

func (cmd *hooksListCmd) Run(p *Process, path configPath, all *hooksCmd) error {
	c, err := p.loadFor(path)
	if err != nil {
		return err
	}
	library := hook.Library{Dir: all.Library}
	var unsafe []error
	for _, stage := range hookDirs {
		if cmd.Stage != "" && cmd.Stage != hookDir(stage) {
			continue
		}
		if err := p.listHooks(c, library, stage); err != nil {
			unsafe = append(unsafe, err)
		}
	}
	return refused(errors.Join(unsafe...))
}

// listHooks prints the hooks of one stage, and the bundled ones that are available.
func (p *Process) listHooks(c *config.Config, library hook.Library, stage string) error {
	var entries []hook.Entry
	var unsafe, dirUnsafe error
	if dir := hooksDir(c, stage); dir == "" {
		fmt.Fprintf(p.Stdout, "%s (%s.d is not set)\n", stage, stage)
	} else if missing(stage, dir) {
		fmt.Fprintf(p.Stdout, "%s (%s does not exist: no hooks)\n", stage, dir)
	} else {
		fmt.Fprintf(p.Stdout, "%s (%s)\n", stage, dir)
		look := vet.NewSession()
		entries, dirUnsafe = hook.Entries(look, dir)
		list := hook.List
		if stage == notifyStage {
			list = hook.ListNotifiers
		}
		_, unsafe = list(look, dir, hclog.NewNullLogger()) // all problems, each once
	}
	enabled := map[string]string{} // the first link to each bundled hook
	for _, e := range entries {
		what := "runs"
		switch {
		case len(e.Offenders) > 0:
			what = "refused"
		case e.Skipped != "":
			what = "skipped"
		case dirUnsafe != nil:
			what = "refused"
		case len(e.Broken) > 0:
			what = "broken"
		}
		about := e.Skipped
		if name := library.Leads(stage, e.Path); name != "" && e.Skipped == "" {
			about = library.Description(stage, name)
			if first := enabled[name]; first != "" {
				about = fmt.Sprintf("the same as %s: it runs twice", shown(first))
			} else {
				enabled[name] = e.Name
			}
		} else if target, err := os.Readlink(e.Path); err == nil {
			about = strings.TrimSuffix(fmt.Sprintf("-> %s, %s", shown(target), e.Skipped), ", ")
		}
		fmt.Fprintf(p.Stdout, "  %-10s %-28s %s\n", what, shown(e.Name), about)
	}
	names, err := library.Names(stage)
	for _, name := range names {
		if enabled[name] == "" {
			fmt.Fprintf(p.Stdout, "  %-10s %-28s %s\n", "available", shown(name), library.Description(stage, name))
		}
	}
	return errors.Join(unsafe, err)
}

// shown returns a name, quoted if it contains anything that could play tricks on a terminal.
func shown(name string) string { return file.Shown(name) }

type hooksEnableCmd struct {
	Hook hookArg `arg:"" name:"stage/name" help:"The hook, as in needs_update/apt or pre_update/20-services-stop."`
}

func (cmd *hooksEnableCmd) Run(p *Process, path configPath, all *hooksCmd) error {
	c, err := p.loadFor(path)
	if err != nil {
		return err
	}
	library, stage, name := hook.Library{Dir: all.Library}, cmd.Hook.stage, bundled(cmd.Hook.name)
	if err := cmd.known(library, name); err != nil {
		return err
	}
	dir := hooksDir(c, stage)
	if dir == "" {
		return notSet(c)
	}
	link := cmd.Hook.name
	if link == name {
		link = library.Number(stage, name) + "-" + name
	}
	entries, _ := hook.Entries(vet.NewSession(), dir) // Enable returns an error of the directory
	for _, e := range entries {
		if library.Leads(stage, e.Path) == name && e.Skipped == "" {
			if e.Name != link && cmd.Hook.name != name {
				return fmt.Errorf("%s/%s is enabled already, as %s: `foreman-dlm-updater hooks disable %s/%s` first",
					stage, name, e.Name, stage, e.Name)
			}
			fmt.Fprintf(p.Stdout, "enabled already: %s\n", e.Path)
			return nil
		}
	}
	made := missing(stage, dir)
	if made {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return fmt.Errorf("make the directory of stage %s: %w", stage, err)
		}
	}
	err = library.Enable(stage, name, dir, link)
	if err != nil && made {
		os.Remove(dir) // leave nothing behind
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w; it is left alone: remove it, or take another number, as in %s/NN-%s", err, stage, name)
	case err != nil:
		return refused(err)
	}
	p.warnOfRun(c, stage)
	fmt.Fprintf(p.Stdout, "enabled: %s -> %s\n"+
		"its settings, if it needs any: %s; the comment at the beginning of the hook explains them\n",
		filepath.Join(dir, link), library.Path(stage, name), filepath.Join(c.SettingsDir(), name+".conf"))
	return nil
}

// known returns an error if the library does not have the hook. The error names what was typed, and what there is.
func (cmd *hooksEnableCmd) known(library hook.Library, name string) error {
	names, err := library.Names(cmd.Hook.stage)
	if err != nil || slices.Contains(names, name) {
		return err
	}
	for _, stage := range hookDirs {
		if others, err := library.Names(stage); err == nil && slices.Contains(others, name) {
			return fmt.Errorf("stage %s has no bundled hook %q, but %s has", cmd.Hook.stage, name, stage)
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("there are no bundled hooks for stage %s in %s", cmd.Hook.stage, library.Dir)
	}
	typed := ""
	if cmd.Hook.name != name {
		typed = fmt.Sprintf(" (%q without its number)", cmd.Hook.name)
	}
	return fmt.Errorf("stage %s has no bundled hook %q%s; it has %s; a hook of your own needs no enabling: put it into "+
		"the stage's directory, and `chmod +x` it", cmd.Hook.stage, name, typed, strings.Join(names, ", "))
}

type hooksDisableCmd struct {
	Hook hookArg `arg:"" name:"stage/name" help:"The hook or its link, as in needs_update/apt or needs_update/50-apt."`
}

func (cmd *hooksDisableCmd) Run(p *Process, path configPath, all *hooksCmd) error {
	c, err := p.loadFor(path)
	if err != nil {
		return err
	}
	library, stage, name := hook.Library{Dir: all.Library}, cmd.Hook.stage, cmd.Hook.name
	dir := hooksDir(c, stage)
	if dir == "" {
		return notSet(c)
	}
	entries, err := hook.Entries(vet.NewSession(), dir)
	if entries == nil && err != nil && !missing(stage, dir) {
		return refused(err)
	}
	removed := false
	for _, e := range entries {
		leads := library.Leads(stage, e.Path)
		switch {
		case leads != "" && (e.Name == name || leads == name):
			if err := os.Remove(e.Path); err != nil {
				return fmt.Errorf("disable hook: %w", err)
			}
			removed = true
			fmt.Fprintf(p.Stdout, "disabled: removed the link %s\n", e.Path)
		case e.Name == name:
			if target, err := os.Readlink(e.Path); err == nil {
				return fmt.Errorf("%s leads to %s, which is no bundled hook of this stage, and is left alone: "+
					"`rm %s` removes the link", e.Path, shown(target), e.Path)
			}
			return fmt.Errorf("%s is no link to a bundled hook, and is left alone: "+
				"`chmod -x` disables a hook of your own", e.Path)
		}
	}
	if removed {
		p.warnOfRun(c, stage)
	} else {
		fmt.Fprintf(p.Stdout, "not enabled: %s has no link to %s\n", dir, name)
	}
	return nil
}
