package cli

import (
	"context"
	"testing"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/foreman"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

// opener opens locks at a Foreman under test.
func opener(api foreman.API, s foreman.Settings) func(string, lock.Options) workflow.Lock {
	return func(name string, o lock.Options) workflow.Lock {
		return foreman.Open(api, s, hclog.NewNullLogger(), name, o)
	}
}

// answering is a Foreman that gives one answer.
type answering struct{ err error }

func (a answering) Show(context.Context, string) (dlm.Lock, error) { return dlm.Lock{}, a.err }
func (a answering) Acquire(context.Context, string) error          { return a.err }
func (a answering) Release(context.Context, string) error          { return a.err }
func (answering) Slowest() time.Duration                           { return 0 }
func (answering) Identity() (url, cn string)                       { return "", "" }

// answer is what becomes of an error of the client's.
func answer(t *testing.T, err error) error {
	t.Helper()
	_, err = opener(answering{err}, foreman.Settings{})("web", lock.Options{}).Look(t.Context())
	return err
}
