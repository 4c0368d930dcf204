package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"foreman-dlm-updater/internal/sandbox"
)

// foremanFlags are about a server that answers as Foreman.
type foremanFlags struct {
	Contention        time.Duration `placeholder:"5ms" help:"Up to how long they wait before the check and after the write: they can answer 500 if another host changes the lock meanwhile."`
	Guarded           bool          `help:"Answer as if Foreman's database had the guard: 500 to whoever loses a race."`
	AdminPasswordFile string        `placeholder:"FILE" help:"The password of the user admin, who may change locks (default: changeme)."`
}

// mustBeUnset refuses the flags that make no sense for a FleetLock server.
func (c *foremanFlags) mustBeUnset() error {
	if c.Contention != 0 || c.Guarded || c.AdminPasswordFile != "" {
		return errors.New("--contention, --guarded and --admin-password-file are not for --fleetlock")
	}
	return nil
}

// asForeman makes the stand-in for Foreman.
func (c *serveCmd) asForeman(out *printer, record *recorder) (standIn, error) {
	opts := sandbox.Options{Window: c.window, Guarded: c.Guarded, Record: func(e sandbox.Event) { record.write(e) }}
	var err error
	if opts.AdminPassword, err = c.adminPassword(); err != nil {
		return standIn{}, err
	}
	before, err := restored[sandbox.Event](record)
	if err != nil {
		return standIn{}, err
	}
	if err := record.open(); err != nil {
		return standIn{}, err
	}
	var s *sandbox.Server
	opts.Answered = func(r sandbox.Request) { out.request(s, r) }
	s = sandbox.New(opts)
	s.Restore(before)
	faults, err := foremanFaults(c.Fault)
	for _, f := range faults {
		s.Inject(f)
	}
	return standIn{s, "administrator: " + c.administrator()}, err
}

// foremanFaults reads the faults on the command line.
func foremanFaults(texts []string) ([]sandbox.Fault, error) {
	return parseFaults(texts, func(f fault) (out sandbox.Fault, err error) {
		out = sandbox.Fault{Times: f.times, Delay: f.delay, Location: nowhere}
		if out.Method = strings.ToUpper(f.method); out.Method == "ANY" {
			out.Method = ""
		} else if !slices.Contains([]string{http.MethodGet, http.MethodPut, http.MethodDelete}, out.Method) {
			return out, errors.New("method must be GET, PUT, DELETE or any")
		}
		out.Kind, err = sandbox.ParseFaultKind(f.kind)
		return out, err
	})
}

// window is how long a request waits in a gap.
func (c *serveCmd) window(_ context.Context, _, _ string, gap sandbox.Gap) time.Duration {
	switch {
	case gap == sandbox.BeforeWrite:
		return c.RaceWindow
	case c.Contention > 0:
		return rand.N(c.Contention)
	}
	return 0
}

// defaultPassword is public: nothing here is worth a secret.
const defaultPassword = "changeme"

// adminPassword is the default one, or the one in the file.
func (c *foremanFlags) adminPassword() (string, error) {
	if c.AdminPasswordFile == "" {
		return defaultPassword, nil
	}
	text, err := os.ReadFile(c.AdminPasswordFile)
	if err != nil {
		return "", fmt.Errorf("read admin password: %w", err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", fmt.Errorf("read admin password: %s is empty", c.AdminPasswordFile)
	}
	return password, nil
}

// administrator says which user may change locks.
func (c *foremanFlags) administrator() string {
	if c.AdminPasswordFile == "" {
		return "admin, password " + defaultPassword
	}
	return "admin, with the password in " + c.AdminPasswordFile
}
