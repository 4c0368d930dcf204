package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"foreman-dlm-updater/internal/byhand"
	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"
)

type lockExecCmd struct {
	Reason  reason   `placeholder:"TEXT" help:"Why, for the others: a run of this host that begins meanwhile says so."`
	Wait    bool     `help:"Wait until it is free, as a run does."`
	Command []string `arg:"" help:"The command with its arguments, behind --. No shell reads it."`
}

// The exit codes of env(1), nohup(1) and the like for a command that could not be executed.
const (
	exitNotExecutable = 126
	exitNotFound      = 127
)

// commandEnded is the exit code of the command that `lock exec` ran.
type commandEnded int

func (e commandEnded) Error() string {
	return fmt.Sprintf("the command ended with exit code %d", int(e))
}

// Run ends with the command's exit code, or 128 plus the number of the signal that killed it, as a shell does.
func (cmd *lockExecCmd) Run(p *Process, path configPath) error {
	file, err := exec.LookPath(cmd.Command[0])
	if err != nil {
		code := commandEnded(exitNotFound)
		if errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EISDIR) {
			code = exitNotExecutable
		}
		p.report(notRun(err), "")
		return &toldError{code}
	}
	signals := p.Caller.Signals()
	c, unlock, err := p.loadAlone(path)
	if err != nil {
		return notRun(err)
	}
	defer unlock()
	if err := cmd.free(p, c); err != nil {
		return notRun(err)
	}
	p.nameCalendar(c)
	log, closeLog, err := p.consoleLog()
	if err != nil {
		return err
	}
	defer closeLog()
	x := &execution{Process: p, config: c, work: newWorkflow(p, c, log, nil)}
	x.hand = &byHand{file: byhand.Beside(c.State), hold: byhand.Hold{Reason: string(cmd.Reason), Since: time.Now(),
		By: login(), Command: cmd.Command, PID: os.Getpid()}}
	if err := x.take(cmd.Wait); err != nil {
		return notRun(err)
	}
	return x.run(file, cmd.Command, signals)
}

func notRun(err error) error { return fmt.Errorf("the command was not run: %w", err) }

// free returns an error if this host has something to do with the lock already: releasing the lock at the end would
// take it from a run or from a person.
func (cmd *lockExecCmd) free(p *Process, c *config.Config) error {
	record, err := state.Store{Path: c.State}.Load()
	if err != nil {
		return err
	}
	if record.InProgress() {
		return &lock.NotNow{Text: fmt.Sprintf("run %s is on record, in stage %s", record.RunID, record.Stage),
			Next: "let it end first (`foreman-dlm-updater run`), or forget it (`foreman-dlm-updater state clear`)"}
	}
	hold, lost, _, err := p.heldByHand(c)
	switch {
	case err != nil:
		return err
	case lost != nil:
		fmt.Fprintf(p.Stderr, "foreman-dlm-updater: lock %s was taken by hand (%s), and is not this host's any more: %s\n",
			hold.Lock, hold.Who(), lost.Why)
	case hold != nil:
		return &lock.NotByRun{Lock: hold.Lock, Config: c.Path, Who: hold.Who()}
	}
	own, err := ownSlot(p.Context, c)
	if own != "" {
		return &lock.NotByRun{Lock: own, Config: c.Path}
	}
	return err
}

// nameCalendar names what would keep a run from beginning now, and does not keep a command.
func (p *Process) nameCalendar(c *config.Config) {
	no, err := scheduleOf(c).Ask(time.Now())
	if err == nil && no != nil {
		err = errors.New(no.Why)
	}
	if err != nil {
		fmt.Fprintf(p.Stderr, "foreman-dlm-updater: no run would begin now, but the command does: %v\n", err)
	}
}

// execution is a `lock exec` in progress.
type execution struct {
	*Process
	config *config.Config
	work   *workflow.Workflow
	hand   *byHand
	lock   workflow.Lock
	// runs: the command is running.
	runs atomic.Bool
	// lost: it was said that the lock is lost.
	lost atomic.Bool
}

// take takes the lock. Any signal ends the wait.
func (x *execution) take(wait bool) error {
	ctx, ignore := x.Context, func() {}
	if !slices.Contains(x.Caller.Ignored, os.Signal(syscall.SIGHUP)) {
		ctx, ignore = signal.NotifyContext(ctx, syscall.SIGHUP)
	}
	defer ignore()
	how := workflow.ByHand{Name: x.config.LockName, Wait: wait, Asks: true, Heard: x.heard}
	if x.config.LockSlots > 1 {
		how.Slots = workflow.Slots(x.config.LockName, x.config.LockSlots)
	}
	var err error
	if x.lock, err = x.hand.take(ctx, x.Process, x.work, how); err != nil {
		return err
	}
	if ctx.Err() == nil {
		return nil
	}
	return errors.Join(&lock.NotNow{Text: "stopped by a signal"},
		x.release(context.WithoutCancel(ctx)))
}

// heard warns once if the lock is lost while the command runs. The command goes on: only it knows how to stop.
func (x *execution) heard(view lock.View, err error) {
	if err == nil && !view.Self && x.runs.Load() && !x.lost.Swap(true) {
		fmt.Fprintf(x.Stderr, "foreman-dlm-updater: warning: %s, and not held by this host any more; the command goes on\n",
			holder(x.config, x.lock.Name(), view))
	}
}

// run runs the command under the lock. The lock is released when the command has ended by itself.
func (x *execution) run(file string, argv []string, signals <-chan os.Signal) error {
	x.lock.KeepAlive()
	x.runs.Store(true)
	result := x.Caller.Foreground(file, argv, []string{"DLM_LOCK_NAME=" + x.lock.Name()}, signals, func(pid int) {
		x.hand.hold.CommandPID = pid
		x.note()
	})
	x.runs.Store(false)
	if result.Signal != 0 {
		x.lock.StopKeepAlive()
		x.hand.hold.Ended = result.String()
		x.note()
		fmt.Fprintf(x.Stderr, "foreman-dlm-updater: the command was %s, and nobody knows what it has left undone: lock %s "+
			"stays held by hand; once all is well: %s\n", result, x.lock.Name(),
			x.withConfig("`foreman-dlm-updater lock release`"))
		return &toldError{commandEnded(128 + int(result.Signal))}
	}
	code := commandEnded(result.Exit)
	if result.Err != nil {
		code = exitNotExecutable
		x.report(fmt.Errorf("%s: %w", file, result.Err), "")
	}
	ctx, cancel := untilSignal(signals)
	defer cancel()
	if err := x.release(ctx); err != nil {
		x.hand.hold.Ended = result.String()
		x.note()
		x.report(fmt.Errorf("the command ended with exit code %d, and lock %s is still held by this host: %w", int(code),
			x.lock.Name(), err), "`foreman-dlm-updater lock release` releases it")
	}
	if code == 0 {
		return nil
	}
	return &toldError{code}
}

// untilSignal returns a context that ends workflow.ReleaseGrace after the next signal. It does not end at once, because
// Ctrl-C may reach this program only after the command has heard it and ended.
func untilSignal(signals <-chan os.Signal) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-signals:
			time.AfterFunc(workflow.ReleaseGrace, cancel)
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// note brings the record up to date. A record that says less is no reason to disturb the command.
func (x *execution) note() {
	if err := x.hand.file.Write(x.hand.hold); err != nil {
		fmt.Fprintf(x.Stderr, "foreman-dlm-updater: warning: %v\n", err)
	}
}

// release releases the lock and removes the record.
func (x *execution) release(ctx context.Context) error {
	if err := x.lock.Give(ctx); err != nil {
		if ctx.Err() != nil {
			err = errors.New("stopped by a signal")
		}
		return err
	}
	return x.hand.file.Remove()
}
