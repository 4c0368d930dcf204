package workflow

import "context"

// perform does what the stage does, and then looks after the processes that it left running. A daemon that post_update
// has started, and that would be killed when this invocation ends, is a service that is down: the next host must not
// begin then.
func (r *run) perform(ctx context.Context) (outcome, error) {
	result, err := r.do(ctx)
	if !r.executed && r.row.lock != keepsLock { // which keeps what earlier stages left, too
		return result, err
	}
	r.executed = false
	notKept := r.leftovers(r.row.keeps)
	switch {
	case notKept == nil:
	case err == nil && r.row.keeps && result != rebooting: // a host that goes down kills everything
		return "", notKept
	default:
		r.Log.Warn("processes that hooks left running could not be looked after", "error", notKept)
	}
	return result, err
}

// leftovers names what was left running.
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
			r.Log.Warn("a process that a hook left running was moved to a scope of its own, and lives on",
				append(about, "scope", left.Scope, "next", "let the hook start it as a service (systemctl start)")...)
		case !r.named[left.PID]:
			r.Log.Warn("a hook left a process running, which systemd kills when this invocation ends", about...)
		}
		if r.named == nil {
			r.named = map[int]bool{}
		}
		r.named[left.PID] = true
	}
	return err
}
