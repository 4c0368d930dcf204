package cli

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/configcheck"
	"foreman-dlm-updater/internal/lock"

	"github.com/alecthomas/kong"
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
	Offline bool `help:"Do not ask the lock server."`
}

// Run reports everything that it finds. It checks the host even if the configuration can't be used.
func (cmd *configCheckCmd) Run(p *Process, path configPath) error {
	if text := notRoot(os.Geteuid()); text != "" {
		fmt.Fprintf(p.Stderr, "foreman-dlm-updater: %s\n", text)
	}
	c, problems, err := loadAll(path)
	sum := configcheck.Summary{Warnings: p.warn(problems)}
	if err != nil {
		p.reportNow(err, hint(err))
		sum.Worst, sum.Errors = err, max(1, len(problems)-sum.Warnings)
	}
	options := checkOptions(c)
	if cmd.Offline {
		options.Look = nil
	}
	for found := range configcheck.Run(p.Context, options) {
		p.printFinding(found)
		sum.Add(found)
	}
	fmt.Fprintln(p.Stdout, sum.Line(string(path)))
	if sum.Worst != nil {
		return &toldError{sum.Worst}
	}
	return nil
}

// checkOptions returns the options for a check of this host. c is nil if the configuration can't be used.
func checkOptions(c *config.Config) configcheck.Options {
	return configcheck.Options{
		Config:  c,
		Library: DefaultLibrary,
		Certificate: func() (*x509.Certificate, error) {
			pair, _, err := credentials(c).Load()
			if err != nil {
				return nil, &config.Error{Err: err}
			}
			return pair.Leaf, nil
		},
		Look: func(ctx context.Context, name string) (string, bool, error) {
			l := lookAt(c, name, lock.Options{}, requests{timeout: c.HTTPTimeout})
			view, err := l.Look(ctx)
			if errors.Is(err, lock.ErrNoLook) {
				return fmt.Sprintf("this host is %q there; the first run shows whether it has a group %q, since %s",
					l.Origin().Client, name, lockServer(c).NoLook), true, nil
			}
			if err != nil || !view.Exists {
				return "", false, err
			}
			return holder(c, name, view), true, nil
		},
		Resumes: resumes,
	}
}

// resumes reads a command line. If it goes on with a run after a boot, resumes returns the configuration that it names.
// It returns "" if it does not, or if the command line does not tell.
func resumes(args []string) (config string) {
	var g grammar
	parser, err := g.parser(kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) {}))
	if err != nil {
		return ""
	}
	if _, err := parser.Parse(args); err != nil || !g.Run.AfterReboot || strings.Contains(g.Config, "$") {
		return ""
	}
	return g.Config
}

// notRoot is a warning for whoever checks without being root; "" for root.
func notRoot(euid int) string {
	if euid == 0 {
		return ""
	}
	return fmt.Sprintf("run it as root to see everything: a run is started by root, and uid %d may not read or write all "+
		"its files, so some of the problems below may not exist for root", euid)
}

// printFinding prints the finding of one check.
func (p *Process) printFinding(found configcheck.Finding) {
	switch {
	case found.Err != nil:
		p.reportNow(fmt.Errorf("%s: %w", found.About, found.Err), "")
	case len(found.Advice) > 0:
		for _, one := range found.Advice {
			fmt.Fprintf(newOutput(p.Stderr, nil), "foreman-dlm-updater: warning: %s: %s\n", found.About,
				p.withConfig(one.String()))
		}
	default:
		fmt.Fprintf(p.Stdout, "ok: %s: %s\n", found.About, found.Fine)
	}
}
