package sim

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"foreman-dlm-updater/internal/foreman"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/sandbox"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"
)

const lockName = "web"

// odds are how often something goes wrong, for each time that it could.
type odds struct {
	kill, powerCut float64 // at each effect
	freeze         float64 // that the host stands still before it
	network        float64 // for each request
	disk           float64 // for each change of the state file
	hook           float64 // that it fails
	reboot         float64 // that the reboot command misbehaves
	signal         float64 // for each invocation
	clock          float64 // that the wall clock has jumped, for each invocation
	boot           float64 // that the boot identity, or the hooks, can't be read
}

// plan is what a history draws before it begins. Not every history has every kind of trouble: rare ones would drown.
type plan struct {
	hosts       int
	settings    workflow.Settings
	locks       foreman.Settings
	httpTimeout time.Duration
	retries     int
	odds        odds
	hooks       map[state.Stage]int
	hookTime    time.Duration // the longest
	latency     time.Duration // of the network, one way
	window      time.Duration // the server's, between check and write
	contention  float64       // that the server dwells before a check, and before an answer
	lag         time.Duration // of a request whose sender is gone, or which comes twice
	late        bool          // requests may be written later than the settle time
	exists      bool          // the lock, from the beginning
	every       time.Duration // the timer
	together    bool          // the timers of all hosts fire within 200 ms
	trouble     time.Duration // how long anything may go wrong
	crashes     int           // of each host, at any time
	admin       int           // acts of administrators
	operator    int           // acts of operators
	capacity    int           // as many hosts may be inside at once
	begins
}

func newPlan(r *random) plan {
	some := func(most float64) float64 { // in half of all histories
		if r.chance(0.5) {
			return 0
		}
		return most * r.float()
	}
	p := plan{
		hosts:       1 + min(r.n(8), r.n(8)),
		httpTimeout: pick(r, 5*time.Second, 30*time.Second),
		retries:     r.n(4),
		odds: odds{kill: some(0.02), powerCut: some(0.01), freeze: some(0.01), network: some(0.4), disk: some(0.05),
			hook: some(0.3), reboot: some(0.6), signal: some(0.5), clock: some(1), boot: some(0.03)},
		hooks:    map[state.Stage]int{},
		hookTime: r.between(time.Second, 15*time.Minute),
		latency:  r.between(time.Millisecond, 2*time.Second),
		late:     r.chance(0.1),
		exists:   r.chance(0.8),
		together: r.chance(0.4),
		trouble:  r.between(10*time.Minute, 6*time.Hour),
		crashes:  max(0, r.n(6)-3),
		admin:    max(0, r.n(8)-4),
		operator: max(0, r.n(8)-4),
	}
	p.every = p.trouble / pick[time.Duration](r, 2, 4, 8)
	p.locks = foreman.Settings{
		Pace: lock.Pace{RetryInterval: p.every / time.Duration(3+r.n(8)),
			LockTimeout: pick(r, 0, 0, 10*time.Second, time.Hour)},
		Settle:         pick(r, 500*time.Millisecond, 2*time.Second, 2*time.Second, 10*time.Second),
		Refresh:        pick(r, 0, max(20*time.Second, p.hookTime/3), time.Hour),
		ReleaseTimeout: pick(r, 0, 0, 0, time.Minute),
		Retries:        p.retries,
	}
	p.settings = workflow.Settings{
		LockName:       lockName,
		RebootTimeout:  pick(r, time.Minute, 15*time.Minute),
		CannotTellExit: pick(r, 0, 75),
		MaxReboots:     3,
	}
	p.locks.RetryJitter = pick(r, 0, p.locks.RetryInterval/4)
	// Of a first PUT the server makes two windows; with the lag they stay within the settle time.
	p.window, p.lag = r.part(p.locks.Settle/5), r.part(2*p.locks.Settle/5)
	for _, stage := range workflow.HookStages() {
		p.hooks[stage] = r.n(3)
	}
	p.hooks[state.NeedsUpdate] = 1 + r.n(2)
	p.settings.CannotTellReboot = r.chance(0.2)
	p.contention = some(0.5)
	return p
}

// lockServer is a kind of lock server that histories are played with.
type lockServer string

const (
	plainForeman   lockServer = "foreman"
	guardedForeman lockServer = "guarded" // plays the same seeds
	fleetLock      lockServer = "fleetlock"
	// FleetLock servers that break their promise by themselves.
	forgetful lockServer = "forget"
	replicas  lockServer = "replicas"
)

func (l lockServer) isForeman() bool { return l == plainForeman || l == guardedForeman }

// breaksItsPromise reports whether no client can keep two hosts from being inside at once.
func (l lockServer) breaksItsPromise() bool { return l == forgetful || l == replicas }

// streams gives the histories of a FleetLock server seeds of their own.
func (l lockServer) streams(seed uint64) uint64 {
	if l.isForeman() {
		return seed
	}
	return seed | 1<<40
}

// world is one history: hosts, a lock server, the network between them, and those who meddle.
type world struct {
	seed uint64
	plan
	mistake *mistake
	began   time.Time
	asks    lockServer
	server  *sandbox.Server // nil: fleet takes its place
	fleet   *fleet          // nil: server takes its place
	hosts   []*host
	dwell   *random
	actors  sync.WaitGroup
	over    chan struct{} // closed at the end
	verbose bool

	mu     sync.Mutex // guards what follows, and all hosts; never held while the server is asked
	events []event
	calm   bool // nothing goes wrong any more
	rows   map[string]*row
	asked  []*asking // what the server has to do
	late   string    // the request that was the last to change the holder although it was written after the settle time
	// lateRelease: a late request has released a lock.
	lateRelease bool
	twoInside   string // how more hosts came to be inside than there are slots; empty: they did not
	overwrites  string // how a claim overwrote a holder whom the guard should have kept; empty: none did
	counts
	broken string // the first invariant that was broken
}

// counts tell how much happened.
type counts struct {
	runs, invocations, killed, down, requests, spoiled, stumbled int
	beginnings
}

// beginnings tell how runs began, or did not.
type beginnings struct {
	begun     int // runs that came to pre_update
	otherSlot int // those with another slot than the first
	beside    int // those that began while another host was inside
	refused   int // invocations that a pause, freeze or window ended
	givenBack int // locks that a run had verified, and gave back before it began
	raised    int // flags
	exceeded  int // looks at a flag that another host held, before a run began
	// overwritten counts slots that a host lost because another one was written after it.
	overwritten int
	told        int // refusals that a host heard while it was inside
	// unknowable counts the stages that a host began while another one was inside, since one of them had lost its slot
	// between two grants and regained it.
	unknowable int
}

func newWorld(asks lockServer, seed uint64, m *mistake, verbose bool) *world {
	w := &world{seed: seed, plan: newPlan(newRandom(seed)), mistake: m, began: time.Now(), asks: asks,
		dwell: newRandom(seed, 1), over: make(chan struct{}), verbose: verbose, rows: map[string]*row{}}
	w.begins = newBegins(beginsOf(seed), &w.plan)
	w.capacity = w.begins.slots
	if asks.isForeman() {
		w.server = sandbox.New(sandbox.Options{Window: w.windowOf, Record: w.recorded, Guarded: asks == guardedForeman})
		for _, name := range w.lockNames() {
			if w.exists {
				w.server.SetHolder(name, "")
			}
		}
	} else {
		w.newFleet()
	}
	for i := range w.plan.hosts {
		w.hosts = append(w.hosts, w.newHost(i))
	}
	return w
}

// play lets the history happen.
func (w *world) play() {
	for _, h := range w.hosts {
		w.actors.Go(h.live)
		for i := range w.crashes {
			w.actors.Go(func() { h.crashSometime(i) })
		}
	}
	w.actors.Go(w.administrate)
	w.actors.Go(w.operate)
	w.actors.Go(w.meddle)
	w.sleep(w.trouble)
	w.calmDown()
	const patience = 14 * 24 * time.Hour
	for end := time.Now().Add(patience); !w.finished(); w.sleep(5 * time.Minute) {
		w.remedy()
		if w.isBroken() {
			break
		}
		if time.Now().After(end) {
			w.breaks("not every run has ended, %s after the last trouble: %s", patience, w.standing())
		}
	}
	close(w.over)
	for _, h := range w.hosts {
		h.end()
	}
	w.actors.Wait()
	if w.fleet != nil {
		w.fleet.Wait()
		return
	}
	w.server.Wait()
}

// sleep reports whether the history goes on.
func (w *world) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-w.over:
		return false
	}
}

// sometime is a moment while things may go wrong.
func (w *world) sometime(r *random) bool { return w.sleep(r.part(w.trouble)) && !w.isCalm() }

func (w *world) isCalm() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calm
}

func (w *world) isBroken() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken != ""
}

// finished: all hosts are up, nobody has a state, and nobody holds a lock.
func (w *world) finished() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.hosts {
		if !h.up || h.running != nil || h.disk.content != nil {
			return false
		}
	}
	return len(w.heldLocked()) == 0
}

// heldLocked lists the locks that are held, with their holders. The caller holds mu.
func (w *world) heldLocked() (held []string) {
	if w.fleet != nil {
		return slices.Sorted(maps.Keys(w.fleet.holders))
	}
	for _, name := range w.lockNames() {
		if holder := w.row(name).holder; holder != "" {
			held = append(held, name+" by "+holder)
		}
	}
	return held
}

// holds reports whether the server has a host as holder of a lock. The caller holds mu.
func (w *world) holds(host, name string) bool {
	if w.fleet != nil {
		return w.fleet.holders[host]
	}
	return w.row(name).holder == host
}

// standing says what is left.
func (w *world) standing() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := fmt.Sprintf("locks held: %q", w.heldLocked())
	for _, h := range w.hosts {
		if h.disk.content != nil || !h.up || h.running != nil {
			text += fmt.Sprintf("; %s: stage %q, up %v, running %v", h.name, h.disk.stage(), h.up, h.running != nil)
		}
	}
	return text
}

// result is what came of a history.
type result struct {
	asks   lockServer
	seed   uint64
	broken string // the first invariant that was broken; empty: none
	late   string // the request that has changed the holder although it was written later than the settle time
	// lateRelease: a late request has released a lock. twoInside says how more hosts came to be inside than there are
	// slots; empty: they did not.
	lateRelease bool
	twoInside   string
	overwrites  string // how a claim overwrote a holder whom the guard should have kept; empty: none did
	events      []event
	counts
}

// simulate plays one history. It has to be called outside of any bubble.
func simulate(t *testing.T, asks lockServer, seed uint64, m *mistake, verbose bool) (r result) {
	inBubble(t, func() {
		w := newWorld(asks, asks.streams(seed), m, verbose)
		w.play()
		r = result{asks, seed, w.broken, w.late, w.lateRelease, w.twoInside, w.overwrites, w.events, w.counts}
	})
	return r
}
