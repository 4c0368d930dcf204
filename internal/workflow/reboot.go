package workflow

import (
	"context"
	"fmt"
	"strings"
	"time"

	"foreman-dlm-updater/internal/state"
)

const (
	firstRebootBackoff = 5 * time.Second
	maxRebootBackoff   = time.Minute
)

// reboot asks for a reboot, and again until reboot_timeout while somebody keeps the host from being shut down. Between
// two tries the state on disk is that of a command which failed.
func (r *run) reboot(ctx context.Context) (outcome, error) {
	deadline, logged := time.Now().Add(r.RebootTimeout), ""
	for backoff := firstRebootBackoff; ; backoff = min(2*backoff, maxRebootBackoff) {
		inhibitors, err := r.tryReboot(ctx)
		left := time.Until(deadline)
		switch {
		case err == nil:
			return rebooting, nil
		case len(inhibitors) == 0:
			return "", err
		case left <= 0:
			return "", fmt.Errorf("%w; tried for %s (reboot_timeout), and kept from being shut down by %s", err, r.RebootTimeout,
				list(inhibitors))
		}
		r.reopenStep()
		if err := r.save(); err != nil {
			return "", &saveError{err}
		}
		if by := list(inhibitors); by != logged {
			logged = by
			r.Log.Warn("reboot inhibited: it is tried again", "by", by, "for", left.Round(time.Second), "error", err)
		}
		if !pause(ctx, min(backoff, left)) {
			return "", errStopped
		}
		if err := r.guard(ctx); err != nil { // the last look at the lock is long ago
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

// tryReboot asks once. The state on disk says so before the command runs, together with the boot that is to end: only
// an invocation that sees another boot goes on with post_update. With a command that failed it returns who was in the
// way.
func (r *run) tryReboot(ctx context.Context) ([]Inhibitor, error) {
	if r.Reboots >= r.MaxReboots {
		return nil, fmt.Errorf("this run has asked for %d reboots (max_reboots) and the host has not gone through one: reboot it by hand, "+
			"or `foreman-dlm-updater state set reboot` to let it ask again", r.Reboots)
	}
	uptime, err := r.Host.Uptime()
	if err != nil {
		return nil, err
	}
	before := r.inhibitors(ctx) // whoever lets go while the command fails can't be found afterwards
	asked := r.Asked
	r.Stage, r.Boot = r.row.next[rebooting], nil
	r.Asked = &state.Asked{Time: time.Now(), Boot: r.boot, Uptime: uptime}
	r.Reboots++
	r.endStep(nil)
	if err := r.save(); err != nil {
		r.Stage = r.row.stage
		return nil, &saveError{err}
	}
	if !r.told { // once: a command that fails is tried again
		r.told = true
		r.tell(Event{Kind: Rebooting})
	}
	if lost := r.lock.Lost(); lost != nil { // the disk was slow, and the look is long ago
		r.Stage, r.Asked, r.held = r.row.stage, asked, No // fail saves it
		r.Reboots--
		return nil, lost
	}
	if ctx.Err() != nil { // nothing was asked yet, whatever the state says
		r.Stage, r.Asked = r.row.stage, asked
		r.Reboots--
		r.reopenStep()
		if err := r.save(); err != nil {
			return nil, &saveError{err}
		}
		return nil, errStopped
	}
	r.Log.Info("rebooting", "run", r.RunID, "reboots", r.Reboots)
	r.executed = true
	err = r.Host.Reboot()
	switch {
	case err == nil:
	case ctx.Err() != nil:
		// A shutdown ends us and the command alike, so its failure means nothing. If the host stays up after
		// all, the next invocation sees it.
		r.Log.Warn("the reboot command was cut short by a signal to this program, which a shutdown sends", "error", err)
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

// inhibitors lists who keeps the host from being shut down.
func (r *run) inhibitors(ctx context.Context) []Inhibitor {
	all := r.Host.Inhibitors(ctx)
	r.tell(Event{Kind: Inhibited, Inhibitors: all})
	return all
}
