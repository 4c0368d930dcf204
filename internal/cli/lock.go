package cli

import (
	"errors"
	"fmt"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"
)

// lockName returns the lock of the run in progress, or the configured one. It also works if the state can't be read.
func (p *Process) lockName(c *config.Config) string {
	record, err := state.Store{Path: c.State}.Load()
	if err != nil {
		fmt.Fprintf(p.Stderr, "foreman-dlm-updater: warning: %v; taking the lock_name of %s\n", err, c.Path)
	}
	if record.InProgress() && record.Lock != "" {
		return record.Lock
	}
	return c.LockName
}

type lockShowCmd struct{}

func (*lockShowCmd) Run(p *Process, path configPath) error {
	c, err := p.loadFor(path)
	if err != nil {
		return err
	}
	name := p.lockName(c)
	view, err := lookAt(c, name, lock.Options{}, requests{c.HTTPTimeout, c.HTTPRetries}).Look(p.Context)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.Stdout, holder(c, name, view))
	return nil
}

type lockAcquireCmd struct {
	Wait bool `help:"Wait until it is free, as a run does."`
}

func (cmd *lockAcquireCmd) Run(p *Process, path configPath) error {
	c, unlock, err := p.loadAlone(path)
	if err != nil {
		return err
	}
	defer unlock()
	name := p.lockName(c)
	log, closeLog, err := p.consoleLog()
	if err != nil {
		return err
	}
	defer closeLog()
	// This look is only for the message below. The lock is claimed and verified in any case: a release that got no answer
	// may still take effect. If this look fails, TakeLock returns the error.
	before, _ := lookAt(c, name, lock.Options{}, requests{timeout: c.HTTPTimeout}).Look(p.Context)
	if err := newWorkflow(p, c, log, nil).TakeLock(p.Context, name, cmd.Wait); err != nil {
		return err
	}
	closeLog()
	what := "acquired"
	if before.Self {
		what = "was this host's already"
	}
	if before.Self && !before.Since.IsZero() {
		what += ", since " + clock(before.Since)
	}
	if record, err := (state.Store{Path: c.State}).Load(); err == nil && record.InProgress() {
		fmt.Fprintf(p.Stdout, "lock %s %s: a run is on record (stage %s), and the next invocation goes on with it "+
			"and releases the lock\n", name, what, record.Stage)
		return nil
	}
	fmt.Fprintf(p.Stdout, "lock %s %s: no host of the cluster, this one included, begins an update until %s\n", name, what,
		p.withConfig("`foreman-dlm-updater lock release`"))
	return nil
}

type lockReleaseCmd struct{}

// manualReleaseTimeout is how long a person is kept waiting for a release.
const manualReleaseTimeout = 30 * time.Second

func (*lockReleaseCmd) Run(p *Process, path configPath) error {
	c, unlock, err := p.loadAlone(path)
	if err != nil {
		return err
	}
	defer unlock()
	record, _ := state.Store{Path: c.State}.Load() // lockName warns of an error
	if err := otherConfigs(record, c, "lock release"); err != nil {
		return err
	}
	name := p.lockName(c)
	// Confirm comes first, and fails at once: with a wrong certificate nobody should wait for the release to give up.
	var view lock.View
	options := lock.Options{Origin: workflow.OriginOf(record), Heard: func(seen lock.View, _ error) { view = seen }}
	err = lookAt(c, name, options, requests{c.HTTPTimeout, c.HTTPRetries}).Confirm(p.Context)
	var lost *lock.Lost
	switch {
	case err == nil:
	case !errors.As(err, &lost):
		return err
	case view.Holder == "":
		fmt.Fprintf(p.Stdout, "lock %s is free; nothing to release\n", name)
		return nil
	case options.Origin != nil && view.Holder == options.Origin.Holder:
		return fmt.Errorf("release lock %q: it is held by %s, which was this run's own name when it took the lock: "+
			"an administrator has to free it in %s (%s)", name, view.Holder, lockServer(c).Server, lockServer(c).Where)
	default:
		return fmt.Errorf("release lock %q: it is held by %s, and only that host, or an administrator in %s, can release it",
			name, view.Holder, lockServer(c).Server)
	}
	log, closeLog, err := p.consoleLog()
	if err != nil {
		return err
	}
	defer closeLog()
	c.ReleaseTimeout = manualReleaseTimeout
	if err := newWorkflow(p, c, log, nil).ReleaseLock(p.Context, name); err != nil {
		return err
	}
	closeLog()
	fmt.Fprintf(p.Stdout, "lock %s released\n", name)
	if record.InProgress() {
		fmt.Fprintf(p.Stdout, "a run is still on record (stage %s): the next invocation takes the lock again and goes on; "+
			"to forget it: %s\n", record.Stage, p.withConfig("foreman-dlm-updater state clear"))
		p.warnOutOfService(record)
	}
	return nil
}
