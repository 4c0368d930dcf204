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
	// What can't be read, or is another machine's, is what this command mends.
	record, err := store.Load()
	if err != nil || !record.InProgress() || !record.Of(host.MachineID()) {
		record = &state.Record{}
	}
	if cmd.Stage == string(state.NeedsUpdate) { // a record with that stage means that there is no run
		if err := p.forget(c, store, record); err != nil {
			return err
		}
		fmt.Fprintf(p.Stdout, "the next invocation begins with stage %s; lock %s was not touched\n", cmd.Stage, cmp.Or(record.Lock, c.LockName))
		return nil
	}
	now := time.Now()
	if record.RunID == "" { // there was none, or it was the original's
		record.RunID, record.Began = workflow.NewRunID(), now
	}
	next := state.Record{Stage: state.Stage(cmd.Stage), RunID: record.RunID, Began: record.Began, SetByHand: now, Lock: cmp.Or(record.Lock, c.LockName),
		MachineID: host.MachineID(), Rebooted: record.Rebooted, RebootDue: record.RebootDue, Story: record.Story}
	if err := store.Save(next); err != nil {
		return err
	}
	forgotten := ""
	if taken := record.Taken; taken != nil && taken.URL != "" { // on purpose: it is the remedy of an ElsewhereError
		forgotten = "; where it was asked for is forgotten: if foreman_url or the certificate has changed since, free it at " +
			taken.URL + " first"
	}
	fmt.Fprintf(p.Stdout, "the next invocation begins with stage %s; lock %s was not touched%s\n", next.Stage, next.Lock, forgotten)
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
	record, _ := store.Load() // what can't be read is cleared too
	if err := p.forget(c, store, record); err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "the run is forgotten; lock %s was not touched: see `foreman-dlm-updater lock show` and `lock release`\n", name)
	return nil
}

// forget removes the record of a run, which history then lists as abandoned.
func (p *Process) forget(c *config.Config, store state.Store, record *state.Record) error {
	if err := store.Clear(); err != nil {
		return err
	}
	p.keepRebootDue(c, record)
	if !record.InProgress() || record.RunID == "" || c.History == "" {
		return nil
	}
	log, err := p.consoleLog()
	if err != nil {
		return err
	}
	addHistory(c, log, history.Of(*record, history.Abandoned, time.Now(), nil))
	return nil
}

// keepRebootDue puts a reboot that may be due where it outlives the run that found out.
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
