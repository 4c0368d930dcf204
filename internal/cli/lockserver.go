package cli

import (
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/foreman"
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
func lockServer(*config.Config) protocol { return protocol{foreman.Wording, openForeman} }

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
