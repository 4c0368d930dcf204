package cli

import (
	"fmt"
	"slices"
	"time"

	"foreman-dlm-updater/internal/byhand"
	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"
)

type lockAcquireCmd struct {
	Reason reason `placeholder:"TEXT" help:"Why, for the others: a run of this host that begins meanwhile says so."`
	Wait   bool   `help:"Wait until it is free, as a run does."`
}

// Run asks neither gates nor the failure budget, and no pause, freeze or window: a person may need the lock just to fix
// what those complain of.
func (cmd *lockAcquireCmd) Run(p *Process, path configPath) error {
	c, unlock, err := p.loadAlone(path)
	if err != nil {
		return err
	}
	defer unlock()
	earlier, err := cmd.stillHeld(p, c)
	if err != nil {
		return err
	}
	record, _ := state.Store{Path: c.State}.Load()
	// A run that waits for the lock does not have it yet: when it goes on, it must find that a person has it.
	runHasLock := record.InProgress() && workflow.HasLock(record.Stage)
	name, slots, err := cmd.which(p, c, record, earlier)
	if err != nil {
		return err
	}
	if origin := workflow.OriginOf(record); runHasLock && lockServer(c).NoLook != "" {
		// The run does not take a lock of another server for its own, and would not release it.
		l := lookAt(c, name, lock.Options{Origin: origin}, requests{c.HTTPTimeout, c.HTTPRetries})
		if now := lookAt(c, name, lock.Options{}, requests{}).Origin(); origin != nil && origin.Differs(now) {
			return l.Confirm(p.Context) // it says so, and asks nobody
		}
	}
	log, closeLog, err := p.consoleLog()
	if err != nil {
		return err
	}
	defer closeLog()
	// This look is only for the message below. The lock is claimed and verified in any case: a release that got no answer
	// may still take effect. If this look fails, TakeLock returns the error.
	before, _ := lookAt(c, name, lock.Options{}, requests{timeout: c.HTTPTimeout}).Look(p.Context)
	work, how := newWorkflow(p, c, log, nil), workflow.ByHand{Name: name, Slots: slots, Wait: cmd.Wait,
		Has: runHasLock || earlier != nil}
	hand := &byHand{hold: byhand.Hold{Reason: string(cmd.Reason), Since: time.Now(), By: login()}, before: earlier,
		file: byhand.Beside(c.State)}
	if earlier != nil && earlier.Command == nil && cmd.Reason == "" {
		hand.hold = *earlier
	}
	var l workflow.Lock
	if runHasLock { // the run releases it
		l, err = work.TakeLock(p.Context, how)
	} else {
		l, err = hand.take(p.Context, p, work, how)
	}
	if err != nil {
		return err
	}
	if record.InProgress() && record.Story != nil && !(record.Story.Released.IsZero() && record.Story.Lost.IsZero()) {
		record.Story.LockTaken() // else `status` would still say so
		if err := (state.Store{Path: c.State}).Save(*record); err != nil {
			fmt.Fprintf(p.Stderr, "foreman-dlm-updater: warning: %v\n", err)
		}
	}
	closeLog()
	what, name := "acquired", l.Name()
	if before.Self {
		what = "was this host's already"
	}
	if before.Self && !before.Since.IsZero() {
		what += ", since " + clock(before.Since)
	}
	if runHasLock {
		fmt.Fprintf(p.Stdout, "lock %s %s: a run is on record (stage %s), and the next invocation goes on with it "+
			"and releases the lock\n", name, what, record.Stage)
		return nil
	}
	release := p.withConfig("`foreman-dlm-updater lock release`")
	if c.LockSlots > 1 {
		fmt.Fprintf(p.Stdout, "lock %s %s: this host begins no update until %s; it is one of %d slots (lock_slots), and "+
			"other hosts may still update\n", name, what, release, c.LockSlots)
		return nil
	}
	if lockServer(c).NoLook != "" {
		fmt.Fprintf(p.Stdout, "lock %s %s: this host begins no update until %s; other hosts may still update if the "+
			"server has more slots\n", name, what, release)
		return nil
	}
	fmt.Fprintf(p.Stdout, "lock %s %s: no host of the cluster, this one included, begins an update until %s\n", name, what,
		release)
	return nil
}

// stillHeld returns the record of a lock that a person has; nil: there is none, or the lock server says that it is not
// this host's any more. A lock that is no slot any more keeps nobody else from updating: it has to be released first.
func (cmd *lockAcquireCmd) stillHeld(p *Process, c *config.Config) (*byhand.Hold, error) {
	hold, lost, elsewhere, err := p.heldByHand(c)
	switch {
	case hold == nil || lost != nil || err != nil:
		return nil, err
	case elsewhere != nil: // the new record would take the place of the only one of that lock
		return nil, elsewhere
	case !slices.Contains(workflow.Slots(c.LockName, c.LockSlots), hold.Lock):
		return nil, &lock.NotByRun{Lock: hold.Lock, Config: c.Path, Who: hold.Who()}
	}
	return hold, nil
}

// which says which lock to take: the one of the run on record, or the one that this host already holds, or any slot.
func (cmd *lockAcquireCmd) which(p *Process, c *config.Config, record *state.Record, earlier *byhand.Hold,
) (name string, slots []string, err error) {
	name = p.lockName(c)
	slots = workflow.Slots(c.LockName, c.LockSlots)
	switch {
	case record.InProgress() && workflow.HasLock(record.Stage):
		return name, nil, nil
	case earlier != nil:
		return earlier.Lock, nil, nil
	case record.InProgress() && slices.Contains(slots, name): // the run may have asked for it already
		return name, nil, nil
	case c.LockSlots == 1:
		return c.LockName, nil, nil
	}
	own, err := ownSlot(p.Context, c)
	if own != "" || err != nil {
		return own, nil, err
	}
	return c.LockName, slots, nil
}
