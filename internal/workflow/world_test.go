package workflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/foreman"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"

	"github.com/hashicorp/go-hclog"
)

// world is all that a workflow acts on, in memory. Every effect is a step, written down in trace; a test can let the
// invocation die before or after any of them. It is meant for use inside a synctest bubble.
type world struct {
	t        *testing.T
	settings Settings
	locks    foreman.Settings
	foreman  *fakeForeman
	lock     *fakeLock        // instead of Foreman's, if a test wants no Foreman at all
	log      *strings.Builder // what the program logged

	disk    *state.Record
	saveErr error // what Save returns: so many times as saves says, or from now on if that is 0
	saves   int
	// announcing is what happens while it is being written that a reboot is asked for.
	announcing func()
	machine    string

	// others are the locks beside "web", by name.
	others map[string]*fakeForeman
	// mayBegin is the calendar; nil: there is none.
	mayBegin func(time.Time) (*Refusal, error)

	hooks          map[state.Stage][]fakeHook
	listErr        map[state.Stage]error
	unsafeSettings error
	warnings       []string // of the host, before the lock is asked for
	unfit          error
	bootID         string
	began          time.Time // of the boot
	onReboot       func() error
	inhibitors     func() []Inhibitor                  // nil: nobody
	leftovers      func(keep bool) ([]Leftover, error) // nil: there is none, and no step
	askedIn        string                              // the boot in which the state last said that a reboot was asked for
	// on is what a test does when the observer is told of an event.
	on map[EventKind]func()

	mu     sync.Mutex
	trace  []string
	steps  int
	begun  state.Stage // the stage that this invocation has put on record last; noStage: none yet
	hookOf state.Stage // the stage whose hook runs now; noStage: none
	told   []Event     // what the observer was told
	// dieAt kills the invocation at this step; afterwards nothing that it still does has an effect.
	dieAt int
	dead  bool
	die   context.CancelFunc
	// stop is the first signal of the invocation in progress.
	stop context.CancelFunc
}

type fakeHook struct {
	name string
	run  func(env []string) HookResult
}

func exits(code int) func([]string) HookResult {
	return func([]string) HookResult { return HookResult{Exit: code} }
}

// newWorld is a host "me" with one hook a stage: there is an update, and no reboot is needed.
func newWorld(t *testing.T) *world {
	w := &world{
		t: t,
		settings: Settings{LockName: "web", RebootTimeout: 15 * time.Minute, MaxReboots: 3, ConfigPath: "/etc/config.ini",
			StatePath: "/var/lib/state"},
		locks: foreman.Settings{Pace: lock.Pace{RetryInterval: time.Minute}, Settle: 2 * time.Second, Refresh: time.Hour,
			Retries: 3},
		log:     &strings.Builder{},
		machine: "machine-1",
		hooks: map[state.Stage][]fakeHook{
			state.NeedsUpdate: {{"10-check", exits(100)}},
			state.PreUpdate:   {{"20-stop", exits(0)}},
			state.Update:      {{"30-upgrade", exits(0)}},
			state.NeedsReboot: {{"40-flag", exits(0)}},
			state.PostUpdate:  {{"50-start", exits(0)}},
		},
		listErr: map[state.Stage]error{},
		others:  map[string]*fakeForeman{},
		on:      map[EventKind]func(){},
		bootID:  "boot-1",
		began:   time.Now(),
	}
	w.foreman = &fakeForeman{world: w, enabled: true, exists: true}
	w.onReboot = func() error { return nil }
	w.announcing = func() {}
	return w
}

func (w *world) workflow() *Workflow {
	out := hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: w.log, DisableTime: true})
	return &Workflow{
		Settings: w.settings, Store: fakeStore{w}, Hooks: fakeHooks{w}, Host: fakeHost{w}, Log: out,
		OpenLock: func(name string, o lock.Options) Lock {
			if w.lock != nil {
				return w.lock.open(name, o)
			}
			return foreman.Open(foremen{w}, w.locks, out, name, o)
		},
		Observe: w.observe,
		MayBegin: func(now time.Time) (*Refusal, error) {
			if w.mayBegin == nil {
				return nil, nil
			}
			return w.mayBegin(now)
		},
	}
}

// foremen is the fake Foreman with all its locks.
type foremen struct{ *world }

// other is a lock beside "web", which is made when it is asked for the first time.
func (w *world) other(name string) *fakeForeman {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.others[name] == nil {
		w.others[name] = &fakeForeman{world: w, name: name, enabled: true, exists: true}
	}
	return w.others[name]
}

func (f foremen) lock(name string) *fakeForeman {
	if name == "web" {
		return f.foreman
	}
	return f.other(name)
}

func (f foremen) Show(ctx context.Context, name string) (dlm.Lock, error) {
	return f.lock(name).Show(ctx, name)
}
func (f foremen) Acquire(ctx context.Context, name string) error {
	return f.lock(name).Acquire(ctx, name)
}
func (f foremen) Release(ctx context.Context, name string) error {
	return f.lock(name).Release(ctx, name)
}
func (f foremen) Slowest() time.Duration     { return f.foreman.slowest }
func (f foremen) Identity() (string, string) { return f.foreman.Identity() }

func (w *world) observe(e Event) {
	w.mu.Lock()
	w.told = append(w.told, e)
	if e.Kind == StageBegan {
		w.begun = e.Record.Stage
	}
	w.mu.Unlock()
	if act := w.on[e.Kind]; act != nil {
		act()
	}
}

// noStage: the invocation has not put any stage on record yet, or no hook runs.
const noStage state.Stage = ""

// now is the stage that this invocation has put on record last, and the one whose hook runs.
func (w *world) now() (begun, hookOf state.Stage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.begun, w.hookOf
}

// at does something at the first request of a method after this invocation has put a stage on record, before the
// stage's first hook. What at, during and each return is for fakeForeman's before and after.
func (w *world) at(stage state.Stage, method string, act func() error) func(string) error {
	return w.first(method, act, func() bool { begun, hookOf := w.now(); return begun == stage && hookOf == noStage })
}

// during does something at the first request of a method while a hook of a stage runs.
func (w *world) during(stage state.Stage, method string, act func() error) func(string) error {
	return w.first(method, act, func() bool { _, hookOf := w.now(); return hookOf == stage })
}

func (w *world) first(method string, act func() error, applies func() bool) func(string) error {
	var done atomic.Bool
	return func(got string) error {
		if got != method || !applies() || !done.CompareAndSwap(false, true) {
			return nil
		}
		return act()
	}
}

// each does something at every request of a method.
func each(method string, act func() error) func(string) error {
	return func(got string) error {
		if got != method {
			return nil
		}
		return act()
	}
}

// away is a Foreman that can't be reached for a time, which begins with the first request after this invocation has put
// a stage on record.
func (w *world) away(stage state.Stage, d time.Duration) func(string) error {
	var since time.Time
	return func(string) error {
		if begun, _ := w.now(); begun == stage && since.IsZero() {
			since = time.Now()
		}
		if !since.IsZero() && time.Since(since) < d {
			return unreachable()
		}
		return nil
	}
}

// errDead is what every effect of a killed invocation returns, without having any.
var errDead = errors.New("killed")

// step writes an effect down, and kills the invocation if its time has come.
func (w *world) step(format string, args ...any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return errDead
	}
	w.steps++
	if w.dieAt > 0 && w.steps == w.dieAt {
		w.dead = true
		if w.die != nil {
			w.die()
		}
		return errDead
	}
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
	return nil
}

// invoke starts the program once.
func (w *world) invoke(atBoot bool) error {
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	w.dead, w.die, w.stop = false, cancel, cancel
	w.begun, w.hookOf = noStage, noStage
	return w.workflow().Run(ctx, atBoot)
}

// reboot gives the host a new boot.
func (w *world) reboot() { w.bootID, w.began = w.bootID+"+", time.Now() }

// effects is the trace without looks and state, which many tests don't care for.
func (w *world) effects(prefixes ...string) []string {
	var out []string
	for _, step := range w.trace {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(step, p) }) {
			out = append(out, step)
		}
	}
	return out
}

// requests are the requests so far, by their initials.
func (w *world) requests() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out strings.Builder
	for _, step := range w.trace {
		switch step {
		case "GET", "PUT", "DELETE":
			out.WriteString(step[:1])
		}
	}
	return out.String()
}

// stage is the stage on disk; "" without a file.
func (w *world) stage() state.Stage {
	if w.disk == nil {
		return ""
	}
	return w.disk.Stage
}

type fakeStore struct{ *world }

func (s fakeStore) Load() (*state.Record, error) {
	if s.disk == nil {
		return nil, nil
	}
	record := *s.disk
	return &record, nil
}

func (s fakeStore) Save(r state.Record) error {
	if r.InProgress() && r.MachineID != s.machine && (s.disk == nil || s.disk.MachineID == s.machine) {
		s.t.Errorf("a record of stage %s names the machine %q", r.Stage, r.MachineID)
	}
	if err := s.saveErr; err != nil {
		if s.saves--; s.saves == 0 {
			s.saveErr = nil
		}
		return err
	}
	if err := s.step("state %s", r.Stage); err != nil {
		return err
	}
	r.Format = state.Format
	if r.Asked != nil {
		s.announcing()
	}
	s.disk = &r
	if r.Asked != nil {
		s.askedIn = s.bootID
	}
	return nil
}

func (s fakeStore) Clear() error {
	if err := s.step("state cleared"); err != nil {
		return err
	}
	s.disk = nil
	return nil
}

type fakeHooks struct{ *world }

func (h fakeHooks) VetSettings() error { return h.unsafeSettings }

func (h fakeHooks) List(stage state.Stage) ([]string, error) {
	var names []string
	for _, hook := range h.hooks[stage] {
		names = append(names, hook.name)
	}
	return names, h.listErr[stage]
}

func (h fakeHooks) Run(stage state.Stage, name string, env []string) HookResult {
	if err := h.step("hook %s/%s", stage, name); err != nil {
		return HookResult{Err: err}
	}
	h.setHook(stage)
	defer h.setHook(noStage)
	slot := h.foreman
	if h.disk != nil && slices.Contains(Slots("web", 3), h.disk.Lock) {
		slot = (foremen(h)).lock(h.disk.Lock)
	}
	if Guarded(stage) && !h.dead && h.lock == nil && slot.holder() != "me" {
		h.t.Errorf("guarded stage %s runs, and its lock is held by %q", stage, slot.holder())
	}
	i := slices.IndexFunc(h.hooks[stage], func(f fakeHook) bool { return f.name == name })
	result := h.hooks[stage][i].run(env)
	if err := h.step("hook %s/%s ended", stage, name); err != nil {
		return HookResult{Err: err}
	}
	return result
}

// following is the stage that comes after one that is done.
func following(stage state.Stage) state.Stage { return rowOf(stage).next[done] }

func (w *world) setHook(stage state.Stage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hookOf = stage
}

type fakeHost struct{ *world }

func (h fakeHost) Boot(context.Context) (state.Boot, error) { return state.Boot{ID: h.bootID}, nil }
func (h fakeHost) Uptime() (time.Duration, error)           { return time.Since(h.began), nil }
func (h fakeHost) InhibitShutdown(string) (allow func()) {
	_ = h.step("inhibit shutdown")
	return func() { _ = h.step("allow shutdown") }
}
func (h fakeHost) MachineID() string { return h.machine }
func (h fakeHost) Vet(context.Context) ([]string, error) {
	return h.warnings, h.unfit
}

func (h fakeHost) Inhibitors(context.Context) []Inhibitor {
	if h.inhibitors == nil || h.dead {
		return nil
	}
	return h.inhibitors()
}

func (h fakeHost) Leftovers(keep bool) ([]Leftover, error) {
	if h.leftovers == nil {
		return nil, nil
	}
	if err := h.step("leftovers keep=%v", keep); err != nil {
		return nil, err
	}
	return h.leftovers(keep)
}

func (h fakeHost) Reboot() error {
	if err := h.step("reboot"); err != nil {
		return err
	}
	return h.onReboot()
}

// foreman has one lock. Before each request a test may interfere.
type fakeForeman struct {
	*world
	name                    string // empty: "web"
	exists, enabled, barred bool
	lockMu                  sync.Mutex
	heldBy                  string // "me" is this host
	since                   time.Time
	slowest                 time.Duration
	identity                lock.Origin
	// before is called with "GET", "PUT" or "DELETE" before the request is handled; an error is the answer.
	before func(method string) error
	// after is called once the request has had its effect; an error replaces the answer.
	after func(method string) error
	// hang reports whether a request gets no answer.
	hang func(method string) bool
}

// holder and hold may be used by any goroutine.
func (f *fakeForeman) holder() string {
	f.lockMu.Lock()
	defer f.lockMu.Unlock()
	return f.heldBy
}

func (f *fakeForeman) hold(host string) {
	f.lockMu.Lock()
	defer f.lockMu.Unlock()
	f.heldBy = host
}

func (f *fakeForeman) Slowest() time.Duration     { return f.slowest }
func (f *fakeForeman) Identity() (string, string) { return f.identity.Server, f.identity.Client }

// request is one round trip: the process may die before it is sent, or before the answer is heard.
func (f *fakeForeman) request(ctx context.Context, method string, act func() error) error {
	if ctx.Err() != nil {
		return unavailable(ctx.Err().Error())
	}
	what := method
	if f.name != "" {
		what += " " + f.name
	}
	if err := f.step("%s", what); err != nil {
		return err
	}
	if f.before != nil {
		if err := f.before(method); err != nil {
			return err
		}
	}
	if f.hang != nil && f.hang(method) { // no answer, until the caller gives up
		<-ctx.Done()
		return unavailable(ctx.Err().Error())
	}
	err := act()
	if method != "GET" && ctx.Err() != nil && !f.dead {
		f.t.Errorf("%s was cut short", method)
	}
	if f.after != nil {
		if lost := f.after(method); lost != nil {
			err = lost
		}
	}
	if dead := f.step("%s answered", what); dead != nil {
		return dead
	}
	return err
}

func (f *fakeForeman) Show(ctx context.Context, _ string) (found dlm.Lock, err error) {
	err = f.request(ctx, "GET", func() error {
		if !f.exists {
			return dlm.ErrNoLock
		}
		found = dlm.Lock{Enabled: f.enabled, Holder: f.holder(), Self: f.holder() == "me", Updated: f.since}
		return nil
	})
	if err != nil {
		found = dlm.Lock{}
	}
	return found, err
}

func (f *fakeForeman) Acquire(ctx context.Context, _ string) error {
	return f.request(ctx, "PUT", func() error {
		f.exists = true
		if f.barred || !f.enabled || f.holder() != "" && f.holder() != "me" {
			return dlm.ErrNotNow
		}
		f.hold("me")
		f.since = time.Now()
		return nil
	})
}

func (f *fakeForeman) Release(ctx context.Context, _ string) error {
	return f.request(ctx, "DELETE", func() error {
		if !f.enabled || f.holder() != "" && f.holder() != "me" {
			return dlm.ErrNotNow
		}
		f.exists = true
		f.hold("")
		return nil
	})
}

// unavailable is an answer of trouble, or none.
func unavailable(detail string) *dlm.Error {
	return &dlm.Error{Kind: dlm.ErrUnavailable, Detail: detail}
}

// unreachable is what a client makes of a Foreman that is down.
func unreachable() error { return unavailable("connection refused") }

// odd is what a client makes of an answer that is not Foreman's.
func odd() error {
	return &dlm.Error{Kind: dlm.ErrWrongURL, Status: 302, Detail: "302 Found, to https://maintenance.example.com/"}
}
