package config

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"foreman-dlm-updater/internal/calendar"

	"gopkg.in/ini.v1"
)

const (
	mainSection    = "main"
	defaultSection = "DEFAULT" // Python's fallback for every section, and go-ini's
)

// maxKeys limits the time for a file that is no configuration: go-ini gets slower with every key, up to minutes.
const maxKeys = 1000

// entry is one key of the file. Its value is not interpolated.
type entry struct {
	section, name string // the name in lower case
	value         string
	line          int  // 1 is the first
	more          int  // the line of the first continuation, 0 if there is none
	bad           bool // it is reported already, and has no value
}

// document has the keys of the two sections that count, [main] and [DEFAULT].
type document struct {
	sections map[string]map[string]*entry
	order    []*entry        // as in the file
	used     map[string]bool // names that an interpolation refers to
}

// lookup returns the entry of a lower-case name in [main], or else in [DEFAULT].
func (d *document) lookup(name string) (entry, bool) {
	for _, s := range []string{mainSection, defaultSection} {
		if e := d.sections[s][name]; e != nil {
			return *e, true
		}
	}
	return entry{}, false
}

// value returns the interpolated value of e. It is "" if k allows an empty value.
func (d *document) value(e entry, k key, r *report) (string, bool) {
	text, err := d.interpolate(e)
	switch {
	case e.bad:
	case err != nil:
		r.errorf(e.line, k.name, "%s", err)
	case strings.Contains(text, "\n") && e.more > 0 && !severalLines(k.name):
		r.errorf(e.line, k.name, "goes on in line %d, which is indented; "+
			"put the value on one line, or take the indentation away", e.more)
	case strings.ContainsFunc(text, func(c rune) bool {
		return unicode.IsControl(c) && c != '\t' && !(c == '\n' && severalLines(k.name))
	}):
		r.errorf(e.line, k.name, "%q has a control character; take it out", text)
	case text == "" && k.empty == unset:
		warnEmptyCA(k, e.line, r)
		return "", true
	case text == "" && k.empty == refused:
		r.errorf(e.line, k.name, "is empty; give %s, or remove the line for the default, %s", k.doc, k.fallback)
	case text == "":
		r.errorf(e.line, k.name, "is empty; give %s", k.doc)
	default:
		return text, true
	}
	return "", false
}

// severalLines reports whether a value may go on in indented lines: windows may stand on lines of their own. For any
// other key such a line is more likely to be the next key, indented by mistake.
func severalLines(name string) bool { return name == "window" }

const windowLine = "if it belongs to window, indent it, or put it into that key's line, behind a ;"

// warnEmptyCA warns of the one empty value that meant something else to the original: with "" as the CA, Python's
// requests library does not verify the server at all.
func warnEmptyCA(k key, line int, r *report) {
	if k.name == "ca" {
		r.warnf(line, k.name, "is empty, so the system's trust store verifies the server; "+
			"name a PEM file, or remove the line")
	}
}

// warnUnknown reports keys that nothing reads.
func (d *document) warnUnknown(keys []key, r *report) {
	names, known := make([]string, len(keys)), map[string]bool{}
	for i, k := range keys {
		names[i], known[k.name] = k.name, true
	}
	for _, e := range d.order {
		switch {
		case known[e.name] || d.used[e.name]:
		case calendar.BeginsWindow(e.name):
			r.warnf(e.line, e.name, "is no known key, and is ignored; "+windowLine)
		default:
			r.warnf(e.line, e.name, "is no known key, and is ignored; the nearest known key is %s", nearest(e.name, names))
		}
	}
}

// readINI reads data as Python's configparser does (ConfigParser with its defaults, and read_file of a file opened as
// UTF-8 text). go-ini does the reading, but it gives no line numbers, accepts duplicates, and takes every indented line
// for a continuation. So a scan comes first; it also rewrites the text so that go-ini reads it as Python would. readINI
// returns nil if there is no section [main], or if there are too many keys.
func readINI(data []byte, r *report) *document {
	s := scan(data, r)
	if !s.checkSections() || s.full {
		return nil
	}
	file, err := ini.LoadSources(ini.LoadOptions{
		InsensitiveKeys:            true, // not Insensitive, which would ignore case in section names too
		IgnoreInlineComment:        true,
		PreserveSurroundedQuote:    true,
		IgnoreContinuation:         true,
		AllowPythonMultilineValues: true,
		ReaderBufferSize:           s.text.Len() + 1, // go-ini looks no further than its buffer for continuation lines
	}, s.text.Bytes())
	if err != nil {
		r.errorf(0, "", "is not INI: %q; plain lines of KEY = VALUE would be right", err)
		return nil
	}
	d := &document{sections: s.entries, order: s.order, used: map[string]bool{}}
	for _, e := range d.order {
		k, err := file.Section(e.section).GetKey(e.name)
		if err != nil {
			r.errorf(e.line, e.name, "can't be read: %q; a plain KEY = VALUE would be right", err)
			continue
		}
		e.value = joinLines(k.Value())
	}
	return d
}

// joinLines strips every line of a value, as Python does. go-ini keeps the space before a continuation line.
func joinLines(v string) string {
	lines := strings.Split(v, "\n")
	for i := range lines {
		lines[i] = strings.TrimFunc(lines[i], isSpace)
	}
	return strings.TrimRightFunc(strings.Join(lines, "\n"), isSpace)
}

// scanner tells headers, keys and continuation lines apart by the rules of RawConfigParser._read, Python 3.11.
type scanner struct {
	*report
	text     bytes.Buffer                 // for go-ini: [main] and [DEFAULT], without comments and indentation
	sections map[string]int               // line of each header
	names    []string                     // of the sections, as in the file
	entries  map[string]map[string]*entry // of [main] and [DEFAULT]
	order    []*entry
	lines    map[[2]string]int // line of each key of each section

	section string
	current *entry // the entry that a continuation line belongs to, nil after a header
	copying bool   // current is part of text
	indent  int    // of the last header or key

	homeless bool // there is a key before the first header
	full     bool // there are more than maxKeys keys
}

func scan(data []byte, r *report) *scanner {
	s := &scanner{
		report: r, sections: map[string]int{}, lines: map[[2]string]int{},
		entries: map[string]map[string]*entry{mainSection: {}, defaultSection: {}},
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text) // Python's universal newlines
	for i, line := range strings.Split(text, "\n") {
		s.line(i+1, line)
	}
	return s
}

func (s *scanner) line(n int, raw string) {
	text := strings.TrimFunc(raw, isSpace)
	indent := utf8.RuneCountInString(raw) - utf8.RuneCountInString(strings.TrimLeftFunc(raw, isSpace))
	switch {
	case text == "":
		s.continued(n, "")
	case text[0] == '#' || text[0] == ';':
	case !utf8.ValidString(raw):
		s.errorf(n, "", "is not UTF-8: %q; save the file as UTF-8", text)
		s.line(n, strings.ToValidUTF8(raw, "\ufffd")) // so that its key isn't reported as missing
	case s.current != nil && indent > s.indent:
		s.continued(n, text)
	default:
		s.indent = indent
		if end := strings.LastIndexByte(text, ']'); text[0] == '[' && end > 1 {
			s.header(n, text[1:end])
			return
		}
		s.key(n, text)
	}
}

// continued adds a line to the current value.
func (s *scanner) continued(n int, text string) {
	if s.current == nil {
		return
	}
	if s.current.more == 0 && text != "" {
		s.current.more = n
	}
	if s.copying {
		fmt.Fprintf(&s.text, " %s\n", text)
	}
}

func (s *scanner) header(n int, name string) {
	first, seen := s.sections[name]
	switch {
	case !seen:
		s.sections[name] = n
		s.names = append(s.names, name)
	case name != defaultSection: // Python allows [DEFAULT] more than once
		s.errorf(n, "", "section %q is there already, in line %d; merge the two", name, first)
	}
	s.section, s.current = name, nil
	if s.entries[name] != nil {
		fmt.Fprintf(&s.text, "[%s]\n", name)
	}
}

// key begins an entry.
func (s *scanner) key(n int, text string) {
	if len(s.sections) == 0 {
		if !s.homeless {
			s.errorf(n, "", "%q is before any section; put [%s] above it", text, mainSection)
		}
		s.homeless = true
		return
	}
	s.current, s.copying = &entry{section: s.section, line: n}, false // after an error its continuation is dropped
	i := strings.IndexAny(text, "=:")
	if i < 0 {
		right := "KEY = VALUE would be right"
		if calendar.BeginsWindow(text) {
			right = windowLine
		}
		s.errorf(n, "", "%q has neither = nor :; %s", text, right)
		return
	}
	name, value := strings.TrimFunc(text[:i], isSpace), strings.TrimFunc(text[i+1:], isSpace)
	if name == "" {
		s.errorf(n, "", "%q has no key; KEY = VALUE would be right", text)
		return
	}
	s.current.name = strings.ToLower(name)
	id := [2]string{s.section, s.current.name}
	if first, ok := s.lines[id]; ok {
		right := "keep one of the two"
		if severalLines(s.current.name) {
			right = "put all windows into one, with a ; between them"
		}
		s.errorf(n, s.current.name, "is there already, in line %d; %s", first, right)
		return
	}
	s.lines[id] = n
	section := s.entries[s.section]
	if section == nil {
		return // an ignored section
	}
	if what := misread(name, value); what != "" {
		s.errorf(n, s.current.name, "%s", what)
		s.current.bad = true
		section[s.current.name] = s.current
		return
	}
	if len(s.order) == maxKeys {
		if !s.full {
			s.errorf(n, s.current.name, "is one key more than the %d that are read; split other data off", maxKeys)
		}
		s.full = true
		return
	}
	section[s.current.name], s.copying = s.current, true
	s.order = append(s.order, s.current)
	fmt.Fprintf(&s.text, "%s = %s\n", name, value)
}

// misread says what is wrong with a key or a value that go-ini and Python read differently; "" if nothing is.
func misread(name, value string) string {
	lower := strings.ToLower(name)
	switch {
	case strings.ContainsRune("\"`[", rune(name[0])) || name == "-":
		return fmt.Sprintf("%q is no key; a plain word would be right", name)
	case isASCII(lower) && !isASCII(name):
		return fmt.Sprintf("%q is not in plain letters; write %s", name, lower)
	case strings.HasPrefix(value, "`") || strings.HasPrefix(value, `"""`):
		return fmt.Sprintf("%q begins with a quote, which belongs to the value; leave the quotes out", value)
	}
	return ""
}

// checkSections reports sections that don't count. It returns whether there is a [main].
func (s *scanner) checkSections() bool {
	_, ok := s.sections[mainSection]
	near := false
	for _, name := range s.names {
		switch {
		case s.entries[name] != nil:
		case !ok && isNearly(name, mainSection):
			near = true
			s.errorf(s.sections[name], "", "section %q is not [%s]; write [%s], in small letters and without spaces",
				name, mainSection, mainSection)
		default:
			s.warnf(s.sections[name], "", "section %q is ignored; only [%s] and [%s] are read",
				name, mainSection, defaultSection)
		}
	}
	if !ok && !near && !s.homeless {
		s.errorf(0, "", "has no section [%s]; put [%s] above the keys", mainSection, mainSection)
	}
	return ok
}

// isNearly reports whether name differs from want only in case, or in spaces around it.
func isNearly(name, want string) bool {
	return name != want && strings.EqualFold(strings.TrimSpace(name), want)
}

// isSpace is Python's str.isspace, which has four control characters more than Go's.
func isSpace(c rune) bool { return unicode.IsSpace(c) || '\x1c' <= c && c <= '\x1f' }

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c >= utf8.RuneSelf })
}
