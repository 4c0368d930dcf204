package test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"

	"github.com/google/go-cmp/cmp"
)

// Which stages a place lists.
var (
	everyStage = func(state.Stage) bool { return true }
	withHooks  = func(stage state.Stage) bool { return slices.Contains(workflow.HookStages(), stage) }
	noHooks    = func(stage state.Stage) bool { return !withHooks(stage) }
	// packaged: the packages make its directory. Those of later stages may be missing, and need not be made.
	packaged = func(stage state.Stage) bool { return withHooks(stage) && !workflow.Optional(stage) }
)

// placesOfStages are all places outside of Go that list stages on purpose. The group "stage" of a pattern is a list of
// stages, or one of several; the group "does" is what that stage is for, which the workflow's table says, too.
var placesOfStages = []struct {
	file, pattern string
	which         func(state.Stage) bool
}{
	{"README.md", `[┤│] (?P<stage>\w+) [├│]`, everyStage},
	{"docs/hooks.md", "(?m)^\\| `(?P<stage>\\w+)` \\| (?P<does>.*?) \\| .* \\| (?:yes|failed) \\|$", withHooks},
	{"docs/status.schema.json", `"stage": \{"enum": \[(?P<stage>.*?)\]`, everyStage},
	{"packaging/man/foreman-dlm-updater.8", `(?m)^\.It Sy (?P<stage>\w+)\n(?P<does>.*)\.$`, everyStage},
	{"packaging/completions/foreman-dlm-updater.bash", `\bstages=\((?P<stage>.*?)\)`, withHooks},
	{"packaging/completions/foreman-dlm-updater.bash",
		`'state set'\) offered=\("\$\{stages\[@\]\}" (?P<stage>.*?)\)`, noHooks},
	{"packaging/completions/foreman-dlm-updater.fish", `set -l stages (?P<stage>.*)`, withHooks},
	{"packaging/completions/foreman-dlm-updater.fish", `state set" -a "\$stages (?P<stage>.*?)"`, noHooks},
	{"packaging/completions/foreman-dlm-updater.zsh", `\bstages=\((?P<stage>.*?)\)`, withHooks},
	{"packaging/completions/foreman-dlm-updater.zsh", `'state set'\) offered=\(\$stages (?P<stage>.*?)\)`, noHooks},
	{"packaging/nfpm.yaml", `\{dst: /etc/foreman_dlm_updater/(?P<stage>\w+_\w+|update)\.d,`, packaged},
	{"test/packages/contents",
		`(?m)^both d\S+ root:root /etc/foreman_dlm_updater/(?P<stage>\w+_\w+|update)\.d$`, packaged},
	{"contrib/puppet/manifests/init.pp", `\$hook_stages = \[(?P<stage>.*?)\]`, withHooks},
	{"contrib/puppet/manifests/init.pp", `Stdlib::Unixpath \$(?P<stage>\w+)_d = '/etc/`, withHooks},
	{"contrib/puppet/manifests/init.pp",
		"directory of the hooks that (?P<does>.*?); key `(?P<stage>\\w+)\\.d`", withHooks},
	{"contrib/puppet/REFERENCE.md", "directory of the hooks that (?P<does>.*?); key `(?P<stage>\\w+)\\.d`", withHooks},
	{"contrib/puppet/lib/facter/foreman_dlm_updater.rb", `guarded = \[(?P<stage>.*?)\]`, workflow.OutOfService},
}

// The simulation (test/sim: follows) and the kills (test/chaos: stages) judge the program by a list of their own, so
// these are not held against the table.

// TestStagesAreListed: each place names the stages that it is about, and no others.
func TestStagesAreListed(t *testing.T) {
	if diff := cmp.Diff(workflow.Stages(), state.Stages); diff != "" {
		t.Errorf("internal/state/record.go: Stages (-workflow's table +there):\n%s", diff)
	}
	for _, place := range placesOfStages {
		pattern := regexp.MustCompile(place.pattern)
		stage, does := pattern.SubexpIndex("stage"), pattern.SubexpIndex("does")
		var listed []state.Stage
		for _, match := range pattern.FindAllStringSubmatch(read(t, "../"+place.file), -1) {
			for _, word := range regexp.MustCompile(`\w+`).FindAllString(match[stage], -1) {
				listed = append(listed, state.Stage(word))
			}
			if does < 0 {
				continue
			}
			// mdoc's apostrophe
			want, says := workflow.Does(state.Stage(match[stage])), strings.ReplaceAll(match[does], `\(aq`, "'")
			if want != "" && !strings.EqualFold(says, want) {
				t.Errorf("%s says what %s does: %q; workflow's table says %q", place.file, match[stage], says, want)
			}
		}
		compareStages(t, place.file, listed, place.which)
	}
}

// compareStages fails for each stage that a place lacks, or should not have.
func compareStages(t *testing.T, place string, listed []state.Stage, which func(state.Stage) bool) {
	t.Helper()
	want := slices.DeleteFunc(workflow.Stages(), func(stage state.Stage) bool { return !which(stage) })
	for _, stage := range want {
		if !slices.Contains(listed, stage) {
			t.Errorf("%s lacks stage %s", place, stage)
		}
	}
	for _, stage := range listed {
		if !slices.Contains(want, stage) {
			t.Errorf("%s names %q, which is no stage that belongs there", place, stage)
		}
	}
}
