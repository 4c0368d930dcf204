package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/events"
	"foreman-dlm-updater/internal/hook"
	"foreman-dlm-updater/internal/process"
	"foreman-dlm-updater/internal/vet"

	"github.com/hashicorp/go-hclog"
)

// notifyStage stands for the notifiers' directory where other directories are named by their stage.
const notifyStage = "notify"

// eventVersion is the version of the JSON document (docs/event.schema.json). Raise it if a field goes away or changes
// its meaning. New fields and new events do not need a new version.
const eventVersion = 1

const (
	notifyTimeout = 30 * time.Second // for one notifier and one event
	notifyGrace   = 2 * time.Second  // between TERM and KILL
)

// notifiers are the hooks that hear of events. Whatever they do, and whatever is wrong with them, they can't change the
// run.
type notifiers struct {
	dir, settings, config, host string
	log                         hclog.Logger
	kill                        context.Context
	end                         context.CancelFunc
	wait                        func(context.Context) // see newWorkflow
	refused                     string                // why they were not called the last time; "" if they were
	ready                       <-chan struct{}       // closed once they have been vetted for the first time

	atWork sync.Mutex
	called bool // a notifier was called
	over   bool // no notifier is called any more
}

// newNotifiers returns nil if the configuration wants none.
func newNotifiers(p *Process, c *config.Config, log hclog.Logger, wait func(context.Context)) *notifiers {
	if c.NotifyDir == "" {
		return nil
	}
	n := &notifiers{dir: c.NotifyDir, settings: c.SettingsDir(), config: c.Path, log: log, wait: wait}
	n.kill, n.end = context.WithCancel(p.Kill)
	n.host, _ = os.Hostname()
	return n
}

// eventDocument is what a notifier reads.
type eventDocument struct {
	Version int    `json:"version"`
	Host    string `json:"host"`
	Test    bool   `json:"test,omitempty"`
	events.Event
}

// told is the result of calling one notifier.
type told struct {
	name   string
	result process.Result
}

// listen makes the notifiers hear of a run's events. If they are refused, the log says so at once, and again only if
// the reason changes. It is no error: a run in progress has to finish, and no update depends on whether anybody hears
// of it. The run does not wait for the disk of the notifiers either.
func (n *notifiers) listen() []events.Listener {
	if n == nil {
		return nil
	}
	n.ready = beside(n.log, func() { n.vetted(n.log) })
	return []events.Listener{func(event events.Event) {
		<-n.ready
		if found := n.vetted(hclog.NewNullLogger()); len(found) > 0 {
			n.tell(found, eventDocument{Version: eventVersion, Host: n.host, Event: event})
		}
	}}
}

// vetted lists the notifiers that may be called now. If they are refused, it logs why. It logs skipped files to skips.
func (n *notifiers) vetted(skips hclog.Logger) []hook.Hook {
	found, err := n.list(skips)
	why := ""
	if err != nil {
		why = err.Error()
	}
	if why != "" && why != n.refused {
		n.log.Error("nobody is notified", "error", err,
			"next", "fix what is named, then `foreman-dlm-updater config check`; the run goes on without notifiers")
	}
	n.refused = why
	return found
}

// list vets the notifiers and their settings, as a run does with the hooks of a stage.
func (n *notifiers) list(skips hclog.Logger) ([]hook.Hook, error) {
	look := vet.NewSession()
	found, err := hook.ListNotifiers(look, n.dir, skips)
	if err = errors.Join(err, hook.VetSettings(look, n.settings)); err != nil {
		return nil, err
	}
	return found, nil
}

// tell calls all notifiers at once, and waits until they have ended (notifyTimeout).
func (n *notifiers) tell(found []hook.Hook, d eventDocument) []told {
	text, err := json.Marshal(d)
	if err != nil {
		n.log.Warn("nobody is notified: event can't be written as JSON", "event", string(d.Kind), "error", err)
		return nil
	}
	n.atWork.Lock()
	defer n.atWork.Unlock()
	if n.over {
		return nil
	}
	n.called = true
	runner := &process.Runner{Log: n.log, Wait: n.wait, Timeout: notifyTimeout, Grace: notifyGrace, Kill: n.kill,
		Input: append(text, '\n')}
	results := make([]told, len(found))
	var all []func()
	for i, one := range found {
		results[i] = told{one.Name, process.Result{Exit: -1}}
		all = append(all, func() { results[i].result = hook.Notify(runner, string(d.Kind), one, n.env(d)) })
	}
	together(n.log, all...)
	return results
}

// env has the fields of the document that a shell script can use without parsing JSON.
func (n *notifiers) env(d eventDocument) []string {
	return []string{
		"DLM_EVENT=" + string(d.Kind),
		"DLM_HOST=" + d.Host,
		"DLM_SENTENCE=" + d.Status.Sentence,
		"DLM_STAGE=" + string(d.Stage),
		"DLM_RUN_ID=" + d.Run,
		"DLM_LOCK_NAME=" + d.Lock,
		"DLM_HOOK=" + d.Hook,
		"DLM_OUTPUT=" + strings.Join(d.Output, "\n"),
		"DLM_CONFIG=" + n.config,
	}
}

// close ends the notifiers that still run when nobody waits for them any more. If even the kernel can't end one (on a
// network file system that hangs), close leaves it behind: the next invocation must not find this one still running.
func (n *notifiers) close() {
	if n == nil {
		return
	}
	n.end()
	err := inTime(n.log, endTimeout, func() error {
		<-n.ready
		n.atWork.Lock()
		defer n.atWork.Unlock()
		n.over = true
		return nil
	})
	switch {
	case err != nil:
		n.log.Warn("a notifier can't be ended, and is left behind", "waited", endTimeout)
	case n.called:
		n.keepRunning()
	}
}

// keepRunning moves processes that notifiers left running, such as the delivery of a mail, to a scope of their own, so
// that the end of this invocation doesn't kill them.
func (n *notifiers) keepRunning() {
	moved, err := realLeftovers(true).handle(true)
	for _, one := range moved {
		n.log.Info("process left running by a notifier: moved to a scope of its own, where it lives on",
			"left_by", one.Hook, "command", one.Command, "pid", one.PID, "scope", one.Scope)
	}
	if err != nil {
		n.log.Warn("processes that notifiers left running could not be moved; systemd kills them now", "error", err)
	}
}

// endTimeout is several times as long as the kernel needs to end a killed notifier and to close its output.
const endTimeout = 15 * time.Second

// notSet returns the error for a configuration without a directory of notifiers.
func notSet(c *config.Config) error {
	return &config.Error{Err: fmt.Errorf("notify.d is not set in %s, so nobody is notified; add the line notify.d = %s",
		c.Path, defaultNotifyDir)}
}

// defaultNotifyDir is the directory in the packages.
const defaultNotifyDir = "/etc/foreman_dlm_updater/notify.d"
