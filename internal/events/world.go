package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"
	"foreman-dlm-updater/internal/workflow"
)

type watchedStore struct {
	workflow.Store
	seen *Watcher
}

func (s watchedStore) Load() (*state.Record, error) {
	record, err := s.Store.Load()
	if err == nil && record != nil {
		s.seen.note(func() []Kind { s.seen.load(record); return nil })
	}
	return record, err
}

func (s watchedStore) Save(record state.Record) error {
	kinds, before := s.seen.tellStory(&record)
	err := s.Store.Save(record)
	s.seen.note(func() []Kind {
		s.seen.saving = false
		if err != nil {
			s.seen.progress = before
			return s.seen.notSaved(record, err)
		}
		s.seen.unwritten = nil
		s.seen.record, s.seen.last, s.seen.dirty = &record, &record, false
		return kinds
	})
	// The listeners hear of a reboot before the command runs, for the host may be gone a moment later. Not for long: they delay nothing. And
	// before the workflow looks for the last time whether it may.
	if err == nil && slices.Contains(kinds, Rebooting) && !s.seen.speak.flush(lastWords) {
		s.seen.log.Warn("who listens to events is too slow; the reboot does not wait for it", "waited", lastWords)
	}
	return err
}

func (s watchedStore) Clear() error {
	err := s.Store.Clear()
	if err == nil {
		s.seen.note(func() []Kind {
			released := s.seen.record != nil && s.seen.record.Stage == state.LockRelease
			s.seen.record = nil
			if !released {
				return nil
			}
			s.seen.closeStage(nil)
			s.seen.running = false
			kinds := []Kind{Finished}
			if s.seen.finishesWithoutReboot() {
				kinds = append(kinds, RebootDue)
			}
			return kinds
		})
	}
	return err
}

type watchedServer struct {
	workflow.LockServer
	seen *Watcher
}

func (s watchedServer) Show(ctx context.Context, name string) (workflow.Lock, error) {
	lock, err := s.LockServer.Show(ctx, name)
	s.seen.note(func() []Kind {
		if err == nil || errors.Is(err, workflow.ErrNoLock) {
			s.seen.lock.Name, s.seen.trouble = name, ""
			s.seen.lock.See(lock, err == nil)
			return s.seen.lookedAt(lock, err == nil)
		}
		s.seen.lock, s.seen.trouble = status.Lock{Name: name}, fmt.Sprintf("the lock in Foreman: %v", err)
		return s.seen.noAnswer()
	})
	return lock, err
}

func (s watchedServer) Acquire(ctx context.Context, name string) error {
	err := s.LockServer.Acquire(ctx, name)
	s.seen.mu.Lock()
	s.seen.refused = errors.Is(err, workflow.ErrNotNow)
	s.seen.mu.Unlock()
	return err
}

type watchedHooks struct {
	workflow.Hooks
	seen *Watcher
}

func (h watchedHooks) Run(stage state.Stage, name string, env []string) workflow.HookResult {
	began := time.Now()
	h.seen.note(func() []Kind {
		h.seen.hook, h.seen.atWork = name, true
		if h.seen.record != nil && h.seen.story.Waiting != nil { // for an answer, without which the stage goes on
			h.seen.endWait()
			h.seen.save()
		}
		return nil
	})
	result := h.Hooks.Run(stage, name, env)
	h.seen.note(func() []Kind {
		h.seen.hook = ""
		h.seen.hookEnded(stage, name, began, result)
		return nil
	})
	return result
}

type watchedHost struct {
	workflow.Host
	seen *Watcher
}

func (h watchedHost) Boot(ctx context.Context) (state.Boot, error) {
	boot, err := h.Host.Boot(ctx)
	if err == nil {
		h.seen.note(func() []Kind {
			h.seen.boot, h.seen.due = &boot, stillDue(h.seen.due, &boot)
			return nil
		})
	}
	return boot, err
}

func (h watchedHost) Inhibitors(ctx context.Context) []workflow.Inhibitor {
	all := h.Host.Inhibitors(ctx)
	h.seen.note(func() []Kind { h.seen.inhibitors = all; return nil })
	return all
}
