package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"foreman-dlm-updater/internal/byhand"
	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

type statusCmd struct {
	JSON    bool `name:"json" help:"Print one JSON object; ${docs}/status.schema.json describes it."`
	Watch   bool `help:"Look again every two seconds until Ctrl-C; without a terminal, print each change."`
	Offline bool `help:"Do not ask the lock server."`
}

const (
	statusTimeout = 5 * time.Second // bounds the look at Foreman: a person waits for the answer
	watchInterval = 2 * time.Second
)

func (cmd *statusCmd) Run(p *Process, path configPath) error {
	c, err := p.loadFor(path)
	if err != nil {
		return err
	}
	if cmd.Watch {
		return cmd.watch(p, c)
	}
	s, err := examine(p.Context, c, cmd.Offline)
	if err != nil {
		return err
	}
	s.Say(time.Now())
	switch {
	case cmd.JSON:
		return writeJSON(p.Stdout, s, "  ")
	case onTerminal(p.Stdout):
		fmt.Fprint(p.Stdout, p.withConfig(draw(s, colours())))
	default:
		fmt.Fprintln(p.Stdout, s.Sentence)
	}
	return nil
}

// watch shows the status until the first signal.
func (cmd *statusCmd) watch(p *Process, c *config.Config) error {
	began, told := time.Now(), ""
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		s, err := examine(p.Context, c, cmd.Offline)
		if p.Context.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		s.Say(began) // time that passes is no change
		change := s.Sentence != told
		told = s.Sentence
		s.Say(time.Now())
		switch {
		case !cmd.JSON && onTerminal(p.Stdout):
			_, err = fmt.Fprintf(p.Stdout, "\x1b[H\x1b[J%s\n%s, every %s; Ctrl-C ends this\n",
				p.withConfig(draw(s, colours())), s.At.Format(time.DateTime), watchInterval)
		case change && cmd.JSON:
			err = writeJSON(p.Stdout, s, "")
		case change:
			_, err = fmt.Fprintf(p.Stdout, "%s %s\n", s.At.Format(time.DateTime), s.Sentence)
		}
		if err != nil { // the terminal is closed, for instance
			return err
		}
		select {
		case <-p.Context.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func writeJSON(w io.Writer, what any, indent string) error {
	encoder := json.NewEncoder(whole(w))
	encoder.SetIndent("", indent)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(what)
}

// examine looks at everything that says where this host stands, and changes nothing.
func examine(ctx context.Context, c *config.Config, offline bool) (*status.Status, error) {
	record, err := state.Store{Path: c.State}.Load()
	if err != nil {
		return nil, err
	}
	if record != nil && !record.Of(host.MachineID()) {
		if record.InProgress() {
			return nil, workflow.ErrOtherMachine
		}
		record = nil
	}
	s := &status.Status{At: time.Now(), Lock: status.Lock{Name: c.LockName}, Wording: lockServer(c).Wording,
		Config: c.Path}
	lookAtInstance(s, c)
	s.SetRecord(record)
	lookAtOutcome(ctx, s, c)
	lookAtReboot(ctx, s, c)
	lookAtInhibitors(ctx, s)
	hold := lookAtHand(s, c)
	if !offline {
		lookAtLock(ctx, s, c)
		lookAtOthers(ctx, s, c)
		lookAtFormer(ctx, s, c, hold)
	}
	return s, nil
}

func lookAtInstance(s *status.Status, c *config.Config) {
	err := host.Running(c.Lock, c.State)
	var running *host.RunningError
	switch {
	case errors.As(err, &running):
		s.Running, s.PID = true, running.PID
	case err != nil:
		s.Unseen = append(s.Unseen, fmt.Sprintf("whether an invocation is running: %v", err))
	}
}

// lookAtHand finds out whether a person has the lock. It returns the record of that; nil: there is none.
func lookAtHand(s *status.Status, c *config.Config) *byhand.Hold {
	hold, err := byhand.Beside(c.State).Read()
	switch {
	case errors.Is(err, fs.ErrPermission):
		s.Unseen = append(s.Unseen, fmt.Sprintf("whether a person has the lock: %v", err))
	case err != nil: // no run begins before somebody has looked
		s.SetStopped(status.Stop{At: s.At, Why: err.Error(), Next: hint(err)})
	case hold != nil:
		who, origin := hold.Who(), originOf(hold)
		if now := lookAt(c, hold.Lock, lock.Options{}, requests{}).Origin(); origin != nil && origin.Differs(now) {
			who += fmt.Sprintf(", at %s as %q, which the configuration does not name any more", hold.Server, hold.Client)
		}
		s.SetByHand(who, hold.Since, hold.PID)
		if lockServer(c).NoLook != "" && s.Stage == "" { // lookAtFormer would find no other lock
			s.Lock.Name = hold.Lock
		}
		return hold
	}
	return nil
}

// lookAtFormer looks at a lock that a person took before lock_name or lock_slots was changed: it still keeps each run
// from beginning.
func lookAtFormer(ctx context.Context, s *status.Status, c *config.Config, hold *byhand.Hold) {
	if hold == nil || !s.Lock.Seen || s.Lock.Self || s.Stage != "" ||
		slices.Contains(workflow.Slots(c.LockName, max(c.LockSlots, 1)), hold.Lock) {
		return
	}
	view, err := lookAt(c, hold.Lock, lock.Options{}, requests{timeout: min(c.HTTPTimeout, statusTimeout)}).Look(ctx)
	switch {
	case err != nil:
		s.Unseen = append(s.Unseen, fmt.Sprintf("lock %s in %s: %v", hold.Lock, lockServer(c).Server, err))
	case view.Self:
		s.Lock.Name = hold.Lock
		s.See(view)
	}
}

func lookAtReboot(ctx context.Context, s *status.Status, c *config.Config) {
	if !s.AsksForBoot() {
		return
	}
	boot, err := host.ReadBoot(ctx, c.BootIDFile)
	if err != nil {
		s.Unseen = append(s.Unseen, fmt.Sprintf("whether the host was rebooted: %v", err))
		return
	}
	s.SetBoot(state.Boot(boot))
}

// lookAtInhibitors finds the programs that stand in the way of a reboot. Without logind there are none.
func lookAtInhibitors(ctx context.Context, s *status.Status) {
	if s.RebootPending != nil || s.Running && s.Stage == state.Reboot {
		s.SetInhibitors(thisHost{log: hclog.NewNullLogger()}.Inhibitors(ctx))
	}
}

func lookAtLock(ctx context.Context, s *status.Status, c *config.Config) {
	timeout := min(c.HTTPTimeout, statusTimeout)
	l := lookAt(c, s.Lock.Name, lock.Options{}, requests{timeout: timeout})
	s.SetOrigin(l.Origin())
	view, err := l.Look(ctx)
	if errors.Is(err, lock.ErrNoLook) {
		s.SetNoLook()
		return
	}
	if err != nil {
		s.Unseen = append(s.Unseen, fmt.Sprintf("the lock in %s: %v", lockServer(c).Server, err))
		return
	}
	s.See(view)
}

// holder says who holds a lock, from the answer of its server.
func holder(c *config.Config, name string, view lock.View) string {
	s := &status.Status{At: time.Now(), Lock: status.Lock{Name: name}, Wording: lockServer(c).Wording}
	s.See(view)
	return s.Holder()
}

// clock writes a time for people.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }
