package workflow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"foreman-dlm-updater/internal/state"
)

// hookRule says which hooks of a stage run, and what their exit codes mean.
type hookRule struct {
	run func(*run, context.Context, []string) (outcome, error)
	// asks: their exit codes are answers.
	asks bool
}

// The rules.
var (
	runAll      = &hookRule{run: (*run).runAll}
	askAll      = &hookRule{run: (*run).askAll, asks: true}
	askUntilYes = &hookRule{run: (*run).askUntilYes, asks: true}
)

// do runs the stage's hooks, or its action.
func (r *run) do(ctx context.Context) (outcome, error) {
	if r.row.hooks == nil {
		return r.row.act(r, ctx)
	}
	names, err := r.listHooks()
	if err != nil {
		return "", err
	}
	return r.row.hooks.run(r, ctx, names)
}

// runAll runs the hooks in order and stops at the first that fails.
func (r *run) runAll(ctx context.Context, names []string) (outcome, error) {
	for _, name := range names {
		result, err := r.hook(ctx, name)
		if err == nil && result.Exit != 0 {
			err = &hookError{name, result.explain(fmt.Sprintf("exit %d", result.Exit))}
		}
		if err != nil {
			return "", err
		}
	}
	return done, nil
}

// askAll asks every hook, even after one has said yes. Without hooks the answer is no.
func (r *run) askAll(ctx context.Context, names []string) (outcome, error) {
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

// askUntilYes asks the hooks whether a reboot is needed, until one says yes. Without hooks the answer is yes. The
// updates are installed by now, and a hook that can't tell must not keep the host out of service: the run goes on
// without a reboot and records that one may be due.
func (r *run) askUntilYes(ctx context.Context, names []string) (outcome, error) {
	r.RebootDue = nil
	for _, name := range names {
		says, err := r.ask(ctx, name)
		var unsure *cannotTellError
		switch {
		case errors.As(err, &unsure) && r.CannotTellReboot:
			r.Log.Warn("a hook can't tell whether a reboot is needed: this counts as yes (cannot_tell_reboot)", "hook", name,
				"said", unsure.Error())
			return yes, nil
		case errors.As(err, &unsure):
			r.Log.Warn("a hook can't tell whether a reboot is needed", "hook", name, "said", unsure.Error())
			if r.RebootDue == nil {
				r.RebootDue = &state.RebootDue{Time: time.Now(), Hook: name, Message: unsure.Error(), Boot: r.boot}
			}
		case err != nil:
			return "", err
		case says == yes:
			r.RebootDue = nil
			return yes, nil
		}
	}
	if len(names) == 0 {
		r.Log.Info("no needs_reboot hooks: the answer is yes")
		return yes, nil
	}
	return no, nil
}

// cannotTellError: a hook could not find out the answer.
type cannotTellError struct{ error }

func (e *cannotTellError) Unwrap() error { return ErrCannotTell }

// ask runs a hook whose exit code is an answer: 0 is no, cannot_tell_exit means that the hook could not find out, and
// any other code is yes.
func (r *run) ask(ctx context.Context, name string) (outcome, error) {
	result, err := r.hook(ctx, name)
	switch {
	case err != nil:
		return "", err
	case result.Exit == 0:
		return no, nil
	case result.Exit == r.CannotTellExit:
		why := result.explain(fmt.Sprintf("it could not find out (exit %d, cannot_tell_exit)", result.Exit))
		return "", &hookError{name, &cannotTellError{why}}
	}
	return yes, nil
}

// listHooks lists the stage's hooks. It returns an error if a hook or the hooks' settings are unsafe.
func (r *run) listHooks() ([]string, error) {
	names, err := r.Hooks.List(r.Stage)
	return names, errors.Join(err, r.Hooks.VetSettings())
}

// hook runs one hook to its end. After a signal it returns errStopped, so that no further hook runs.
func (r *run) hook(ctx context.Context, name string) (HookResult, error) {
	if ctx.Err() != nil {
		return HookResult{}, errStopped
	}
	r.ranSomething = true
	r.tell(Event{Kind: HookBegan, Hook: name})
	began := time.Now()
	result := r.Hooks.Run(r.Stage, name, r.env(r.Stage, name))
	r.hookEnded(name, began, result)
	switch {
	case result.Stopped:
		return result, errStopped
	case result.Err != nil:
		return result, &hookError{name, result.explain(result.Err.Error())}
	case ctx.Err() != nil && (result.Exit == 0 || r.row.hooks.asks):
		return result, errStopped
	}
	return result, nil
}

// explain adds the end of the hook's output: in the state, or in a journal filtered by priority, there is no other.
func (r HookResult) explain(what string) error {
	if r.Said == "" {
		return errors.New(what)
	}
	return fmt.Errorf("%s; it said %q", what, r.Said)
}

// env tells a hook about the run and itself.
func (r *run) env(stage state.Stage, hook string) []string {
	rebooted := 0
	if r.row.tellsReboot && r.Rebooted {
		rebooted = 1
	}
	env := []string{
		"DLM_STAGE=" + string(stage),
		"DLM_HOOK=" + hook,
		"DLM_RUN_ID=" + r.RunID,
		"DLM_LOCK_NAME=" + r.Lock,
		"DLM_CONFIG=" + r.ConfigPath,
		"DLM_STATE=" + r.StatePath,
		fmt.Sprintf("DLM_REBOOTED=%d", rebooted),
	}
	if r.CannotTellExit != 0 {
		env = append(env, fmt.Sprintf("DLM_CANNOT_TELL_EXIT=%d", r.CannotTellExit))
	}
	return env
}
