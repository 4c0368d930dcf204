// Package cli is the command line: its grammar, one file for each command, and the messages that people read. It builds
// the workflow's world out of the other packages. Only this package prints; it never exits.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"foreman-dlm-updater/internal/process"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"

	"github.com/alecthomas/kong"
)

// Process is the part of the operating system's process that a command may use.
type Process struct {
	// Context ends with the first SIGTERM or SIGINT, Kill with the second.
	Context, Kill context.Context
	Stdout        io.Writer
	Stderr        *os.File
	// Caller is what the command of `lock exec` gets.
	Caller process.Caller

	config string // the path of the configuration, for withConfig; empty before the command line is read
}

// DefaultConfig is the configuration file if the command line names none.
const DefaultConfig = status.DefaultConfig

// grammar is the command line. It includes the original's: `--cfg FILE --after_reboot`.
type grammar struct {
	Config string `short:"c" aliases:"cfg" placeholder:"FILE" default:"${config}" help:"Configuration file (${config})."`

	Run     runCmd     `cmd:"" default:"withargs" help:"Begin a run, or go on with the one in progress (the default)."`
	Status  statusCmd  `cmd:"" help:"Say where this host stands, and why."`
	History historyCmd `cmd:"" help:"Show what became of the runs of this host."`
	Plan    planCmd    `cmd:"" help:"Say what a run would do now. Changes nothing, and takes no lock."`
	Check   checkCmd   `cmd:"" help:"Report as a Nagios/Icinga plugin: one line; 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN."`
	Pause   pauseCmd   `cmd:"" help:"Let no run begin for a while. A run that has the lock goes on."`
	Unpause unpauseCmd `cmd:"" help:"End the pause: runs may begin again."`
	Window  windowCmd  `cmd:"" help:"Say whether a maintenance window is open, and when the next ones open."`
	Conf    struct {
		Check configCheckCmd `cmd:"" help:"Check the configuration, the hooks, the certificate, host and lock server."`
		Show  configShowCmd  `cmd:"" help:"Print the effective values, and where each comes from."`
	} `cmd:"" name:"config" help:"Check or show the configuration."`
	Lock struct {
		Show    lockShowCmd    `cmd:"" help:"Say who holds the lock, each slot and each flag."`
		Acquire lockAcquireCmd `cmd:"" help:"Take the lock by hand, for work that no other host of the cluster may disturb."`
		Release lockReleaseCmd `cmd:"" help:"Release the lock that this host holds."`
		Exec    lockExecCmd    `cmd:"" help:"Run a command under the lock, and release the lock when it has ended."`
	} `cmd:"" help:"Look at the lock, or take and release it by hand."`
	Hooks  hooksCmd `cmd:"" help:"Look at the hooks, enable and disable the bundled ones, or run a stage's by hand."`
	Notify struct {
		Test notifyTestCmd `cmd:"" help:"Send a made-up event through all notifiers, and show what they say."`
	} `cmd:"" help:"Try the notifiers."`
	State struct {
		Show  stateShowCmd  `cmd:"" help:"Print the record of the run in progress."`
		Set   stateSetCmd   `cmd:"" help:"Make a stage the next one to execute."`
		Clear stateClearCmd `cmd:"" help:"Forget the run in progress, and lower its flags. The lock is not touched."`
	} `cmd:"" help:"Look at the record of the run in progress, or change it by hand."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

const description = `Updates this host while it holds its cluster's lock.

Exit codes: 0 done, nothing to do, or a reboot is under way; 1 a stage failed, or the state can't be read or ` +
	`written; 64 wrong command line; 75 not now, try later; 77 the lock server refuses this host or can't be trusted; ` +
	`78 the configuration is wrong.`

// Main runs the command line and returns the exit code.
func Main(p Process, args []string) int {
	if command, path, hooks := quick(args); command != nil {
		return p.do(command, path, hooks)
	}
	var g grammar
	asked := -1 // the exit code that kong asked for, after --help
	parser, err := g.parser(kong.Writers(p.Stdout, p.Stderr), kong.Exit(func(code int) { asked = code }))
	if err != nil {
		fmt.Fprintf(p.Stderr, "foreman-dlm-updater: error: %v\n", err)
		return exitFailed
	}
	command, err := parser.Parse(args)
	switch {
	case asked >= 0:
		return asked
	case errors.Is(err, syscall.EPIPE): // nobody reads the help any more
		return 0
	case isCheck(err):
		err = cmp.Or(unlike(args), err)
		return exitCode(p.plugin(pluginUnknown, err.Error()+"; see `foreman-dlm-updater check --help`", nil))
	case err != nil:
		p.report(cmp.Or(unlike(args), misspelt(args), err), helpFor(err, args))
		return exitUsage
	}
	return p.do(command, configPath(g.Config), &g.Hooks)
}

// do runs a command and returns the exit code.
func (p Process) do(command *kong.Context, path configPath, hooks *hooksCmd) int {
	p.Stdout = newOutput(p.Stdout, p.Context.Done())
	p.config, _ = filepath.Abs(string(path)) // as config.Load names it: whoever types it may be elsewhere
	err := command.Run(&p, path, hooks)
	if err == nil || errors.Is(err, errUnread) {
		return 0
	}
	var told *toldError
	if !errors.As(err, &told) {
		p.report(err, hint(err))
	}
	return exitCode(err)
}

// quick reads a command line with a grammar of one command: kong needs 4 ms to build the model of them all. If the line
// is wrong or asks for help, quick returns no command: only the whole grammar can explain it.
func quick(args []string) (command *kong.Context, path configPath, hooks *hooksCmd) {
	whole := reflect.TypeFor[grammar]()
	config, _ := whole.FieldByName("Config")
	line := reflect.New(reflect.StructOf([]reflect.StructField{config, named(whole, args)}))
	parser, err := kong.New(line.Interface(), append(options(), kong.NoDefaultHelp())...)
	if err != nil {
		return nil, "", nil
	}
	if command, err = parser.Parse(args); err != nil {
		return nil, "", nil
	}
	hooks, ok := line.Elem().Field(1).Addr().Interface().(*hooksCmd)
	if !ok {
		hooks = &hooksCmd{Library: DefaultLibrary}
	}
	return command, configPath(line.Elem().Field(0).String()), hooks
}

// named returns the command that a command line seems to name, or run. A wrong guess does no harm: that command does
// not know the other words, and then Main uses the whole grammar.
func named(grammar reflect.Type, args []string) (command reflect.StructField) {
	first := len(args)
	for i := range grammar.NumField() {
		field := grammar.Field(i)
		name := cmp.Or(field.Tag.Get("name"), strings.ToLower(field.Name))
		at := slices.Index(args, name)
		switch _, isCommand := field.Tag.Lookup("cmd"); {
		case !isCommand:
		case at >= 0 && at < first:
			command, first = field, at
		case name == "run" && command.Name == "":
			command = field
		}
	}
	return command
}

// parser reads command lines into g.
func (g *grammar) parser(more ...kong.Option) (*kong.Kong, error) {
	return kong.New(g, append(options(), more...)...)
}

// installedDocs is where the packages install the documents and the JSON schemas.
const installedDocs = "/usr/share/doc/foreman-dlm-updater/docs"

func options() []kong.Option {
	return []kong.Option{
		kong.Name("foreman-dlm-updater"),
		kong.Description(description),
		kong.Vars{"config": DefaultConfig, "library": DefaultLibrary, "docs": installedDocs, "hookstages": hookStageNames(),
			"stages": joinStages(state.Stages, ","), "stagelist": joinStages(state.Stages, ", "),
			"hookdirs": hookDirNames(), "events": eventNames()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	}
}

// unlike explains words that other programs know, and a -c without a file; nil if there is none.
func unlike(args []string) error {
	if len(args) == 0 {
		return nil
	}
	switch last := args[len(args)-1]; last {
	case "-c", "--config", "--cfg":
		return fmt.Errorf("%s needs a file, as in `foreman-dlm-updater %[1]s %s status`", last, DefaultConfig)
	}
	switch first := args[0]; first {
	case "--version", "-V":
		return fmt.Errorf("there is no %s: `foreman-dlm-updater version` prints the version", first)
	case "help":
		return errors.New("there is no command help: `foreman-dlm-updater --help` explains the commands, and " +
			"`foreman-dlm-updater COMMAND --help` one of them")
	}
	return nil
}

// misspelt returns kong's suggestion for a word that is no command, such as staus. If there is a default command, kong
// takes such a word for one of its arguments and suggests nothing, so misspelt asks again without a default command. It
// returns nil if a flag may be wrong: without a default command, kong does not know its flags.
func misspelt(args []string) error {
	parser, err := new(grammar).parser(kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) {}))
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, flag := range parser.Model.Flags {
		known["-"+string(flag.Short)] = true
		for _, name := range append(flag.Aliases, flag.Name) {
			known["--"+name] = true
		}
	}
	for _, arg := range args {
		if name, _, _ := strings.Cut(arg, "="); strings.HasPrefix(arg, "-") && !known[name] {
			return nil
		}
	}
	for _, node := range append(parser.Model.Children, parser.Model.Node) {
		node.DefaultCmd = nil
	}
	_, err = parser.Parse(args)
	return err
}

// helpFor is the command that explains what a wrong command line should be.
func helpFor(err error, args []string) string {
	var wrong *kong.ParseError
	if errors.As(err, &wrong) {
		// kong also selects the default command, which nobody typed.
		if command := wrong.Context.Selected(); command != nil && slices.Contains(args, command.Name) {
			return command.FullPath() + " --help"
		}
	}
	return "foreman-dlm-updater --help"
}

// configPath is the path of the configuration file.
type configPath string

func joinStages(stages []state.Stage, separator string) string {
	return strings.Join(stageNames(stages), separator)
}

func stageNames(stages []state.Stage) []string {
	names := make([]string, len(stages))
	for i, stage := range stages {
		names[i] = string(stage)
	}
	return names
}
