package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/foreman"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"
)

// mistake is one that a program like this could make.
type mistake struct {
	name string
	// within is the number of histories that find it at the latest.
	within int
	// plain: only plain histories count, in which one lock is all that keeps a run from beginning.
	plain bool
	make  func(*invocation, *workflow.Workflow)
}

var mistakes = []*mistake{
	{"no settle", 200, true, func(inv *invocation, _ *workflow.Workflow) {
		inv.lockSettings.Settle = time.Nanosecond
		inv.api = hasty{inv.api}
	}},
	{"no verify", 500, true, func(inv *invocation, _ *workflow.Workflow) { inv.api = &credulous{API: inv.api, inv: inv} }},
	{"state written after the act", 10, true, func(_ *invocation, w *workflow.Workflow) {
		late := &lateStore{Store: w.Store}
		w.Store, w.Hooks, w.Host = late, lateHooks{w.Hooks, late}, lateHost{w.Host, late}
	}},
	{"state not synced", 10, true, func(inv *invocation, w *workflow.Workflow) {
		w.Store = storeOf{inv, state.Store{Path: "state", Disk: unsynced{diskOf{inv}}}}
	}},
	{"no boot check", 20, true, func(inv *invocation, w *workflow.Workflow) { w.Host = everNew{w.Host, inv} }},
	{"blind DELETE retry", 20, true, func(inv *invocation, _ *workflow.Workflow) { inv.api = blind{inv.api} }},
	{"refresh after release", 10, true, func(inv *invocation, _ *workflow.Workflow) { inv.api = restless{inv.api, inv} }},
	{"no second gate check", 10, false, func(inv *invocation, w *workflow.Workflow) { w.Hooks = trusting{w.Hooks, inv} }},
	{"slot kept after a refusal", 100, false, func(_ *invocation, w *workflow.Workflow) {
		wrapTake(w, func(terms *lock.Terms) { terms.May = keeping(terms.May) })
	}},
	{"budget looked at only before the claim", 10, false, func(inv *invocation, _ *workflow.Workflow) {
		inv.api = &sparing{API: inv.api, inv: inv, flags: map[string]dlm.Lock{}}
	}},
	{"window checked only at the start", 10, false, func(_ *invocation, w *workflow.Workflow) {
		w.MayBegin = once(w.MayBegin)
	}},
	{"a closed window stops a run that has begun", 10, false, func(_ *invocation, w *workflow.Workflow) {
		w.Hooks = strict{w.Hooks, w.MayBegin}
	}},
	{"lock not given back when the wait ends", 50, false, func(_ *invocation, w *workflow.Workflow) {
		open := w.OpenLock
		w.OpenLock = func(name string, o lock.Options) workflow.Lock {
			if isFlag(name) {
				return open(name, o)
			}
			return careless{open(name, o)}
		}
	}},
	{"flag asked for before it is on record", 20, false, func(_ *invocation, w *workflow.Workflow) {
		w.Store = flagless{w.Store}
	}},
	{"slot changed without saving the record", 200, false, func(_ *invocation, w *workflow.Workflow) {
		wrapTake(w, func(terms *lock.Terms) { terms.Announce = firstOnly(terms.Announce) })
	}},
	{"next slot asked for too early", 50, false, func(_ *invocation, w *workflow.Workflow) {
		open := w.OpenLock
		w.OpenLock = func(name string, o lock.Options) workflow.Lock {
			return &impatient{Lock: open(name, o), open: open, slots: o.Slots}
		}
	}},
	{"a gate without an answer counts as yes", 100, false, func(_ *invocation, w *workflow.Workflow) {
		w.Hooks = optimist{w.Hooks}
	}},
	{"the calendar's last no is ignored", 100, false, func(inv *invocation, w *workflow.Workflow) {
		ask := w.MayBegin
		w.MayBegin = func(now time.Time) (*workflow.Refusal, error) {
			if ask == nil {
				return nil, nil
			}
			refusal, err := ask(now)
			if inv.hasVerified() {
				return nil, nil
			}
			return refusal, err
		}
	}},
	{"flags are looked at, and not counted", 20, false, func(inv *invocation, _ *workflow.Workflow) {
		inv.api = unmoved{inv.api}
	}},
	{"flag not lowered", 20, false, func(inv *invocation, _ *workflow.Workflow) { inv.api = &proud{API: inv.api} }},
}

// strict looks at the calendar before each hook.
type strict struct {
	workflow.Hooks
	may func(time.Time) (*workflow.Refusal, error)
}

func (h strict) Run(stage state.Stage, name string, env []string) workflow.HookResult {
	if h.may != nil && workflow.Guarded(stage) {
		if no, err := h.may(time.Now()); no != nil || err != nil {
			return workflow.HookResult{Exit: 75}
		}
	}
	return h.Hooks.Run(stage, name, env)
}

// careless forgets to release what it has taken.
type careless struct{ workflow.Lock }

func (careless) Abandon(context.Context) bool { return true }

// optimist takes a gate's silence for a yes.
type optimist struct{ workflow.Hooks }

func (h optimist) Run(stage state.Stage, name string, env []string) workflow.HookResult {
	result := h.Hooks.Run(stage, name, env)
	if stage == workflow.Gate && !result.Stopped && result.Err != nil {
		return workflow.HookResult{}
	}
	return result
}

// unmoved looks at flags, and sees none.
type unmoved struct{ foreman.API }

func (s unmoved) Show(ctx context.Context, name string) (dlm.Lock, error) {
	view, err := s.API.Show(ctx, name)
	if isFlag(name) && err == nil && !view.Self {
		view.Holder = ""
	}
	return view, err
}

// proud takes a flag for lowered without lowering it.
type proud struct {
	foreman.API
	lowered atomic.Bool
}

func (s *proud) Release(ctx context.Context, name string) error {
	if isFlag(name) {
		s.lowered.Store(true)
		return nil
	}
	return s.API.Release(ctx, name)
}

func (s *proud) Show(ctx context.Context, name string) (dlm.Lock, error) {
	view, err := s.API.Show(ctx, name)
	if isFlag(name) && view.Self && s.lowered.Load() {
		view.Self, view.Holder = false, ""
	}
	return view, err
}

// trusting doesn't ask gates again once it has the lock.
type trusting struct {
	workflow.Hooks
	inv *invocation
}

func (h trusting) Run(stage state.Stage, name string, env []string) workflow.HookResult {
	if stage == workflow.Gate && h.inv.hasVerified() {
		return workflow.HookResult{}
	}
	return h.Hooks.Run(stage, name, env)
}

func (inv *invocation) hasVerified() bool {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	return !inv.verified.IsZero()
}

// wrapTake changes how locks are taken.
func wrapTake(w *workflow.Workflow, change func(*lock.Terms)) {
	open := w.OpenLock
	w.OpenLock = func(name string, o lock.Options) workflow.Lock { return wrapped{open(name, o), change} }
}

type wrapped struct {
	workflow.Lock
	change func(*lock.Terms)
}

func (l wrapped) Take(ctx context.Context, terms lock.Terms) error {
	l.change(&terms)
	return l.Lock.Take(ctx, terms)
}

type mayFunc = func(context.Context, lock.Point) (lock.Wait, error)

// keeping waits for a yes with the lock in its hands.
func keeping(may mayFunc) mayFunc {
	if may == nil {
		return nil
	}
	return func(ctx context.Context, at lock.Point) (lock.Wait, error) {
		for {
			wait, err := may(ctx, at)
			if wait.Why == "" || err != nil || at != lock.Verified {
				return wait, err
			}
			if !pause(ctx, time.Minute) {
				return lock.Wait{}, ctx.Err()
			}
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// sparing remembers what flags looked like before it had the lock.
type sparing struct {
	foreman.API
	inv   *invocation
	mu    sync.Mutex
	flags map[string]dlm.Lock
}

func (s *sparing) Show(ctx context.Context, name string) (dlm.Lock, error) {
	s.mu.Lock()
	flag, known := s.flags[name]
	s.mu.Unlock()
	if known && s.inv.hasVerified() {
		return flag, nil
	}
	view, err := s.API.Show(ctx, name)
	if isFlag(name) && (err == nil || errors.Is(err, dlm.ErrNoLock)) {
		s.mu.Lock()
		s.flags[name] = view
		s.mu.Unlock()
	}
	return view, err
}

// once asks only the first time.
func once(ask func(time.Time) (*workflow.Refusal, error)) func(time.Time) (*workflow.Refusal, error) {
	asked := false
	return func(now time.Time) (*workflow.Refusal, error) {
		if ask == nil || asked {
			return nil, nil
		}
		asked = true
		return ask(now)
	}
}

// flagless notes flags only once the server has shown them.
type flagless struct{ workflow.Store }

func (s flagless) Save(r state.Record) error {
	var set []state.Flag
	for _, flag := range r.Flags {
		if flag.Set {
			set = append(set, flag)
		}
	}
	r.Flags = set
	return s.Store.Save(r)
}

// firstOnly announces one lock, and no other.
func firstOnly(announce func(string) error) func(string) error {
	announced := false
	return func(name string) error {
		if announced || announce == nil {
			return nil
		}
		announced = true
		return announce(name)
	}
}

// impatient tries one slot after the other, and doesn't wait until it knows what has become of its last claim.
type impatient struct {
	workflow.Lock
	open  func(string, lock.Options) workflow.Lock
	slots []string
}

func (l *impatient) Take(ctx context.Context, terms lock.Terms) error {
	if terms.Purpose != lock.ForRun || len(l.slots) == 0 {
		return l.Lock.Take(ctx, terms)
	}
	terms.Purpose = lock.ByHandNow
	for {
		for _, slot := range l.slots {
			l.Lock = l.open(slot, lock.Options{})
			err := l.Lock.Take(ctx, terms)
			if ctx.Err() != nil || !errors.Is(err, lock.ErrUnavailable) && !errors.As(err, new(*lock.NotNow)) {
				return err
			}
		}
		if !pause(ctx, time.Minute) {
			return ctx.Err()
		}
	}
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
		s.inv.looked(name, time.Now(), ours, nil)
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
	for asks, all := range map[lockServer][]*mistake{plainForeman: mistakes, fleetLock: fleetMistakes} {
		for _, m := range all {
			t.Run(string(asks)+"/"+m.name, func(t *testing.T) {
				t.Parallel()
				m.isFound(t, asks)
			})
		}
	}
}

func (m *mistake) isFound(t *testing.T, asks lockServer) {
	played := 0
	for seed := uint64(0); played < 20*m.within; seed++ {
		if m.plain && !isPlain(beginsOf(asks.streams(seed))) {
			continue
		}
		played++
		r := simulate(t, asks, seed, m, false)
		if r.broken != "" && r.late == "" {
			t.Logf("%s: found by history %d (seed %d): %s", m.name, played, seed, r.broken)
			if played > m.within {
				t.Errorf("%s: only history %d finds it, and %d should have", m.name, played, m.within)
			}
			return
		}
	}
	t.Errorf("%s: not found in %d histories", m.name, 20*m.within)
}
