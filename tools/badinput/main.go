// Command badinput writes the lists of bad input in docs/bad-input.md from the tests that try it, so that tests assert
// everything the document says. A directive puts a test on the lists:
//
//	#: SECTION | WHAT          in a script of testdata, above the commands that try it; they end with an empty line
//	//bad:SECTION: NAME SAYS... in a Go test, above a table: the fields that name the input, and say what must come of it
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	root     = "."
	document = "docs/bad-input.md"
	begin    = "<!-- begin: bad input, written by `make docs-bad-input` -->\n"
	end      = "<!-- end: bad input -->\n"
)

// group is what one test tries.
type group struct {
	section, source string
	rows            []row
}

// row is an input, and what happens with it.
type row struct{ what, happens string }

// sections, in the order of the document.
var sections = []string{
	"State files", "Full disks", "Lock and log files", "Configuration", "Command line",
	"Hooks", "Hook directories and links", "Hook settings",
	"Server answers", "FleetLock servers", "Certificates and connections", "Environment", "What would block", "Signals",
	"Two at once",
}

func main() {
	if err := update(root); err != nil {
		fmt.Fprintf(os.Stderr, "badinput: error: %v\n", err)
		os.Exit(1)
	}
}

func update(root string) error {
	path := filepath.Join(root, document)
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := rewrite(string(old), root)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// rewrite returns the document with new lists between its marks.
func rewrite(old, root string) (string, error) {
	groups, err := collect(root)
	if err != nil {
		return "", err
	}
	head, rest, ok := strings.Cut(old, begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", fmt.Errorf("%s lacks the lines %q and %q", document, begin, end)
	}
	return head + begin + lists(groups) + end + tail, nil
}

// collect finds all directives below root.
func collect(root string) ([]group, error) {
	scripts, err := filepath.Glob(filepath.Join(root, "cmd/*/testdata/*.txtar"))
	if err != nil {
		return nil, err
	}
	tests, err := filepath.Glob(filepath.Join(root, "internal/*/*_test.go"))
	if err != nil {
		return nil, err
	}
	var all []group
	for _, read := range []struct {
		paths []string
		with  func(path, source string) ([]group, error)
	}{{scripts, script}, {tests, goTest}} {
		for _, path := range read.paths {
			source, err := filepath.Rel(root, path)
			if err != nil {
				return nil, err
			}
			found, err := read.with(path, source)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", source, err)
			}
			all = append(all, found...)
		}
	}
	for _, g := range all {
		if !slices.Contains(sections, g.section) {
			return nil, fmt.Errorf("%s: %q is no section; those are %q", g.source, g.section, sections)
		}
		for _, r := range g.rows {
			if r.what == "" || r.happens == "" {
				return nil, fmt.Errorf("%s: an entry of %q says nothing: %+v", g.source, g.section, r)
			}
		}
	}
	return all, nil
}

func lists(groups []group) string {
	var b strings.Builder
	total := 0
	for _, section := range sections {
		fmt.Fprintf(&b, "\n## %s\n", section)
		for _, g := range groups {
			if g.section != section {
				continue
			}
			fmt.Fprintf(&b, "\n%s:\n\n", g.source)
			for _, r := range g.rows {
				b.WriteString(item(r))
			}
			total += len(g.rows)
		}
	}
	return fmt.Sprintf("\n%d inputs.\n", total) + b.String() + "\n"
}

// mostColumns is how long a line of the document may be.
const mostColumns = 120

// startsBlock matches text that begins a list, a heading or the like in Markdown if it is at the beginning of a line.
// An option, such as --config, does not.
var startsBlock = regexp.MustCompile(`^(?:-+(?:[^-a-z]|$)|[+*#>=|:]|\d+[.)])`)

// item is an entry of a list: the input, and below it what happens.
func item(r row) string {
	what := strings.TrimSpace(r.what)
	if !strings.HasPrefix(what, "`") || !strings.HasSuffix(what, "`") {
		what = "**" + what + "**"
	}
	return wrap("- ", what+":") + wrap("  ", r.happens)
}

// wrap breaks a text into lines. The first line begins with first, the others are indented.
func wrap(first, text string) string {
	const indent = "  "
	line, done := first, ""
	for i, word := range strings.Split(strings.ReplaceAll(strings.TrimSpace(text), "\n", " "), " ") {
		switch {
		case i == 0:
			line += word
		case utf8.RuneCountInString(line+" "+word) > mostColumns && word != "" && !startsBlock.MatchString(word):
			done += line + "\n"
			line = indent + word
		default:
			line += " " + word
		}
	}
	return done + line + "\n"
}

// code formats any text as code in Markdown, and cuts it if it is too long.
func code(text string) string {
	const most = 240
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }) {
		text = strings.ReplaceAll(strings.Trim(strconv.Quote(text), `"`), `\"`, `"`)
	}
	if strings.Contains(text, "`") {
		return "`` " + text + " ``"
	}
	return "`" + text + "`"
}
