package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReadsAsPython holds the reader against values recorded from Python 3.11's configparser: ConfigParser(),
// read_file of the text opened as UTF-8, then get("main", key) for the keys below that are there. The last column is
// the exception that one of those steps raised.
func TestReadsAsPython(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       map[string]string
		exception  string
	}{
		{"equals and colon", "[main]\nstate = /a\nlog: /b\nca=/c=d:e\n",
			map[string]string{"ca": "/c=d:e", "log": "/b", "state": "/a"}, ""},
		{"keys in any case", "[main]\nSTATE = /a\nLog = /b\n", map[string]string{"log": "/b", "state": "/a"}, ""},
		{"comment signs inside a value", "[main]\nstate = /a # b\nlog = /c;d\nca = #e\n",
			map[string]string{"ca": "#e", "log": "/c;d", "state": "/a # b"}, ""},
		{"full-line comments", "[main]\n# log = /b\n; log = /c\n   # log = /d\nstate = /a\n",
			map[string]string{"state": "/a"}, ""},
		{"quotes stay", "[main]\nstate = \"/a b\"\nlog = '/b'\nreboot_cmd = sh -c \"x 'y'\"\n",
			map[string]string{"log": "'/b'", "reboot_cmd": "sh -c \"x 'y'\"", "state": "\"/a b\""}, ""},
		{"backslash is no continuation", "[main]\nstate = /a\\\nlog = /b\n",
			map[string]string{"log": "/b", "state": "/a\\"}, ""},
		{"white space around values", "[main]\nstate =  \t /a b \t\nlog\t=\t/b\n",
			map[string]string{"log": "/b", "state": "/a b"}, ""},
		{"unicode white space around values", "[main]\nstate =\u00a0/a\u3000\nlog = \x1c/b\x1f\n",
			map[string]string{"log": "/b", "state": "/a"}, ""},
		{"indented keys of the same depth", "[main]\n    state = /a\n    log = /b\n",
			map[string]string{"log": "/b", "state": "/a"}, ""},
		{"indented header and keys", "  [main]\n  state = /a\n  log = /b\n",
			map[string]string{"log": "/b", "state": "/a"}, ""},
		{"deeper key is a continuation", "[main]\nstate = /a\n log = /b\n", map[string]string{"state": "/a\nlog = /b"}, ""},
		{"shallower key is a key", "[main]\n  state = /a\n log = /b\n", map[string]string{"log": "/b", "state": "/a"}, ""},
		{"a tab is as deep as a space", "[main]\n  state = /a\n\tlog = /b\n",
			map[string]string{"log": "/b", "state": "/a"}, ""},
		{"continuation lines are stripped", "[main]\nreboot_cmd = a\n   b  \n\tc\nstate = /a\n",
			map[string]string{"reboot_cmd": "a\nb\nc", "state": "/a"}, ""},
		{"value begins in the next line", "[main]\nreboot_cmd =\n  a\n  b\n", map[string]string{"reboot_cmd": "\na\nb"}, ""},
		{"blank lines inside a value", "[main]\nreboot_cmd = a\n\n  b\n\n\nstate = /a\n",
			map[string]string{"reboot_cmd": "a\n\nb", "state": "/a"}, ""},
		{"comment inside a value", "[main]\nreboot_cmd = a\n  # no\n  b\n# no\n  c\n",
			map[string]string{"reboot_cmd": "a\nb\nc"}, ""},
		{"indented header is a continuation", "[main]\nreboot_cmd = a\n  [other]\nstate = /a\n",
			map[string]string{"reboot_cmd": "a\n[other]", "state": "/a"}, ""},
		{"empty values", "[main]\nlog =\nca:\nstate = \n", map[string]string{"ca": "", "log": "", "state": ""}, ""},
		{"DEFAULT is the fallback", "[DEFAULT]\nstate = /a\nlog = /b\n[main]\nlog = /c\n",
			map[string]string{"log": "/c", "state": "/a"}, ""},
		{"DEFAULT after main, and twice", "[main]\nlog = /c\n[DEFAULT]\nstate = /a\n[DEFAULT]\nlog = /b\nca = /d\n",
			map[string]string{"ca": "/d", "log": "/c", "state": "/a"}, ""},
		{"other sections", "[other]\nstate = /x\n[main]\nstate = /a\n[main.sub]\nlog = /b\n",
			map[string]string{"state": "/a"}, ""},
		{"text behind a header", "[main] state = /x\nstate = /a\n", map[string]string{"state": "/a"}, ""},
		{"last bracket ends a header", "[main]\nstate = /a\n[x]y]\nlog = /b\n", map[string]string{"state": "/a"}, ""},
		{"percent", "[main]\nstate = /a%%b\nlog = %%(ca)s\n", map[string]string{"log": "%(ca)s", "state": "/a%b"}, ""},
		{"interpolation", "[main]\ndir = /d\nstate = %(dir)s/a\nlog = %(DIR)s/%(state)s\n",
			map[string]string{"log": "/d//d/a", "state": "/d/a"}, ""},
		{"interpolation from DEFAULT", "[DEFAULT]\ndir = /d\nstate = %(dir)s/a\n[main]\ndir = /e\n",
			map[string]string{"state": "/e/a"}, ""},
		{"interpolation 10 deep",
			"[main]\nk1 = %(k2)s\nk2 = %(k3)s\nk3 = %(k4)s\nk4 = %(k5)s\nk5 = %(k6)s\nk6 = %(k7)s\nk7 = %(k8)s\nk8 = %(k9)s\n" +
				"k9 = %(k10)s\nk10 = /a\nstate = %(k1)s\n", map[string]string{"state": "/a"}, ""},
		{"interpolation 11 deep",
			"[main]\nk1 = %(k2)s\nk2 = %(k3)s\nk3 = %(k4)s\nk4 = %(k5)s\nk5 = %(k6)s\nk6 = %(k7)s\nk7 = %(k8)s\nk8 = %(k9)s\n" +
				"k9 = %(k10)s\nk10 = %(k11)s\nk11 = /a\nstate = %(k1)s\n", nil, "InterpolationDepthError"},
		{"interpolated %% is not read twice", "[main]\ndir = /a%%%%b\nstate = %(dir)s\n",
			map[string]string{"state": "/a%%b"}, ""},
		{"circle", "[main]\nstate = %(log)s\nlog = %(state)s\n", nil, "InterpolationDepthError"},
		{"unknown reference", "[main]\nstate = %(nope)s\n", nil, "InterpolationMissingOptionError"},
		{"lone percent", "[main]\nstate = 100%\n", nil, "InterpolationSyntaxError"},
		{"percent and a letter", "[main]\nstate = %d\n", nil, "InterpolationSyntaxError"},
		{"reference without s", "[main]\nstate = %(log)\nlog = /b\n", nil, "InterpolationSyntaxError"},
		{"reference with spaces", "[main]\nstate = %( log )s\nlog = /b\n", nil, "InterpolationMissingOptionError"},
		{"empty reference", "[main]\nstate = %()s\n", nil, "InterpolationSyntaxError"},
		{"windows line ends", "[main]\r\nstate = /a\r\nreboot_cmd = a\r\n  b\r\n",
			map[string]string{"reboot_cmd": "a\nb", "state": "/a"}, ""},
		{"old mac line ends", "[main]\rstate = /a\rlog = /b\r", map[string]string{"log": "/b", "state": "/a"}, ""},
		{"vertical tab and form feed end no line", "[main]\nstate = /a\vlog = /b\nca = /c\fx\n",
			map[string]string{"ca": "/c\fx", "state": "/a\vlog = /b"}, ""},
		{"no newline at the end", "[main]\nstate = /a", map[string]string{"state": "/a"}, ""},
		{"duplicate key", "[main]\nstate = /a\nState = /b\n", nil, "DuplicateOptionError"},
		{"duplicate key in another section", "[main]\nstate = /a\n[x]\nk = 1\nk = 2\n", nil, "DuplicateOptionError"},
		{"duplicate section", "[main]\nstate = /a\n[main]\nlog = /b\n", nil, "DuplicateSectionError"},
		{"key before any section", "state = /a\n[main]\nlog = /b\n", nil, "MissingSectionHeaderError"},
		{"line without delimiter", "[main]\nstate /a\n", nil, "ParsingError"},
		{"no key", "[main]\n= /a\n", nil, "ParsingError"},
		{"empty header", "[main]\n[]\n", nil, "ParsingError"},
		{"header not closed", "[main]\n[x\n", nil, "ParsingError"},
		{"not UTF-8", "[main]\nstate = /\xe4\n", nil, "UnicodeDecodeError"},
		{"another case of main", "[Main]\nstate = /a\n", nil, "NoSectionError"},
		{"empty file", "", nil, "NoSectionError"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &report{file: "FILE"}
			var got map[string]string
			if doc := readINI([]byte(tt.text), r); doc != nil {
				got = interpolated(doc, r)
			}
			if r.failed() != (tt.exception != "") {
				t.Fatalf("problems %v, Python says %q", r.problems, tt.exception)
			}
			if tt.exception != "" {
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func interpolated(doc *document, r *report) map[string]string {
	values := map[string]string{}
	for _, name := range []string{"ca", "lock_name", "log", "reboot_cmd", "state"} {
		e, ok := doc.lookup(name)
		if !ok {
			continue
		}
		v, err := doc.interpolate(e)
		if err != nil {
			r.errorf(e.line, name, "%s", err)
		}
		values[name] = v
	}
	return values
}

func TestStructure(t *testing.T) {
	//bad:Configuration: name want
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"empty file", "", []string{"FILE: has no section [main]; put [main] above the keys"}},
		{"only another section", "[x]\n", []string{
			"FILE: has no section [main]; put [main] above the keys",
			`warning: FILE:1: section "x" is ignored; only [main] and [DEFAULT] are read`}},
		{"capital letter", "# c\n[Main]\nlock_name = a\n", []string{
			`FILE:2: section "Main" is not [main]; write [main], in small letters and without spaces`}},
		{"spaces", "[ main ]\n", []string{
			`FILE:1: section " main " is not [main]; write [main], in small letters and without spaces`}},
		{"no section", "lock_name = a\nstate = b\n", []string{
			`FILE:1: "lock_name = a" is before any section; put [main] above it`}},
		{"duplicate section", minimal + "[main]\nca = /a\n", []string{
			"FILE:6: section \"main\" is there already, in line 1; merge the two"}},
		{"duplicate ignored section", minimal + "[x]\n[x]\n", []string{
			`warning: FILE:6: section "x" is ignored; only [main] and [DEFAULT] are read`,
			"FILE:7: section \"x\" is there already, in line 6; merge the two"}},
		{"duplicate key and its continuation", minimal + "Client_Key:\n  x\n", []string{
			"FILE:6: client_key: is there already, in line 5; keep one of the two"}},
		{"another window", minimal + "window = Mon 02:00-05:00\nwindow = Tue 02:00-05:00\n", []string{
			"FILE:7: window: is there already, in line 6; put all windows into one, with a ; between them"}},
		{"another window without a key", minimal + "window = Mon 02:00-05:00\nSun#-1\n", []string{
			`FILE:7: "Sun#-1" has neither = nor :; if it belongs to window, ` +
				"indent it, or put it into that key's line, behind a ;"}},
		{"windows lines are counted once", strings.ReplaceAll(minimal+"ca\n", "\n", "\r\n"), []string{
			`FILE:6: "ca" has neither = nor :; KEY = VALUE would be right`}},
		{"no key", minimal + "= x\n", []string{`FILE:6: "= x" has no key; KEY = VALUE would be right`}},
		{"several", minimal + "a\nb\n: c\n", []string{
			`FILE:6: "a" has neither = nor :; KEY = VALUE would be right`,
			`FILE:7: "b" has neither = nor :; KEY = VALUE would be right`,
			`FILE:8: ": c" has no key; KEY = VALUE would be right`}},
		{"not UTF-8", minimal + "ca = /\xff\n", []string{`FILE:6: is not UTF-8: "ca = /\xff"; save the file as UTF-8`}},
		{"not UTF-8 in a comment", minimal + "# f\xfcr\n", nil},
		{"UTF-16", "\xff\xfe[\x00", []string{
			`FILE:1: is not UTF-8: "\xff\xfe[\x00"; save the file as UTF-8`,
			"FILE:1: \"\ufffd[\\x00\" is before any section; put [main] above it"}},
		{"byte order mark", "\ufeff" + minimal, nil},
		{"go-ini unquotes with backticks", minimal + "state = `/a`\n", []string{
			"FILE:6: state: \"`/a`\" begins with a quote, which belongs to the value; leave the quotes out"}},
		{"go-ini unquotes three quotes", minimal + `state = """/a` + "\nca = /a\"\"\"\n", []string{
			`FILE:6: state: "\"\"\"/a" begins with a quote, which belongs to the value; leave the quotes out`}},
		{"go-ini unquotes keys", minimal + "\"state\" = /a\n`lock` = /b\n", []string{
			`FILE:6: "state": "\"state\"" is no key; a plain word would be right`,
			"FILE:7: `lock`: \"`lock`\" is no key; a plain word would be right"}},
		{"go-ini numbers such keys", minimal + "- = /a\n", []string{`FILE:6: -: "-" is no key; a plain word would be right`}},
		{"go-ini wants a header here", minimal + "[a = /a\n",
			[]string{`FILE:6: [a: "[a" is no key; a plain word would be right`}},
		{"letter that folds to a plain one", minimal + "loc\u212a = /a\n", []string{
			"FILE:6: lock: \"loc\u212a\" is not in plain letters; write lock"}},
		{"odd values in an ignored section", minimal + "[x]\n\"a\" = `b\n", []string{
			`warning: FILE:6: section "x" is ignored; only [main] and [DEFAULT] are read`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, got := load(t, tt.text)
			if diff := cmp.Diff(tt.want, got); diff != "" || (c == nil) != errorIn(tt.want) {
				t.Errorf("config %v, %s", c, diff)
			}
		})
	}
}

func errorIn(texts []string) bool {
	for _, s := range texts {
		if !strings.HasPrefix(s, "warning: ") {
			return true
		}
	}
	return false
}

func TestTooManyKeys(t *testing.T) {
	var b strings.Builder
	b.WriteString("[DEFAULT]\n")
	for i := range maxKeys + 5 {
		fmt.Fprintf(&b, "k%d = 1\n", i)
	}
	b.WriteString(minimal)
	r := &report{file: "FILE"}
	readINI([]byte(b.String()), r)
	want := []string{"FILE:1002: k1000: is one key more than the 1000 that are read; split other data off"}
	if diff := cmp.Diff(want, texts("FILE", r.problems)); diff != "" {
		t.Error(diff)
	}
}

func TestInterpolationFaults(t *testing.T) {
	bomb := "a1 = " + strings.Repeat("%(a0)s", 50) + "\na2 = " + strings.Repeat("%(a1)s", 50) + "\nstate = %(a2)s\n"
	//bad:Configuration: name want
	for _, tt := range []struct{ name, text, want string }{
		{"in another key", "state = %(dir)s/a\ndir = 5%\n",
			`FILE:6: state: "%" is no %(key)s; write %% for a plain % (in dir, line 7)`},
		{"unknown in another key", "state = %(dir)s/a\ndir = %(x)s\n",
			"FILE:6: state: %(x)s refers to a key that is not there (in dir, line 7); add the key, or write %% for a plain %"},
		{"too many references", bomb + "a0 =\n", "FILE:8: state: has too many %(key)s; write the value out"},
		{"too long", bomb + "a0 = " + strings.Repeat("x", 2000) + "\n",
			"FILE:8: state: gets longer than 65536 bytes by interpolation; write the value out"},
		{"too long without", "state = " + strings.Repeat("x", 1<<16+1),
			"FILE:6: state: is longer than 65536 bytes; shorten it"},
		{"line break from another key", "state = /a%(b)s\nb = x\n  y\n",
			`FILE:6: state: "/ax\ny" has a control character; take it out`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, problems := load(t, minimal+tt.text)
			if diff := cmp.Diff([]string{tt.want}, problems); diff != "" {
				t.Error(diff)
			}
		})
	}
}
