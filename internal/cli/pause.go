package cli

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"foreman-dlm-updater/internal/calendar"
	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/note"
	"foreman-dlm-updater/internal/schedule"
	"foreman-dlm-updater/internal/state"
)

type pauseCmd struct {
	Reason reason     `required:"" placeholder:"TEXT" help:"Why, for the others: status and the log show it."`
	Until  pauseUntil `xor:"end" placeholder:"TIME" help:"When the pause ends: \"2026-12-01 06:00\", \"tomorrow 06:00\", \"Mon\"."`
	For    pauseFor   `xor:"end" placeholder:"DURATION" help:"How long the pause lasts: 4h, 2d, 1w."`
}

// reason is one line of text.
type reason string

// UnmarshalText lets kong read it.
func (r *reason) UnmarshalText(text []byte) error {
	*r = reason(strings.TrimSpace(string(text)))
	return note.CheckReason(string(*r))
}

// pauseUntil is a moment that is still to come.
type pauseUntil time.Time

// UnmarshalText lets kong read it.
func (u *pauseUntil) UnmarshalText(text []byte) error {
	t, err := calendar.ParseTime(string(text), time.Now(), time.Local)
	if d, ok := calendar.GuessDuration(string(text)); ok && err != nil {
		return fmt.Errorf("%q is a duration; --for %s would be right", text, d)
	}
	*u = pauseUntil(t)
	return err
}

// pauseFor is a time above 0.
type pauseFor time.Duration

// UnmarshalText lets kong read it.
func (f *pauseFor) UnmarshalText(text []byte) error {
	d, err := calendar.ParseDuration(string(text))
	if better, ok := calendar.GuessDuration(string(text)); ok && err != nil {
		return fmt.Errorf("%q is not how a duration is written; %s would be right", text, better)
	}
	if _, no := calendar.ParseTime(string(text), time.Now(), time.Local); err != nil && no == nil {
		return fmt.Errorf("%q is a moment; --until %q would be right, or a duration such as 4h", text, text)
	}
	*f = pauseFor(d)
	return err
}

// Run does not wait for an invocation that is running: it may run for hours, and looks at the pause by itself.
func (cmd *pauseCmd) Run(p *Process, path configPath) error {
	c, err := p.loadFor(path)
	if err != nil {
		return err
	}
	now := time.Now()
	pause := schedule.Pause{Reason: string(cmd.Reason), Since: now, Until: time.Time(cmd.Until), By: login()}
	if cmd.For > 0 {
		pause.Until = now.Add(time.Duration(cmd.For))
	}
	on := schedule.PauseBeside(c.State)
	before, unclear := on.Read()
	if err := on.Write(pause); err != nil {
		return err
	}
	end := "until `foreman-dlm-updater unpause`"
	if !pause.Until.IsZero() {
		end = fmt.Sprintf("before %s; `foreman-dlm-updater unpause` ends the pause earlier", zoned(pause.Until))
	}
	fmt.Fprintln(p.Stdout, p.withConfig("this host is paused: no run begins "+end))
	switch {
	case unclear != nil:
		fmt.Fprintf(p.Stdout, "a pause file that could not be used was replaced: %v\n", errors.Unwrap(unclear))
	case before != nil && !before.Over(now):
		fmt.Fprintf(p.Stdout, "replaced: %s\n", aboutPause(before))
	}
	return p.tellOfRun(c)
}

// tellOfRun says what a pause means to a run that has begun.
func (p *Process) tellOfRun(c *config.Config) error {
	record, err := state.Store{Path: c.State}.Load()
	var running *host.RunningError
	switch isRunning := errors.As(host.Running(c.Lock, c.State), &running); {
	case err != nil:
		fmt.Fprintf(p.Stderr, "foreman-dlm-updater: warning: can't tell whether a run is in progress: %v\n", err)
	case record.InProgress() && record.Of(host.MachineID()) && record.Stage != state.LockGet:
		fmt.Fprintf(p.Stdout, "a run is in progress (stage %s) and goes on to its end: "+
			"a pause stops no run that has the lock\n", record.Stage)
	case isRunning:
		fmt.Fprintln(p.Stdout, "an invocation is running: it gives up, unless it has just taken the lock")
	}
	return nil
}

type unpauseCmd struct{}

func (*unpauseCmd) Run(p *Process, path configPath) error {
	c, err := p.loadFor(path)
	if err != nil {
		return err
	}
	now := time.Now()
	on := schedule.PauseBeside(c.State)
	pause, unclear := on.Read()
	if err := on.Remove(); err != nil {
		return err
	}
	switch {
	case unclear != nil:
		fmt.Fprintf(p.Stdout, "a pause file that could not be used was removed: %v\n", errors.Unwrap(unclear))
	case pause == nil:
		fmt.Fprintln(p.Stdout, "this host was not paused")
	case pause.Over(now):
		fmt.Fprintf(p.Stdout, "the pause was over already: %s\n", aboutPause(pause))
	default:
		fmt.Fprintf(p.Stdout, "ended: %s\n", aboutPause(pause))
	}
	no, err := scheduleOf(c).Ask(now)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.Stdout, mayBegin(no))
	return nil
}

// aboutPause is a pause in one line.
func aboutPause(p *schedule.Pause) string {
	text := fmt.Sprintf("%s (since %s", p.Why(), zoned(p.Since))
	if !p.Until.IsZero() {
		text += ", until " + zoned(p.Until)
	}
	return text + ")"
}

// login is the name of whoever types a command, as far as that is known: sudo(8) keeps it.
func login() string {
	name := os.Getenv("SUDO_USER")
	if name == "" {
		if account, err := user.Current(); err == nil {
			name = account.Username
		}
	}
	return file.Escape(file.CutBytes(name, 64))
}

// zoned writes a moment for people, with the weekday and the time zone: pauses and windows may be days away.
func zoned(t time.Time) string { return t.Local().Format("Mon 2006-01-02 15:04 MST") }
