package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/schedule"
	"foreman-dlm-updater/internal/status"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

// lookAtSchedule adds the pause, and why no run may begin now. The error says that nobody can tell, so that the next
// run would be refused. A run that has begun asks by itself, or does not ask any more.
func lookAtSchedule(s *status.Status, c *config.Config) error {
	err := lookAtPause(s, c, s.At)
	if s.Running || s.OutOfService() {
		return nil
	}
	var no *schedule.Refusal
	if err == nil {
		no, err = scheduleOf(c).Ask(s.At)
	}
	switch {
	case errors.Is(err, fs.ErrPermission): // a run begins as root
		s.Unseen = append(s.Unseen, fmt.Sprintf("whether a run may begin: %v", err))
	case err != nil:
		return fmt.Errorf("%w: %w", workflow.ErrUnclear, err)
	case no != nil:
		s.SetNo(lock.Question(no.Question), no.Why, no.Since, no.Until)
	}
	return nil
}

// lookAtPause adds the pause that is in force.
func lookAtPause(s *status.Status, c *config.Config, now time.Time) error {
	pause, err := schedule.PauseBeside(c.State).Read()
	if pause != nil && !pause.Over(now) {
		s.SetPause(status.Pause{Reason: pause.Reason, By: pause.By, Why: pause.Why()}, pause.Since, pause.Until)
	}
	return err
}

// lookAtOthers adds the other slots, the flags and the locks of blocked_by, as far as this host uses any. It looks at
// all slots before it looks at a flag: a run lowers its flag before it releases its slot, so a flag that is up then
// belongs to whoever holds the slot, or is left behind.
func lookAtOthers(ctx context.Context, s *status.Status, c *config.Config) {
	slots, flags := workflow.Slots(c.LockName, max(c.LockSlots, 1)), []string(nil)
	if c.MaxFailed > 0 {
		flags = workflow.Flags(c.LockName, len(slots))
	}
	if !s.Lock.Seen || s.OutOfService() || len(slots) == 1 && len(flags)+len(c.BlockedBy) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	open := lockServer(c).open(c, hclog.NewNullLogger(), requests{timeout: min(c.HTTPTimeout, statusTimeout)})
	look := func(what string, names []string, tell func([]lock.View)) {
		views, err := lookAtAll(ctx, open, names)
		if err != nil {
			s.Unseen = append(s.Unseen, fmt.Sprintf("%s in %s: %v", what, lockServer(c).Server, err))
			return
		}
		tell(views)
	}
	if len(slots) > 1 || len(flags) > 0 {
		rest := slices.DeleteFunc(slices.Clone(slots), func(name string) bool { return name == s.Lock.Name })
		look("the slots", rest, func(views []lock.View) {
			if seen := slices.Index(slots, s.Lock.Name); seen >= 0 {
				views = slices.Insert(views, seen, viewOf(s.Lock))
			}
			s.SetSlots(slots, views)
		})
	}
	if len(flags) > 0 {
		look("the flags of hosts that have failed", flags,
			func(views []lock.View) { s.SetFlags(flags, views, c.MaxFailed) })
	}
	look("the locks of blocked_by", c.BlockedBy, func(views []lock.View) { s.SetBlockers(c.BlockedBy, views) })
}

// viewOf is what the lock server showed.
func viewOf(l status.Lock) lock.View {
	view := lock.View{Exists: l.Exists, Enabled: l.Enabled, Holder: l.Holder, Self: l.Self}
	if l.Since != nil {
		view.Since = *l.Since
	}
	return view
}

// lookAtAll asks who holds several locks, a few at the same time. The error is the first of all.
func lookAtAll(ctx context.Context, open openLock, names []string) ([]lock.View, error) {
	const atOnce = 8
	views, errs := make([]lock.View, len(names)), make([]error, len(names))
	turns := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, name := range names {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			views[i], errs[i] = open(name, lock.Options{}).Look(ctx)
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return views, nil
}
