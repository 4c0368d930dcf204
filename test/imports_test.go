// Package test holds the tests that are about the whole tree, or need more than one package.
package test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "foreman-dlm-updater"

// allowed lists, for each package, the packages of this module that it may import outside of tests. Imports run one
// way: cmd, then cli, then the rest. The rest do not import each other, except along the line events, status,
// workflow, state. The seam between a run and a lock server is lock; foreman fills it, over the client dlm, which
// connects through mtls, and so does fleetlock, over mtls. In addition history, outcome and metrics import state,
// status imports outcome, metrics imports status, and hook imports process and vet. config and schedule import
// calendar, byhand and schedule import note, and note and schedule import vet. configcheck imports what it looks at:
// calendar, config, hook, host, process, schedule, vet, and the stages of state and workflow. fleetsandbox listens as
// sandbox does. Every package may import the leaf internal/file.
var allowed = map[string][]string{
	"cmd/foreman-dlm-updater": {"internal/cli"},
	"cmd/dlm-sandbox":         {"internal/fleetsandbox", "internal/sandbox"},
	"internal/cli": {"internal/byhand", "internal/calendar", "internal/config", "internal/configcheck", "internal/dlm",
		"internal/events", "internal/fleetlock", "internal/foreman", "internal/history", "internal/hook", "internal/host",
		"internal/lock", "internal/logging", "internal/metrics", "internal/mtls", "internal/note", "internal/outcome",
		"internal/process", "internal/schedule", "internal/state", "internal/status", "internal/vet",
		"internal/workflow"},
	"internal/fleetsandbox": {"internal/sandbox"},
	"internal/configcheck": {"internal/calendar", "internal/config", "internal/hook", "internal/host", "internal/process",
		"internal/schedule", "internal/state", "internal/vet", "internal/workflow"},
	"internal/events":    {"internal/lock", "internal/state", "internal/status", "internal/workflow"},
	"internal/status":    {"internal/lock", "internal/outcome", "internal/state", "internal/workflow"},
	"internal/foreman":   {"internal/dlm", "internal/lock"},
	"internal/fleetlock": {"internal/lock", "internal/mtls"},
	"internal/outcome":   {"internal/state"},
	"internal/metrics":   {"internal/status", "internal/state"},
	"internal/workflow":  {"internal/lock", "internal/state"},
	"internal/history":   {"internal/state"},
	"internal/calendar":  nil,
	"internal/config":    {"internal/calendar"},
	"internal/dlm":       {"internal/mtls"},
	"internal/mtls":      nil,
	"internal/sandbox":   nil,
	"internal/file":      nil,
	"internal/lock":      nil,
	"internal/hook":      {"internal/process", "internal/vet"},
	"internal/host":      nil,
	"internal/logging":   nil,
	"internal/process":   nil,
	"internal/byhand":    {"internal/note"},
	"internal/note":      {"internal/vet"},
	"internal/schedule":  {"internal/calendar", "internal/note", "internal/vet"},
	"internal/state":     nil,
	"internal/vet":       nil,
	"tools/badinput":     nil,
	"tools/bench":        {"internal/sandbox"},
	"tools/bench/bare":   nil,
	"test/chaos":         nil,
	"test/fleetlock":     nil,
	"tools/demo":         nil,
	"tools/scale":        {"internal/sandbox", "tools/scale/model"},
	"tools/scale/model":  {"internal/sandbox"},
	"test/legible":       nil,
	"test/puppet":        nil,
	"test/sim":           nil,
}

// effects are packages that workflow must not use by itself: its effects come in through interfaces.
var effects = []string{"os", "os/exec", "os/signal", "net", "net/http", "path/filepath", "syscall"}

// imports returns what each package of the module imports directly.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	list := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		found[strings.TrimPrefix(fields[0], module+"/")] = fields[1:]
	}
	return found
}

func TestImportsRunOneWay(t *testing.T) {
	for pkg, list := range imports(t) {
		may, known := allowed[pkg]
		if !known && pkg != "test" {
			t.Errorf("package %s is new: say here what it may import", pkg)
		}
		for _, path := range list {
			if own, ok := strings.CutPrefix(path, module+"/"); ok && own != "internal/file" && !slices.Contains(may, own) {
				t.Errorf("%s imports %s", pkg, own)
			}
		}
	}
}

func TestWorkflowTouchesNothing(t *testing.T) {
	list := imports(t)["internal/workflow"]
	if len(list) == 0 {
		t.Fatal("nothing is known of internal/workflow")
	}
	for _, path := range list {
		if slices.Contains(effects, path) {
			t.Errorf("internal/workflow imports %s", path)
		}
	}
}

// TestOnlyCLIPrints: the program's other packages neither print nor exit.
func TestOnlyCLIPrints(t *testing.T) {
	grep := exec.Command("grep", "-rnE", `fmt\.Print|os\.Stdout|os\.Exit|log\.Fatal`, "--include=*.go",
		"--exclude=*_test.go", "internal")
	grep.Dir = ".."
	out, _ := grep.Output() // it fails where it finds nothing
	for line := range strings.Lines(string(out)) {
		t.Errorf("prints or exits: %s", strings.TrimSpace(line))
	}
}
