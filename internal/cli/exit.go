package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/hook"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/state"
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

// configError says that the configuration can't be used.
type configError struct{ error }

func (e *configError) Unwrap() error { return e.error }

// toldError is an error that the person has been told of; only its exit code is still wanted.
type toldError struct{ error }

func (e *toldError) Unwrap() error { return e.error }

// exitCode is the one place that turns an error into an exit code.
func exitCode(err error) int {
	var (
		running *host.RunningError
		config  *configError
		plugin  verdict
	)
	switch {
	case err == nil:
		return 0
	case errors.As(err, &plugin):
		return int(plugin)
	case errors.As(err, &config), errors.Is(err, workflow.ErrUnsafeHooks), errors.Is(err, workflow.ErrUnfitHost), errors.Is(err, dlm.ErrCredentials),
		errors.Is(err, dlm.ErrWrongURL):
		return exitConfig
	case errors.Is(err, dlm.ErrRefused), errors.Is(err, dlm.ErrUntrusted), refusedByPage(err):
		return exitRefused
	case errors.Is(err, workflow.ErrTryLater), errors.Is(err, dlm.ErrUnavailable), errors.As(err, &running):
		return exitLater
	}
	return exitFailed
}

// refusedByPage reports whether a web server refused with a page of its own, during maintenance or because of the
// certificate. Such a page is waited out like any odd answer. If the wait ends with one, the certificate is the likelier
// cause.
func refusedByPage(err error) bool {
	var answer *dlm.Error
	if !errors.As(err, &answer) || answer.Kind != dlm.ErrNotForeman {
		return false
	}
	return slices.Contains([]int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden}, answer.Status)
}

// hint says what to do next; empty if the error says it.
func hint(err error) string {
	var (
		unreadable *state.UnreadableError
		running    *host.RunningError
		unsafe     *hook.UnsafeError
		missing    *fs.PathError
		elsewhere  *workflow.ElsewhereError
		notByRun   *workflow.NotByRunError
		name       *net.DNSError
	)
	switch {
	case errors.As(err, &notByRun):
		return "wait until whoever took it is done; if nobody needs it, `foreman-dlm-updater lock release`, and the next run begins"
	case errors.As(err, &elsewhere):
		return fmt.Sprintf("set foreman_url, client_crt and client_key back, then `foreman-dlm-updater run`; or have an administrator free lock %s "+
			"at %s (Monitor > Distributed Locks), then `foreman-dlm-updater state set STAGE` with the stage that `foreman-dlm-updater state show` "+
			"names, and `foreman-dlm-updater run`", elsewhere.Lock, elsewhere.Taken.URL)
	case errors.As(err, &unreadable), errors.Is(err, workflow.ErrOtherMachine):
		return "look at the file; then `foreman-dlm-updater state set STAGE` to go on with a stage, or `foreman-dlm-updater state " +
			"clear` to forget the run; the lock was not touched, see `foreman-dlm-updater lock show`"
	case errors.As(err, &missing) && errors.Is(err, fs.ErrNotExist) && noDirectory(filepath.Dir(missing.Path)):
		return fmt.Sprintf("`install -d -m 0755 %s` makes the directory that is missing", filepath.Dir(missing.Path))
	case errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0:
		return "run it as root"
	case errors.As(err, &running):
		return "wait until it has ended, or see what it does with `foreman-dlm-updater status`"
	case errors.As(err, &unsafe):
		return "fix what is named above, then `foreman-dlm-updater config check`"
	case errors.Is(err, dlm.ErrDuplicate):
		return "an administrator must delete one of the duplicate locks in Foreman (Monitor > Distributed Locks, or the API); " +
			"until then nobody can take it"
	case errors.As(err, &name) && name.IsNotFound:
		return fmt.Sprintf("correct foreman_url, or add %s to DNS or to /etc/hosts: the program asks nothing else that /etc/nsswitch.conf names "+
			"(`getent ahosts %[1]s` does)", shown(name.Name))
	case exitCode(err) == exitConfig:
		return "fix it, then `foreman-dlm-updater config check`"
	}
	return ""
}

// hintForRun is the hint after a run. One that was refused is the last one until another begins, however well
// `config check` ends.
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

// report prints an error at the end of the program, which must not wait for ever until somebody reads it.
func (p *Process) report(err error, hint string) {
	_ = inTime(hclog.NewNullLogger(), reportPatience, func() error { report(p.Stderr, err, hint); return nil })
}

// report prints an error and what to do about it.
func report(w io.Writer, err error, hint string) {
	w = newOutput(w, nil)
	fmt.Fprintf(w, "foreman-dlm-updater: error: %s\n", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	if hint != "" {
		fmt.Fprintf(w, "foreman-dlm-updater: hint: %s\n", hint)
	}
}
