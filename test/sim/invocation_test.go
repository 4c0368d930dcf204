package sim

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"regexp"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/fleetlock"
	"foreman-dlm-updater/internal/foreman"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

// errDead is what all effects of an invocation return that was killed, without having any.
var errDead = errors.New("killed")

// invocation is one start of the program.
type invocation struct {
	*host
	rng   *random
	wall  time.Duration // how far the wall clock is off
	ctx   context.Context
	sigs  int
	stop  context.CancelFunc
	dead  chan struct{}
	ended chan struct{}     // the process is gone by itself
	kill2 chan struct{}     // the second signal
	pass  pass              // what it does in a stage
	looks map[string]*looks // by lock
	questions
	byHand bool      // it acts on the lock or the state for a person
	wakes  time.Time // it stands still until then
	number int       // of the host's invocations
	// announces: the record that is being written says that a reboot is asked for.
	announces bool
	// api and lockSettings are what it asks the lock server with; a mistake may change them.
	api          foreman.API
	fleetAPI     fleetlock.API
	lockSettings foreman.Settings
	// transport carries its requests to a FleetLock server; a mistake may change it.
	transport http.RoundTripper
	log       hclog.Logger
	// credulous: any two grants count. That they are not enough is to be found by what comes of it.
	credulous bool
}

// start starts the program on the run in progress, or a new one.
func (h *host) start(by string, atBoot bool) {
	h.invoke(by, func(inv *invocation, w *workflow.Workflow) error { return w.Run(inv.ctx, atBoot) })
}

// invoke starts the program for anything that holds the instance lock, and waits until the process is gone.
func (h *host) invoke(by string, do func(*invocation, *workflow.Workflow) error) {
	h.mu.Lock()
	if !h.up {
		h.mu.Unlock()
		return
	}
	if h.running != nil {
		h.noteLocked(h.name, "%s: another invocation is running", by)
		h.mu.Unlock()
		return
	}
	h.started++
	h.invocations++
	inv := &invocation{host: h, number: h.started, rng: newRandom(h.seed, 4, uint64(h.n), uint64(h.started)),
		dead: make(chan struct{}), ended: make(chan struct{}), kill2: make(chan struct{}), looks: map[string]*looks{}}
	inv.gatesSayYes, inv.lookedAt = map[string]time.Time{}, map[string]time.Time{}
	inv.inherits(recordIn(h.disk.content))
	inv.draw(h)
	h.running = inv
	h.noteLocked(h.name, "%s: invocation %d begins, stage %q on disk", by, h.started, h.disk.stage())
	h.mu.Unlock()

	h.actors.Go(func() {
		defer close(inv.ended)
		err := do(inv, inv.workflow())
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.running == inv {
			h.running = nil
			h.noteLocked(h.name, "invocation ends: %v; stage %q on disk", err, h.disk.stage())
			var refusal *workflow.Refusal
			stopped := errors.As(err, &refusal)
			h.refused += btoi(stopped)
			if stage := h.disk.stage(); stopped && workflow.HasLock(stage) {
				h.breaksLocked("%s: a run in stage %s is stopped: %v", h.name, stage, refusal)
			}
		}
	})
	select {
	case <-inv.ended:
	case <-inv.dead:
	}
	inv.stop()
}

// draw decides what will happen to the invocation from outside.
func (inv *invocation) draw(h *host) {
	inv.ctx, inv.stop = context.WithCancel(context.Background())
	if h.calm {
		return
	}
	if inv.rng.chance(h.odds.clock) {
		inv.wall = pick[time.Duration](inv.rng, -1, 1) * inv.rng.between(time.Second, 20*365*24*time.Hour)
	}
	if inv.rng.chance(h.odds.signal) {
		first, again := inv.rng.between(10*time.Millisecond, h.hookTime), inv.rng.chance(0.3)
		second := inv.rng.part(time.Minute)
		h.actors.Go(func() {
			if inv.sleep(first) {
				inv.signal()
			}
			if again && inv.sleep(second) {
				inv.signal()
			}
		})
	}
}

// sleep reports whether the invocation is still there after d.
func (inv *invocation) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-inv.dead:
	case <-inv.ended:
	}
	return false
}

// signal is a SIGTERM.
func (inv *invocation) signal() {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if inv.isDead() {
		return
	}
	inv.sigs++
	inv.noteLocked(inv.name, "SIGTERM")
	inv.stop()
	if inv.sigs == 2 {
		close(inv.kill2)
	}
}

func (inv *invocation) isDead() bool {
	select {
	case <-inv.dead:
		return true
	default:
		return false
	}
}

// dieLocked ends the process at once. The caller holds mu.
func (inv *invocation) dieLocked(why string) {
	if inv.isDead() {
		return
	}
	inv.noteLocked(inv.name, "the invocation dies (%s); stage %q on disk", why, inv.host.disk.stage())
	close(inv.dead)
	inv.stop()
	inv.killed++
	inv.host.running = nil
	if !inv.calm && inv.rng.chance(0.3) { // somebody, or systemd, starts it again at once
		h, after := inv.host, inv.rng.between(time.Millisecond, 2*inv.locks.Settle)
		h.actors.Go(func() {
			if h.sleep(after) {
				h.start("again", false)
			}
		})
	}
}

// step is a point between two effects, at which the process may die.
func (inv *invocation) step(what string) error {
	inv.standStill(what)
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if inv.isDead() {
		return errDead
	}
	if inv.calm {
		return nil
	}
	kill := inv.odds.kill
	if inv.isDelicate() {
		kill *= 5
	}
	switch {
	case inv.rng.chance(kill):
		inv.dieLocked("SIGKILL before: " + what)
	case inv.rng.chance(inv.odds.powerCut):
		inv.host.powerCutLocked(inv.rng)
	default:
		return nil
	}
	return errDead
}

// standStill is what a virtual machine does that is paused: all that the process does comes later.
func (inv *invocation) standStill(what string) {
	freezes := inv.mishap(inv.odds.freeze)
	inv.mu.Lock()
	if freezes {
		inv.wakes = time.Now().Add(inv.rng.between(time.Second, time.Hour))
		inv.noteLocked(inv.name, "stands still until %s before: %s", elapsed(inv.wakes.Sub(inv.began)), what)
	}
	rest := time.Until(inv.wakes)
	if rest > 0 {
		inv.wakes = inv.wakes.Add(time.Microsecond) // one after the other
	}
	inv.mu.Unlock()
	if rest > 0 {
		inv.sleep(rest)
	}
}

// mishap reports whether something goes wrong.
func (inv *invocation) mishap(p float64) bool { return !inv.isCalm() && inv.rng.chance(p) }

func (inv *invocation) note(format string, args ...any) { inv.world.note(inv.name, format, args...) }

// workflow is the program: the real workflow, with the real client and the real store.
func (inv *invocation) workflow() *workflow.Workflow {
	options := &hclog.LoggerOptions{Level: hclog.Error, Output: inv, DisableTime: true}
	if inv.verbose {
		options.Level, options.Exclude = hclog.Debug, hclog.ExcludeByPrefix("request ").Exclude // the network notes them
	}
	log := hclog.New(options)
	client := dlm.New(dlm.Options{URL: "https://foreman.example.com", Timeout: inv.httpTimeout,
		Retries: inv.retries, Log: log, Transport: network{inv}, Random: inv.rng.part})
	inv.api, inv.lockSettings = serverOf{inv, client}, inv.locks
	inv.lockSettings.Random = inv.rng.part
	settings := inv.settings
	settings.LockSlots, settings.MaxFailed = inv.begin.slots, inv.maxFailed
	settings.BlockedBy, settings.GateInterval = inv.blockedBy, inv.interval
	w := &workflow.Workflow{
		Settings: settings,
		Store:    storeOf{inv, state.Store{Path: "state", Disk: diskOf{inv}}},
		Hooks:    hooksOf{inv},
		Host:     selfOf{inv},
		Log:      log,
	}
	if !inv.begins.plain {
		w.MayBegin = inv.mayBegin
	}
	w.OpenLock = func(name string, o lock.Options) workflow.Lock {
		if inv.fleet != nil {
			return fleetlock.Open(inv.fleetAPI, inv.fleetSettings(), log, name, o)
		}
		return foreman.Open(inv.api, inv.lockSettings, log, name, o)
	}
	if inv.fleet != nil {
		inv.useFleet(log)
		w.Hand = handOf{inv}
	}
	if inv.mistake != nil {
		inv.mistake.make(inv, w)
	}
	return w
}

// Write takes what the program logs into the history. People read it, too.
func (inv *invocation) Write(line []byte) (int, error) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if !inv.isDead() {
		inv.noteLocked(inv.name, "  log: %.200s", runName.ReplaceAllString(string(bytes.TrimSpace(line)), "$1"))
		if bytes.Contains(line, []byte("flag left behind")) {
			inv.leftBehind(line)
		}
	}
	return len(line), nil
}

// runName finds the part of a run's name that is not the seed's.
var runName = regexp.MustCompile(`(\b\d{8}-\d{6})-[A-Z2-7]{4}\b`)
