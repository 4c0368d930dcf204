package workflow

import (
	"context"
	"fmt"
	"strings"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
)

const (
	firstRebootBackoff = 5 * time.Second
	maxRebootBackoff   = time.Minute
)

// reboot asks for a reboot. While another program keeps the host from being shut down, it asks again until
// reboot_timeout; between two tries the state on disk says that the reboot command failed.
func (r *run) reboot(ctx context.Context) (outcome, error) {
	deadline, lastBy := time.Now().Add(r.RebootTimeout), ""
	for backoff := firstRebootBackoff; ; backoff = min(2*backoff, maxRebootBackoff) {
		inhibitors, err := r.tryReboot(ctx)
		left := time.Until(deadline)
		switch {
		case err == nil:
			return rebooting, nil
		case len(inhibitors) == 0:
			return "", err
		case left <= 0:
			return "", fmt.Errorf("%w; gave up after %s (reboot_timeout), shutdown blocked by %s", err, r.RebootTimeout,
				list(inhibitors))
		}
		r.reopenStep()
		if err := r.save(); err != nil {
			return "", &saveError{err}
		}
		if by := list(inhibitors); by != lastBy {
			lastBy = by
			r.Log.Warn("reboot inhibited; trying again", "by", by, "for", left.Round(time.Second), "error", err)
		}
		if !lock.Sleep(ctx, min(backoff, left)) {
			return "", errStopped
		}
		if err := r.guard(ctx); err != nil { // the last look at the lock was long ago
			return "", err
		}
	}
}

func list(inhibitors []Inhibitor) string {
	var all []string
	for _, one := range inhibitors {
		all = append(all, one.String())
	}
	return strings.Join(all, ", ")
}

// tryReboot asks once for a reboot. Before the command runs, it saves that, with the identity of the current boot: only
// an invocation in another boot goes on with post_update. If the command fails, it returns the programs that keep the
// host from being shut down.
func (r *run) tryReboot(ctx context.Context) ([]Inhibitor, error) {
	if r.Reboots >= r.MaxReboots {
		return nil, fmt.Errorf("this run has asked for %d reboots (max_reboots), and the host has not rebooted: "+
			"reboot it by hand, or let the run ask again with `foreman-dlm-updater state set reboot`", r.Reboots)
	}
	uptime, err := r.Host.Uptime()
	if err != nil {
		return nil, err
	}
	before := r.inhibitors(ctx) // an inhibitor may be gone when the command has failed
	previous := r.Asked
	r.Stage, r.Boot = r.row.next[rebooting], nil
	r.Asked = &state.Asked{Time: time.Now(), Boot: r.boot, Uptime: uptime}
	r.Reboots++
	r.endStep(nil)
	if err := r.save(); err != nil {
		r.Stage = r.row.stage
		return nil, &saveError{err}
	}
	if !r.rebootTold { // once, even if the command fails and is tried again
		r.rebootTold = true
		r.tell(Event{Kind: Rebooting})
	}
	if lost := r.lock.Lost(); lost != nil { // the save may have taken long
		r.Stage, r.Asked, r.held = r.row.stage, previous, No // fail saves it
		r.Reboots--
		return nil, lost
	}
	if ctx.Err() != nil { // the state says that a reboot was asked for, but the command has not run
		r.Stage, r.Asked = r.row.stage, previous
		r.Reboots--
		r.reopenStep()
		if err := r.save(); err != nil {
			return nil, &saveError{err}
		}
		return nil, errStopped
	}
	r.Log.Info("rebooting", "run", r.RunID, "reboots", r.Reboots)
	r.ranSomething = true
	err = r.Host.Reboot()
	switch {
	case err == nil:
	case ctx.Err() != nil:
		// A shutdown ends both this program and the command, so the command's failure means nothing. If the host stays up
		// after all, the next invocation notices.
		r.Log.Warn("reboot command cut short by a signal, as a shutdown sends it", "error", err)
	default:
		r.Stage = r.row.stage // the caller saves it
		r.Reboots--
		inhibitors := r.inhibitors(ctx)
		if len(inhibitors) == 0 {
			inhibitors = before
		}
		return inhibitors, fmt.Errorf("reboot command: %w", err)
	}
	return nil, nil
}

// inhibitors lists the programs that keep the host from being shut down, and tells the observer.
func (r *run) inhibitors(ctx context.Context) []Inhibitor {
	all := r.Host.Inhibitors(ctx)
	r.tell(Event{Kind: Inhibited, Inhibitors: all})
	return all
}
