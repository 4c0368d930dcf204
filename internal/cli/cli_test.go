package cli

import (
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

// reading is what a command line means.
type reading struct {
	Command, Library string
	Path             configPath
	Values           any // of the command
}

func readingOf(command *kong.Context, path configPath, hooks *hooksCmd) *reading {
	return &reading{command.Command(), hooks.Library, path, command.Selected().Target.Interface()}
}

var everyField = cmp.Exporter(func(reflect.Type) bool { return true })

// byWhole reads a command line with the whole grammar; nil: it is wrong, or asks for help. A parser of kong's is good
// for one line.
func byWhole(t *testing.T, args []string) *reading {
	t.Helper()
	var g grammar
	asked := false
	parser, err := g.parser(kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) { asked = true }))
	if err != nil {
		t.Fatal(err)
	}
	command, err := parser.Parse(args)
	if err != nil || asked {
		return nil
	}
	return readingOf(command, configPath(g.Config), &g.Hooks)
}

func byQuick(args []string) *reading {
	command, path, hooks := quick(args)
	if command == nil {
		return nil
	}
	return readingOf(command, path, hooks)
}

// readAlike fails unless a line that the grammar of one command reads means just that to the whole grammar. What it
// can't read is left to the whole one.
func readAlike(t *testing.T, args []string) (read bool) {
	t.Helper()
	got := byQuick(args)
	if got == nil {
		return false
	}
	if diff := cmp.Diff(byWhole(t, args), got, everyField); diff != "" {
		t.Errorf("%q: (-whole grammar +one command)\n%s", args, diff)
	}
	return true
}

// argument is an example of what a command takes; "" if it needs nothing.
func argument(t *testing.T, node *kong.Node) string {
	t.Helper()
	words := commandWords(node)
	example, known := map[string]string{
		"hooks enable": "needs_update/dnf", "hooks disable": "needs_update/apt",
		"hooks run": "update", "history show": "last",
		"notify test": "started", "state set": "update", "pause": "--reason=test", "lock exec": "true",
	}[words]
	if !known && len(node.Positional) > 0 && node.Positional[0].Required {
		t.Errorf("%s: give an example of its argument in this test", words)
	}
	return example
}

// TestQuick: each command, with flags before and behind it, wrongly written, and with --help.
func TestQuick(t *testing.T) {
	for _, args := range [][]string{nil, {"--after-reboot"}, {"--cfg", "x", "--after_reboot"}, {"-crun", "status"}, {"--"},
		{"--", "status"}} {
		if !readAlike(t, args) {
			t.Errorf("%q is not read with one command", args)
		}
	}
	for _, args := range [][]string{{"-h"}, {"--help"}, {"-c"}, {"-c", "--help"},
		{"-c", "run", "status"}, {"-c", "status"},
		{"nonsense"}} {
		if readAlike(t, args) {
			t.Errorf("%q is read with one command", args)
		}
	}
	for _, node := range nodes(t) {
		words := strings.Fields(commandWords(node))
		right := append(slices.Clone(words), strings.Fields(argument(t, node))...)
		beside := func(more ...string) (read bool) {
			behind, before := readAlike(t, slices.Concat(right, more)), readAlike(t, slices.Concat(more, right))
			return behind || before
		}
		if runs := node.Leaf() || node.DefaultCmd != nil; readAlike(t, right) != runs || beside("-c", "x") != runs {
			t.Errorf("%q is read with one command: %v", right, !runs)
		}
		if beside("--help") || beside("-h") || beside("--nonsense") {
			t.Errorf("%q with a mistake, or a question, is read with one command", right)
		}
		for _, more := range []string{"nonsense", "--", "-", "run", "status", "--after-reboot"} {
			beside(more)
		}
		if len(words) > 0 {
			last := len(words) - 1
			readAlike(t, append(slices.Clone(words[:last]), words[last]+"x"))
			readAlike(t, append(slices.Clone(words[:last]), strings.ToUpper(words[last])))
		}
		for _, flag := range flags(node) {
			for _, name := range append(slices.Clone(flag.Aliases), flag.Name) {
				for _, value := range []string{"7", "run", "-x"} {
					beside("--"+name, value)
				}
				beside("--" + name)
				beside("--" + name + "=update")
			}
		}
	}
}

// TestQuickOnNonsense: lines of words that the program knows, in any order.
func TestQuickOnNonsense(t *testing.T) {
	words := []string{"", "-", "--", "-h", "--help", "x", "-c", "-cx", "--config", "--cfg=x",
		"--config=run", "needs_update", "update", "needs_update/apt", "failed", "7",
		"--after-reboot=false", "--no-after-reboot"}
	for _, node := range nodes(t) {
		words = append(words, node.Name)
		for _, flag := range node.Flags {
			words = append(words, "--"+flag.Name)
		}
	}
	random := rand.New(rand.NewPCG(11, 5))
	read := 0
	for range 1000 {
		args := make([]string, random.IntN(5))
		for i := range args {
			args[i] = words[random.IntN(len(words))]
		}
		if readAlike(t, args) {
			read++
		}
	}
	if read < 50 {
		t.Errorf("only %d lines meant something", read)
	}
}

// TestEachCommandNamesConfig: a command that the program tells people to type names the configuration. Only version
// reads none.
func TestEachCommandNamesConfig(t *testing.T) {
	parser, err := new(grammar).parser()
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range parser.Model.Children {
		text := "`foreman-dlm-updater " + command.Name + "`"
		got := (&Process{config: "/etc/w.ini"}).withConfig(text)
		if named := got != text; named != (command.Name != "version") {
			t.Errorf("%s becomes %s: see commands in internal/status/command.go", text, got)
		}
	}
}
