package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/configcheck"
	"foreman-dlm-updater/internal/events"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/logging"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

type runCmd struct {
	AfterReboot bool `aliases:"after_reboot" help:"The host has just booted: go on with a run, if there is one."`
	Now         bool `help:"Begin in spite of a pause, a freeze or a closed window. Gates, budget and lock still count."`
}

func (cmd *runCmd) Run(p *Process, path configPath) (err error) {
	c, problems, err := load(path)
	if err != nil {
		return err
	}
	terminal, journal := logging.Detect(p.Stderr)
	options := logging.Options{
		File: c.Log, Retention: c.LogRetention, Level: c.LogLevel, JSON: c.LogJSON,
		Stderr: p.Stderr, Terminal: terminal, Journal: journal, Edit: p.editLog,
	}
	log, outputs, noLog := logging.New(options)
	if noLog != nil { // refusal reports it, like any other reason why no run can begin
		options.File, noLog = "", &config.Error{Err: noLog}
		if log, outputs, err = logging.New(options); err != nil {
			return &config.Error{Err: err}
		}
	}
	defer outputs.Close()
	defer catch(log, &err)
	for _, problem := range problems {
		log.Warn("configuration", "problem", problem.String())
	}
	instance, err := begin(c)
	var running *host.RunningError
	if errors.As(err, &running) { // the other invocation writes the outcome and the metrics
		tell(log, err)
		return &toldError{err}
	}
	if err == nil {
		defer instance.Close()
		err = refusal(c, log, noLog)
	}
	return cmd.work(p, c, log, outputs.Wait, err)
}

// work runs the workflow, unless it is refused. It tells everybody what happens, and how it ended. For wait see
// newWorkflow.
func (cmd *runCmd) work(
	p *Process, c *config.Config, log hclog.Logger, wait func(context.Context), refused error,
) error {
	defer logStop(p, log)()
	log.Debug("program started", "version", version(), "config", c.Path)
	work := newWorkflow(p, c, log, wait)
	if cmd.Now {
		work.MayBegin = ignoring(work.MayBegin, log)
	}
	before := lastOutcome(c, log)
	reserveOutcome(c, log)
	notifiers := newNotifiers(p, c, log, wait)
	defer notifiers.close()
	sentences := passNewest(log, showSentences)
	defer func() { _ = inTime(log, statusPatience, sentences.close) }()
	options := events.Options{Show: sentences.pass, Next: afterStop,
		Later:     func(err error) bool { return exitCode(err) == exitLater },
		Listeners: notifiers.listen(), RebootDue: before.RebootDue, Wording: lockServer(c).Wording, Config: c.Path}
	var reports *reporter
	if c.MetricsTextfile != "" {
		reports = newReporter(c, log)
		options.See = reports.see
	}
	seen := events.Watch(work, options)
	told := false
	tellEnd := func(err error) {
		if !told {
			told = true
			seen.Ended(err)
		}
	}
	work.Failing = tellEnd // listeners hear of the failure while the flag is being raised
	err := refused
	if err == nil {
		err = runSafely(p, work, log, cmd.AfterReboot)
	} else if record, err := work.Store.Load(); err == nil && record.InProgress() { // so that events and status know it
		seen.Observe(workflow.Event{Kind: workflow.Found, Record: record})
	}
	tellEnd(err)
	if err != nil { // this comes first: history and metrics may be on a disk that hangs
		tellStopped(log, err, seen)
	}
	together(log,
		func() { keepOutcome(c, log, cmd.AfterReboot, before, seen, err) },
		func() { keepHistory(c, log, seen, err) },
		func() { reports.end(p.Context, seen.Last(), err) },
		seen.Close,
	)
	if err != nil {
		err = &toldError{err}
	}
	return err
}

// ignoring names what keeps a run from beginning, once for each reason, and ignores it: a person wants the run now.
func ignoring(mayBegin func(time.Time) (*workflow.Refusal, error), log hclog.Logger,
) func(time.Time) (*workflow.Refusal, error) {
	last := ""
	return func(now time.Time) (*workflow.Refusal, error) {
		refusal, err := mayBegin(now)
		if err != nil && err.Error() != last {
			last = err.Error()
			log.Warn("ignored because of --now", "error", err)
		} else if err == nil && refusal != nil && refusal.Why != last {
			last = refusal.Why
			log.Warn("ignored because of --now", "why", refusal)
		}
		return nil, nil
	}
}

// showSentences shows sentences in `systemctl status`. It runs in its own goroutine.
func showSentences(sentences <-chan string) {
	for sentence := range sentences {
		host.ShowStatus(sentence)
	}
}

// statusPatience is how long the end waits until systemd takes the last sentence, which it shows from then on.
const statusPatience = time.Second

// refusal returns why no run may begin without its log file. It is nil if there is a log file, and for a host that is
// out of service: that one has to come back all the same.
func refusal(c *config.Config, log hclog.Logger, noLog error) error {
	if noLog == nil {
		return nil
	}
	record, err := state.Store{Path: c.State}.Load()
	if err != nil || record == nil || !workflow.HasLock(record.Stage) {
		return noLog
	}
	log.Error("log file can't be used; the run goes on without it, to bring the host back to service and release the lock",
		"stage", record.Stage, "error", noLog, "next", hint(noLog))
	return nil
}

// begin makes sure that this is the only invocation. It refuses if somebody else could change the state or a lock file.
func begin(c *config.Config) (*host.Instance, error) {
	if err := configcheck.VetFiles(c); err != nil {
		var running *host.RunningError
		if other := host.Running(c.Lock, c.State); errors.As(other, &running) {
			return nil, nameExec(other, c)
		}
		return nil, err
	}
	instance, err := host.Only(c.Lock, c.State)
	return instance, nameExec(err, c)
}

// runSafely runs the workflow. It turns a panic into an error, so that monitoring hears of it.
func runSafely(p *Process, work *workflow.Workflow, log hclog.Logger, atBoot bool) (err error) {
	defer catch(log, &err)
	return work.Run(p.Context, atBoot)
}

// catch, deferred, logs a panic and turns it into an error. Go would write it to standard error, where it may be lost.
func catch(log hclog.Logger, err *error) {
	if mistake := recover(); mistake != nil {
		log.Error("internal error", "error", fmt.Sprint(mistake), "stack", string(debug.Stack()))
		*err = &toldError{fmt.Errorf("internal error: %v", mistake)}
	}
}

// severity returns the log level for an error.
func severity(err error) hclog.Level {
	if exitCode(err) == exitLater {
		return hclog.Warn
	}
	return hclog.Error
}

// tell logs why no run could begin, and what to do about it.
func tell(log hclog.Logger, err error) {
	var refusal *workflow.Refusal
	if errors.As(err, &refusal) { // it may come every night for months
		log.Info("no run begins now", "why", refusal)
		return
	}
	level := severity(err)
	log.Log(level, "run not possible", "error", err)
	if next := hintForRun(err); next != "" {
		log.Log(level, "what to do", "next", next)
	}
}

// tellStopped ends the log with everything that a person needs: why the run stopped, the last lines of the hook, the
// lock holder, and what to do next.
func tellStopped(log hclog.Logger, err error, seen *events.Watcher) {
	var stage *workflow.StageError
	if !errors.As(err, &stage) {
		tell(log, err)
		return
	}
	level := severity(err)
	pairs := []any{"run", stage.Run, "stage", string(stage.Stage)}
	if stage.Hook != "" {
		pairs = append(pairs, "hook", stage.Hook)
	}
	pairs = append(pairs, "error", stage.Err)
	if why := stage.Obstacle.Why; why != "" && !strings.Contains(stage.Err.Error(), why) {
		pairs = append(pairs, "waited_for", why) // else nobody knows why it had not begun before the window closed
	}
	log.Log(level, "run stopped", pairs...)
	if lines := seen.Output(stage.Hook); len(lines) > 0 {
		log.Log(level, "last lines of the hook", "hook", stage.Hook, "lines", len(lines),
			"output", strings.Join(lines, "\n"))
	}
	if notes := notesOf(seen); len(notes) > 0 && level == hclog.Error {
		log.Log(level, "notes of this run's hooks", "output", strings.Join(notes, "\n"))
	}
	name := stage.Lock
	var notByRun *lock.NotByRun
	if errors.As(stage.Err, &notByRun) && notByRun.Who != "" { // perhaps another slot, which the run did not ask for
		name = notByRun.Lock
	} else if s := seen.Last().Status; s.Lock.Seen || s.Wording.NoLook == "" || stage.Held != workflow.No {
		log.Log(level, "lock holder", "lock", name, "holder", seen.Holder())
	} // else nobody can look, and a person may have it
	if level == hclog.Error && workflow.Guarded(stage.Stage) { // after a failure in post_update, the next run does it
		log.Log(level, "this host is out of service (pre_update has begun)", "to_give_the_run_up", bringBack)
	}
	next := afterStop(err)
	if level == hclog.Error && hintForRun(err) == "" {
		next += "; where it stands: `foreman-dlm-updater status`"
	}
	switch stage.Held {
	case workflow.Yes:
		log.Log(level, "lock kept: this host holds it until its run has finished",
			"lock", name, "next", next)
	case workflow.NotByRun:
		log.Log(level, "this host holds the lock, but not for this run: the lock is left as it is",
			"lock", name, "next", next)
	case workflow.Perhaps:
		log.Log(level, "this host may hold the lock: the next invocation finds out", "lock", name, "next", next)
	default:
		log.Log(level, "this run does not hold the lock", "lock", name, "next", next)
	}
}

// notesOf returns what the run's hooks want people to find again.
func notesOf(seen *events.Watcher) []string {
	if record := seen.Last().Record; record != nil {
		return record.Story.Notes()
	}
	return nil
}

// afterStop says what to do about an invocation that stopped.
func afterStop(err error) string {
	if next := hintForRun(err); next != "" {
		return next
	}
	does := "tries again"
	var stage *workflow.StageError
	if errors.As(err, &stage) && workflow.HasLock(stage.Stage) { // else the run may be over, or has not begun
		does = "goes on"
	}
	if stage != nil && stage.Obstacle.Err != nil {
		return obstacleNext(stage)
	}
	const failing = "if that keeps failing, look for the cause with"
	switch {
	case errors.Is(err, workflow.ErrCannotTell):
		return "the next `foreman-dlm-updater run` asks again; " + failing + " `foreman-dlm-updater hooks run needs_update`"
	case errors.Is(err, lock.ErrUnavailable):
		return "the next `foreman-dlm-updater run` " + does + "; " + failing + " `foreman-dlm-updater config check`"
	case exitCode(err) == exitLater:
		return "nothing to fix on this host; the next `foreman-dlm-updater run` " + does
	}
	return "fix the cause, then `foreman-dlm-updater run`"
}

// obstacleNext says what to do about a run that ended while it waited for something that is wrong.
func obstacleNext(stage *workflow.StageError) string {
	text := fmt.Sprintf("it waited because %s (%v): fix that (`foreman-dlm-updater config check`); the next "+
		"`foreman-dlm-updater run` ", stage.Obstacle.Why, stage.Obstacle.Err)
	switch {
	case workflow.OutOfService(stage.Stage):
		return text + "goes on, and this host is out of service until then"
	case workflow.HasLock(stage.Stage):
		return text + "goes on"
	}
	return text + "tries again"
}
