package main

import (
	"fmt"
	"io"
	"path/filepath"

	"foreman-dlm-updater/internal/sandbox"
)

// issueCmd makes client certificates.
type issueCmd struct {
	Dir          string   `required:"" placeholder:"DIR" help:"Directory of the throw-away CA; made if it is not there."`
	ForemanURL   string   `default:"https://127.0.0.1:8443" placeholder:"URL" help:"Where the server listens, for the settings (default ${default})."`
	FleetLockURL string   `name:"fleetlock-url" placeholder:"URL" help:"Print settings for a FleetLock server that listens there, in place of Foreman."`
	Host         []string `arg:"" help:"Names of the hosts, which become the CNs of their certificates."`
}

// Run prints a block of settings for each host.
func (c *issueCmd) Run(stdout io.Writer) error {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return fmt.Errorf("find directory of the CA: %w", err)
	}
	ca, err := sandbox.NewCA(dir)
	if err != nil {
		return err
	}
	unlock, err := ca.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	for _, host := range c.Host {
		cert, key, err := ca.Issue(host, sandbox.IssueOptions{})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(stdout, "# %s\n%s\nclient_crt = %s\nclient_key = %s\nca = %s\n",
			host, c.server(), cert, key, ca.File())
		if err != nil {
			return fmt.Errorf("print settings: %w", err)
		}
	}
	return nil
}

// server is the setting that says where the lock server listens.
func (c *issueCmd) server() string {
	if c.FleetLockURL != "" {
		return "lock_server = fleetlock\nfleetlock_url = " + c.FleetLockURL
	}
	return "foreman_url = " + c.ForemanURL
}
