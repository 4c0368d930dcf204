package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"
)

// watcher stands between a workflow and its world, and shows in `systemctl status` where the invocation stands by what it sees there: in
// the sentence of `status`. It may be told of several things at once: the lock is looked at while hooks run.
type watcher struct {
	mu      sync.Mutex
	running bool
	record  *state.Record // as it is on disk
	boot    *state.Boot   // of now; nil: not known
	hook    string        // that runs
	lock    lockStanding  // as Foreman showed it last
	trouble string        // why it could not; empty if it could
	stopped error         // why the invocation has ended
	told    string
	show    func(sentence string)
}

// watch makes the watcher see all that the workflow does, and show each new sentence.
func watch(w *workflow.Workflow, show func(sentence string)) *watcher {
	seen := &watcher{running: true, lock: lockStanding{Name: w.LockName}, show: show}
	w.Store = watchedStore{w.Store, seen}
	w.Server = watchedServer{w.Server, seen}
	w.Hooks = watchedHooks{w.Hooks, seen}
	w.Host = watchedHost{w.Host, seen}
	return seen
}

// note changes what is known, and tells if the sentence is another one by that.
func (w *watcher) note(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	s := standing{Running: w.running, PID: os.Getpid(), hook: w.hook, Lock: w.lock, stopped: w.stopped}
	s.setRecord(w.record)
	if w.boot != nil {
		s.setBoot(*w.boot)
	}
	if w.trouble != "" {
		s.Unseen = []string{w.trouble}
	}
	if text := s.sentence(); text != w.told {
		w.told = text
		w.show(text)
	}
}

// ended: this invocation does nothing more. err is why, if it is not that all is done.
func (w *watcher) ended(err error) { w.note(func() { w.running, w.stopped = false, err }) }

type watchedStore struct {
	workflow.Store
	seen *watcher
}

func (s watchedStore) Load() (*state.Record, error) {
	record, err := s.Store.Load()
	if err == nil && record != nil {
		s.seen.note(func() { s.seen.record = record })
	}
	return record, err
}

func (s watchedStore) Save(record state.Record) error {
	err := s.Store.Save(record)
	if err == nil {
		s.seen.note(func() { s.seen.record = &record })
	}
	return err
}

func (s watchedStore) Clear() error {
	err := s.Store.Clear()
	if err == nil {
		s.seen.note(func() { s.seen.record = nil })
	}
	return err
}

type watchedServer struct {
	workflow.LockServer
	seen *watcher
}

func (s watchedServer) Show(ctx context.Context, name string) (workflow.Lock, error) {
	lock, err := s.LockServer.Show(ctx, name)
	now := &standing{Lock: lockStanding{Name: name}}
	trouble := ""
	if err == nil || errors.Is(err, workflow.ErrNoLock) {
		now.setLock(lock, err == nil)
	} else {
		trouble = fmt.Sprintf("the lock in Foreman: %v", err)
	}
	s.seen.note(func() { s.seen.lock, s.seen.trouble = now.Lock, trouble })
	return lock, err
}

type watchedHooks struct {
	workflow.Hooks
	seen *watcher
}

func (h watchedHooks) Run(stage state.Stage, name string, env []string) workflow.HookResult {
	h.seen.note(func() { h.seen.hook = name })
	defer h.seen.note(func() { h.seen.hook = "" })
	return h.Hooks.Run(stage, name, env)
}

type watchedHost struct {
	workflow.Host
	seen *watcher
}

func (h watchedHost) Boot(ctx context.Context) (state.Boot, error) {
	boot, err := h.Host.Boot(ctx)
	if err == nil {
		h.seen.note(func() { h.seen.boot = &boot })
	}
	return boot, err
}
