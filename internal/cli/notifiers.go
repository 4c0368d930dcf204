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

// notifyStage is what the notifiers' directory is called where others are called by their stage.
const notifyStage = "notify"

// eventVersion is that of the JSON document (docs/event.schema.json). It is raised for a field that goes or changes its meaning; new
// fields and new events come without.
const eventVersion = 1

const (
	notifyTimeout = 30 * time.Second // for one notifier and one event
	notifyGrace   = 2 * time.Second  // between TERM and KILL
)

// notifiers are the hooks that hear of events. Nothing that they do, or that is wrong with them, changes the run.
type notifiers struct {
	dir, settings, config, host string
	log                         hclog.Logger
	kill                        context.Context
	end                         context.CancelFunc
	wait                        func()          // holds up one that writes faster than the log takes it; nil: nothing does
	refused                     string          // why they were not called the last time; empty if they were
	ready                       <-chan struct{} // closed once they were vetted for the first time

	atWork sync.Mutex
	called bool // whether any notifier was called
	over   bool // nobody is told any more
}

// newNotifiers returns nil if the configuration wants none.
func newNotifiers(p *Process, c *config.Config, log hclog.Logger, wait func()) *notifiers {
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

// told is how a notifier fared.
type told struct {
	name   string
	result process.Result
}

// listen makes the notifiers hear of a run's events. That they are refused is said at once, and then only if it changes. It is no error:
// a run in progress has to finish, and no update depends on whether somebody hears of it.
// Nor does the run wait for their disk.
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

// vetted lists the notifiers that may be called now, and logs why there are none. What is skipped goes to skips.
func (n *notifiers) vetted(skips hclog.Logger) []hook.Hook {
	found, err := n.list(skips)
	why := ""
	if err != nil {
		why = err.Error()
	}
	if why != "" && why != n.refused {
		n.log.Error("nobody is notified", "error", err, "next", "fix what is named, then `foreman-dlm-updater config check`; the run goes on without")
	}
	n.refused = why
	return found
}

// list vets the notifiers and the settings that they read, as those of a stage.
func (n *notifiers) list(skips hclog.Logger) ([]hook.Hook, error) {
	look := vet.NewSession()
	found, err := hook.ListNotifiers(look, n.dir, skips)
	if err = errors.Join(err, hook.VetSettings(look, n.settings)); err != nil {
		return nil, err
	}
	return found, nil
}

// tell calls all of them at once, and waits until they have ended, which is not long.
func (n *notifiers) tell(found []hook.Hook, d eventDocument) []told {
	text, err := json.Marshal(d)
	if err != nil {
		n.log.Warn("nobody is notified: the event could not be put into words", "event", string(d.Kind), "error", err)
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

// env is the part of the document that a shell script can use as it is.
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

// close ends what still runs once nobody waits for it any more. One that even the kernel can't end (on a network's file system that hangs)
// is left behind: the next invocation must not find this one at work.
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

// keepRunning moves what notifiers left running, such as a mail that is being delivered, to where the end of this
// invocation doesn't kill it.
func (n *notifiers) keepRunning() {
	moved, err := realLeftovers(true).handle(true)
	for _, one := range moved {
		n.log.Info("a process that a notifier left running was moved to a scope of its own, and lives on",
			"left_by", one.Hook, "command", one.Command, "pid", one.PID, "scope", one.Scope)
	}
	if err != nil {
		n.log.Warn("processes that notifiers left running could not be moved; systemd kills them now", "error", err)
	}
}

// endTimeout is several times what the kernel takes to end a notifier that was killed, and to close its output.
const endTimeout = 15 * time.Second

// notSet says that there is no directory of notifiers.
func notSet(c *config.Config) error {
	return &config.Error{Err: fmt.Errorf("notify.d is not set in %s, so nobody is notified; add the line notify.d = %s", c.Path, defaultNotifyDir)}
}

// defaultNotifyDir is the directory that the packages bring.
const defaultNotifyDir = "/etc/foreman_dlm_updater/notify.d"
