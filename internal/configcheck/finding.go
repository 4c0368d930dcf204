package configcheck

import (
	"fmt"

	"foreman-dlm-updater/internal/config"
)

// Finding is the result of one check.
type Finding struct {
	// About names the thing that was checked, in a word or two.
	About string
	// Fine says what is right. It counts only if there is neither advice nor an error.
	Fine string
	// Advice is for problems that stop no run.
	Advice []Advice
	// Err is a *config.Error, or the error of Options.Look or Options.Certificate, unchanged.
	Err error
}

// fine is the finding that everything is right.
func fine(what string) Finding { return Finding{Fine: what} }

// advise is a finding with one piece of advice.
func advise(what, fix string) Finding { return Finding{Advice: []Advice{{what, fix}}} }

// unusable is the finding that the configuration can't be used.
func unusable(err error) Finding { return Finding{Err: &config.Error{Err: err}} }

func (f *Finding) advise(what, fix string) { f.Advice = append(f.Advice, Advice{what, fix}) }

// Advice is a problem that stops no run.
type Advice struct {
	What string
	Fix  string // the command that fixes it; "" if What says how, or if there is none
}

// String is a line for a person.
func (a Advice) String() string {
	if a.Fix == "" {
		return a.What
	}
	return a.What + "; fix it with: " + a.Fix
}

// Summary counts errors and warnings. The zero Summary has none.
type Summary struct {
	Errors, Warnings int
	// Worst is the first error, nil if there is none.
	Worst error
}

// Add counts a finding: an error, or a warning for each advice.
func (s *Summary) Add(f Finding) {
	if f.Err == nil {
		s.Warnings += len(f.Advice)
		return
	}
	s.Errors++
	if s.Worst == nil {
		s.Worst = f.Err
	}
}

// Line sums up the check of the configuration at path, in one line.
func (s Summary) Line(path string) string {
	switch {
	case s.Errors > 0:
		return fmt.Sprintf("%s: %s, %s", path, count(s.Errors, "error"), count(s.Warnings, "warning"))
	case s.Warnings > 0:
		return fmt.Sprintf("%s is fine, with %s", path, count(s.Warnings, "warning"))
	}
	return path + " is fine"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
