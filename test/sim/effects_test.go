package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/foreman"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"
)

// storeOf is the real store on the simulated disk, with a wall clock that may be wrong.
type storeOf struct {
	*invocation
	store state.Store
}

func (s storeOf) Load() (*state.Record, error) { return s.store.Load() }

func (s storeOf) Save(r state.Record) error {
	for _, t := range []*time.Time{&r.Began, &r.StageBegan} {
		if !t.IsZero() {
			*t = t.Add(s.wall)
		}
	}
	if r.Asked != nil {
		asked := *r.Asked
		asked.Time = asked.Time.Add(s.wall)
		r.Asked = &asked
	}
	before := s.recorded()
	s.announces = asks(r)
	err := s.store.Save(r)
	s.announces = false
	if err == nil {
		s.saved(before, r)
	}
	return err
}

func (s storeOf) Clear() error {
	before := s.recorded()
	err := s.store.Clear()
	if err == nil {
		s.cleared(before)
	}
	return err
}

// recorded is the record on disk as others see it, nil if there is none.
func (h *host) recorded() *state.Record {
	h.mu.Lock()
	content := h.disk.content
	h.mu.Unlock()
	if content == nil {
		return nil
	}
	r, err := state.Store{Path: "state", Disk: copied(content)}.Load()
	if err != nil {
		h.breaks("%s: the state can't be read: %v", h.name, err)
	}
	return r
}

// copied is a disk with one file, to be read.
type copied []byte

func (c copied) Read(string) ([]byte, error) { return c, nil }
func (copied) Replace(string, []byte) error  { return errors.ErrUnsupported }
func (copied) Remove(string) error           { return errors.ErrUnsupported }
func (copied) SyncDir(string) error          { return errors.ErrUnsupported }

// serverOf is the real client; it notes what the server says.
type serverOf struct {
	*invocation
	foreman.API
}

func (s serverOf) Show(ctx context.Context, name string) (dlm.Lock, error) {
	began := time.Now()
	lock, err := s.API.Show(ctx, name)
	if s.isDead() {
		return dlm.Lock{}, errDead
	}
	s.looked(name, began, lock, err)
	return lock, err
}

func (s serverOf) Acquire(ctx context.Context, name string) error {
	s.claims(name)
	err := s.API.Acquire(ctx, name)
	if s.isDead() {
		return errDead
	}
	s.heard(name, err, true)
	return err
}

func (s serverOf) Release(ctx context.Context, name string) error {
	s.releases(name)
	err := s.API.Release(ctx, name)
	if s.isDead() {
		return errDead
	}
	s.heard(name, err, false)
	return err
}

// hooksOf are the hooks h0, h1, ... of each stage.
type hooksOf struct{ *invocation }

func (h hooksOf) VetSettings() error {
	if h.mishap(h.odds.boot) {
		return errors.New("writable by others")
	}
	return nil
}

func (h hooksOf) List(stage state.Stage) ([]string, error) {
	if stage == workflow.Gate {
		return h.gateNames(), nil
	}
	var names []string
	for i := range h.hooks[stage] {
		names = append(names, hookName(i))
	}
	return names, nil
}

func (h hooksOf) Run(stage state.Stage, name string, _ []string) workflow.HookResult {
	if stage == workflow.Gate {
		return h.gate(name)
	}
	if h.step("hook "+string(stage)+"/"+name) != nil {
		return workflow.HookResult{Err: errDead}
	}
	h.hookBegins(stage, name)
	result := h.result(stage)
	took := h.rng.part(h.hookTime)
	switch {
	case stage == state.NeedsUpdate && h.together: // so that claims meet
		took = h.rng.part(100 * time.Millisecond)
	case stage == state.NeedsUpdate:
		took /= 10
	}
	timer := time.NewTimer(took)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-h.dead:
		return workflow.HookResult{Err: errDead}
	case <-h.kill2:
		result = workflow.HookResult{Stopped: true}
	}
	h.hookEnds(stage, name, result)
	if h.step("the end of hook "+string(stage)+"/"+name) != nil {
		return workflow.HookResult{Err: errDead}
	}
	return result
}

// result draws how a hook ends.
func (inv *invocation) result(stage state.Stage) workflow.HookResult {
	fails := inv.mishap(inv.odds.hook)
	switch {
	case fails && inv.rng.chance(0.2):
		return workflow.HookResult{Err: errors.New("killed by signal")}
	case fails && inv.rng.chance(0.5):
		return workflow.HookResult{Exit: 75}
	case stage == state.NeedsUpdate: // once all is calm nothing new begins
		return workflow.HookResult{Exit: pick(inv.rng, 0, 1, 1) * btoi(!inv.isCalm())}
	case stage == state.NeedsReboot:
		return workflow.HookResult{Exit: pick(inv.rng, 0, 1)}
	case fails:
		return workflow.HookResult{Exit: 1}
	}
	return workflow.HookResult{}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// selfOf is the host as the program sees it.
type selfOf struct{ *invocation }

func (s selfOf) Boot(context.Context) (state.Boot, error) {
	if s.mishap(s.odds.boot) {
		return state.Boot{}, errors.New("the boot identity can't be read")
	}
	forgetful := s.mishap(s.odds.boot) // systemd could not be asked
	s.mu.Lock()
	defer s.mu.Unlock()
	boot := s.host.boot
	if forgetful {
		boot.SoftReboots = nil
	}
	return boot, nil
}

func (s selfOf) Uptime() (time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.booted), nil
}

func (s selfOf) MachineID() string                     { return s.name }
func (s selfOf) Vet(context.Context) ([]string, error) { return nil, nil }
func (s selfOf) InhibitShutdown(string) (allow func()) { return func() {} }

func (s selfOf) Inhibitors(context.Context) []workflow.Inhibitor {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.inhibited) {
		return []workflow.Inhibitor{{Who: "backup", Why: "dump"}}
	}
	return nil
}
func (selfOf) Leftovers(bool) ([]workflow.Leftover, error) { return nil, nil }

// Reboot is the reboot command.
func (s selfOf) Reboot() error {
	if s.step("the reboot command") != nil {
		return errDead
	}
	s.reboots()
	why, err, after := "goes down as asked", error(nil), s.rng.between(100*time.Millisecond, 30*time.Second)
	if s.mishap(s.odds.reboot) {
		failed := errors.New("the reboot command fails")
		switch s.rng.n(6) {
		case 0:
			return failed
		case 1:
			why, err = "goes down, though the reboot command failed", failed
		case 2:
			s.note("the host will not go down")
			return nil
		case 3:
			s.mu.Lock()
			s.inhibited = time.Now().Add(s.rng.between(time.Second, time.Hour))
			s.noteLocked(s.name, "somebody keeps the host from being shut down until %s", elapsed(s.inhibited.Sub(s.began)))
			s.mu.Unlock()
		default:
			why, after = "goes down late", s.rng.between(30*time.Second, time.Hour)
		}
	}
	if len(s.Inhibitors(context.Background())) > 0 {
		return errors.New("the reboot command is refused")
	}
	boot, r := s.boots, newRandom(s.seed, 5, uint64(s.n), uint64(s.started))
	s.actors.Go(func() {
		if s.host.sleep(after) && s.bootsNow() == boot {
			s.shutDown(why, r)
		}
	})
	if s.rng.chance(0.3) && !s.sleep(s.rng.part(2*after)) { // some commands wait for the shutdown
		return errDead
	}
	if s.step("the end of the reboot command") != nil {
		return errDead
	}
	return err
}

func (h *host) bootsNow() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.boots
}

func hookName(n int) string { return fmt.Sprintf("h%d", n) }
