package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"foreman-dlm-updater/internal/byhand"
	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/events"
	"foreman-dlm-updater/internal/history"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/schedule"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"

	"github.com/kballard/go-shellquote"
)

type planCmd struct {
	JSON bool `name:"json" help:"As JSON, for programs."`
}

// plan is what a run would do now (docs/plan.schema.json).
type plan struct {
	Version int `json:"version"`
	// Begins: a run would take the lock now. NothingToDo: no hook knows of updates.
	Begins      bool   `json:"begins"`
	NothingToDo bool   `json:"nothing_to_do"`
	Sentence    string `json:"sentence"`
	// Answers are the answers to what a run asks before it begins, in that order.
	Answers []planAnswer `json:"answers"`
	Stages  []planStage  `json:"stages"`
	Reboot  string       `json:"reboot"` // what decides about a reboot
	// LastRuns are the last runs that finished, the newest first.
	LastRuns []planRun `json:"last_runs"`
}

// planAnswer is the answer to one question.
type planAnswer struct {
	Question string     `json:"question"`
	Answer   string     `json:"answer"` // yes: nothing is in the way; no; unknown
	Why      string     `json:"why"`
	Until    *time.Time `json:"until,omitempty"` // when a no changes by itself; nil: not known
}

// planStage is a stage with hooks that a run would go through.
type planStage struct {
	Stage state.Stage `json:"stage"`
	Hooks []string    `json:"hooks"`
}

// planRun is a run that finished.
type planRun struct {
	Run     string    `json:"run"`
	Began   time.Time `json:"began"`
	TookMS  int64     `json:"took_ms"`
	Reboots int       `json:"reboots"`
}

// The questions of a plan that are no lock.Question.
const (
	askUpdates = "updates"
	askHost    = "host"
	askLock    = "lock"
)

// Run runs the hooks of needs_update and the gates, so no invocation may run beside it. It takes no lock.
func (cmd *planCmd) Run(p *Process, path configPath) error {
	c, unlock, err := p.loadAlone(path)
	if err != nil {
		return err
	}
	defer unlock()
	record, err := state.Store{Path: c.State}.Load()
	switch {
	case err != nil:
		return err
	case record.InProgress() && !record.Of(host.MachineID()):
		return workflow.ErrOtherMachine
	}
	log, closeLog, err := p.consoleLog()
	if err != nil {
		return err
	}
	defer closeLog()
	work := newWorkflow(p, c, log, nil)
	work.OpenLock = lockServer(c).open(c, log, requests{timeout: min(c.HTTPTimeout, statusTimeout)}) // nobody waits longer
	what := &planner{context: p.Context, config: c, work: work}
	found, err := what.plan(record)
	if err != nil {
		return refused(err)
	}
	closeLog()
	found.Sentence = p.withConfig(found.Sentence)
	for i, one := range found.Answers {
		found.Answers[i].Why = p.withConfig(one.Why)
	}
	if cmd.JSON {
		err = writeJSON(p.Stdout, found, "  ")
	} else {
		err = found.print(p.Stdout)
	}
	if err == nil && !found.Begins && !found.NothingToDo {
		return &toldError{&lock.NotNow{Text: found.Sentence}}
	}
	return err
}

// planner finds out what a run would do.
type planner struct {
	context context.Context
	config  *config.Config
	work    *workflow.Workflow
}

func (what *planner) plan(record *state.Record) (*plan, error) {
	p := &plan{Version: 1}
	for _, stage := range workflow.HookDirs() {
		names, err := what.work.Hooks.List(stage)
		if err != nil {
			return nil, err
		}
		if !workflow.Optional(stage) || len(names) > 0 {
			p.Stages = append(p.Stages, planStage{stage, append([]string{}, names...)})
		}
	}
	p.Reboot = what.reboot(p.hooks(state.NeedsReboot))
	p.LastRuns = what.lastRuns()
	if record.InProgress() && workflow.HasLock(record.Stage) {
		p.Begins = true
		p.Answers = []planAnswer{}
		p.Sentence = fmt.Sprintf("a run is in progress: it goes on with stage %s, whatever pauses, windows and gates say",
			record.Stage)
		return p, nil
	}
	updates := planAnswer{askUpdates, saysYes, "the run in progress has found updates", nil}
	if !record.InProgress() || record.Stage == state.NeedsUpdate {
		updates = what.updates(p.hooks(state.NeedsUpdate))
	}
	p.Answers = append(what.calendar(), updates, what.gates(p.hooks(workflow.Gate)),
		what.budget(), what.host(), what.lock(record))
	if what.context.Err() != nil {
		return nil, &lock.NotNow{Text: "stopped by a signal"}
	}
	p.conclude(lockServer(what.config).NoLook)
	return p, nil
}

// hooks are the names of a stage's hooks.
func (p *plan) hooks(stage state.Stage) []string {
	for _, one := range p.Stages {
		if one.Stage == stage {
			return one.Hooks
		}
	}
	return nil
}

// The answers.
const (
	saysYes = "yes"
	saysNo  = "no"
	unknown = "unknown"
)

// conclude says what follows from the answers: the first that is not yes decides. noLook says why the lock can't be
// looked at, if it can't.
func (p *plan) conclude(noLook string) {
	for _, one := range p.Answers {
		switch {
		case one.Answer == saysYes:
		case one.Question == askUpdates && one.Answer == saysNo:
			p.NothingToDo = true
			p.Sentence = "nothing to do: " + one.Why
			return
		case one.Question == askLock && one.Answer == unknown && one.Why == noLook:
			p.Sentence = "a run would begin now if the lock is free, which can't be known: " + noLook
			return
		default:
			p.Sentence = "no run would begin now: " + one.Why
			return
		}
	}
	p.Begins, p.Sentence = true, "a run would begin now"
}

// calendar asks for pause, freeze and window, each by itself.
func (what *planner) calendar() []planAnswer {
	whole := scheduleOf(what.config)
	window := schedule.Schedule{Windows: whole.Windows, LastStart: whole.LastStart}
	opens := "no window is set"
	if !whole.Windows.Empty() {
		opens = aboutWindow(window, time.Now())
	}
	return []planAnswer{
		when(lock.Pause, schedule.Schedule{Pause: whole.Pause}, "this host is not paused"),
		when(lock.Freeze, schedule.Schedule{FreezeDir: whole.FreezeDir}, "no freeze is in force"),
		when(lock.Window, window, opens),
	}
}

func when(question lock.Question, s schedule.Schedule, well string) planAnswer {
	refusal, err := s.Ask(time.Now())
	switch {
	case err != nil:
		return planAnswer{string(question), unknown, err.Error(), nil}
	case refusal == nil:
		return planAnswer{string(question), saysYes, well, nil}
	case refusal.Until.IsZero():
		return planAnswer{string(question), saysNo, refusal.Why, nil}
	}
	return planAnswer{string(question), saysNo, fmt.Sprintf("%s (until %s)", refusal.Why, zoned(refusal.Until)),
		&refusal.Until}
}

func (what *planner) updates(names []string) planAnswer {
	yes, err := what.work.RunHooks(what.context, state.NeedsUpdate)
	switch {
	case err != nil:
		return planAnswer{askUpdates, unknown, err.Error(), nil}
	case yes:
		return planAnswer{askUpdates, saysYes, "there are updates (" + orNone(names) + ")", nil}
	case len(names) == 0:
		return planAnswer{askUpdates, saysNo, "needs_update has no hooks", nil}
	}
	return planAnswer{askUpdates, saysNo, "no hook knows of updates (" + orNone(names) + ")", nil}
}

func (what *planner) gates(names []string) planAnswer {
	wait, err := what.work.AskGates(what.context)
	if err == nil && len(names) == 0 {
		return planAnswer{string(lock.Gate), saysYes, "there are no gates", nil}
	}
	return answered(string(lock.Gate), wait, err, "all say yes ("+orNone(names)+")")
}

func (what *planner) budget() planAnswer {
	c := what.config
	wait, err := what.work.AskBudget(what.context)
	well := "no other host has failed"
	if c.MaxFailed > 1 {
		well = fmt.Sprintf("fewer than %d other hosts have failed", c.MaxFailed)
	}
	switch {
	case wait.For == lock.Blocked:
		return answered(string(lock.Blocked), wait, err, "")
	case c.MaxFailed == 0 && len(c.BlockedBy) == 0:
		well = "neither max_failed nor blocked_by is set"
	case c.MaxFailed == 0:
		well = "no lock of blocked_by is held"
	case len(c.BlockedBy) > 0:
		well += ", and no lock of blocked_by is held"
	}
	return answered(string(lock.Budget), wait, err, well)
}

func answered(question string, wait lock.Wait, err error, well string) planAnswer {
	switch {
	case err != nil:
		return planAnswer{question, unknown, err.Error(), nil}
	case wait.Why != "":
		return planAnswer{question, saysNo, wait.Why, nil}
	}
	return planAnswer{question, saysYes, well, nil}
}

// host checks the host as a run does before it asks for the lock.
func (what *planner) host() planAnswer {
	if _, err := what.work.Host.Vet(what.context); err != nil {
		return planAnswer{askHost, saysNo, "this host can't keep a run: " + err.Error(), nil}
	}
	return planAnswer{askHost, saysYes, "this host can keep a run", nil}
}

// lock looks for a slot that is free.
func (what *planner) lock(record *state.Record) planAnswer {
	c := what.config
	hold, err := byhand.Beside(c.State).Read()
	if err != nil {
		return planAnswer{askLock, unknown, err.Error(), nil}
	}
	slots := workflow.Slots(c.LockName, c.LockSlots)
	names := slots
	if hold != nil { // that one first: it keeps this host from taking any, even if it is no slot any more
		names = slices.DeleteFunc(slices.Clone(slots), func(name string) bool { return name == hold.Lock })
		names = slices.Insert(names, 0, hold.Lock)
	}
	var busy []string
	for _, name := range names {
		view, err := what.work.OpenLock(name, lock.Options{}).Look(what.context)
		switch noLook := errors.Is(err, lock.ErrNoLook); {
		case err != nil && !noLook:
			return planAnswer{askLock, unknown, err.Error(), nil}
		case (view.Self || noLook) && hold != nil:
			text := holder(c, name, lock.View{Exists: true, Enabled: true, Holder: "this host", Self: true, Since: view.Since})
			return planAnswer{askLock, saysNo, fmt.Sprintf("%s, by hand: %s; once nobody needs it, "+
				"`foreman-dlm-updater lock release`", text, hold.Who()), nil}
		case noLook:
			return planAnswer{askLock, unknown, lockServer(c).NoLook, nil}
		case view.Self && record.InProgress():
			return planAnswer{askLock, saysYes, fmt.Sprintf("the run in progress has asked for lock %s", name), nil}
		case view.Self:
			return planAnswer{askLock, saysNo, holder(c, name, view) + ": `foreman-dlm-updater status` says more", nil}
		case !slices.Contains(slots, name): // no run asks for it
		case view.Exists && (view.Holder != "" || !view.Enabled):
			busy = append(busy, holder(c, name, view))
		default:
			return planAnswer{askLock, saysYes, holder(c, name, view), nil}
		}
	}
	return planAnswer{askLock, saysNo, strings.Join(busy, "; "), nil}
}

// reboot says what decides about a reboot.
func (what *planner) reboot(names []string) string {
	command := shellquote.Join(what.config.RebootCmd...)
	switch len(names) {
	case 0:
		return fmt.Sprintf("every run reboots (%s): needs_reboot has no hooks", command)
	case 1:
		return fmt.Sprintf("a run reboots (%s) if hook %s says so", command, names[0])
	}
	return fmt.Sprintf("a run reboots (%s) if one of its hooks says so: %s", command, strings.Join(names, ", "))
}

// lastRuns are the last five runs that finished. Without a history there are none.
func (what *planner) lastRuns() []planRun {
	found := []planRun{}
	if what.config.History == "" {
		return found
	}
	runs, _, err := history.File{Path: what.config.History}.Read()
	if err != nil {
		what.work.Log.Warn("history can't be read", "error", err)
	}
	for i := len(runs) - 1; i >= 0 && len(found) < 5; i-- {
		if one := runs[i]; one.Result == string(events.RunFinished) {
			took := one.Ended.Sub(one.Began).Milliseconds() - one.WaitedMS
			found = append(found, planRun{one.Run, one.Began, max(took, 0), one.Reboots})
		}
	}
	return found
}

// print writes the plan for a person.
func (p *plan) print(to io.Writer) error {
	fmt.Fprintln(to, p.Sentence)
	table := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	for _, one := range p.Answers {
		mark := map[string]string{saysYes: "ok", saysNo: "no", unknown: "?"}[one.Answer]
		fmt.Fprintf(table, "  %s\t%s\t%s\n", one.Question, mark, strings.ReplaceAll(one.Why, "\n", " "))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(to, "\nthe hooks of a run:")
	for _, one := range p.Stages {
		fmt.Fprintf(table, "  %s\t%s\n", one.Stage, orNone(one.Hooks))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(to, p.Reboot)
	if len(p.LastRuns) == 0 {
		_, err := fmt.Fprintln(to, "no run has finished yet, as far as the history knows")
		return err
	}
	var lasts []string
	for _, one := range p.LastRuns {
		text := (time.Duration(one.TookMS) * time.Millisecond).Round(time.Second).String()
		if one.Reboots > 0 {
			text += " with a reboot"
		}
		lasts = append(lasts, text)
	}
	_, err := fmt.Fprintf(to, "the last runs took %s (the newest first, without waiting)\n", strings.Join(lasts, ", "))
	return err
}
