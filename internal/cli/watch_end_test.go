package cli

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"foreman-dlm-updater/internal/events"
	"foreman-dlm-updater/internal/foreman"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/vet"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

// endedWith is the last that systemd hears of an invocation that ends with err, with record on disk.
func endedWith(record *state.Record, err error) string {
	var last string
	w := &workflow.Workflow{Settings: workflow.Settings{LockName: "web"}, Log: hclog.NewNullLogger()}
	seen := events.Watch(w,
		events.Options{Show: func(sentence string) { last = sentence }, Next: afterStop, Wording: foreman.Wording})
	if record != nil {
		seen.Observe(workflow.Event{Kind: workflow.Found, Record: record})
	}
	seen.Ended(err)
	return last
}

// TestSentenceOfAFailedInvocation: systemd keeps the last sentence of a unit that failed, so it must be why.
func TestSentenceOfAFailedInvocation(t *testing.T) {
	at := time.Date(2026, 11, 22, 2, 14, 3, 0, time.Local)
	unsafe := &vet.UnsafeError{Kind: "stage directory", Path: "/etc/x.d",
		Offenders: []vet.Offender{{Path: "/etc/x.d/a", Why: "is odd"}}}
	const dark = "; the holder of lock web is not known"
	tests := []struct {
		record *state.Record
		err    error
		want   string
	}{
		{nil, nil, "nothing to do: no run in progress" + dark},
		{nil, errors.Join(workflow.ErrUnsafeHooks, unsafe),
			"the run stopped TIME: hooks refused refused stage directory /etc/x.d: /etc/x.d/a: is odd" + dark +
				"; fix what is named above, then `foreman-dlm-updater config check`, then `foreman-dlm-updater run`"},
		{nil, &workflow.StageError{Stage: state.LockGet, Lock: "web", Err: workflow.ErrTryLater},
			"gave up TIME in stage lock_get: try later" + dark +
				"; nothing to fix on this host; the next `foreman-dlm-updater run` tries again"},
		{nil, &workflow.StageError{Stage: state.LockGet, Lock: "web", Err: &lock.NotNow{Text: "barred", Next: "let it in"}},
			"gave up TIME in stage lock_get: barred" + dark + "; let it in"},
		{nil, &workflow.StageError{Stage: state.LockGet, Lock: "web", Err: lock.ErrUnavailable},
			"gave up TIME in stage lock_get: lock server unavailable" + dark +
				"; the next `foreman-dlm-updater run` tries again; if that keeps failing, " +
				"look for the cause with `foreman-dlm-updater config check`"},
		{nil, &workflow.StageError{Stage: state.NeedsUpdate, Hook: "10-apt", Err: workflow.ErrCannotTell},
			"gave up TIME in stage needs_update: a hook could not find out" + dark +
				"; the next `foreman-dlm-updater run` asks again; if that keeps failing, look for the cause with " +
				"`foreman-dlm-updater hooks run needs_update`"},
		{&state.Record{Stage: state.Update},
			&workflow.StageError{Stage: state.Update, Lock: "web", Err: workflow.ErrTryLater},
			"stage update was not finished (try later TIME) and nothing runs" + dark + "; go on with `foreman-dlm-updater run`"},
		{&state.Record{Stage: state.Update}, errors.New("write state: no space left on device"),
			"the run stopped TIME: write state: no space left on device" + dark +
				"; fix the cause, then `foreman-dlm-updater run`"},
		{&state.Record{Stage: state.Update,
			Error: &state.Error{Time: at, Stage: state.Update, Hook: "50-apt", Message: "exit 100"}},
			&workflow.StageError{Stage: state.Update, Err: errors.New("hook 50-apt: exit 100")},
			"stage update failed 2026-11-22 TIME in 50-apt (exit 100), lock kept; fix it, then `foreman-dlm-updater run`"},
		{&state.Record{Stage: state.Update, Error: &state.Error{Time: at, Stage: state.Update, Message: unsafe.Error()}},
			unsafe,
			"stage update failed 2026-11-22 TIME (refused stage directory /etc/x.d: /etc/x.d/a: is odd), lock kept; " +
				"fix it, then `foreman-dlm-updater run`"},
	}
	for _, test := range tests {
		got := regexp.MustCompile(` \d\d:\d\d([:) ])`).ReplaceAllString(endedWith(test.record, test.err), " TIME$1")
		if got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
		if strings.Contains(got, "\n") { // systemd would take the rest for another variable
			t.Errorf("more than a line: %q", got)
		}
	}
}
