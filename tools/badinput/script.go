package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
)

// script reads the entries of a testscript. What happens is what its commands assert, in the same order.
func script(path, source string) ([]group, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var groups []group
	for block := range strings.SplitSeq(string(text), "\n\n") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		section, what, ok := strings.Cut(strings.TrimPrefix(lines[0], "#: "), " | ")
		if !strings.HasPrefix(lines[0], "#: ") || !ok {
			continue
		}
		var happens []string
		for _, line := range lines[1:] {
			if text := asserted(line); text != "" && !slices.Contains(happens, text) {
				happens = append(happens, text)
			}
		}
		i := slices.IndexFunc(groups, func(g group) bool { return g.section == section })
		if i < 0 {
			i = len(groups)
			groups = append(groups, group{section, "`" + source + "`, with the real program", nil})
		}
		groups[i].rows = append(groups[i].rows, row{what, strings.Join(happens, "; ")})
	}
	return groups, nil
}

// assertions are the commands that say what happens. $1 is shown as code if it may be a message.
var assertions = []struct {
	command *regexp.Regexp
	says    string
	message bool
}{
	{regexp.MustCompile(`^exits (\d+) (?:timeout \d+ )?foreman-dlm-updater`), "exit $1", false},
	{regexp.MustCompile(`^grep '\^(\d+)\$' code$`), "exit $1", false},
	{regexp.MustCompile(`^waitfor code (\d+)$`), "exit $1", false},
	{regexp.MustCompile(`^exec (?:timeout \d+ )?foreman-dlm-updater -c config.ini(?: run| status)?$`), "exit 0", false},
	{regexp.MustCompile(`^exec sh -c '.*foreman-dlm-updater[^;]*'$`), "exit 0", false},
	{regexp.MustCompile(`^(?:stderr|stdout)(?: -count=\d+)? '(.*)'$`), "", true},
	{regexp.MustCompile(`^grep '(.*)' (?:log|said)$`), "", true},
	{regexp.MustCompile(`^! (?:stderr|grep) 'hook (?:started|ended)'`), "no hook runs", false},
	{regexp.MustCompile(`^! (?:stderr|grep) 'panic'`), "no panic", false},
	{regexp.MustCompile(`^! stderr '\\x1b'`), "nothing reaches the terminal raw", false},
	{regexp.MustCompile(`^! grep .* seen$`), "the hook doesn't see it", false},
	{regexp.MustCompile(`^grep '\^(.*)\$' seen$`), "the hook sees $1", true},
	{regexp.MustCompile(`^cmp state `), "the file stays as it is", false},
	{regexp.MustCompile(`^cmp (?:value|ca/\S+) before`), "the file stays as it is", false},
	{regexp.MustCompile(`^grep '\^(\w+)\$?' state`), "the state stays at $1", false},
	{regexp.MustCompile(`^! exists state$`), "no state is left", false},
	{regexp.MustCompile(`^exists finished$`), "the hook finishes", false},
	{regexp.MustCompile(`^! exists after$`), "no further hook runs", false},
	{regexp.MustCompile(`^foreman held-by host.example.com$`), "the lock stays this host's", false},
	{regexp.MustCompile(`^foreman held-by other.example.com$`), "the lock stays the other host's", false},
	{regexp.MustCompile(`^foreman held-by$`), "the lock is free afterwards", false},
	{regexp.MustCompile(`^foreman granted 0$`), "the lock was never taken", false},
}

// asserted says in words what a command asserts; "" if it asserts nothing.
func asserted(line string) string {
	for _, a := range assertions {
		found := a.command.FindStringSubmatch(line)
		switch {
		case found == nil:
		case a.message && a.says == "":
			return code(plain(found[1]))
		case a.message:
			return strings.Replace(a.says, "$1", code(plain(found[1])), 1)
		case len(found) > 1:
			return strings.Replace(a.says, "$1", found[1], 1)
		default:
			return a.says
		}
	}
	return ""
}

var (
	apostrophe = regexp.MustCompile(`(\w)\.(s|t)\b`)
	numbers    = regexp.MustCompile(`\d?\[0-9\]\+`)
	gap        = regexp.MustCompile(`\s*\.\*\s*`)
	escaped    = regexp.MustCompile(`\\([^\w])`)
)

// plain turns a pattern back into roughly the message that it matches.
func plain(pattern string) string {
	text := strings.ReplaceAll(pattern, "''", "'")
	text = strings.TrimSuffix(strings.TrimPrefix(text, "^"), "$")
	text = strings.TrimPrefix(text, " *")
	text = numbers.ReplaceAllString(text, "N")
	text = strings.ReplaceAll(gap.ReplaceAllString(text, " … "), `\S+`, "…")
	text = apostrophe.ReplaceAllString(text, "$1'$2")
	text = strings.ReplaceAll(text, `"..`, `"…`)
	return strings.TrimSpace(escaped.ReplaceAllString(text, "$1"))
}
