package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"foreman-dlm-updater/internal/state"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

// TestMain makes a link to the test binary the program.
func TestMain(m *testing.M) {
	syscall.Umask(0o022) // hooks that others can write don't run
	if filepath.Base(os.Args[0]) == "foreman-dlm-updater" {
		first, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		os.Exit(Main(Process{Context: first, Kill: context.Background(), Stdout: os.Stdout, Stderr: os.Stderr}, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// TestCompletions asks the shells themselves what they offer: for every command what may follow it, and its flags.
func TestCompletions(t *testing.T) {
	dir := t.TempDir()
	offers := completed(t, dir)
	lines := make([]string, 0, len(offers))
	for line := range offers {
		lines = append(lines, line)
	}
	slices.Sort(lines)
	for _, shell := range [][]string{{"bash", "--norc"}, {"zsh", "-f"}, {"fish", "--no-config"}} {
		t.Run(shell[0], func(t *testing.T) {
			t.Parallel()
			needs(t, shell[0])
			found := offered(t, dir, shell, lines)
			for _, line := range lines {
				if diff := cmp.Diff(offers[line], found[line]); diff != "" {
					t.Errorf("%s: %s offers other than there is (-there +offered):\n%s", line, shell[0], diff)
				}
			}
		})
	}
}

// completed is what has to be offered behind each line, sorted, on a host that is laid out in dir.
func completed(t *testing.T, dir string) map[string][]string {
	t.Helper()
	layOut(t, dir)
	hookStages := strings.Split(hookStageNames(), ", ")
	arguments := map[string][]string{ // of each command that takes any
		"hooks list":                    hookDirs,
		"hooks enable":                  {"needs_update/dnf", "notify/webhook", "update/apt"},
		"hooks disable":                 {"needs_update/50-apt", "notify/50-mail"},
		"hooks run":                     hookStages,
		"hooks run needs_update":        {"10-own", "50-apt"},
		"hooks run needs_update 50-apt": nil,
		"history show":                  {"20261122-021403-ABCD", "last"},
		"notify test":                   strings.Split(eventNames(), ", "),
		"lock exec":                     nil, // any command
		"state set":                     strings.Split(joinStages(state.Stages, " "), " "),
	}
	values := map[string][]string{"config": {"x.d", "x.ini"}, "library": {"x.d"}} // of each flag that has one, behind an x
	for _, limit := range []string{"failed", "orphan", "reboot", "reboot-due", "held", "waiting", "flag", "not-run",
		"not-updated", "certificate"} {
		values[limit] = nil // a time
	}
	for _, own := range []string{"reason", "until", "for"} {
		values[own] = nil // what only the operator knows
	}

	program := "foreman-dlm-updater --config=" + filepath.Join(dir, "config.ini")
	line := func(words string) string {
		words = strings.TrimSuffix(program+" "+words, " ")
		return strings.Replace(words, " hooks", " hooks --library "+filepath.Join(dir, "lib"), 1) + " "
	}
	offers := map[string][]string{"foreman-dlm-updater st": {"state", "status"}}
	for words, names := range arguments {
		offers[line(words)] = sorted(names)
	}
	for _, node := range nodes(t) {
		words := commandWords(node)
		at := line(words)
		offers[at+"--"] = sorted(longFlags(node))
		for _, flag := range flags(node) {
			names, known := values[flag.Name]
			if !known && !flag.IsBool() {
				t.Errorf("--%s: say here what is offered as its value", flag.Name)
			} else if known {
				offers[at+"--"+flag.Name+" x"], offers[at+"--"+flag.Name+"=x"] = names, names
			}
		}
		if _, known := arguments[words]; !known {
			if len(node.Positional) > 0 {
				t.Errorf("%s: say here what is offered as its argument", words)
			}
			offers[at] = sorted(names(node.Children))
		}
	}
	offers["foreman_dlm_updater "] = offers[line("")]
	return offers
}

// layOut makes a host with hooks, its program, and a work directory with something to name.
func layOut(t *testing.T, dir string) {
	t.Helper()
	text := "[main]\nlock_name = web\nforeman_url = https://foreman.example.com\nclient_crt = /crt\nclient_key = /key\n" +
		"state = " + dir + "/state\n"
	for _, stage := range hookDirs {
		text += stage + ".d = " + filepath.Join(dir, stage+".d") + "\n"
		mkdir(t, filepath.Join(dir, stage+".d"))
	}
	mkdir(t, filepath.Join(dir, "work/x.d"))
	mkdir(t, filepath.Join(dir, "bin"))
	put(t, filepath.Join(dir, "work/x.ini"), "", 0o644)
	put(t, filepath.Join(dir, "config.ini"), text, 0o644)
	put(t, filepath.Join(dir, "history.jsonl"), `{"format":1,"run":"20261122-021403-ABCD"}`+"\n", 0o644)
	for _, hook := range []string{"lib/needs_update.d/apt", "lib/needs_update.d/dnf", "lib/update.d/apt",
		"lib/notify.d/mail", "lib/notify.d/webhook", "needs_update.d/10-own", "needs_update.d/20-old.bak"} {
		mkdir(t, filepath.Dir(filepath.Join(dir, hook)))
		put(t, filepath.Join(dir, hook), "#!/bin/sh\n", 0o755)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{
		"bin/foreman-dlm-updater": self,
		"needs_update.d/50-apt":   filepath.Join(dir, "lib/needs_update.d/apt"),
		"notify.d/50-mail":        filepath.Join(dir, "lib/notify.d/mail"),
		"post_update.d/50-own":    filepath.Join(dir, "needs_update.d/10-own"), // to no bundled hook
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

// offered is what a shell offers behind each line, sorted.
func offered(t *testing.T, dir string, shell, lines []string) map[string][]string {
	t.Helper()
	driver, err := filepath.Abs("testdata/complete." + shell[0])
	if err != nil {
		t.Fatal(err)
	}
	completion, err := filepath.Abs("../../packaging/completions/foreman-dlm-updater." + shell[0])
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, shell[0], slices.Concat(shell[1:], []string{driver, completion}, lines)...)
	cmd.Dir = filepath.Join(dir, "work")
	cmd.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+home, "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("%v: %s", err, exit.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	found, line := map[string][]string{}, ""
	for text := range strings.Lines(string(out)) {
		if word, offer := strings.CutPrefix(strings.TrimSuffix(text, "\n"), "\t"); offer {
			found[line] = sorted(append(found[line], strings.TrimSuffix(word, "/")))
		} else {
			line = word
		}
	}
	return found
}

// longFlags are the flags that may follow a command.
func longFlags(node *kong.Node) (all []string) {
	for _, flag := range flags(node) {
		all = append(all, "--"+flag.Name)
	}
	return all
}

// flags are those of a command, of what is above it, and of the command that is meant where none is named.
func flags(node *kong.Node) (all []*kong.Flag) {
	for _, level := range node.AllFlags(true) {
		all = append(all, level...)
	}
	if node.DefaultCmd != nil {
		all = append(all, node.DefaultCmd.Flags...)
	}
	return all
}

func names(nodes []*kong.Node) (all []string) {
	for _, node := range nodes {
		all = append(all, node.Name)
	}
	return all
}
