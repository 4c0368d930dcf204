package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/foreman"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"
)

// mistake is one that a program like this could make.
type mistake struct {
	name string
	// within is the number of histories that find it at the latest.
	within int
	make   func(*invocation, *workflow.Workflow)
}

var mistakes = []*mistake{
	{"no settle", 200, func(inv *invocation, _ *workflow.Workflow) {
		inv.lockSettings.Settle = time.Nanosecond
		inv.api = hasty{inv.api}
	}},
	{"no verify", 500, func(inv *invocation, _ *workflow.Workflow) { inv.api = &credulous{API: inv.api, inv: inv} }},
	{"state written after the act", 10, func(_ *invocation, w *workflow.Workflow) {
		late := &lateStore{Store: w.Store}
		w.Store, w.Hooks, w.Host = late, lateHooks{w.Hooks, late}, lateHost{w.Host, late}
	}},
	{"state not synced", 10, func(inv *invocation, w *workflow.Workflow) {
		w.Store = storeOf{inv, state.Store{Path: "state", Disk: unsynced{diskOf{inv}}}}
	}},
	{"no boot check", 20, func(inv *invocation, w *workflow.Workflow) { w.Host = everNew{w.Host, inv} }},
	{"blind DELETE retry", 20, func(inv *invocation, _ *workflow.Workflow) { inv.api = blind{inv.api} }},
	{"refresh after release", 10, func(inv *invocation, _ *workflow.Workflow) { inv.api = restless{inv.api, inv} }},
}

// hasty doesn't look at how slow Foreman is.
type hasty struct{ foreman.API }

func (hasty) Slowest() time.Duration { return 0 }

// credulous takes Foreman's yes to its claim for the lock.
type credulous struct {
	foreman.API
	inv     *invocation
	mu      sync.Mutex
	granted bool
	took    bool
}

func (s *credulous) Acquire(ctx context.Context, name string) error {
	err := s.API.Acquire(ctx, name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.granted = err == nil && !s.took
	return err
}

func (s *credulous) Show(ctx context.Context, name string) (dlm.Lock, error) {
	s.mu.Lock()
	believes := s.granted
	s.granted, s.took = false, s.took || believes
	s.mu.Unlock()
	if believes {
		ours := dlm.Lock{Enabled: true, Holder: "me", Self: true}
		s.inv.looked(time.Now(), ours, nil)
		return ours, nil
	}
	return s.API.Show(ctx, name)
}

// lateStore writes the state once what it announces has been done.
type lateStore struct {
	workflow.Store
	due *state.Record
}

func (s *lateStore) Save(r state.Record) error {
	err := s.flush()
	s.due = &r
	return err
}

func (s *lateStore) Clear() error { return errors.Join(s.flush(), s.Store.Clear()) }

func (s *lateStore) flush() error {
	if s.due == nil {
		return nil
	}
	r := *s.due
	s.due = nil
	return s.Store.Save(r)
}

// unsynced trusts the kernel to write the directory some day.
type unsynced struct{ state.Disk }

func (unsynced) SyncDir(string) error { return nil }

type lateHooks struct {
	workflow.Hooks
	store *lateStore
}

func (h lateHooks) Run(stage state.Stage, name string, env []string) workflow.HookResult {
	defer h.store.flush()
	return h.Hooks.Run(stage, name, env)
}

type lateHost struct {
	workflow.Host
	store *lateStore
}

func (h lateHost) Reboot() error {
	defer h.store.flush()
	return h.Host.Reboot()
}

// everNew takes every invocation for one in another boot.
type everNew struct {
	workflow.Host
	inv *invocation
}

func (h everNew) Boot(ctx context.Context) (state.Boot, error) {
	boot, err := h.Host.Boot(ctx)
	boot.ID = fmt.Sprintf("%s/%d", boot.ID, h.inv.number)
	return boot, err
}

// blind sends a DELETE again that got no answer, without a look.
type blind struct{ foreman.API }

func (s blind) Release(ctx context.Context, name string) error {
	err := s.API.Release(ctx, name)
	if errors.Is(err, dlm.ErrUnavailable) || errors.Is(err, dlm.ErrNotForeman) {
		return s.API.Release(ctx, name)
	}
	return err
}

// restless refreshes the lock once more after its release.
type restless struct {
	foreman.API
	inv *invocation
}

func (s restless) Release(ctx context.Context, name string) error {
	err := s.API.Release(ctx, name)
	if err == nil {
		s.inv.actors.Go(func() { _ = s.API.Acquire(context.WithoutCancel(ctx), name) })
	}
	return err
}

// TestMistakes: each mistake is found.
func TestMistakes(t *testing.T) {
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(20 * m.within) {
				r := simulate(t, seed, m, false)
				if r.broken != "" && r.late == "" {
					t.Logf("%s: found by history %d: %s", m.name, seed+1, r.broken)
					if seed >= uint64(m.within) {
						t.Errorf("%s: only history %d finds it, and %d should have", m.name, seed+1, m.within)
					}
					return
				}
			}
			t.Errorf("%s: not found in %d histories", m.name, 20*m.within)
		})
	}
}
