package cli

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

// TestIgnoring: what --now ignores is named once for each reason, however often a run that waits asks.
func TestIgnoring(t *testing.T) {
	var said strings.Builder
	log := hclog.New(&hclog.LoggerOptions{Output: &said})
	var refusal *workflow.Refusal
	var unclear error
	ask := ignoring(func(time.Time) (*workflow.Refusal, error) { return refusal, unclear }, log)
	for _, unclear = range []error{errors.New("year:1: no date"), errors.New("year:2: no date")} {
		for range 3 {
			if no, err := ask(time.Now()); no != nil || err != nil {
				t.Errorf("got %v, %v", no, err)
			}
		}
	}
	refusal, unclear = &workflow.Refusal{Question: lock.Pause, Why: "paused"}, nil
	for range 3 {
		if no, err := ask(time.Now()); no != nil || err != nil {
			t.Errorf("got %v, %v", no, err)
		}
	}
	if n := strings.Count(said.String(), "ignored because of --now"); n != 3 {
		t.Errorf("said %d times:\n%s", n, said.String())
	}
}

// TestWithoutLog: a log file that can't be used keeps a new run from beginning, and no host out of service.
func TestWithoutLog(t *testing.T) {
	noLog := &config.Error{Err: errors.New("open log file /var/log/updater.log: no such file or directory")}
	tests := map[state.Stage]error{"": noLog}
	var before error = noLog
	for _, stage := range state.Stages {
		tests[stage] = before
		if stage == state.LockGet { // from the next stage on it may be out of service
			before = nil
		}
	}
	for stage, want := range tests {
		c := &config.Config{State: filepath.Join(t.TempDir(), "state")}
		if stage != "" {
			if err := (state.Store{Path: c.State}).Save(state.Record{Stage: stage, RunID: "r"}); err != nil {
				t.Fatal(err)
			}
		}
		var said strings.Builder
		log := hclog.New(&hclog.LoggerOptions{Output: &said})
		if got := refusal(c, log, noLog); got != want {
			t.Errorf("%q: %v, want %v", stage, got, want)
		}
		if told := strings.Contains(said.String(), "[ERROR] log file can't be used; the run goes on"); told != (want == nil) {
			t.Errorf("%q: logged %q", stage, said.String())
		}
		if got := refusal(c, log, nil); got != nil {
			t.Errorf("%q with a log: %v", stage, got)
		}
	}
}

// TestAfterStop: "goes on" is said only of a run that has the lock; any other may be over.
func TestAfterStop(t *testing.T) {
	for _, stage := range state.Stages {
		for _, why := range []error{workflow.ErrTryLater, lock.ErrUnavailable} {
			says := afterStop(&workflow.StageError{Stage: stage, Err: why})
			goesOn := stage != state.NeedsUpdate && stage != state.LockGet
			if strings.Contains(says, "run` goes on") != goesOn || strings.Contains(says, "run` tries again") == goesOn {
				t.Errorf("%s, %v: %s", stage, why, says)
			}
		}
	}
}

// TestAfterStopWithAnObstacle: a signal that ended a wait for something wrong leaves that to fix.
func TestAfterStopWithAnObstacle(t *testing.T) {
	full := lock.Wait{Why: "the state can't be written", Err: errors.New("no space left on device")}
	held := lock.Wait{Why: "held by other"}
	const fix = "it waited because the state can't be written (no space left on device): fix that " +
		"(`foreman-dlm-updater config check`); the next `foreman-dlm-updater run` "
	for _, test := range []struct {
		stage    state.Stage
		obstacle lock.Wait
		want     string
	}{
		{state.LockGet, held, "nothing to fix on this host; the next `foreman-dlm-updater run` tries again"},
		{state.LockGet, full, fix + "tries again"},
		{state.Update, full, fix + "goes on, and this host is out of service until then"},
		{state.PostUpdate, full, fix + "goes on, and this host is out of service until then"},
		{state.LockRelease, full, fix + "goes on"},
	} {
		err := &workflow.StageError{Stage: test.stage, Err: workflow.ErrTryLater, Obstacle: test.obstacle}
		if got := afterStop(err); got != test.want {
			t.Errorf("%s: %s", test.stage, got)
		}
	}
}
