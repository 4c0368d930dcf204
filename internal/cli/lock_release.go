package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"foreman-dlm-updater/internal/byhand"
	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"

	"golang.org/x/sys/unix"
)

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
	hold, err := byhand.Beside(c.State).Read()
	if err != nil {
		fmt.Fprintf(p.Stderr, "foreman-dlm-updater: warning: %v; it is removed\n", err)
		if err := byhand.Beside(c.State).Remove(); err != nil {
			return err
		}
	}
	log, closeLog, err := p.consoleLog()
	if err != nil {
		return err
	}
	defer closeLog()
	c.ReleaseTimeout = manualReleaseTimeout
	r := &releasing{p, c, newWorkflow(p, c, log, nil)}
	name, origin := p.lockName(c), workflow.OriginOf(record)
	run := record.InProgress() && record.Lock != ""
	switch {
	case run:
	case hold != nil:
		name, origin = hold.Lock, originOf(hold)
	case c.LockSlots > 1:
		if name, err = ownSlot(p.Context, c); err != nil {
			return err
		}
	}
	flagsErr := r.flags(p.Context, record)
	switch {
	case name == "":
		fmt.Fprintf(p.Stdout, "this host holds none of the %d slots of lock %s; nothing to release\n", c.LockSlots,
			c.LockName)
	default:
		err = r.one(p.Context, name, origin, hold)
	}
	if run && hold != nil && hold.Lock != name {
		err = errors.Join(err, r.one(p.Context, hold.Lock, originOf(hold), hold))
	}
	if err = cmp.Or(err, flagsErr); err != nil {
		return err
	}
	closeLog()
	if run && record.Story != nil { // for `status`, where nobody can look at the lock
		record.Story.LockReleased()
		if err := (state.Store{Path: c.State}).Save(*record); err != nil {
			return err
		}
	}
	if record.InProgress() {
		fmt.Fprintf(p.Stdout, "a run is still on record (stage %s): the next invocation takes the lock again and goes on; "+
			"to forget it: %s\n", record.Stage, p.withConfig("foreman-dlm-updater state clear"))
		p.warnOutOfService(record)
	}
	return nil
}

// releasing is a `lock release` in progress.
type releasing struct {
	*Process
	config *config.Config
	work   *workflow.Workflow
}

// one releases a lock, and removes the record that a person has it.
func (r *releasing) one(ctx context.Context, name string, origin *lock.Origin, hold *byhand.Hold) error {
	forget := func() error {
		if hold == nil || hold.Lock != name {
			return nil
		}
		return byhand.Beside(r.config.State).Remove()
	}
	// A question comes first, and fails at once: with a wrong certificate nobody should wait for the release to give up.
	var view lock.View
	options := lock.Options{Origin: origin, Heard: func(seen lock.View, _ error) { view = seen }}
	l := lookAt(r.config, name, options, requests{r.config.HTTPTimeout, r.config.HTTPRetries})
	server, released := lockServer(r.config), "released"
	var err error
	if server.NoLook == "" {
		err = l.Confirm(ctx)
	} else if _, err = l.Look(ctx); errors.Is(err, lock.ErrNoLook) { // Confirm would take the lock
		err = nil
		if origin == nil {
			released += ", if this host had it: " + server.NoLook
		}
	}
	if hold != nil && hold.Lock == name {
		err = cmp.Or(takenElsewhere(r.config, hold, err), err)
	}
	var lost *lock.Lost
	switch {
	case err == nil:
	case !errors.As(err, &lost):
		return err
	case view.Holder == "":
		fmt.Fprintf(r.Stdout, "lock %s is free; nothing to release\n", name)
		return forget()
	case origin != nil && view.Holder == origin.Holder:
		return fmt.Errorf("release lock %q: it is held by %s, which was this run's own name when it took the lock: "+
			"an administrator has to free it in %s (%s)", name, view.Holder, server.Server, server.Where)
	default:
		return errors.Join(fmt.Errorf("release lock %q: it is held by %s, and only that host, or an administrator in %s, "+
			"can release it", name, view.Holder, server.Server), forget())
	}
	if err := r.work.ReleaseLock(ctx, name, origin); err != nil {
		if hold != nil && hold.Lock == name {
			err = cmp.Or(takenElsewhere(r.config, hold, err), err)
		}
		return err
	}
	fmt.Fprintf(r.Stdout, "lock %s %s\n", name, released)
	if hold != nil && hold.Lock == name && mayRun(*hold) {
		fmt.Fprintf(r.Stderr, "foreman-dlm-updater: warning: %s may still be running, and goes on without the lock\n",
			hold.Run())
	}
	return forget()
}

// mayRun reports whether the command of a `lock exec` that was killed may still be running. Its pid may be another
// process's by now.
func mayRun(hold byhand.Hold) bool {
	return hold.Ended == "" && hold.CommandPID > 0 && !errors.Is(unix.Kill(hold.CommandPID, 0), unix.ESRCH)
}

// flags lowers the flags of this host: it gives up the run that has failed, whichever slot that had.
func (r *releasing) flags(ctx context.Context, record *state.Record) error {
	var names []string
	if r.config.MaxFailed > 0 {
		names = workflow.Flags(r.config.LockName, r.config.LockSlots)
	}
	if record != nil {
		for _, flag := range record.Flags {
			if !slices.Contains(names, flag.Name) {
				names = append(names, flag.Name)
			}
		}
	}
	var raised, unknown []state.Flag
	var wrong error
	for _, name := range names {
		view, err := lookAt(r.config, name, lock.Options{}, requests{r.config.HTTPTimeout, r.config.HTTPRetries}).Look(ctx)
		switch {
		case err != nil: // that keeps neither the others nor the lock
			wrong = cmp.Or(wrong, err)
			unknown = append(unknown, state.Flag{Name: name})
		case view.Self:
			raised = append(raised, state.Flag{Name: name, Set: true})
		}
	}
	left := lowerFlags(ctx, r.Process, r.work, raised)
	if !record.InProgress() || len(record.Flags) == 0 {
		return wrong
	}
	for _, flag := range unknown {
		if slices.ContainsFunc(record.Flags, func(f state.Flag) bool { return f.Name == flag.Name }) {
			left = append(left, flag)
		}
	}
	record.Flags = left // if the run goes on and fails again, it raises its flag again
	return cmp.Or(wrong, state.Store{Path: r.config.State}.Save(*record))
}

// lowerFlags releases flags of this host, says so, and returns those that may still be up.
func lowerFlags(ctx context.Context, p *Process, work *workflow.Workflow, flags []state.Flag) (left []state.Flag) {
	left = work.LowerFlags(ctx, flags)
	for _, flag := range flags {
		if slices.Contains(left, flag) {
			fmt.Fprintf(p.Stderr, "foreman-dlm-updater: warning: flag %s may still be up, and other hosts then count this "+
				"one as failed; when the lock server answers again: %s\n", flag.Name,
				p.withConfig("`foreman-dlm-updater lock release`"))
		} else {
			fmt.Fprintf(p.Stdout, "flag %s lowered: other hosts no longer count this one as failed\n", flag.Name)
		}
	}
	return left
}
