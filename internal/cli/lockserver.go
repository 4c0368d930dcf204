package cli

import (
	"errors"
	"fmt"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/fleetlock"
	"foreman-dlm-updater/internal/foreman"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/mtls"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

// protocol is a kind of lock server: the words for it in sentences, and the function that opens its locks.
type protocol struct {
	lock.Wording
	open func(*config.Config, hclog.Logger, requests) openLock
}

// openLock opens a lock, for workflow.Workflow.
type openLock func(name string, o lock.Options) workflow.Lock

// requests limits the requests to a lock server: the time of one try, and how often a request that can't have changed
// anything is repeated.
type requests struct {
	timeout time.Duration
	retries int
}

// lockServer returns the protocol of the configuration's lock server. Another protocol needs a case here and a function
// like openForeman.
func lockServer(c *config.Config) protocol {
	if c.LockServer == config.FleetLock {
		return protocol{fleetlock.Wording, openFleetLock}
	}
	return protocol{foreman.Wording, openForeman}
}

func openForeman(c *config.Config, log hclog.Logger, r requests) openLock {
	api := dlm.New(dlm.Options{URL: c.ForemanURL.String(), Files: credentials(c), Timeout: r.timeout, Retries: r.retries,
		Log: log})
	settings := foreman.Settings{
		Pace:           pace(c),
		Settle:         c.LockSettle,
		Refresh:        c.LockRefresh,
		ReleaseTimeout: c.ReleaseTimeout,
		Retries:        c.HTTPRetries,
	}
	return func(name string, o lock.Options) workflow.Lock { return foreman.Open(api, settings, log, name, o) }
}

func openFleetLock(c *config.Config, log hclog.Logger, r requests) openLock {
	api := fleetlock.NewClient(fleetlock.ClientOptions{URL: c.FleetLockURL.String(), Files: credentials(c),
		ID: fleetLockID(c), Timeout: r.timeout, Retries: r.retries, Log: log})
	settings := fleetlock.Settings{Pace: pace(c), Settle: c.LockSettle, ReleaseTimeout: c.ReleaseTimeout}
	return func(name string, o lock.Options) workflow.Lock { return fleetlock.Open(api, settings, log, name, o) }
}

// machineApp is this program's own: another one that derives an id from the same machine gets another id.
var machineApp = [16]byte{0x27, 0x9d, 0x5e, 0x0c, 0x8a, 0x41, 0x4f, 0x6b, 0x93, 0xe2, 0x1f, 0x7c, 0xd4, 0x60, 0xb5,
	0x38}

// fleetLockID returns a function that says what this host is called at a FleetLock server.
func fleetLockID(c *config.Config) func() (string, error) {
	return func() (string, error) {
		e := &lock.Error{Meaning: lock.ErrMisconfigured, Next: "set fleetlock_id"}
		switch {
		case c.FleetLockID != "":
			return c.FleetLockID, nil
		case c.ClientCert == "":
			if id := host.AppID(machineApp); id != "" {
				return id, nil
			}
			e.Err, e.Next = errors.New("/etc/machine-id has no id that stays"), e.Next+", or client_crt and client_key"
		default:
			cert, err := credentials(c).Leaf()
			if err == nil && cert.Subject.CommonName != "" {
				return cert.Subject.CommonName, nil
			}
			e.Err = fmt.Errorf("the certificate %s has no CN", c.ClientCert)
			if err != nil { // somebody may be renewing it
				e.Err, e.Renewing, e.Why, e.Next = err, true, "this host's certificate can't be read", ""
			}
		}
		e.Err = fmt.Errorf("find this host's name at the FleetLock server: %w", e.Err)
		return "", e
	}
}

// pace says how long to wait for a lock.
func pace(c *config.Config) lock.Pace {
	return lock.Pace{RetryInterval: c.LockRetryInterval, RetryJitter: c.LockRetryJitter, LockTimeout: c.LockTimeout}
}

// lookAt opens a lock for a command that only looks at it.
func lookAt(c *config.Config, name string, o lock.Options, r requests) workflow.Lock {
	return lockServer(c).open(c, hclog.NewNullLogger(), r)(name, o)
}

// credentials are the files for connecting to a lock server.
func credentials(c *config.Config) mtls.Files {
	return mtls.Files{
		Cert: mtls.File{ConfigKey: "client_crt", Path: c.ClientCert},
		Key:  mtls.File{ConfigKey: "client_key", Path: c.ClientKey},
		CA:   mtls.File{ConfigKey: "ca", Path: c.CA},
	}
}
