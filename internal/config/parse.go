package config

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/kballard/go-shellquote"
)

// parser sets a field from a value that is not empty, and returns the value as config show prints it. Its error says
// what is wrong and what would be right. If the error is a warning, the field was set all the same.
type parser func(text string) (shown string, err error)

// warning is an error that stops nothing.
type warning string

func (w warning) Error() string { return string(w) }

const aTime = "a time such as 90s, 15m, 4h, or a number of seconds"

const ownLine = "a comment needs a line of its own"

// maxName is the longest percent-encoded lock name, in bytes: Foreman's Apache takes request lines of up to 8190 bytes
// (LimitRequestLine), and the rest of the line needs some of them, as do the names of slots and flags (.failed99).
const maxName = 7000

// Compiled when needed: the values of most configurations have no such signs.
var (
	escapedName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`%[0-9A-Fa-f]{2}`) })
	commentSign = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?:^|[\s\p{Z}])([#;].*)`) })
)

// checkPlain refuses quotes and comments, which other programs would strip from a value. Here they belong to the value:
// a quoted lock_name is another lock.
func checkPlain(text string) error {
	if text != "" && strings.ContainsRune("\"'\u201c\u201d\u201e\u2018\u2019\u00ab", []rune(text)[0]) {
		return fmt.Errorf("%q begins with a quote, which belongs to the value; leave the quotes out", text)
	}
	if !strings.ContainsAny(text, "#;") {
		return nil
	}
	if comment := commentSign().FindStringSubmatch(text); comment != nil {
		return fmt.Errorf("%q belongs to the value; "+ownLine, comment[1])
	}
	return nil
}

func checkLockName(name string) error {
	plain := checkPlain(name)
	switch {
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%q has a control character, or is not UTF-8; use printable characters", name)
	case strings.TrimFunc(name, isSpace) != name:
		return fmt.Errorf("%q has white space at an end, "+
			"which Foreman strips when it makes a lock but not when it looks for one; take it out", name)
	case plain != nil:
		return plain
	case beginsNumber(name):
		return fmt.Errorf("%q begins with a digit, and Foreman takes such a name for the numeric id of another lock; "+
			"begin it with a letter", name)
	case strings.Contains(name, "/"):
		return fmt.Errorf("%q has a /, which Foreman's web server refuses; use another character", name)
	case name == "." || name == "..":
		return fmt.Errorf("%q means a directory in a URL; use a name with letters", name)
	case len(url.PathEscape(name)) > maxName:
		return fmt.Errorf("is %d bytes long when percent-encoded; at most %d would be right",
			len(url.PathEscape(name)), maxName)
	case strings.Contains(name, "%") && escapedName().MatchString(name):
		// The original put the name into the URL as it was. Here it is encoded, so it would name another lock.
		plain, _ := url.PathUnescape(name)
		return fmt.Errorf("%q is percent-encoded; write the name as Foreman shows it, perhaps %q", name, plain)
	}
	return nil
}

// beginsNumber reports whether a name begins with a digit, perhaps after a sign.
func beginsNumber(name string) bool {
	if strings.HasPrefix(name, "+") || strings.HasPrefix(name, "-") {
		name = name[1:]
	}
	return name != "" && name[0] >= '0' && name[0] <= '9'
}

func checkURL(u *url.URL, text, why string, plainLoopback bool) string {
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	switch {
	case u.Scheme == "http" && plainLoopback && isLoopback(u.Hostname()):
	case u.Scheme != "https":
		return "is not https, and " + why
	}
	switch {
	case u.Opaque != "" || u.Hostname() == "":
		return "has no host"
	case strings.HasSuffix(u.Host, ":") || u.Port() != "" && (err != nil || port == 0):
		return "has no valid port"
	case u.User != nil:
		return "has a user name"
	case strings.ContainsAny(text, "?#"):
		return "has a query or a fragment"
	}
	return ""
}

// path makes a relative path absolute, from the working directory as the original did, and warns. A path may contain
// quotes and comment signs if a file of that name exists.
func path(field *string) parser {
	return func(text string) (string, error) {
		abs, err := filepath.Abs(text)
		if err != nil {
			return "", fmt.Errorf("%q is relative and there is no working directory; write it from / on", text)
		}
		odd := checkPlain(text)
		if _, err := os.Lstat(abs); odd != nil && err != nil {
			return "", odd
		}
		*field = abs
		if odd != nil {
			return abs, warning(fmt.Sprintf("%s (%q exists, and is used)", odd, abs))
		}
		if !filepath.IsAbs(text) {
			return abs, warning(fmt.Sprintf("%q is relative, and is taken for %q; write it from / on", text, abs))
		}
		return abs, nil
	}
}

// promFile takes a file that node_exporter's textfile collector reads. The collector ignores all other names.
func promFile(field *string) parser {
	return func(text string) (string, error) {
		if !strings.HasSuffix(text, ".prom") {
			return "", fmt.Errorf("%q does not end with .prom, and node_exporter reads no other files; "+
				"%s.prom would be right", text, text)
		}
		return path(field)(text)
	}
}

// besideState stands for the default of history: that file is beside the state file.
const besideState = "history.jsonl beside state"

// defaultHistory is a file beside the state file, or beside the default state file if the value of state is wrong. A
// state file that is not called state has its own history: a directory may have several state files.
func (c *Config) defaultHistory() string {
	const name = "history.jsonl"
	if c.State == "" {
		return "/var/lib/foreman_dlm_updater/" + name
	}
	if filepath.Base(c.State) == "state" {
		return filepath.Join(filepath.Dir(c.State), name)
	}
	return c.State + "." + name
}

// history takes a file, or the word none.
func (c *Config) history(text string) (string, error) {
	if text == "none" {
		return text, nil
	}
	if text == c.defaultHistory() { // not from the file, so there is nothing to complain about
		c.History = text
		return text, nil
	}
	return path(&c.History)(text)
}

func (c *Config) stageDir(stage string) parser {
	return func(text string) (string, error) {
		var dir string
		shown, err := path(&dir)(text)
		c.StageDirs[stage] = dir
		return shown, err
	}
}

func words(field *[]string) parser {
	return func(text string) (string, error) {
		split, err := shellquote.Split(text)
		if err != nil {
			return "", fmt.Errorf("%q has a quote that is not closed, or a backslash at its end; quote it as for a shell", text)
		}
		if len(split) == 0 || split[0] == "" {
			return "", fmt.Errorf("%q names no command; /usr/sbin/reboot would be right", text)
		}
		if w := forShell(text, split); w != "" {
			return "", fmt.Errorf("%q is for a shell, and none reads this: the command would get it as an argument; "+
				"%s would be right", w, "sh -c "+shellquote.Join(text))
		}
		*field = split
		for _, w := range split[1:] {
			if strings.HasPrefix(w, "#") || strings.HasPrefix(w, ";") {
				return text, warning(fmt.Sprintf("%q is a word of the command; "+ownLine, w))
			}
		}
		return text, nil
	}
}

// forShell returns the first word without quotes that only a shell understands, or "". split are the words of text.
func forShell(text string, split []string) string {
	for _, w := range strings.Fields(text) {
		if !slices.Contains(split, w) { // in quotes, at least in part
			continue
		}
		redirects := strings.TrimLeft(w, "0123456789")
		if slices.Contains([]string{"&&", "||", "|", "&"}, w) || strings.HasSuffix(w, ";") ||
			strings.HasPrefix(redirects, "<") || strings.HasPrefix(redirects, ">") {
			return w
		}
	}
	return ""
}

// number takes a decimal number from least to most.
func number(field *int, least, most int) parser {
	return func(text string) (string, error) {
		if err := checkPlain(text); err != nil {
			return "", err
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < least || n > most {
			if most == math.MaxInt {
				return "", fmt.Errorf("%q won't do; a whole number of %d or more would be right", text, least)
			}
			return "", fmt.Errorf("%q won't do; a whole number from %d to %d would be right", text, least, most)
		}
		*field = n
		return strconv.Itoa(n), nil
	}
}

// duration takes a duration as time.ParseDuration reads it, without a sign, or a number of seconds.
func duration(field *time.Duration, least time.Duration) parser {
	return func(text string) (string, error) {
		if err := checkPlain(text); err != nil {
			return "", err
		}
		shown := text
		if digits := strings.Trim(text, "0123456789") == ""; digits && strings.Trim(text, "0") != "" {
			shown += "s"
		} else if digits {
			shown = "0"
		}
		d, err := time.ParseDuration(shown)
		switch {
		case err != nil || strings.ContainsAny(text, "+-"):
			return "", fmt.Errorf("%q is not a time, or too long; 90s, 15m, 4h, or a number of seconds would be right", text)
		case d < least:
			return "", errors.New("0 is refused; a time above 0, such as 30s, would be right")
		}
		*field = d
		return shown, nil
	}
}

// levels maps the level names of Python's logging (all that its setLevel takes) and of hclog to hclog's. CRITICAL is
// error, so that no error is ever hidden. With NOTSET the original used the root logger's level, which is warn.
var levels = map[string]string{
	"trace": "trace", "debug": "debug", "info": "info", "warning": "warn", "warn": "warn", "error": "error",
	"critical": "error", "fatal": "error", "notset": "warn",
}

func logLevel(field *string) parser {
	return func(text string) (string, error) {
		if err := checkPlain(text); err != nil {
			return "", err
		}
		level, ok := levels[strings.ToLower(text)]
		if !ok {
			return "", fmt.Errorf("%q is not a level; TRACE, DEBUG, INFO, WARNING, ERROR or CRITICAL would be right", text)
		}
		*field = level
		return level, nil
	}
}

func yesNo(field *bool) parser {
	return func(text string) (string, error) {
		answer := strings.ToLower(text)
		if answer != "yes" && answer != "no" {
			return "", fmt.Errorf("%q is no answer; yes or no would be right", text)
		}
		*field = answer == "yes"
		return answer, nil
	}
}

func logFormat(field *bool) parser {
	return func(text string) (string, error) {
		if err := checkPlain(text); err != nil {
			return "", err
		}
		format := strings.ToLower(text)
		if format != "text" && format != "json" {
			return "", fmt.Errorf("%q is not a format; text or json would be right", text)
		}
		*field = format == "json"
		return format, nil
	}
}
