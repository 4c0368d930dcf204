package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"foreman-dlm-updater/internal/config"
)

type configShowCmd struct{}

func (*configShowCmd) Run(p *Process, path configPath) error {
	c, err := p.loadFor(path)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(p.Stdout, 0, 4, 2, ' ', 0)
	for _, v := range c.Values() {
		fmt.Fprintf(table, "%s\t= %s\t# %s\n", v.Key, v.Value, v.Origin)
	}
	return table.Flush()
}

type configCheckCmd struct {
	Offline bool `help:"Do not ask Foreman."`
}

// Run reports all that it finds. What is wrong with the host is reported beside a configuration that can't be used.
func (cmd *configCheckCmd) Run(p *Process, path configPath, all *hooksCmd) error {
	if text := notRoot(os.Geteuid()); text != "" {
		fmt.Fprintf(p.Stderr, "foreman-dlm-updater: %s\n", text)
	}
	c, problems, err := load(path)
	host := here(all.Library)
	sum := tally{warnings: p.warn(problems)}
	var checks []check
	if err != nil {
		report(p.Stderr, err, hint(err))
		sum.worst, sum.errors = err, max(1, len(problems)-sum.warnings)
	} else {
		checks = append(checks, offlineChecks...)
		if !cmd.Offline {
			checks = append(checks, check{"Foreman", checkForeman}, check{"Foreman's name", within(patience, host.checkName)})
		}
	}
	for _, one := range append(checks, host.checks(p.Context, c != nil)...) {
		finding, err := one.do(p, c)
		sum.add(p, one.about, finding, err)
	}
	fmt.Fprintln(p.Stdout, sum.line(string(path)))
	if sum.worst != nil {
		return &toldError{sum.worst}
	}
	return nil
}

// notRoot is what whoever checks without being root has to know first; empty for root.
func notRoot(euid int) string {
	if euid == 0 {
		return ""
	}
	return fmt.Sprintf("run it as root to see everything: a run is root's, and uid %d may not read or write all that a run does, so some of "+
		"what follows may be right for root", euid)
}

// tally is what `config check` has found. worst, the first error, sets the exit code.
type tally struct {
	errors, warnings int
	worst            error
}

// add prints and counts what a check says.
func (t *tally) add(p *Process, about, finding string, err error) {
	var found doubts
	switch {
	case err == nil:
		fmt.Fprintf(p.Stdout, "ok: %s: %s\n", about, finding)
	case errors.As(err, &found):
		for _, one := range found {
			fmt.Fprintf(newOutput(p.Stderr, nil), "foreman-dlm-updater: warning: %s: %s\n", about, one)
		}
		t.warnings += len(found)
	default:
		report(p.Stderr, fmt.Errorf("%s: %w", about, err), "")
		t.errors++
		if t.worst == nil {
			t.worst = err
		}
	}
}

// line is the last one.
func (t *tally) line(path string) string {
	switch {
	case t.errors > 0:
		return fmt.Sprintf("%s: %s, %s", path, count(t.errors, "error"), count(t.warnings, "warning"))
	case t.warnings > 0:
		return fmt.Sprintf("%s is fine, with %s", path, count(t.warnings, "warning"))
	}
	return path + " is fine"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// check is one thing that `config check` looks at. It returns what it found to be right; an error that is doubts stops no run.
type check struct {
	about string
	do    func(*Process, *config.Config) (string, error)
}

// doubt is something that a person should know of, and the command that fixes it; empty if the doubt says it, or there is none.
type doubt struct{ what, fix string }

func (d doubt) String() string {
	if d.fix == "" {
		return d.what
	}
	return d.what + "; fix it with: " + d.fix
}

// doubts stop no run.
type doubts []doubt

func (d doubts) Error() string {
	lines := make([]string, len(d))
	for i, one := range d {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

func (d *doubts) add(what, fix string) { *d = append(*d, doubt{what, fix}) }

// orNone is an error if there are any.
func (d doubts) orNone() error {
	if len(d) == 0 {
		return nil
	}
	return d
}
