package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/events"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

type notifyTestCmd struct {
	Event eventKind `arg:"" help:"The event to make up: ${events}."`
}

// eventKind is the argument EVENT.
type eventKind events.Kind

// UnmarshalText lets kong read it.
func (k *eventKind) UnmarshalText(text []byte) error {
	if !slices.Contains(events.Kinds, events.Kind(text)) {
		return fmt.Errorf("%q is no event; those are %s", text, eventNames())
	}
	*k = eventKind(text)
	return nil
}

func eventNames() string {
	names := make([]string, len(events.Kinds))
	for i, kind := range events.Kinds {
		names[i] = string(kind)
	}
	return strings.Join(names, ", ")
}

func (cmd *notifyTestCmd) Run(p *Process, path configPath) error {
	c, unlock, err := p.loadAlone(path) // a run's silences and downtimes must not mix with the test's
	if err != nil {
		return err
	}
	defer unlock()
	n := newNotifiers(p, c, hclog.NewNullLogger(), nil)
	if n == nil {
		return notSet(c)
	}
	found, err := n.list(n.log)
	switch {
	case err != nil:
		return refused(err)
	case len(found) == 0:
		return fmt.Errorf("no notifier is called: %s has none; `foreman-dlm-updater hooks list notify` shows all that exist",
			n.dir)
	}
	fmt.Fprintf(p.Stdout, "sending event %s to %d notifiers\n", cmd.Event, len(found))
	failed := 0
	event := madeUp(events.Kind(cmd.Event), c, time.Now())
	for _, one := range n.tell(found, eventDocument{Version: eventVersion, Host: n.host, Test: true, Event: event}) {
		fmt.Fprintf(p.Stdout, "%s: %s\n", shown(one.name), one.result)
		for _, line := range one.result.Last {
			fmt.Fprintf(p.Stdout, "  %s\n", line)
		}
		if !one.result.OK() {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d notifiers failed: fix what they say above, and test again", failed, len(found))
	}
	return nil
}

// madeUpStages has the stage of the made-up run at each event.
var madeUpStages = map[events.Kind]state.Stage{
	events.Started: state.LockGet, events.Waiting: state.LockGet, events.Acquired: state.PreUpdate,
	events.Failed: state.Update, events.Rebooting: state.PostUpdate, events.Resumed: state.PostUpdate,
	events.Finished: state.LockRelease, events.RebootDue: state.LockRelease, events.GaveUp: state.LockGet,
	events.Alive: state.Update,
}

// madeUp returns an event as a run would tell it. The run always has the same name, so that one test can end a downtime
// that another test has begun.
func madeUp(kind events.Kind, c *config.Config, now time.Time) events.Event {
	const run = "test"
	stage, began := madeUpStages[kind], now.Add(-12*time.Minute)
	event := events.Event{Kind: kind, Time: now, Run: run, Lock: c.LockName, Stage: stage}
	record := &state.Record{Stage: stage, RunID: run, Began: began, StageBegan: began, Lock: c.LockName}
	s := status.Status{Running: true, PID: 1, Lock: status.Lock{Name: c.LockName}, Wording: lockServer(c).Wording,
		Config: c.Path}
	view := lock.View{Exists: true, Enabled: true, Self: true, Holder: "this host", Since: began}
	switch kind {
	case events.Started, events.Waiting:
		view = lock.View{Exists: true, Enabled: true, Holder: "web3.example.com", Since: began}
	case events.Failed:
		event.Hook, event.Exit, event.Error = "50-example", 100, "exit 100"
		event.Output = []string{"these are the last lines of the hook", "E: it did not work"}
		record.Error = &state.Error{Time: now, Stage: stage, Hook: event.Hook, Message: event.Error}
	case events.Rebooting:
		s.RebootPending = &now
	case events.Finished:
		record, view = nil, lock.View{Exists: true, Enabled: true}
	case events.RebootDue:
		event.Hook, event.Error = "50-example", "it could not find out (exit 75, cannot_tell_exit)"
		s.SetRebootDue(&state.RebootDue{Time: now, Hook: event.Hook, Message: event.Error})
		record, view = nil, lock.View{Exists: true, Enabled: true}
	case events.GaveUp:
		event.Error = "gave up waiting after 15m0s (lock_timeout)"
		s.SetStopped(status.Stop{At: now, Stage: stage, Why: event.Error, Next: afterStop(workflow.ErrTryLater), Later: true})
		record, view = nil, lock.View{Exists: true, Enabled: true, Holder: "web3.example.com", Since: began}
	}
	switch kind {
	case events.Failed, events.Finished, events.RebootDue, events.GaveUp:
		s.Running, s.PID = false, 0
	}
	s.SetRecord(record)
	s.See(view)
	s.Say(now)
	s.Sentence = "a test, nothing has happened: " + s.Sentence
	event.Status = s
	return event
}
