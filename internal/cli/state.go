package cli

import (
	"fmt"
	"time"

	"foreman-dlm-updater/internal/history"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/state"
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
	if err != nil || record == nil || !record.Of(host.MachineID()) {
		record = &state.Record{Began: time.Now()}
	}
	if record.Lock == "" {
		record.Lock = c.LockName
	}
	next := state.Record{Stage: state.Stage(cmd.Stage), RunID: record.RunID, Began: record.Began, Lock: record.Lock,
		MachineID: host.MachineID(), Rebooted: record.Rebooted, Story: record.Story}
	if err := store.Save(next); err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "the next invocation begins with stage %s; lock %s was not touched\n", next.Stage, next.Lock)
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
	if err := store.Clear(); err != nil {
		return err
	}
	if record != nil && record.Stage != state.NeedsUpdate && record.RunID != "" && c.History != "" {
		log, err := p.consoleLog()
		if err != nil {
			return err
		}
		addHistory(c, log, history.Of(*record, history.Abandoned, time.Now(), nil))
	}
	fmt.Fprintf(p.Stdout, "the run is forgotten; lock %s was not touched: see `foreman-dlm-updater lock show` and `lock release`\n", name)
	return nil
}
