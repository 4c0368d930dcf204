package workflow

import "context"

// perform runs the stage, then deals with the processes that it left running. If post_update started a daemon that dies
// with this invocation, the host's service is down, and the next host must not begin.
func (r *run) perform(ctx context.Context) (outcome, error) {
	result, err := r.do(ctx)
	if !r.ranSomething && r.row.lock != keepsLock { // a stage with keepsLock also keeps what earlier stages left
		return result, err
	}
	r.ranSomething = false
	notKept := r.leftovers(r.row.keeps)
	switch {
	case notKept == nil:
	case err == nil && r.row.keeps && result != rebooting: // a reboot kills everything anyway
		return "", notKept
	default:
		r.Log.Warn("processes that hooks left running: could not list or move them all", "error", notKept)
	}
	return result, err
}

// leftovers logs the processes that were left running.
func (r *run) leftovers(keep bool) error {
	found, err := r.Host.Leftovers(keep)
	for _, left := range found {
		hook := left.Hook
		if hook == "" {
			hook = "unknown: its environment does not say"
		}
		about := []any{"hook", hook, "command", left.Command, "pid", left.PID}
		switch {
		case left.Scope != "":
			r.Log.Warn("process left running by a hook: moved to a scope of its own, where it lives on",
				append(about, "scope", left.Scope, "next", "let the hook start it as a service (systemctl start)")...)
		case !r.warnedOf[left.PID]:
			r.Log.Warn("process left running by a hook: systemd kills it when this invocation ends", about...)
		}
		if r.warnedOf == nil {
			r.warnedOf = map[int]bool{}
		}
		r.warnedOf[left.PID] = true
	}
	return err
}
