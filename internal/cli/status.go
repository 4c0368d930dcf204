package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

type statusCmd struct {
	JSON    bool `name:"json" help:"Print one JSON object."`
	Offline bool `help:"Do not ask Foreman."`
}

// statusTimeout bounds the look at Foreman: a person waits for the answer.
const statusTimeout = 5 * time.Second

// standing is where this host stands. Its JSON form is what `status --json` prints.
type standing struct {
	Sentence string      `json:"sentence"`
	Stage    state.Stage `json:"stage"` // empty: no run in progress
	Run      string      `json:"run,omitempty"`
	Began    *time.Time  `json:"began,omitempty"`
	// StageBegan is when the stage was begun last.
	StageBegan *time.Time `json:"stage_began,omitempty"`
	// Reboots is how many reboots this run asked for; Interrupted, how often another cut the stage short.
	Reboots     int          `json:"reboots,omitempty"`
	Interrupted int          `json:"interrupted,omitempty"`
	Running     bool         `json:"running"`
	PID         int          `json:"pid,omitempty"`
	Error       *state.Error `json:"error,omitempty"`
	// RebootPending is when the reboot was asked for that has not happened yet.
	RebootPending *time.Time   `json:"reboot_pending_since,omitempty"`
	Lock          lockStanding `json:"lock"`
	// Unseen lists what could not be looked at.
	Unseen []string `json:"unseen,omitempty"`

	record   *state.Record
	hook     string // that runs, as far as that is known
	rebooted bool   // as asked
	stopped  error  // why the invocation that asks has ended; nil for any other
}

type lockStanding struct {
	Name string `json:"name"`
	// Seen is whether Foreman answered; the rest says something only then.
	Seen    bool       `json:"seen"`
	Exists  bool       `json:"exists"`
	Enabled bool       `json:"enabled"`
	Holder  string     `json:"holder,omitempty"`
	Self    bool       `json:"held_by_this_host"`
	Since   *time.Time `json:"since,omitempty"`
}

func (cmd *statusCmd) Run(p *Process, path configPath) error {
	c, err := p.loadFor(path)
	if err != nil {
		return err
	}
	s, err := examine(p.Context, c)
	if err != nil {
		return err
	}
	if !cmd.Offline {
		s.lookAtLock(p.Context, c)
	}
	s.Sentence = s.sentence()
	if !cmd.JSON {
		fmt.Fprintln(p.Stdout, s.Sentence)
		return nil
	}
	encoder := json.NewEncoder(p.Stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(s)
}

// examine looks at everything on this host that says where it stands, and changes nothing.
func examine(ctx context.Context, c *config.Config) (*standing, error) {
	record, err := state.Store{Path: c.State}.Load()
	if err != nil {
		return nil, err
	}
	if record != nil && !record.Of(host.MachineID()) {
		return nil, workflow.ErrOtherMachine
	}
	s := &standing{Lock: lockStanding{Name: c.LockName}}
	s.lookAtInstance(c)
	s.setRecord(record)
	s.lookAtReboot(ctx, c)
	return s, nil
}

// setRecord takes over what is on record of the run in progress; nil: there is none.
func (s *standing) setRecord(record *state.Record) {
	s.record = record
	if record != nil && (record.Stage != state.NeedsUpdate || s.Running || record.Error != nil) {
		s.Stage, s.Run, s.Error = record.Stage, record.RunID, record.Error
		s.Reboots, s.Interrupted = record.Reboots, record.Interrupted
		if !record.Began.IsZero() {
			s.Began = &record.Began
		}
		if !record.StageBegan.IsZero() {
			s.StageBegan = &record.StageBegan
		}
		if record.Lock != "" {
			s.Lock.Name = record.Lock
		}
	}
}

func (s *standing) lookAtInstance(c *config.Config) {
	err := host.Running(c.Lock, c.State)
	var running *host.RunningError
	switch {
	case errors.As(err, &running):
		s.Running, s.PID = true, running.PID
	case err != nil:
		s.Unseen = append(s.Unseen, fmt.Sprintf("whether an invocation is running: %v", err))
	}
}

func (s *standing) lookAtReboot(ctx context.Context, c *config.Config) {
	if s.record == nil || s.record.Asked == nil || s.Stage != state.PostUpdate {
		return
	}
	boot, err := host.ReadBoot(ctx, c.BootIDFile)
	switch {
	case err != nil:
		s.Unseen = append(s.Unseen, fmt.Sprintf("whether the host was rebooted: %v", err))
	default:
		s.setBoot(state.Boot(boot))
	}
}

// setBoot takes over which boot this is, which shows whether a reboot that was asked for has happened.
func (s *standing) setBoot(boot state.Boot) {
	if s.record == nil || s.record.Asked == nil || s.Stage != state.PostUpdate {
		return
	}
	if s.record.Asked.Boot.Same(boot) {
		s.RebootPending = &s.record.Asked.Time
	} else {
		s.rebooted = true
	}
}

func (s *standing) lookAtLock(ctx context.Context, c *config.Config) {
	timeout := min(c.HTTPTimeout, statusTimeout)
	lock, err := client(c, hclog.NewNullLogger(), timeout, 0).Show(ctx, s.Lock.Name)
	if err != nil && !errors.Is(err, dlm.ErrNoLock) {
		s.Unseen = append(s.Unseen, fmt.Sprintf("the lock in Foreman: %v", err))
		return
	}
	s.setLock(seen(lock), err == nil)
}

// setLock takes over what Foreman answered.
func (s *standing) setLock(lock workflow.Lock, exists bool) {
	s.Lock.Seen, s.Lock.Exists = true, exists
	s.Lock.Enabled, s.Lock.Holder, s.Lock.Self = lock.Enabled, lock.Holder, lock.Self
	if lock.Holder != "" && !lock.Updated.IsZero() {
		s.Lock.Since = &lock.Updated
	}
}

// sentence says in one sentence where this host stands, why, and what to do about it.
func (s *standing) sentence() string {
	text := s.run()
	if len(s.Unseen) > 0 {
		text += "; could not see " + strings.Join(s.Unseen, "; ")
	}
	return strings.Map(func(c rune) rune { // newlines, and what a damaged state file may hold
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, text)
}

func (s *standing) run() string {
	name := s.Lock.Name
	switch {
	case s.RebootPending != nil:
		return fmt.Sprintf("reboot pending since %s, the host has not gone down yet; %s", clock(*s.RebootPending), s.lockNow())
	case s.Running && s.Stage == state.LockGet:
		return fmt.Sprintf("waiting for lock %s (pid %d); %s", name, s.PID, s.lockNow())
	case s.Running && s.Error != nil:
		return fmt.Sprintf("an invocation is running (pid %d) after stage %s had failed at %s; %s", s.PID, s.Error.Stage,
			clock(s.Error.Time), s.lockNow())
	case s.Running && s.Lock.Seen && !s.Lock.Self && workflow.Guarded(s.Stage):
		return fmt.Sprintf("waiting for lock %s to go on with stage %s (pid %d); %s", name, s.Stage, s.PID, s.lockNow())
	case s.Running && s.Stage != "":
		text := fmt.Sprintf("stage %s is running", s.Stage)
		if !s.record.StageBegan.IsZero() {
			text += " since " + clock(s.record.StageBegan)
		}
		if s.hook != "" {
			text += ", hook " + s.hook
		}
		return fmt.Sprintf("%s (pid %d); %s", text, s.PID, s.lockNow())
	case s.Running:
		return fmt.Sprintf("an invocation is running (pid %d); %s", s.PID, s.lockNow())
	case s.Error != nil:
		return s.failed()
	case s.stopped != nil:
		return fmt.Sprintf("the run stopped: %v; %s; %s", s.stopped, s.lockNow(), afterStop(s.stopped))
	case s.rebooted:
		return fmt.Sprintf("the host was rebooted as asked, stage %s is next; %s; go on with `foreman-dlm-updater run`", s.Stage, s.lockNow())
	case s.Stage != "":
		return fmt.Sprintf("stage %s was not finished (a signal, a crash or a power cut) and nothing runs; %s; go on with "+
			"`foreman-dlm-updater run`", s.Stage, s.lockNow())
	case s.Lock.Self:
		return fmt.Sprintf("no run in progress, and yet %s; if nobody took it by hand, give it back with "+
			"`foreman-dlm-updater lock release`", s.lockNow())
	}
	return "nothing to do: no run in progress; " + s.lockNow()
}

// failed tells of the stage that stopped the run.
func (s *standing) failed() string {
	text := fmt.Sprintf("stage %s failed at %s", s.Error.Stage, clock(s.Error.Time))
	if s.Error.Hook != "" {
		text += " in hook " + s.Error.Hook
	}
	text += fmt.Sprintf(" (%s); ", s.Error.Message)
	if s.Stage == state.NeedsUpdate || s.Stage == state.LockGet {
		return text + s.lockNow() + "; mend it, or let the next `foreman-dlm-updater run` try again"
	}
	kept := "lock kept"
	if s.Lock.Seen && !s.Lock.Self {
		kept = "but " + s.lockNow()
	}
	return fmt.Sprintf("%s%s; mend it, then `foreman-dlm-updater run`", text, kept)
}

// lockNow says who has the lock; nothing is known if Foreman did not answer.
func (s *standing) lockNow() string {
	lock := s.Lock
	var text string
	switch {
	case !lock.Seen:
		return fmt.Sprintf("the holder of lock %s is not known", lock.Name)
	case !lock.Exists:
		return fmt.Sprintf("lock %s does not exist in Foreman yet", lock.Name)
	case lock.Self:
		text = fmt.Sprintf("lock %s held by this host", lock.Name)
	case lock.Holder != "":
		text = fmt.Sprintf("lock %s held by %s", lock.Name, lock.Holder)
	default:
		text = fmt.Sprintf("lock %s is free", lock.Name)
	}
	if lock.Since != nil {
		text += " since " + clock(*lock.Since)
	}
	if !lock.Enabled {
		text += ", and disabled in Foreman"
	}
	return text
}

// clock writes a time for people.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }
