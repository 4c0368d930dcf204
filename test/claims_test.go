package test

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// grep returns the lines that grep finds in the tests.
func grep(t *testing.T, options, pattern string) (lines []string) {
	t.Helper()
	command := exec.Command("grep", options, pattern, "--include=*_test.go", "cmd", "internal", "test", "tools")
	command.Dir = ".."
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

// TestFuzzTargetsAreListed: the table in docs/safety.md has each fuzz target with its package, and its last row is the
// sum of the others.
func TestFuzzTargetsAreListed(t *testing.T) {
	var there, listed []string
	for _, line := range grep(t, "-roE", `^func Fuzz[A-Za-z0-9]+`) {
		path, target, _ := strings.Cut(line, ":func ")
		there = append(there, target+" "+filepath.Dir(path))
	}
	_, text, _ := strings.Cut(read(t, "../docs/safety.md"), "\n## Fuzzing\n")
	text, _, _ = strings.Cut(text, "\n## ")
	row := regexp.MustCompile("(?m)^\\| (?:`(\\w+)` \\(`(.*?)`\\)|together) \\|.*\\| ([0-9.]+) \\| ([0-9,]+) \\| " +
		"([0-9]+) \\|$")
	var sum, together [3]float64
	for _, match := range row.FindAllStringSubmatch(text, -1) {
		var figures [3]float64
		for i, figure := range match[3:] {
			var err error
			if figures[i], err = strconv.ParseFloat(strings.ReplaceAll(figure, ",", ""), 64); err != nil {
				t.Fatal(err)
			}
		}
		if match[1] == "" {
			together = figures
			continue
		}
		listed = append(listed, match[1]+" "+match[2])
		for i := range sum {
			sum[i] += figures[i]
		}
	}
	slices.Sort(there)
	slices.Sort(listed)
	if diff := cmp.Diff(there, listed); diff != "" {
		t.Errorf("docs/safety.md lists other fuzz targets than there are (-there +listed):\n%s", diff)
	}
	if sum[0] = math.Round(sum[0]); sum != together {
		t.Errorf("docs/safety.md: minutes, executions and findings together are %.0f, and the table says %.0f", sum, together)
	}
}

// TestClaimsHaveTests: the documents that prove what they say by tests and scripts name only those that exist.
func TestClaimsHaveTests(t *testing.T) {
	there := map[string]bool{}
	for _, line := range grep(t, "-rhoE", `^func (Test|Fuzz)[A-Za-z0-9]+`) {
		there[strings.TrimPrefix(line, "func ")] = true
	}
	scripts, err := filepath.Glob("../cmd/foreman-dlm-updater/testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		there[filepath.Base(script)] = true
	}
	for _, name := range []string{"safety.md", "scale.md", "bad-input.md", "security.md"} {
		text, err := os.ReadFile(filepath.Join("../docs", name))
		if err != nil {
			t.Fatal(err)
		}
		named := regexp.MustCompile(`\b(Test|Fuzz)[A-Z][A-Za-z0-9]+|\b[a-z-]{2,}\.txtar`).FindAllString(string(text), -1)
		if len(named) == 0 {
			t.Errorf("%s names no test", name)
		}
		for _, test := range named {
			if !there[test] {
				t.Errorf("%s names %s, which is not there", name, test)
			}
		}
	}
}
