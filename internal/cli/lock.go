package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"foreman-dlm-updater/internal/byhand"
	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"
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

// ownSlot returns the slot that this host holds, if any is known, in the order of the slots.
func ownSlot(ctx context.Context, c *config.Config) (name string, err error) {
	for _, slot := range workflow.Slots(c.LockName, c.LockSlots) {
		view, err := lookAt(c, slot, lock.Options{}, requests{c.HTTPTimeout, c.HTTPRetries}).Look(ctx)
		switch {
		case errors.Is(err, lock.ErrNoLook): // nobody can tell
			return "", nil
		case err != nil:
			return "", err
		case view.Self:
			return slot, nil
		}
	}
	return "", nil
}

// handRecord is the record of a lock that a person has taken, for workflow.Workflow.
type handRecord struct{ byhand.File }

func handRecordOf(c *config.Config) handRecord { return handRecord{byhand.Beside(c.State)} }

func (h handRecord) Load() (*workflow.Holding, error) {
	hold, err := h.Read()
	if hold == nil || err != nil {
		return nil, err
	}
	return &workflow.Holding{Lock: hold.Lock, Origin: originOf(hold), Who: hold.Who()}, nil
}

func (h handRecord) Clear() error { return h.Remove() }

// originOf says which server was asked for a lock by hand.
func originOf(hold *byhand.Hold) *lock.Origin {
	if hold == nil || hold.Server == "" {
		return nil
	}
	return &lock.Origin{Server: hold.Server, Client: hold.Client}
}

// heldByHand returns the record of a lock that a person has; nil: there is none. lost: the lock server says that it is
// not this host's any more. elsewhere: another server would have to be asked. If nobody can tell, the record counts.
func (p *Process) heldByHand(c *config.Config) (hold *byhand.Hold, lost *lock.Lost, elsewhere, err error) {
	hold, err = byhand.Beside(c.State).Read()
	if hold == nil || err != nil {
		return nil, nil, nil, err
	}
	l := lookAt(c, hold.Lock, lock.Options{Origin: originOf(hold)}, requests{c.HTTPTimeout, c.HTTPRetries})
	err = l.Confirm(p.Context)
	errors.As(err, &lost)
	return hold, lost, takenElsewhere(c, hold, err), nil
}

// takenElsewhere returns the error for a lock that a person took at another server, or under another name, if that is
// what err says; nil: it says something else. The protocols know of runs only.
func takenElsewhere(c *config.Config, hold *byhand.Hold, err error) error {
	var elsewhere *lock.Elsewhere
	if hold == nil || !errors.As(err, &elsewhere) {
		return nil
	}
	now, server := lookAt(c, hold.Lock, lock.Options{}, requests{}).Origin(), lockServer(c)
	return &lock.Elsewhere{
		Text: fmt.Sprintf("lock %q was taken by hand at %s as %q (%s), and may still be held there; the configuration now "+
			"names %s and %q", hold.Lock, hold.Server, hold.Client, hold.Who(), now.Server, now.Client),
		Next: fmt.Sprintf("set %s back, then `foreman-dlm-updater lock release`; or free lock %s there (%s), and remove %s",
			server.Keys, hold.Lock, server.Where, byhand.Beside(c.State).Path),
	}
}

// byHand takes a lock for a person, and keeps the record of that.
type byHand struct {
	hold   byhand.Hold
	before *byhand.Hold // the record before that; nil: there was none
	file   byhand.File
	wrote  bool
}

// take takes the lock. The record is on the disk before the lock is asked for. If this host then certainly does not
// hold the lock, the record is removed.
func (b *byHand) take(ctx context.Context, p *Process, work *workflow.Workflow, how workflow.ByHand,
) (workflow.Lock, error) {
	var origin lock.Origin
	how.Announce = func(name string) error {
		b.hold.Lock, b.hold.Server, b.hold.Client = name, origin.Server, origin.Client
		b.wrote = true
		return b.file.Write(b.hold)
	}
	how.Waits = func(wait lock.Wait) {
		if how.Wait {
			fmt.Fprintf(p.Stderr, "foreman-dlm-updater: waiting: %s\n", wait.Why)
		}
	}
	origin = work.OpenLock(how.Name, lock.Options{}).Origin()
	l, err := work.TakeLock(ctx, how)
	var notNow *lock.NotNow
	if !how.Wait && ctx.Err() == nil && errors.As(err, &notNow) && notNow.Next == "" {
		err = &lock.NotNow{Text: err.Error(), Next: "with --wait it waits until that changes"}
	}
	if err == nil || !b.wrote {
		return l, err
	}
	var left error
	switch {
	case b.before != nil && (l.WasOurs() || how.Has):
		left = b.file.Write(*b.before)
	case l.WasOurs(), l.NotOurs():
		left = b.file.Remove()
	}
	return nil, errors.Join(err, left)
}

// nameExec adds what a `lock exec` does to the error that says that it is running; it changes no other error.
func nameExec(err error, c *config.Config) error {
	var running *host.RunningError
	if !errors.As(err, &running) {
		return err
	}
	hold, unclear := byhand.Beside(c.State).Read()
	if unclear != nil || hold == nil || hold.PID == 0 || running.PID != 0 && running.PID != hold.PID {
		return err
	}
	return fmt.Errorf("`lock exec` has lock %s, %s: %w", hold.Lock, hold.Who(), err)
}

type lockShowCmd struct{}

func (*lockShowCmd) Run(p *Process, path configPath) error {
	c, err := p.loadFor(path)
	if err != nil {
		return err
	}
	hold, err := byhand.Beside(c.State).Read()
	if err != nil {
		fmt.Fprintf(p.Stderr, "foreman-dlm-updater: warning: %v\n", err)
	}
	record, _ := state.Store{Path: c.State}.Load() // lockName warns of an error
	slots, first := workflow.Slots(c.LockName, c.LockSlots), p.lockName(c)
	switch {
	case c.LockSlots == 1 && c.MaxFailed == 0:
		slots = []string{first}
	case !slices.Contains(slots, first): // a run has it, and the configuration has changed since
		slots = append(slots, first)
	}
	if hold != nil && !slices.Contains(slots, hold.Lock) {
		slots = append(slots, hold.Lock)
	}
	holders := map[string]string{}
	for _, name := range slots {
		view, err := p.showLock(c, "lock", name, func(view lock.View) string {
			if view.Self && hold != nil && hold.Lock == name {
				return ", by hand: " + hold.Who()
			}
			if view.Self && record.InProgress() {
				return ""
			}
			return stale(c, view)
		})
		if err != nil {
			return err
		}
		holders[name] = view.Holder
	}
	if c.MaxFailed == 0 {
		return nil
	}
	for k, name := range workflow.Flags(c.LockName, c.LockSlots) {
		if _, err := p.showLock(c, "flag", name, func(view lock.View) string {
			if view.Holder == holders[slots[k]] {
				return ""
			}
			return leftBehind(c, slots[k], view)
		}); err != nil {
			return err
		}
	}
	return nil
}

// showLock prints a line about a lock or a flag. more says what the line adds about one that is held. If the protocol
// has no way to look, the line says what this host remembers, even if the server does not answer.
func (p *Process) showLock(c *config.Config, kind, name string, more func(lock.View) string) (lock.View, error) {
	view, err := lookAt(c, name, lock.Options{}, requests{c.HTTPTimeout, c.HTTPRetries}).Look(p.Context)
	if lockServer(c).NoLook != "" {
		if errors.Is(err, lock.ErrNoLook) {
			err = nil
		}
		s, unknown := examine(p.Context, c, true)
		if unknown != nil {
			return view, cmp.Or(err, unknown)
		}
		byHand := ""
		if hold, _ := byhand.Beside(c.State).Read(); hold != nil && hold.Lock == name {
			byHand = s.ByHand
		}
		if name != s.Lock.Name { // what this host remembers is about another lock
			s = &status.Status{At: s.At, Lock: status.Lock{Name: name, NoLook: true}, Wording: s.Wording, ByHand: byHand}
		}
		text := s.Holder()
		if byHand != "" {
			text += ", by hand: " + byHand
		}
		fmt.Fprintln(p.Stdout, p.withConfig(text))
		return view, err
	}
	if err != nil {
		return view, err
	}
	text := kind + strings.TrimPrefix(holder(c, name, view), "lock")
	if view.Holder != "" {
		text += more(view)
	}
	fmt.Fprintln(p.Stdout, p.withConfig(text))
	return view, nil
}

// stale says that nobody has refreshed a lock for a long time. A run refreshes its lock every lock_refresh.
func stale(c *config.Config, view lock.View) string {
	if c.LockRefresh == 0 || view.Since.IsZero() || time.Since(view.Since) <= 2*c.LockRefresh {
		return ""
	}
	text := fmt.Sprintf("; not refreshed for more than twice lock_refresh (%s): ", c.LockRefresh)
	if view.Self {
		return text + "if nobody needs it, `foreman-dlm-updater lock release`"
	}
	return text + fmt.Sprintf("nothing runs there, or that host is gone; look there, and if it is gone, free the lock in "+
		"%s (%s)", lockServer(c).Server, lockServer(c).Where)
}

// leftBehind says how to lower a flag whose slot its holder does not hold.
func leftBehind(c *config.Config, slot string, view lock.View) string {
	if view.Self {
		return fmt.Sprintf("; left behind, since this host does not hold lock %s: `foreman-dlm-updater lock release`", slot)
	}
	return fmt.Sprintf("; left behind, since that host does not hold lock %s: `foreman-dlm-updater lock release` there, "+
		"or free it in %s (%s)", slot, lockServer(c).Server, lockServer(c).Where)
}
