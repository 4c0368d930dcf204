package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestClaimsHaveTests: the documents that prove what they say by tests and scripts name only those that exist.
func TestClaimsHaveTests(t *testing.T) {
	grep := exec.Command("grep", "-rhoE", `^func (Test|Fuzz)[A-Za-z0-9]+`, "--include=*_test.go", "cmd", "internal", "test", "tools")
	grep.Dir = ".."
	out, err := grep.Output()
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		there[strings.TrimPrefix(strings.TrimSpace(line), "func ")] = true
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
