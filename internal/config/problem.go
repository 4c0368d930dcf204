package config

import (
	"errors"
	"fmt"
	"strconv"

	"foreman-dlm-updater/internal/file"
)

// Problem is one thing in the file that a person should fix.
type Problem struct {
	File    string // absolute path
	Line    int    // 0 if it is not about one line
	Key     string // "" if it is not about one key
	Text    string // what is wrong; what would be right
	Warning bool   // the Config can be used all the same
}

// String returns "FILE:LINE: key: what is wrong; what would be right".
func (p Problem) String() string {
	s := p.File
	if p.Line > 0 {
		s += fmt.Sprintf(":%d", p.Line)
	}
	if p.Key != "" {
		s += ": " + printable(p.Key)
	}
	return s + ": " + p.Text
}

// printable quotes a key that has control characters, which could upset a terminal.
func printable(key string) string {
	if file.Escape(key) != key {
		return strconv.Quote(key)
	}
	return key
}

// Error says that the configuration can't be used.
type Error struct{ Err error }

// Error returns the reason's text.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// report collects the problems of one file.
type report struct {
	file     string
	problems []Problem
}

func (r *report) errorf(line int, key, format string, args ...any) {
	r.problems = append(r.problems, Problem{r.file, line, key, fmt.Sprintf(format, args...), false})
}

func (r *report) warnf(line int, key, format string, args ...any) {
	r.problems = append(r.problems, Problem{r.file, line, key, fmt.Sprintf(format, args...), true})
}

// failed reports whether one of the problems is an error.
func (r *report) failed() bool {
	for _, p := range r.problems {
		if !p.Warning {
			return true
		}
	}
	return false
}

// origin returns where a value in that line came from; line 0 means that it is a default.
func (r *report) origin(line int) string {
	if line == 0 {
		return "default"
	}
	return fmt.Sprintf("%s:%d", r.file, line)
}

// parse gives text to k's parser, reports its error, and returns the value as config show prints it.
func (r *report) parse(k key, line int, text string) (shown string, ok bool) {
	shown, err := k.set(text)
	var w warning
	switch {
	case errors.As(err, &w):
		r.warnf(line, k.name, "%s", w)
	case err != nil:
		r.errorf(line, k.name, "%s", err)
		return "", false
	}
	return shown, true
}

// nearest returns the name with the smallest edit distance to s, the first of several.
func nearest(s string, names []string) string {
	best, least := "", -1
	for _, n := range names {
		if d := distance(s, n); least < 0 || d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
