package test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	// In the comment at the head of a hook: `#   name=default  what it means`.
	setting = regexp.MustCompile(`(?m)^#   ([A-Za-z_]+)=('[^']*'|\S*)`)
	// In the document: a setting with its default, a stage and a hook, a settings file.
	documented = regexp.MustCompile("`([A-Za-z_]+)` \\(")
	qualified  = regexp.MustCompile(`\b(gate|(?:needs_|pre_|post_)?update|needs_reboot)/(?:\d\d-)?([a-z0-9-]+)`)
	numbered   = regexp.MustCompile("`\\d\\d-([a-z-]+)`")
	file       = regexp.MustCompile("`([a-z0-9-]+)\\.conf`")
)

// hooks returns the settings of each bundled hook, or notifier, with their defaults, by STAGE/NAME.
func hooks(t *testing.T, notifiers bool) map[string]map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../contrib/hooks/*.d/*")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no hooks: %v", err)
	}
	all := map[string]map[string]string{}
	for _, path := range paths {
		stage, _ := strings.CutSuffix(filepath.Base(filepath.Dir(path)), ".d")
		says := stage + "."
		if stage == "notify" {
			says = "none, a notifier."
		}
		if notifiers != (stage == "notify") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(string(text), "\nset -eu")
		if !strings.Contains(head, "\n# Stage: "+says) {
			t.Errorf("%s does not say that its stage is %s", path, says)
		}
		settings := map[string]string{}
		for _, match := range setting.FindAllStringSubmatch(head, -1) {
			settings[match[1]] = strings.Trim(match[2], "'")
		}
		all[stage+"/"+filepath.Base(path)] = settings
	}
	return all
}

// rows returns the rows of the document's tables. An empty first cell means the first cell of the row above.
func rows(text string) (rows []string) {
	first := ""
	for _, line := range strings.Split(text, "\n") {
		if cells := strings.SplitN(line, "|", 3); len(cells) == 3 && cells[0] == "" {
			if strings.TrimSpace(cells[1]) != "" {
				first = cells[1]
			}
			rows = append(rows, first+"|"+cells[2])
		}
	}
	return rows
}

func TestBundledNotifiersAreDocumented(t *testing.T) {
	documentedIn(t, read(t, "../docs/notifications.md"), hooks(t, true))
}

func TestBundledHooksAreDocumented(t *testing.T) {
	known := hooks(t, false)
	text := read(t, "../docs/bundled-hooks.md")
	pages, err := filepath.Glob("../docs/bundled-hooks/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	tests := allRealTests(t)
	for _, page := range pages {
		name := strings.TrimSuffix(filepath.Base(page), ".md")
		if !strings.Contains(text, "](bundled-hooks/"+name+".md)") {
			t.Errorf("docs/bundled-hooks.md does not name the page %s", name)
		}
		its := read(t, page)
		if strings.Contains(its, "\n## Hooks to enable\n") &&
			!regexp.MustCompile(`(?m)^    documented_hooks `+name+`$`).MatchString(tests) {
			t.Errorf("no test in test/hooks/real follows \"Hooks to enable\" of %s: see test/hooks/set.bash", page)
		}
		text += "\n" + its
	}
	names, settings := documentedIn(t, text, known)
	for _, match := range qualified.FindAllStringSubmatch(text, -1) {
		if known[match[1]+"/"+match[2]] == nil {
			t.Errorf("the document has %s, which is no hook", match[0])
		}
	}
	for _, match := range slices.Concat(numbered.FindAllStringSubmatch(text, -1), file.FindAllStringSubmatch(text, -1)) {
		if !names[match[1]] {
			t.Errorf("the document has %s, which is of no hook", match[0])
		}
	}
	for _, match := range documented.FindAllStringSubmatch(strings.Join(rows(text), "\n"), -1) {
		if !settings[match[1]] && match[1] != "update" { // zypper's
			t.Errorf("the document has %s, which is no hook's setting", match[0])
		}
	}
}

// TestNumbersOfBundledHooks: each bundled hook says its number, and the document and the Puppet module have the same.
func TestNumbersOfBundledHooks(t *testing.T) {
	own := map[string]string{} // those that are not 50, of stages in which the order matters
	for _, notifiers := range []bool{false, true} {
		for hook := range hooks(t, notifiers) {
			stage, name, _ := strings.Cut(hook, "/")
			text := read(t, "../contrib/hooks/"+stage+".d/"+name)
			number := regexp.MustCompile(`(?m)^# Number: (\d\d)\n# Stage: `).FindStringSubmatch(text)
			switch {
			case number == nil:
				t.Errorf("%s has no number before its stage", hook)
			case number[1] != "50":
				own[hook] = number[1]
			}
		}
	}

	documented := map[string]string{}
	_, order, _ := strings.Cut(read(t, "../docs/bundled-hooks.md"), "\n## Order\n")
	order, _, _ = strings.Cut(order, "\n## ")
	for line := range strings.Lines(order) {
		cells := strings.Split(line, "|")
		for i, stage := range []string{"pre_update", "post_update"} {
			if len(cells) != 4 {
				continue
			}
			for _, match := range regexp.MustCompile("`(\\d\\d)-([a-z-]+)`").FindAllStringSubmatch(cells[i+1], -1) {
				documented[stage+"/"+match[2]] = match[1]
			}
		}
	}
	for hook, number := range documented {
		if number == "50" && own[hook] == "" {
			delete(documented, hook)
		}
	}
	if diff := cmp.Diff(own, documented); diff != "" {
		t.Errorf("docs/bundled-hooks.md (-hooks +document):\n%s", diff)
	}

	puppet := map[string]string{}
	for _, match := range regexp.MustCompile(`'([a-z_]+/[a-z-]+)' +=> (\d\d),`).FindAllStringSubmatch(
		read(t, "../contrib/puppet/functions/number.pp"), -1) {
		puppet[match[1]] = match[2]
	}
	if diff := cmp.Diff(own, puppet); diff != "" {
		t.Errorf("contrib/puppet/functions/number.pp (-hooks +module):\n%s", diff)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// allRealTests returns the text of all tests of the hooks with the real tools.
func allRealTests(t *testing.T) (all string) {
	t.Helper()
	paths, err := filepath.Glob("hooks/real/*/*.bats")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	for _, path := range paths {
		all += read(t, path)
	}
	return all
}

// documentedIn holds the tables of a document against hooks; it returns the names and settings of the hooks.
func documentedIn(t *testing.T, text string, known map[string]map[string]string) (
	map[string]bool, map[string]bool,
) {
	t.Helper()
	rows := rows(text)
	row := func(words ...string) bool {
		return slices.ContainsFunc(rows, func(row string) bool {
			return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(row, word) })
		})
	}
	names, settings := map[string]bool{}, map[string]bool{}
	for hook, its := range known {
		stage, name, _ := strings.Cut(hook, "/")
		names[name] = true
		if !row("`"+hook+"`") && !row("`"+stage+"`", "`"+name+"`") && (stage != "notify" || !row("`"+name+"`")) {
			t.Errorf("%s is not in the document", hook)
		}
		for setting, value := range its {
			settings[setting] = true
			ok := false
			for _, where := range []string{"`" + hook + "`", "`" + name + "`", "`" + name + ".conf`"} {
				ok = ok || row(where, "`"+setting+"`", value)
			}
			if !ok {
				t.Errorf("%s: %s (%s) is not in the document", hook, setting, value)
			}
		}
	}
	return names, settings
}
