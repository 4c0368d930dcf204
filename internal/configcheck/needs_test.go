package configcheck

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestToolsAreDocumented holds the table against what the hooks say of themselves, both ways; and every hook of a pair
// is one.
func TestToolsAreDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, one := range tools {
		stage, name, _ := strings.Cut(one.hook, "/")
		files, err := filepath.Glob("../../contrib/hooks/" + stage + ".d/" + name + "*")
		if err != nil || len(files) == 0 {
			t.Errorf("no hook is %s", one.hook)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, head, _ := strings.Cut(string(text), "\n# Needs: ")
			head, _, _ = strings.Cut(head, "\n")
			head = strings.ReplaceAll(head, "systemd", "systemctl")
			if !slices.ContainsFunc(one.commands, func(c string) bool { return strings.Contains(head, c) }) {
				t.Errorf("%s says that it needs %q; here it is %q", file, head, one.commands)
			}
			documented[file] = true
		}
	}
	all, _ := filepath.Glob("../../contrib/hooks/*_*.d/*")
	gates, _ := filepath.Glob("../../contrib/hooks/gate.d/*")
	for _, file := range slices.Concat(all, gates) {
		text, err := os.ReadFile(file)
		if err != nil || !documented[file] && !strings.Contains(string(text), "\n# Needs: nothing") {
			t.Errorf("%s is in no line of the table: %v", file, err)
		}
	}
	for _, pair := range halves {
		for _, name := range pair {
			stage, name, _ := strings.Cut(name, "/")
			if !exists("../../contrib/hooks/" + stage + ".d/" + name) {
				t.Errorf("no hook is %s/%s", stage, name)
			}
		}
	}
}
