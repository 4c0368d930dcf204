package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"foreman-dlm-updater/internal/byhand"
	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/outcome"
	"foreman-dlm-updater/internal/schedule"
	"foreman-dlm-updater/internal/workflow"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

// The documents, from the root of the tree.
const (
	commandsPage = "docs/commands.md"
	keysPage     = "docs/configuration.md"
	manual8      = "packaging/man/foreman-dlm-updater.8"
	manual5      = "packaging/man/foreman_dlm_updater.ini.5"
	packaged     = "packaging/etc/config.ini"
)

func TestCommandsAndFlagsAreDocumented(t *testing.T) {
	var usages, flags, aliases []string
	for _, node := range nodes(t) {
		if node.Leaf() {
			usages = append(usages, usage(node))
		}
		for _, flag := range node.Flags {
			flags = append(flags, "--"+flag.Name)
			for _, alias := range flag.Aliases {
				aliases = append(aliases, "--"+alias)
			}
			if flag.Short != 0 {
				aliases = append(aliases, "-"+string(flag.Short))
			}
		}
	}
	plain := strings.NewReplacer("\\\n", "", " Ns ", "", "Cm ", "", "Ar ", "", "Fl ", "-", "Oo ", "[", " Oc", "]")
	same(t, manual8, usages, each(plain.Replace(section(t, manual8, "COMMANDS")), `(?m)^\.It (.*)`))
	same(t, manual8, append(flags, aliases...),
		each(strings.ReplaceAll(document(t, manual8), "Fl ", "Fl -"), `\bFl (-[\w-]+)`))

	commands := section(t, commandsPage, "Commands")
	// a long one takes several lines
	synopsis := strings.ReplaceAll(each(commands, "(?s)```\n(.*?)\n```")[0], "\n    ", " ")
	same(t, commandsPage, usages, strings.Split(synopsis, "\n"))
	same(t, commandsPage, without(flags, "--help"), without(each(commands, "[`[](-[\\w-]+)"), aliases...))

	described := each(strings.Join(each(commands, `(?m)^\| (.*?) \|`), "\n"), "`([a-z ]+)`") // a command, or a group
	for _, usage := range usages {
		if !slices.ContainsFunc(described, func(words string) bool { return strings.HasPrefix(usage+" ", words+" ") }) {
			t.Errorf("%s: its table does not say what %s does", commandsPage, usage)
		}
	}
}

// TestCommandsHaveScripts: each command runs in a script of testdata.
func TestCommandsHaveScripts(t *testing.T) {
	var lines []string
	scripts, err := filepath.Glob("../../cmd/foreman-dlm-updater/testdata/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts: ", err)
	}
	for _, script := range scripts {
		lines = append(lines, each(document(t, filepath.Join("cmd/foreman-dlm-updater/testdata", filepath.Base(script))),
			`(foreman-dlm-updater .*)`)...)
	}
	all := strings.Join(lines, "\n")
	for _, node := range nodes(t) {
		words := strings.ReplaceAll(commandWords(node), " ", ` .*\b`)
		byDefault := node.Parent != nil && node.Parent.DefaultCmd == node // its group's name runs it
		if !byDefault && !regexp.MustCompile(`\b`+words+`\b`).MatchString(all) {
			t.Errorf("%s: no script in cmd/foreman-dlm-updater/testdata runs it", commandWords(node))
		}
	}
}

// TestQuotes: mdoc's Ql quotes all that is on its line, so each of several words needs a line of its own.
func TestQuotes(t *testing.T) {
	for _, manual := range []string{manual8, manual5} {
		if wrong := regexp.MustCompile(`(?m)^\.Ql .* , \S.*`).FindAllString(document(t, manual), -1); wrong != nil {
			t.Errorf("%s: %q", manual, wrong)
		}
	}
}

func TestExitCodesAreDocumented(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "exit.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	codes := []string{"0"}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "exit") {
			codes = append(codes, spec.Values[0].(*ast.BasicLit).Value)
		}
		return true
	})
	same(t, manual8, codes, each(section(t, manual8, "EXIT STATUS"), `(?m)^\.It (\d+)$`))
	same(t, commandsPage, codes, each(section(t, commandsPage, "Exit codes"), `(?m)^\| (\d+) \|`))
	same(t, "--help", codes, each(description, `[:;] (\d+) `))
}

func TestHooksEnvironmentIsDocumented(t *testing.T) {
	given := each(document(t, "internal/workflow/hooks.go"), `"(DLM_\w+)=`)
	same(t, manual8, given, each(section(t, manual8, "HOOKS"), `(?m)^\.It Ev (.*)`))
	same(t, "docs/hooks.md", given, each(document(t, "docs/hooks.md"), "(?m)^\\| `(DLM_\\w+)` \\|"))
}

func TestKeysAndDefaultsAreDocumented(t *testing.T) {
	keys := defaults(t)
	found := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\.It Va (\S+) Pq \w+; (?:default: )?(.*)$`).FindAllStringSubmatch(
		eachStage(section(t, manual5, "KEYS")), -1) {
		found[m[1]] = m[2]
	}
	sameDefaults(t, manual5, keys, found)

	found = map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| (`.*?) \\| (.*?) \\|").FindAllStringSubmatch(
		eachStage(section(t, keysPage, "Keys")), -1) {
		names, values := each(m[1], "`(.*?)`"), strings.Split(strings.ReplaceAll(m[2], "`", ""), ", ")
		for i, name := range names {
			value, _, _ := strings.Cut(values[min(i, len(values)-1)], ":") // what follows says what it means
			found[name] = value
		}
	}
	sameDefaults(t, keysPage, keys, found)
}

// TestKeysElsewhere: each key is a parameter of the Puppet module, and is listed as new if the original doesn't have
// it. The keys of stages are in test/stages_test.go.
func TestKeysElsewhere(t *testing.T) {
	const page, module = "docs/differences.md", "contrib/puppet/manifests/config.pp"
	original := each(document(t, "internal/config/testdata/original.ini"), `(?m)^(\S+) =`)
	var added []string
	for key := range defaults(t) {
		if slices.Contains(stageNames(workflow.HookDirs()), strings.TrimSuffix(key, ".d")) {
			continue
		}
		if !strings.Contains(document(t, module), "'"+key+"' ") {
			t.Errorf("%s lacks %s", module, key)
		}
		if !slices.Contains(original, key) {
			added = append(added, key)
		}
	}
	same(t, page, added, each(section(t, page, "New keys"), "`(.*?)`"))
}

func TestPackagedConfiguration(t *testing.T) {
	text, keys := document(t, packaged), defaults(t)
	all := regexp.MustCompile(`(?m)^#(\S+ = )`).ReplaceAllString(eachStage(text), "$1")
	path := filepath.Join(t.TempDir(), "config.ini")
	put(t, path, all, 0o644)
	c, problems, err := config.Load(path, stageNames(workflow.HookDirs()))
	problems = slices.DeleteFunc(problems, func(p config.Problem) bool { return strings.Contains(p.Text, "no effect") })
	if err != nil || len(problems) > 0 {
		t.Fatal("with every key uncommented: ", problems, err)
	}
	for _, v := range c.Values() {
		if v.Origin == "default" && v.Key != "boot_id_file" { // nothing that an administrator should change
			t.Errorf("%s: %s is missing", packaged, v.Key)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^(#?)(\S+) = (.*)$`).FindAllStringSubmatch(eachStage(text), -1) {
		commented, key, value := m[1] != "", m[2], m[3]
		_, example := unset[key]
		if !example && keys[key] != required && commented != isDefault(value, keys[key]) {
			t.Errorf("%s: %q, and the default is %q: just what is no default stands without #", packaged, m[0], keys[key])
		}
	}
	example := each(section(t, manual5, "EXAMPLES"), `(?s)\.Bd -literal\n(.*)\.Ed`)[0]
	if diff := cmp.Diff(text,
		strings.NewReplacer(`\(aq`, "'", `\(ga`, "`", `\-`, "-", `\e`, `\`).Replace(example)); diff != "" {
		t.Errorf("the example of %s is another (-%s):\n%s", manual5, packaged, diff)
	}
}

func TestFilesAreDocumented(t *testing.T) {
	there := []string{DefaultConfig, DefaultLibrary, (&config.Config{Path: DefaultConfig}).SettingsDir()}
	for key, value := range defaults(t) {
		if strings.HasPrefix(value, "/") && key != "reboot_cmd" {
			there = append(there, value)
		}
	}
	there = append(there, defaults(t)["state"]+".lock", outcome.Beside(defaults(t)["state"]).Path) // see host.Only
	there = append(there, schedule.PauseBeside(defaults(t)["state"]).Path, byhand.Beside(defaults(t)["state"]).Path)
	there = append(there, each(document(t, "contrib/hooks/lib/record.sh"), `DLM_HOOKS_STATE:-(.*?)}`)...)
	contents := document(t, "test/packages/contents")
	there = append(there, each(contents, `(?m)^\S+ -\S+ root:root (/(?:etc|usr/lib)/.*)$`)...)
	there = append(there, each(contents, `(?m)^\S+ d\S+ root:root (/var/log/.*|.*/docs)$`)...)

	same(t, manual8, there, each(eachStage(section(t, manual8, "FILES")), `(?m)^\.It Pa (.*?)/?$`))
}

// TestInstalledDocuments: help, messages and manual pages name documents by the path at which the packages install
// them.
func TestInstalledDocuments(t *testing.T) {
	if contents := document(t, "packaging/nfpm.yaml"); !strings.Contains(
		contents, "{src: docs/*.md, dst: "+installedDocs+"/,") {
		t.Errorf("packaging/nfpm.yaml does not install docs/ in %s", installedDocs)
	}
	said := document(t, manual8) + document(t, manual5) + document(t, "internal/configcheck/units.go")
	for _, node := range nodes(t) {
		for _, flag := range node.Flags {
			said += flag.Help + "\n"
		}
	}
	named := sorted(each(said, regexp.QuoteMeta(installedDocs)+`/([a-z.-]+[a-z])`))
	if !slices.Contains(named, "status.schema.json") {
		t.Errorf("only %q are named", named)
	}
	for _, name := range named {
		if _, err := os.Stat(filepath.Join("../../docs", name)); err != nil {
			t.Error(err)
		}
	}
	if wrong := regexp.MustCompile(`(?m)[(\s"]docs/\S+`).FindAllString(said, -1); len(wrong) > 1 { // one is in a comment
		t.Errorf("not where a user finds it: %q", wrong)
	}
}

func TestManualPagesAreClean(t *testing.T) {
	needs(t, "mandoc")
	for _, page := range []string{manual8, manual5} {
		if out, err := exec.Command("mandoc", "-T", "lint", "-W", "warning",
			filepath.Join("../..", page)).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v: %s", page, err, out)
		}
	}
}

// required is what documents say of a key that has no default and has to be there.
const required = "required"

// unset is what documents say of a key that need not be there and has no default.
var unset = map[string]string{"ca": "the system's trust store", "log": "standard error", "metrics_textfile": "unset",
	"cannot_tell_exit": "unset", "notify.d": "unset", "window": "unset", "blocked_by": "unset",
	"fleetlock_url": "unset", "fleetlock_id": "unset"}

// defaults is what documents have to say of each key's default.
func defaults(t *testing.T) map[string]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.ini")
	put(t, path,
		"[main]\nlock_name = web\nforeman_url = https://foreman.example.com\nclient_crt = /crt\nclient_key = /key\n", 0o644)
	c, problems, err := config.Load(path, stageNames(workflow.HookDirs()))
	if c == nil {
		t.Fatal(problems, err)
	}
	keys := map[string]string{}
	for _, v := range c.Values() {
		switch words, known := unset[v.Key]; {
		case v.Origin != "default":
			keys[v.Key] = required
		case v.Value != "":
			keys[v.Key] = v.Value
		case known:
			keys[v.Key] = words
		default:
			t.Errorf("%s has no default: say in this test what documents call that", v.Key)
		}
	}
	return keys
}

// isDefault compares as a reader does: `config show` prints "info" and no slash behind a directory.
func isDefault(documented, value string) bool {
	return strings.EqualFold(strings.TrimSuffix(documented, "/"), value)
}

func sameDefaults(t *testing.T, document string, keys, documented map[string]string) {
	t.Helper()
	if diff := cmp.Diff(keys, documented,
		cmp.Comparer(func(a, b string) bool { return isDefault(a, b) || isDefault(b, a) })); diff != "" {
		t.Errorf("%s names other keys or defaults than there are (-there +documented):\n%s", document, diff)
	}
}

// same fails for what a document lacks, and for what it has and there is not.
func same(t *testing.T, document string, there, documented []string) {
	t.Helper()
	if diff := cmp.Diff(sorted(there), sorted(documented)); diff != "" {
		t.Errorf("%s names other things than there are (-there +documented):\n%s", document, diff)
	}
}

// sorted is each of the words once.
func sorted(words []string) []string { return slices.Compact(slices.Sorted(slices.Values(words))) }

func without(words []string, not ...string) []string {
	return slices.DeleteFunc(slices.Clone(words), func(word string) bool { return slices.Contains(not, word) })
}

// each is what the group of a pattern matches, wherever it does.
func each(text, pattern string) (all []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// eachStage is a text in which a line about STAGE.d stands once for each stage that has hooks.
func eachStage(text string) string {
	return regexp.MustCompile(`(?m)^.*\bSTAGE\.d\b.*\n`).ReplaceAllStringFunc(text, func(line string) (lines string) {
		for _, stage := range workflow.HookDirs() {
			lines += strings.ReplaceAll(line, "STAGE", string(stage))
		}
		return lines
	})
}

func document(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func put(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	// A process that a parallel test starts right now would have the file open for writing, and nobody could run it.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// section is one of a document's, without its heading.
func section(t *testing.T, path, name string) string {
	t.Helper()
	mark := map[bool]string{true: "## ", false: ".Sh "}[strings.HasSuffix(path, ".md")]
	_, text, found := strings.Cut(document(t, path), "\n"+mark+name+"\n")
	if !found {
		t.Fatalf("%s has no section %s", path, name)
	}
	text, _, _ = strings.Cut(text, "\n"+mark)
	return text + "\n"
}

// nodes are all commands of the program: itself, groups of commands, and commands.
func nodes(t *testing.T) (all []*kong.Node) {
	t.Helper()
	program, err := new(grammar).parser()
	if err != nil {
		t.Fatal(err)
	}
	var walk func(*kong.Node)
	walk = func(node *kong.Node) {
		all = append(all, node)
		for _, child := range node.Children {
			walk(child)
		}
	}
	walk(program.Model.Node)
	return all
}

// commandWords are the words of a command; none for the program itself.
func commandWords(node *kong.Node) string {
	if node.Parent == nil {
		return ""
	}
	return strings.TrimSpace(commandWords(node.Parent) + " " + node.Name)
}

// usage is a command with what it takes, as documents have it.
func usage(node *kong.Node) string {
	text := commandWords(node)
	for _, flag := range node.Flags {
		form := "--" + flag.Name
		if !flag.IsBool() {
			form += "=" + flag.FormatPlaceHolder()
		}
		text += optional(form, flag.Required)
	}
	for _, argument := range node.Positional {
		text += optional(strings.ToUpper(argument.Name), argument.Required)
	}
	return text
}

func optional(form string, required bool) string {
	if required {
		return " " + form
	}
	return " [" + form + "]"
}

// needs skips the test where a program is not installed, but in CI, where nobody would notice.
func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if ci := os.Getenv("CI"); ci != "" && ci != "false" {
		t.Fatalf("%s is not installed, and CI=%s", program, ci)
	}
	t.Skipf("NOT TESTED: %s is not installed", program)
}
