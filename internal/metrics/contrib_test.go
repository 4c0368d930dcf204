package metrics

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	rules     = "../../contrib/prometheus/foreman-dlm-updater.rules.yml"
	dashboard = "../../contrib/grafana/foreman-dlm-updater.json"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestContribNamesWhatThereIs: an alert on a metric or label value that doesn't exist would never fire.
func TestContribNamesWhatThereIs(t *testing.T) {
	there := read(t, "testdata/everything.prom")
	names := regexp.MustCompile(`\b`+prefix+`\w+`).FindAllString(there, -1)
	for _, path := range []string{rules, dashboard, "../../contrib/prometheus/tests.yml"} {
		text := strings.ReplaceAll(read(t, path), `\"`, `"`)
		found := regexp.MustCompile(`\b`+prefix+`\w+`).FindAllString(text, -1)
		if len(found) == 0 {
			t.Errorf("%s names no metric", path)
		}
		for _, name := range found {
			if !slices.Contains(names, name) {
				t.Errorf("%s: there is no metric %s", path, name)
			}
		}
		labels := regexp.MustCompile(`\b(state|result|stage|obstacle)=~?"([\w|]+)"`)
		for _, label := range labels.FindAllStringSubmatch(text, -1) {
			for value := range strings.SplitSeq(label[2], "|") {
				if !strings.Contains(there, label[1]+`="`+value+`"`) {
					t.Errorf("%s: no metric has %s=%q", path, label[1], value)
				}
			}
		}
	}
}

// TestDocumented: each metric and alert is in the document for operators, and no other.
func TestDocumented(t *testing.T) {
	each := func(text, pattern string) (found []string) {
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			found = append(found, match[1])
		}
		slices.Sort(found)
		return slices.Compact(found)
	}
	text := read(t, "../../docs/monitoring.md")
	if diff := cmp.Diff(each(read(t, "testdata/everything.prom"), `# TYPE `+prefix+`(\w+)`),
		each(text, "(?m)^\\| `(\\w+)(?:{\\w+})?` \\|")); diff != "" {
		t.Errorf("metrics (-there +documented): %s", diff)
	}
	if diff := cmp.Diff(each(read(t, rules), `alert: (\w+)`), each(text, "`(Dlm\\w+)`")); diff != "" {
		t.Errorf("alerts (-there +documented): %s", diff)
	}
	tested := each(read(t, "../../contrib/prometheus/tests.yml"), `alertname: (\w+)\n`)
	if !slices.Equal(tested, each(read(t, rules), `alert: (\w+)`)) {
		t.Errorf("alerts that are seen to fire: %v", tested)
	}
}

// TestDashboard: Grafana can import the dashboard, and each of its queries is valid.
func TestDashboard(t *testing.T) {
	var board struct {
		Title      string
		Templating struct{ List []struct{ Name string } }
		Panels     []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, dashboard)), &board); err != nil {
		t.Fatal(err)
	}
	if board.Title == "" || len(board.Panels) == 0 || len(board.Templating.List) != 2 {
		t.Fatalf("%+v", board)
	}
	var queries []string
	ids := map[int]bool{}
	for i, panel := range board.Panels {
		if ids[panel.ID] || len(panel.Targets) == 0 || panel.GridPos.X+panel.GridPos.W > 24 {
			t.Errorf("panel %d %q: its id is taken, it shows nothing, or it is too wide", panel.ID, panel.Title)
		}
		ids[panel.ID] = true
		for _, other := range board.Panels[:i] {
			a, b := panel.GridPos, other.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("%q lies on %q", panel.Title, other.Title)
			}
		}
		for _, target := range panel.Targets {
			expr, n := strings.ReplaceAll(target.Expr, "$lock", ".*"), string(rune('a'+len(queries)))
			queries = append(queries, "  - {record: 'q', expr: '"+expr+"', labels: {n: '"+n+"'}}")
		}
	}
	needsPromtool(t)
	path := t.TempDir() + "/queries.yml"
	rule := "groups:\n- name: q\n  rules:\n" + strings.Join(queries, "\n") + "\n"
	if err := os.WriteFile(path, []byte(rule), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("promtool", "check", "rules", path).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v: %s", err, out)
	}
}
