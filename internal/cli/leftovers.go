package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/workflow"
)

// Leftovers handles the processes that hooks and the reboot command left running. Those of notifiers fail no stage; see
// notifiers.keepRunning.
func (h thisHost) Leftovers(keep bool) ([]workflow.Leftover, error) {
	return realLeftovers(false).handle(keep)
}

// leftovers finds and moves processes that systemd would kill when this program ends.
type leftovers struct {
	look func() ([]host.Leftover, error)
	move func(scope, description string, pids []int) error
}

// realLeftovers handles the leftovers of notifiers, or all others.
func realLeftovers(notifiers bool) leftovers {
	return leftovers{
		look: func() ([]host.Leftover, error) {
			found, err := host.Leftovers(context.Background())
			these := slices.DeleteFunc(slices.Clone(found), func(l host.Leftover) bool {
				return (l.Getenv("DLM_EVENT") != "") != notifiers
			})
			if len(these) == 0 && len(found) > 0 {
				err = nil // the error is about the others
			}
			return these, err
		},
		move: func(scope, description string, pids []int) error {
			return host.MoveToScope(context.Background(), scope, description, pids)
		},
	}
}

// handle lists the leftovers. If keep is set, it moves the leftovers of each hook to a scope of their own. The error
// names those that could not be moved.
func (l leftovers) handle(keep bool) (all []workflow.Leftover, err error) {
	const tries = 5 // while a process is moved, it may end or start another
	for range tries {
		found, lookErr := l.look()
		switch {
		case len(found) == 0:
			return all, lookErr
		case lookErr != nil:
			return all, fmt.Errorf("left running, and perhaps killed by systemd when this program ends: %s: %w",
				describe(found), lookErr)
		}
		err = nil
		for _, group := range byOrigin(found) {
			scope := ""
			if keep {
				var moveErr error
				if scope, moveErr = l.moveOut(group); moveErr != nil {
					err = errors.Join(err, moveErr)
					continue
				}
			}
			for _, one := range group {
				all = append(all, workflow.Leftover{PID: one.PID, Command: one.Command, Hook: origin(one), Scope: scope})
			}
		}
		if !keep {
			return all, nil
		}
	}
	if err == nil {
		err = errors.New("processes that hooks left running start others faster than they can be moved out of this unit")
	}
	return all, err
}

// origin returns the hook, as STAGE/NAME, or the notifier that left a process running: "" if its environment does not
// say.
func origin(l host.Leftover) string {
	event, stage, hook := l.Getenv("DLM_EVENT"), l.Getenv("DLM_STAGE"), l.Getenv("DLM_HOOK")
	switch {
	case event != "":
		return "a notifier of " + event
	case stage != "" && hook != "":
		return stage + "/" + hook
	}
	return ""
}

// byOrigin groups leftovers by their origin.
func byOrigin(found []host.Leftover) (groups [][]host.Leftover) {
	slices.SortStableFunc(found, func(a, b host.Leftover) int { return cmp.Compare(origin(a), origin(b)) })
	for i, one := range found {
		if i == 0 || origin(one) != origin(found[i-1]) {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], one)
	}
	return groups
}

// moveOut moves processes of one origin to a scope that is named after it.
func (l leftovers) moveOut(group []host.Leftover) (scope string, err error) {
	what := cmp.Or(origin(group[0]), "unknown hook")
	pids := make([]int, len(group))
	for i, one := range group {
		pids[i] = one.PID
	}
	scope = fmt.Sprintf("foreman-dlm-updater-%s-%d.scope", unitName(what), pids[0])
	if err := l.move(scope, "Left running by foreman-dlm-updater: "+what, pids); err != nil {
		return "", fmt.Errorf("%s left %s running, which systemd kills when this program ends: %w",
			what, describe(group), err)
	}
	return scope, nil
}

// describe names processes in a sentence.
func describe(all []host.Leftover) string {
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = fmt.Sprintf("%q (pid %d)", one.Command, one.PID)
	}
	return strings.Join(names, ", ")
}

// unitName makes text fit to be a part of a unit's name (systemd.unit(5)).
func unitName(text string) string {
	const most = 150 // of 255
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.-", r) {
			return r
		}
		return '-'
	}, text)
	return name[:min(len(name), most)]
}
