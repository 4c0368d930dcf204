package cli

import (
	"errors"
	"fmt"
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

func (cmd *configCheckCmd) Run(p *Process, path configPath) error {
	c, err := p.loadFor(path)
	if err != nil {
		return err
	}
	checks := offlineChecks
	if !cmd.Offline {
		checks = append(checks[:len(checks):len(checks)], check{"Foreman", checkForeman})
	}
	var worst error
	for _, one := range checks {
		finding, err := one.do(p, c)
		if err == nil {
			fmt.Fprintf(p.Stdout, "ok: %s: %s\n", one.about, finding)
			continue
		}
		var doubt *doubtError
		if errors.As(err, &doubt) {
			fmt.Fprintf(p.Stderr, "foreman-dlm-updater: warning: %s: %v\n", one.about, err)
			continue
		}
		report(p.Stderr, fmt.Errorf("%s: %w", one.about, err), "")
		if worst == nil {
			worst = err
		}
	}
	if worst != nil {
		return &toldError{worst}
	}
	fmt.Fprintf(p.Stdout, "%s is fine\n", c.Path)
	return nil
}

// check is one thing that `config check` looks at. It returns what it found to be right.
type check struct {
	about string
	do    func(*Process, *config.Config) (string, error)
}

// doubtError is a finding that a person should know of, and that stops no run.
type doubtError struct{ error }
