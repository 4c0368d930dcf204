package workflow

import (
	"context"
	"fmt"
	"time"

	"foreman-dlm-updater/internal/state"
)

// reboot asks for a reboot. The state on disk says so before the command runs, together with the boot that is to
// end: only an invocation that sees another boot goes on with post_update.
func (r *run) reboot(ctx context.Context) (outcome, error) {
	if r.Reboots >= r.MaxReboots {
		return "", fmt.Errorf("this run has asked for %d reboots (max_reboots) and the host has not gone through one: reboot it by hand, "+
			"or `foreman-dlm-updater state set reboot` to let it ask again", r.Reboots)
	}
	uptime, err := r.Host.Uptime()
	if err != nil {
		return "", err
	}
	r.Stage, r.Boot = state.PostUpdate, nil
	r.Asked = &state.Asked{Time: time.Now(), Boot: r.boot, Uptime: uptime}
	r.Reboots++
	if err := r.Store.Save(r.Record); err != nil {
		r.Stage = state.Reboot
		return "", &saveError{err}
	}
	if lost := r.refresher.lost.Load(); lost != nil { // the disk was slow, and the look is long ago
		r.Stage, r.Asked, r.held = state.Reboot, nil, No // fail saves it
		r.Reboots--
		return "", lost
	}
	if ctx.Err() != nil { // nothing was asked yet, whatever the state says
		r.Stage, r.Asked = state.Reboot, nil
		r.Reboots--
		if err := r.Store.Save(r.Record); err != nil {
			return "", &saveError{err}
		}
		return "", errStopped
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
		r.Stage = state.Reboot // fail saves it
		r.Reboots--
		return "", fmt.Errorf("reboot command: %w", err)
	}
	return rebooting, nil
}
