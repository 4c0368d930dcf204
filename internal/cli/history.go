package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/events"
	"foreman-dlm-updater/internal/history"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

type historyCmd struct {
	List historyListCmd `cmd:"" default:"withargs" help:"One line for each run (the default)."`
	Show historyShowCmd `cmd:"" help:"Show a run's stages and hooks in order, and the last lines of a failed hook."`
}

// keepHistory writes the line of a run that is over. If it can't, it logs a warning.
func keepHistory(c *config.Config, log hclog.Logger, seen *events.Watcher, why error) {
	record, result := seen.Over()
	if record == nil || c.History == "" {
		return
	}
	var stage *workflow.StageError
	if errors.As(why, &stage) {
		why = stage.Err
	}
	run := history.Of(*record, string(result), time.Now(), why)
	question, bySignal := answeredNo(why, stage)
	run.Question, run.BySignal = string(question), bySignal
	addHistory(c, log, run)
}

// answeredNo is the question whose answer ended a run, or kept it waiting until a signal came (bySignal); empty: none.
func answeredNo(why error, stage *workflow.StageError) (no lock.Question, bySignal bool) {
	var refusal *workflow.Refusal
	var notNow *lock.NotNow
	switch {
	case errors.As(why, &refusal):
		return refusal.Question, false
	case errors.As(why, &notNow) && notNow.For != "":
		return notNow.For, false
	case stage != nil:
		return stage.Obstacle.For, stage.Obstacle.For != ""
	}
	return "", false
}

// addHistory writes a run's line, and returns whether it could. If not, it logs a warning.
func addHistory(c *config.Config, log hclog.Logger, run history.Run) bool {
	err := inTime(log, reportPatience, func() error { return history.File{Path: c.History}.Add(run) })
	if err != nil {
		log.Warn("the run's history could not be written", "run", run.Run, "error", err)
	}
	return err == nil
}

// runs returns the runs of the history, the newest first. The run in progress comes from the state file.
func (p *Process) runs(path configPath) ([]history.Run, error) {
	c, err := p.loadFor(path)
	if err != nil {
		return nil, err
	}
	if c.History == "" {
		return nil, &config.Error{Err: errors.New("no history is kept: history = none")}
	}
	runs, skipped, err := history.File{Path: c.History}.Read()
	if err != nil {
		return nil, err
	}
	if skipped > 0 {
		fmt.Fprintf(p.Stderr, "foreman-dlm-updater: warning: %s: %d lines are left out: "+
			"they come from a newer version or another program\n", c.History, skipped)
	}
	record, err := state.Store{Path: c.State}.Load()
	if err != nil {
		fmt.Fprintf(p.Stderr, "foreman-dlm-updater: warning: %v; a run in progress is left out\n", err)
	}
	if record.InProgress() {
		runs = append(runs, history.Of(*record, history.InProgress, time.Time{}, nil))
	}
	slices.Reverse(runs)
	return runs, nil
}

type historyListCmd struct {
	JSON bool `name:"json" help:"Print one JSON object for each run, one a line, the newest first."`
}

func (cmd *historyListCmd) Run(p *Process, path configPath) error {
	runs, err := p.runs(path)
	if err != nil {
		return err
	}
	if cmd.JSON {
		for _, run := range runs {
			if err := writeJSON(p.Stdout, run, ""); err != nil {
				return err
			}
		}
		return nil
	}
	if len(runs) == 0 {
		fmt.Fprintln(p.Stdout, "no run is on record; those that find nothing to do are not recorded")
		return nil
	}
	table := tabwriter.NewWriter(p.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "RUN\tBEGAN\tTOOK\tWAITED\tREBOOTS\tRESULT")
	for _, run := range runs {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\n", run.Run, began(run), took(lasted(run)),
			took(millis(run.WaitedMS)), run.Reboots, became(run))
	}
	return table.Flush()
}

func began(run history.Run) string {
	if run.Began.IsZero() {
		return "-"
	}
	return clock(run.Began)
}

// lasted returns how long the run took, or has taken so far.
func lasted(run history.Run) time.Duration {
	if run.Began.IsZero() { // the original began it, and its state file has nothing but the stage
		return 0
	}
	if run.Ended.IsZero() {
		return time.Since(run.Began)
	}
	return run.Ended.Sub(run.Began)
}

// became says in a few words how a run ended.
func became(run history.Run) string {
	text := run.Result
	if run.Result != string(events.RunFinished) {
		text += " in " + string(run.Stage)
	}
	switch {
	case run.Question != "":
		text += ": "
		if run.BySignal {
			text += "stopped by a signal while "
		}
		text += cmp.Or(answers[lock.Question(run.Question)], run.Question)
	case run.Failure == nil:
	case couldNotFindOut(run):
		text += ", could not find out: " + where(run.Failure)
	default:
		text += ", failed in " + where(run.Failure)
	}
	if run.RebootDue != nil {
		text += ", a reboot may be due"
	}
	return text
}

// answers are the answers to the questions of a run that may not begin, in a few words.
var answers = map[lock.Question]string{lock.Pause: "paused", lock.Freeze: "frozen", lock.Window: "window closed",
	lock.Gate: "a gate said no", lock.Budget: "other hosts had failed", lock.Blocked: "another lock blocked it"}

// waitedFor says what a run waited for.
func waitedFor(run history.Run) string {
	words := map[string]string{"lock": "the lock", string(lock.Gate): "gates",
		string(lock.Budget): "hosts that had failed", string(lock.Blocked): "a lock of blocked_by"}
	var all []string
	for _, what := range run.WaitedFor {
		all = append(all, cmp.Or(words[what], what))
	}
	return cmp.Or(strings.Join(all, " and "), "the lock")
}

// couldNotFindOut reports whether the run gave up because a needs_update hook could not find out: nothing has failed.
func couldNotFindOut(run history.Run) bool {
	return run.Result == string(events.RunGaveUp) && run.Failure.Stage == state.NeedsUpdate
}

// where names the stage that failed, and the hook if one failed.
func where(failure *state.Failure) string {
	if failure.Hook == "" {
		return string(failure.Stage)
	}
	return fmt.Sprintf("%s/%s", failure.Stage, failure.Hook)
}

type historyShowCmd struct {
	Name string `arg:"" name:"run" help:"The run's name in the history, or its beginning; last is the newest run."`
	JSON bool   `name:"json" help:"Print one JSON object."`
}

func (cmd *historyShowCmd) Run(p *Process, path configPath) error {
	runs, err := p.runs(path)
	if err != nil {
		return err
	}
	run, err := find(runs, cmd.Name)
	if err != nil {
		return err
	}
	if cmd.JSON {
		return writeJSON(p.Stdout, run, "  ")
	}
	_, err = fmt.Fprint(p.Stdout, p.withConfig(timeline(run)), lastLines(run))
	return err
}

func find(runs []history.Run, name string) (history.Run, error) {
	if name == "last" && len(runs) > 0 {
		return runs[0], nil
	}
	var found []history.Run
	for _, run := range runs {
		if run.Run == name {
			return run, nil
		}
		if strings.HasPrefix(run.Run, name) {
			found = append(found, run)
		}
	}
	switch len(found) {
	case 0:
		return history.Run{}, fmt.Errorf("no run %q is on record; `foreman-dlm-updater history` lists those that are", name)
	case 1:
		return found[0], nil
	}
	return history.Run{}, fmt.Errorf("%d runs begin with %q; write more of the name", len(found), name)
}

// timeline shows a run step by step.
func timeline(run history.Run) string {
	var b strings.Builder
	fmt.Fprintf(&b, "run %s, lock %s: %s\n", run.Run, run.Lock, became(run))
	fmt.Fprintf(&b, "began %s, took %s, waited %s for %s, %d reboots, %d invocations\n", began(run),
		took(lasted(run)), took(millis(run.WaitedMS)), waitedFor(run), run.Reboots, run.Invocations)
	if run.Error != "" {
		fmt.Fprintf(&b, "ended unfinished: %s\n", run.Error)
	}
	fmt.Fprintln(&b)
	if run.Dropped > 0 {
		fmt.Fprintf(&b, "(%d earlier steps are left out)\n", run.Dropped)
	}
	for _, step := range run.Steps {
		what := string(step.Stage)
		if step.Hook != "" {
			what = fmt.Sprintf("  %s (exit %d)", step.Hook, step.Exit)
		}
		fmt.Fprintf(&b, "%s  %9s  %s", clock(step.Began), took(millis(step.TookMS)), what)
		if step.Error != "" {
			fmt.Fprintf(&b, ": %s", step.Error)
		}
		fmt.Fprintln(&b)
		for _, note := range step.Notes {
			fmt.Fprintf(&b, "%36snote: %s\n", "", note)
		}
	}
	if due := run.RebootDue; due != nil {
		fmt.Fprintf(&b, "\na reboot may be due since %s: needs_reboot hook %s: %s\n", clock(due.Time), due.Hook, due.Message)
	}
	if failure := run.Failure; failure != nil {
		what := fmt.Sprintf("failed %s in", clock(failure.Time))
		if couldNotFindOut(run) {
			what = fmt.Sprintf("could not find out %s:", clock(failure.Time))
		}
		fmt.Fprintf(&b, "\n%s %s: %s\n", what, where(failure), failure.Message)
	}
	return b.String()
}

// lastLines are the last lines of the hook that failed.
func lastLines(run history.Run) string {
	if run.Failure == nil {
		return ""
	}
	var b strings.Builder
	for _, line := range run.Failure.Output {
		fmt.Fprintf(&b, "  | %s\n", line)
	}
	return b.String()
}
