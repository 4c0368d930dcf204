package workflow

import (
	"context"
	"fmt"

	"foreman-dlm-updater/internal/state"
)

// runHooks runs the stage's hooks in order and stops at the first that fails.
func (r *run) runHooks(ctx context.Context) (outcome, error) {
	names, err := r.Hooks.List(r.Stage)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		exit, err := r.hook(ctx, name)
		if err == nil && exit != 0 {
			err = &hookError{name, fmt.Errorf("exit %d", exit)}
		}
		if err != nil {
			return "", err
		}
	}
	return done, nil
}

// askAllHooks asks every hook, even after one has said yes.
func (r *run) askAllHooks(ctx context.Context) (outcome, error) {
	names, err := r.Hooks.List(r.Stage)
	if err != nil {
		return "", err
	}
	answer := no
	for _, name := range names {
		switch says, err := r.ask(ctx, name); {
		case err != nil:
			return "", err
		case says == yes:
			answer = yes
		}
	}
	if answer == no {
		r.Log.Info("nothing to do", "hooks", len(names))
	}
	return answer, nil
}

// askForReboot asks the hooks until one says yes. Without hooks the answer is yes.
func (r *run) askForReboot(ctx context.Context) (outcome, error) {
	names, err := r.Hooks.List(r.Stage)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if says, err := r.ask(ctx, name); err != nil || says == yes {
			return says, err
		}
	}
	if len(names) == 0 {
		return yes, nil
	}
	return no, nil
}

// ask runs a hook whose exit code is an answer: 0 is no, all others are yes, but for the one that means "I could not
// find out".
func (r *run) ask(ctx context.Context, name string) (outcome, error) {
	exit, err := r.hook(ctx, name)
	switch {
	case err != nil:
		return "", err
	case exit == 0:
		return no, nil
	case exit == r.CannotTellExit:
		return "", &hookError{name, later("it could not find out (exit %d, cannot_tell_exit)", exit)}
	}
	return yes, nil
}

// hook runs one hook to its end. A signal that came meanwhile, or before, is an error: no further hook is to run.
func (r *run) hook(ctx context.Context, name string) (exit int, err error) {
	if ctx.Err() != nil {
		return 0, errStopped
	}
	r.Notify(fmt.Sprintf("stage %s: hook %s", r.Stage, name))
	result := r.Hooks.Run(r.Stage, name, r.env())
	asks := r.Stage == state.NeedsUpdate || r.Stage == state.NeedsReboot
	switch {
	case result.Stopped:
		return 0, errStopped
	case result.Err != nil:
		return 0, &hookError{name, result.Err}
	case ctx.Err() != nil && (result.Exit == 0 || asks):
		return 0, errStopped
	}
	return result.Exit, nil
}

// env is what a hook learns about the run.
func (r *run) env() []string {
	rebooted := 0
	if r.Stage == state.PostUpdate && r.Rebooted {
		rebooted = 1
	}
	env := []string{
		"DLM_STAGE=" + string(r.Stage),
		"DLM_RUN_ID=" + r.RunID,
		"DLM_LOCK_NAME=" + r.Lock,
		"DLM_CONFIG=" + r.ConfigPath,
		fmt.Sprintf("DLM_REBOOTED=%d", rebooted),
	}
	if r.CannotTellExit != 0 {
		env = append(env, fmt.Sprintf("DLM_CANNOT_TELL_EXIT=%d", r.CannotTellExit))
	}
	return env
}
