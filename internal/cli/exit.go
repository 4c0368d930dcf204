package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"foreman-dlm-updater/internal/byhand"
	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/schedule"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"
	"foreman-dlm-updater/internal/vet"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

// The exit codes, most of them from sysexits.h.
const (
	exitFailed  = 1
	exitUsage   = 64
	exitLater   = 75
	exitRefused = 77
	exitConfig  = 78
)

// toldError is an error that was already reported; only its exit code still counts.
type toldError struct{ error }

func (e *toldError) Unwrap() error { return e.error }

// exitCode is the one place that turns an error into an exit code.
func exitCode(err error) int {
	var (
		running *host.RunningError
		unfit   *config.Error
		plugin  verdict
		command commandEnded
		byHand  *byhand.Error
	)
	switch {
	case err == nil:
		return 0
	case errors.As(err, &plugin):
		return int(plugin)
	case errors.As(err, &command):
		return int(command)
	case errors.As(err, &unfit), errors.Is(err, workflow.ErrUnsafeHooks), errors.Is(err, workflow.ErrUnfitHost),
		errors.Is(err, workflow.ErrUnclear),
		errors.Is(err, lock.ErrMisconfigured), schedule.IsUnclear(err), errors.As(err, &byHand):
		return exitConfig
	case errors.Is(err, lock.ErrRefused):
		return exitRefused
	case errors.Is(err, workflow.ErrTryLater), errors.Is(err, lock.ErrUnavailable), errors.As(err, &running):
		return exitLater
	}
	return exitFailed
}

// hint says what to do next; "" if the error says it.
func hint(err error) string {
	var (
		unreadable *state.UnreadableError
		running    *host.RunningError
		unsafe     *vet.UnsafeError
		pause      *schedule.PauseError
		byHand     *byhand.Error
		missing    *fs.PathError
		elsewhere  *lock.Elsewhere
		notByRun   *lock.NotByRun
		answer     *lock.Error
		notNow     *lock.NotNow
	)
	switch {
	case errors.As(err, &notByRun):
		return "wait until whoever took it is done; " +
			"if nobody needs it, `foreman-dlm-updater lock release`, and the next run begins"
	case errors.As(err, &elsewhere):
		return elsewhere.Next
	case errors.As(err, &unreadable), errors.Is(err, workflow.ErrOtherMachine):
		return "look at the file; then `foreman-dlm-updater state set STAGE` to go on with a stage, or " +
			"`foreman-dlm-updater state clear` to forget the run; " +
			"the lock was not touched, see `foreman-dlm-updater lock show`"
	case errors.As(err, &missing) && errors.Is(err, fs.ErrNotExist) && noDirectory(filepath.Dir(missing.Path)):
		return fmt.Sprintf("`install -d -m 0755 %s` makes the directory that is missing", filepath.Dir(missing.Path))
	case errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0:
		return "run it as root"
	case errors.As(err, &running):
		return "wait until it has ended, or see what it does with `foreman-dlm-updater status`"
	case errors.As(err, &pause):
		return "look at the file; `foreman-dlm-updater unpause` removes it, and runs may begin again"
	case errors.As(err, &byHand):
		return "look at the file; `foreman-dlm-updater lock release` removes it, and releases what this host holds"
	case errors.As(err, &unsafe):
		return "fix what is named above, then `foreman-dlm-updater config check`"
	case errors.As(err, &answer) && answer.Next != "":
		return answer.Next
	case errors.As(err, &notNow) && notNow.Next != "":
		return notNow.Next
	case exitCode(err) == exitConfig:
		return "fix it, then `foreman-dlm-updater config check`"
	}
	return ""
}

// hintForRun returns the hint after a run. If the run was refused, it names `run` too: status says "refused" until
// another run begins, even if `config check` finds nothing any more.
func hintForRun(err error) string {
	next := hint(err)
	if next != "" && exitCode(err) == exitConfig {
		next += ", then `foreman-dlm-updater run`"
	}
	return next
}

func noDirectory(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// report prints an error at the end of the program. It does not wait for ever until somebody reads it.
func (p *Process) report(err error, hint string) {
	_ = inTime(hclog.NewNullLogger(), reportPatience, func() error { p.reportNow(err, hint); return nil })
}

// reportNow prints an error and what to do about it.
func (p *Process) reportNow(err error, hint string) {
	w := newOutput(p.Stderr, nil)
	fmt.Fprintf(w, "foreman-dlm-updater: error: %s\n", strings.ReplaceAll(p.withConfig(err.Error()), "\n", "\n  "))
	if hint != "" {
		fmt.Fprintf(w, "foreman-dlm-updater: hint: %s\n", p.withConfig(hint))
	}
}

// withConfig lets the commands in a text for people name the configuration, unless that is the default.
func (p *Process) withConfig(text string) string { return status.WithConfig(text, p.config) }

// editLog is withConfig for the log. What a hook wrote stays as it is.
func (p *Process) editLog(key, text string) string {
	if key == "line" || key == "output" {
		return text
	}
	return p.withConfig(text)
}
