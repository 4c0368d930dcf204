package cli

import (
	"cmp"
	"fmt"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/history"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/outcome"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"

	"github.com/kballard/go-shellquote"
)

type stateShowCmd struct{}

func (*stateShowCmd) Run(p *Process, path configPath) error {
	c, err := p.loadFor(path)
	if err != nil {
		return err
	}
	record, err := state.Store{Path: c.State}.Load()
	if err != nil {
		return err
	}
	if record == nil {
		fmt.Fprintf(p.Stdout, "no run in progress (there is no %s)\n", c.State)
		return nil
	}
	fmt.Fprintln(p.Stdout, record.Stage)
	if record.Format == 0 {
		fmt.Fprintln(p.Stdout, "(written by the original: nothing but the stage is known)")
		return nil
	}
	return writeJSON(p.Stdout, record, "  ")
}

type stateSetCmd struct {
	Stage string `arg:"" enum:"${stages}" help:"One of: ${stagelist}."`
}

func (cmd *stateSetCmd) Run(p *Process, path configPath) error {
	c, unlock, err := p.loadAlone(path)
	if err != nil {
		return err
	}
	defer unlock()
	store := state.Store{Path: c.State}
	// This command fixes a record that can't be read, or that is another machine's.
	record, err := store.Load()
	if err := otherConfigs(record, c, "state set "+cmd.Stage); err != nil {
		return err
	}
	if err != nil || !record.InProgress() || !record.Of(host.MachineID()) {
		record = &state.Record{}
	}
	if cmd.Stage == string(state.NeedsUpdate) { // a record with that stage means that there is no run
		kept, err := p.forget(c, store, record)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.Stdout, "the next invocation begins with stage %s; lock %s was not touched\n",
			cmd.Stage, cmp.Or(record.Lock, c.LockName))
		p.warnForgotten(record, kept)
		return p.lowerFlagsOf(c, record)
	}
	now := time.Now()
	if abandoned := lastAbandoned(c); record.Stage == "" && abandoned != nil {
		record.RunID, record.Began, record.Lock = abandoned.Run, abandoned.Began, abandoned.Lock
		fmt.Fprintf(p.Stdout, "run %s, which was given up, goes on: its name tells hooks what they have to bring back\n",
			record.RunID)
	}
	if record.RunID == "" { // there was no run, or the original began it
		record.RunID, record.Began = workflow.NewRunID(), now
	}
	next := state.Record{Stage: state.Stage(cmd.Stage), RunID: record.RunID, Began: record.Began, SetByHand: now,
		Lock: cmp.Or(record.Lock, c.LockName), MachineID: host.MachineID(), Rebooted: record.Rebooted,
		RebootDue: record.RebootDue, Story: record.Story, SetWith: c.Path, Flags: record.Flags}
	if err := store.Save(next); err != nil {
		return err
	}
	forgotten := ""
	if taken := record.Taken; taken != nil && taken.URL != "" { // forgotten on purpose: lock.Elsewhere asks for that
		forgotten = "; the record no longer says which server has it: if foreman_url or the certificate has changed since, " +
			"free it at " + taken.URL + " first"
	}
	fmt.Fprintf(p.Stdout, "the next invocation begins with stage %s; lock %s was not touched%s\n",
		next.Stage, next.Lock, forgotten)
	if next.Stage == state.LockRelease {
		p.warnOutOfService(record)
	}
	return nil
}

type stateClearCmd struct{}

func (*stateClearCmd) Run(p *Process, path configPath) error {
	c, unlock, err := p.loadAlone(path)
	if err != nil {
		return err
	}
	defer unlock()
	store := state.Store{Path: c.State}
	name := p.lockName(c)
	record, unreadable := store.Load() // a record that can't be read is cleared too
	if err := otherConfigs(record, c, "state clear"); err != nil {
		return err
	}
	kept, err := p.forget(c, store, record)
	if err != nil {
		return err
	}
	what := "the run is forgotten"
	if unreadable == nil && !record.InProgress() {
		what = "no run was on record"
	}
	fmt.Fprintf(p.Stdout, "%s; lock %s was not touched: see %s\n", what, name,
		p.withConfig("`foreman-dlm-updater lock show` and `foreman-dlm-updater lock release`"))
	if err := p.lowerFlagsOf(c, record); err != nil {
		return err
	}
	if unreadable != nil {
		fmt.Fprintln(p.Stderr, "the record could not be read; if this host is out of service, start its services by hand")
	}
	p.warnForgotten(record, kept)
	return nil
}

// lowerFlagsOf lowers the flags of a run that has been forgotten. If the lock server does not answer, it says that they
// are left.
func (p *Process) lowerFlagsOf(c *config.Config, record *state.Record) error {
	if record == nil || len(record.Flags) == 0 {
		return nil
	}
	log, closeLog, err := p.consoleLog()
	if err != nil {
		return err
	}
	defer closeLog()
	lowerFlags(p.Context, p, newWorkflow(p, c, log, nil), record.Flags)
	return nil
}

// otherConfigs returns an error if another configuration, which still exists, began the run on record: only that one
// knows the run's hooks. command is the command that the error names.
func otherConfigs(record *state.Record, c *config.Config, command string) error {
	began := record.Configuration()
	if !record.InProgress() || began == "" || !isOther(c.Path, began) {
		return nil
	}
	return fmt.Errorf("run %s, now in stage %s, was begun with the configuration %s, and nothing was changed; "+
		"to change that run: `foreman-dlm-updater --config %s %s`",
		record.RunID, record.Stage, began, shellquote.Join(began), command)
}

// bringBack are the commands that bring back a host that a run has taken out of service, whether the run is still on
// record or not.
const bringBack = "`foreman-dlm-updater state set post_update`, then `foreman-dlm-updater run`"

// warnOutOfService says how to bring the host back if its run is given up. record is the one before that.
func (p *Process) warnOutOfService(record *state.Record) {
	if record != nil && record.Of(host.MachineID()) && workflow.OutOfService(record.Stage) {
		fmt.Fprintf(p.Stderr, "this host is out of service (pre_update has begun); to bring it back: %s\n",
			p.withConfig(bringBack))
	}
}

// warnForgotten is warnOutOfService for a run that is already forgotten: only the history still has its name, if it was
// kept there.
func (p *Process) warnForgotten(record *state.Record, kept bool) {
	if kept {
		p.warnOutOfService(record)
	} else if record != nil && record.Of(host.MachineID()) && workflow.OutOfService(record.Stage) {
		fmt.Fprintln(p.Stderr, "this host is out of service (pre_update has begun), "+
			"and without a history its run can't go on: start its services by hand")
	}
}

// lastAbandoned returns the last run in the history if it was given up, else nil. The start hooks bring back only
// services that were stopped under the name of their run.
func lastAbandoned(c *config.Config) *history.Run {
	if c.History == "" {
		return nil
	}
	runs, _, err := history.File{Path: c.History}.Read()
	if err != nil || len(runs) == 0 || runs[len(runs)-1].Result != history.Abandoned {
		return nil
	}
	return &runs[len(runs)-1]
}

// forget removes the record of a run, which history then lists as abandoned. kept reports whether `state set` can still
// go on with the run: a run of the original has no name that anything depends on.
func (p *Process) forget(c *config.Config, store state.Store, record *state.Record) (kept bool, err error) {
	if err := store.Clear(); err != nil {
		return false, err
	}
	p.keepRebootDue(c, record)
	if !record.InProgress() || record.RunID == "" || c.History == "" {
		return c.History != "", nil
	}
	log, closeLog, err := p.consoleLog()
	if err != nil {
		return false, err
	}
	defer closeLog()
	return addHistory(c, log, history.Of(*record, history.Abandoned, time.Now(), nil)), nil
}

// keepRebootDue saves a reboot that may be due in the outcome, so that it outlives the run.
func (p *Process) keepRebootDue(c *config.Config, record *state.Record) {
	if record == nil || record.RebootDue == nil {
		return
	}
	last, err := readOutcome(c)
	if err == nil && last != nil {
		last.RebootDue = record.RebootDue
		err = outcome.Beside(c.State).Write(*last)
	}
	if err != nil || last == nil {
		fmt.Fprintf(p.Stderr, "foreman-dlm-updater: warning: a reboot may be due, and nothing will say so again: "+
			"needs_reboot hook %s: %s\n", shown(record.RebootDue.Hook), shown(record.RebootDue.Message))
	}
}
