package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"foreman-dlm-updater/internal/fleetlock"
	"foreman-dlm-updater/internal/fleetsandbox"
	"foreman-dlm-updater/internal/sandbox"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

// fleet is a FleetLock server.
type fleet struct {
	*fleetsandbox.Server
	holders map[string]bool // who has a slot; guarded by world.mu
}

// newFleet draws a FleetLock server, and makes what was drawn fit it.
func (w *world) newFleet() {
	r := newRandom(w.seed, 11)
	dialect := pick(r, fleetsandbox.Airlock, fleetsandbox.Airlock, fleetsandbox.Poseidon, fleetsandbox.Heathcliff,
		fleetsandbox.Consul, fleetsandbox.Consul)
	o := fleetsandbox.Options{Dialect: dialect, Slots: pick(r, 1, 1, 2, 3), Window: w.fleetWindow, Record: w.fleetRecorded}
	if dialect.OneSlot() {
		o.Slots = 1
	}
	if dialect == fleetsandbox.Heathcliff && r.chance(0.5) {
		o.Drain = fleetsandbox.Drain{Requests: r.n(3), Time: r.part(w.every / 4)}
	}
	if dialect == fleetsandbox.Consul { // which takes half a second to release
		w.locks.Settle = max(w.locks.Settle, 2*time.Second)
		w.window, w.lag = r.part(w.locks.Settle/5), r.part(2*w.locks.Settle/5)
	}
	w.capacity, w.begins.slots, w.begins.flags = o.Slots, 1, 0
	if o.Slots > 1 {
		w.plan.hosts = max(w.plan.hosts, o.Slots+1+r.n(3))
	}
	w.fleet = &fleet{fleetsandbox.New(o), map[string]bool{}}
	w.note("server", "answers as %s, with %d slots; settle time %s", dialect, o.Slots, w.locks.Settle)
}

// fleetWindow draws how long the server dwells in a gap of a request.
func (w *world) fleetWindow(ctx context.Context, id, call string, gap fleetsandbox.Gap) time.Duration {
	if gap == fleetsandbox.BeforeAnswer {
		return w.windowOf(ctx, id, call, sandbox.BeforeAnswer)
	}
	return w.windowOf(ctx, id, call, sandbox.BeforeWrite)
}

// fleetRecorded hears of each change of a slot, at the instant at which it is written.
func (w *world) fleetRecorded(e fleetsandbox.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	byAnother := e.ID != e.By && e.By != "admin" && e.By != "server"
	if e.Kind == fleetsandbox.EventAcquire {
		w.fleet.holders[e.ID] = true
	} else {
		delete(w.fleet.holders, e.ID)
		w.overwritten += btoi(byAnother)
	}
	for _, h := range w.hosts {
		switch {
		case h.name != e.ID:
		case e.Kind == fleetsandbox.EventRelease:
			h.lost = h.lost || byAnother
		case h.lost:
			h.regained = time.Now()
		}
	}
	w.noteLocked("server", "%s of %s by %s; now held by %q", e.Kind, e.ID, e.By, w.heldLocked())
	w.findLate(e.By, e.Group)
	w.lateRelease = w.lateRelease || w.late == fleetsandbox.SteadyState
}

// fleetAdminAct is what an administrator does, or a host that does not run this program.
func (w *world) fleetAdminAct(r *random) {
	h, after := w.hosts[r.n(len(w.hosts))], r.between(time.Second, time.Hour)
	if r.chance(0.6) {
		w.mu.Lock()
		w.noteLocked("admin", "an administrator frees the slot of %s", h.name)
		h.slotTakenAway()
		w.mu.Unlock()
		w.fleet.Free(lockName, h.name)
		return
	}
	w.actors.Go(func() {
		w.note("admin", "a host elsewhere asks for a slot, for %s", after)
		w.askElsewhere(fleetsandbox.PreReboot)
		w.sleep(after)
		for w.askElsewhere(fleetsandbox.SteadyState) != http.StatusOK && w.sleep(time.Minute) {
		}
	})
}

// slotTakenAway: the host's slot is taken from it by somebody's decision. The caller holds mu.
func (h *host) slotTakenAway() { h.freed, h.inside = time.Now(), "" }

func (w *world) askElsewhere(call string) (status int) {
	body := fmt.Sprintf(`{"client_params":{"id":%q,"group":%q}}`, elsewhere, lockName)
	req, err := http.NewRequest(http.MethodPost, fleetURL+"/v1/"+call, bytes.NewReader([]byte(body)))
	if err != nil {
		panic(err) // impossible
	}
	req.Header.Set("Fleet-Lock-Protocol", "true")
	res, err := w.fleet.Transport(elsewhere).RoundTrip(req)
	if err != nil {
		panic(err) // it has no faults
	}
	return res.StatusCode
}

// handOf is the record that a person has the slot.
type handOf struct{ *invocation }

func (h handOf) Load() (*workflow.Holding, error) {
	if err := h.step("read the by-hand record"); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.host.hand {
		return nil, nil
	}
	return &workflow.Holding{Lock: lockName, Who: "an operator"}, nil
}

// Clear removes the record: the server has said that the slot is another host's. From now on it is nobody's business.
func (h handOf) Clear() error {
	if err := h.step("remove the by-hand record"); err != nil {
		return err
	}
	h.mu.Lock()
	h.host.hand, h.manual[lockName] = false, false
	h.noteLocked(h.name, "the by-hand record is removed")
	h.mu.Unlock()
	h.checkHolder()
	return nil
}

// acquireOnRecord is `lock acquire`: the record is written before the lock is asked for, and removed if this host
// certainly does not hold it.
func (inv *invocation) acquireOnRecord(w *workflow.Workflow, wait bool) error {
	record, err := w.Store.Load()
	if err != nil {
		return err
	}
	runHasLock := record.InProgress() && workflow.HasLock(record.Stage)
	inv.mu.Lock()
	earlier, wrote := inv.host.hand, false
	inv.mu.Unlock()
	how := workflow.ByHand{Name: lockName, Wait: wait, Has: runHasLock || earlier}
	if !runHasLock {
		how.Announce = func(string) error {
			if err := inv.step("write the by-hand record"); err != nil {
				return err
			}
			inv.mu.Lock()
			defer inv.mu.Unlock()
			inv.host.hand, wrote = true, true
			return nil
		}
	}
	l, err := w.TakeLock(inv.ctx, how)
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if err != nil && wrote && !earlier && l.NotOurs() && !inv.isDead() {
		inv.host.hand, inv.host.manual[lockName] = false, false
	}
	return err
}

const fleetURL = "https://fleetlock.example.com"

// useFleet gives the invocation the real client.
func (inv *invocation) useFleet(log hclog.Logger) {
	inv.transport, inv.log = network{inv}, log
	pace := inv.lockSettings.Pace
	inv.fleetAPI = fleetlock.NewClient(fleetlock.ClientOptions{URL: fleetURL, Timeout: inv.httpTimeout,
		Retries: inv.retries, Log: log, Transport: carrier{inv}, Pace: pace,
		ID: func() (string, error) { return inv.name, nil }})
}

// carrier is the network, or what a mistake has put in front of it.
type carrier struct{ *invocation }

func (c carrier) RoundTrip(req *http.Request) (*http.Response, error) {
	return c.transport.RoundTrip(req)
}

func (inv *invocation) fleetSettings() fleetlock.Settings {
	s := inv.lockSettings
	return fleetlock.Settings{Pace: s.Pace, Settle: s.Settle, ReleaseTimeout: s.ReleaseTimeout}
}

// serverFault draws a fault of the server or its proxy.
func (n network) serverFault(call string) fleetsandbox.Fault {
	kinds := []fleetsandbox.FaultKind{fleetsandbox.ErrorBefore, fleetsandbox.ErrorAfter, fleetsandbox.ErrorAfter,
		fleetsandbox.Unavailable, fleetsandbox.EmptyBody, fleetsandbox.HTML}
	f := fleetsandbox.Fault{Kind: pick(n.rng, kinds...), Status: pick(n.rng, 0, 0, 503)}
	switch {
	case !n.rng.chance(0.4):
	case call == fleetsandbox.SteadyState:
		f.Kind, f.Delay = fleetsandbox.EarlyRelease, n.rng.part(2*n.locks.Settle/5)
	default:
		f.Kind = fleetsandbox.Draining
	}
	return f
}

// ownFault is a fault of a server that breaks its promise.
func (n network) ownFault(call string) fleetsandbox.Fault {
	f := fleetsandbox.Fault{Kind: fleetsandbox.FaultKind(n.asks)}
	if n.asks == replicas {
		if call != fleetsandbox.PreReboot {
			return fleetsandbox.Fault{}
		}
		f.Delay = n.rng.part(n.locks.Settle / 5)
	}
	return f
}

// askFleet hands a request to the FleetLock server.
func (n network) askFleet(ctx context.Context, req *http.Request, f fleetsandbox.Fault) *http.Response {
	body, err := req.GetBody()
	if err != nil {
		panic(err) // impossible: it is in memory
	}
	if f.Kind != "" {
		call, _ := asksFor(req)
		f.Call, f.ID, f.Times = call, n.name, 1
		n.fleet.Inject(f)
	}
	res, err := n.fleet.Transport(n.name).RoundTrip(
		(&http.Request{Method: req.Method, URL: req.URL, Header: req.Header, Body: body}).WithContext(ctx))
	if err != nil {
		panic(err) // no fault drops an answer: the network does that
	}
	return res
}

// sends: a request leaves this host.
func (inv *invocation) sends(call string) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	switch {
	case inv.fleet == nil || inv.isDead():
	case call == fleetsandbox.PreReboot:
		inv.asksForSlot()
	case call == fleetsandbox.SteadyState:
		inv.givesBack()
	}
}

// asksForSlot: a pre-reboot is sent. The caller holds mu.
func (inv *invocation) asksForSlot() {
	h, l := inv.host, inv.look(lockName)
	l.asked = true
	if inv.byHand || h.hand && h.disk.stage() == state.LockGet { // then the record of a person names it
		return
	}
	h.run.claimed[lockName] = true
	if l.rowSince.IsZero() {
		h.lost = false
	}
	switch since := time.Since(h.gaveBack); {
	case l.final:
		inv.breaksLocked("%s sends a pre-reboot after its last steady-state", inv.name)
	case since < inv.locks.Settle:
		inv.breaksLocked("%s sends a pre-reboot %s after its steady-state", inv.name, since)
	}
	inv.onRecord(lockName)
	if r := recordIn(h.disk.content); r != nil && r.Stage == state.LockGet && r.ClaimSent.IsZero() && !h.run.tampered {
		inv.breaksLocked("%s sends a pre-reboot, and the state on disk doesn't say so", inv.name)
	}
	if !inv.calm && inv.meddles > 0 && inv.rng.chance(0.05) { // while a grant settles
		inv.pausesLocked(time.Now().Add(inv.rng.between(time.Minute, inv.trouble/4)))
	}
}

// givesBack: a steady-state is sent. The caller holds mu.
func (inv *invocation) givesBack() {
	h, l := inv.host, inv.look(lockName)
	stage := h.disk.stage()
	if !inv.byHand {
		if stage != state.LockGet && stage != state.LockRelease && !h.run.tampered {
			inv.breaksLocked("%s sends a steady-state in stage %q", inv.name, stage)
		}
		l.final = stage == state.LockRelease
		inv.givenBack += btoi(!inv.verified.IsZero())
	}
	l.self, l.row, l.rowSince, l.twice = false, time.Time{}, time.Time{}, false
	inv.unverifies()
	inv.gives()
}

// gives: a steady-state may take effect from now on. The caller holds mu.
func (inv *invocation) gives() {
	inv.look(lockName).gone = time.Now()
	if !inv.byHand {
		inv.host.gaveBack = time.Now()
	}
}

// hears: a request was answered, or nobody waits for the answer any more (nil).
func (inv *invocation) hears(call string, sent time.Time, res *http.Response) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if inv.fleet == nil || inv.isDead() {
		return
	}
	if call == fleetsandbox.SteadyState {
		inv.gives()
		return
	}
	l := inv.look(lockName)
	l.since = true
	switch says(res) {
	case granted:
		inv.isGranted(sent)
	case refused:
		inv.told += btoi(inv.host.inside != "")
		l.self, l.others, l.row, l.rowSince, l.twice = false, true, time.Time{}, time.Time{}, false
		inv.unverifies()
	}
}

// isGranted: the server has said 200 to a pre-reboot. The caller holds mu.
func (inv *invocation) isGranted(sent time.Time) {
	l := inv.look(lockName)
	l.self, l.selfAt, l.others = true, sent, false
	switch {
	case l.rowSince.IsZero():
		l.row, l.rowSince = sent, time.Now()
	case sent.Sub(l.rowSince) >= inv.locks.Settle || inv.credulous:
		l.twice = true
	}
	if l.twice && inv.verified.IsZero() && inv.host.disk.stage() == state.LockGet {
		inv.verifies(lockName)
	}
}

// word is what an answer to a pre-reboot says.
type word int

const (
	nothing word = iota
	granted
	refused // another host has the slot, or had it
)

// says reads an answer, and leaves it as it was.
func says(res *http.Response) word {
	if res == nil {
		return nothing
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		panic(err) // impossible: it is in memory
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	var problem struct{ Value string }
	_ = json.Unmarshal(body, &problem)
	switch res.StatusCode {
	case http.StatusOK:
		if !bytes.HasPrefix(body, []byte("<")) {
			return granted
		}
	case http.StatusLocked:
		return refused
	case http.StatusConflict:
		if strings.Contains(problem.Value, "already locked") { // else consul may have failed
			return refused
		}
	case http.StatusInternalServerError:
		if strings.HasSuffix(problem.Value, "semaphore slots currently locked") { // else etcd may have failed
			return refused
		}
	}
	return nothing
}

// entersTwiceGranted: a guarded stage begins only after two grants that were a settle time apart. The caller holds mu.
func (inv *invocation) entersTwiceGranted(stage state.Stage, l *looks) {
	if !l.twice {
		inv.breaksLocked("%s: stage %s begins, and no two grants in a row were a settle time apart", inv.name, stage)
	}
	inv.host.unknowing = inv.regained.After(l.row)
}

// TestBrokenPromises: if a FleetLock server forgets its holders, or two replicas of it count for themselves, more hosts
// come to be inside than there are slots. No client can keep that from happening. All else holds: a run that is told
// that another host has the lock begins no further guarded stage, and every run ends.
func TestBrokenPromises(t *testing.T) {
	for _, asks := range []lockServer{forgetful, replicas} {
		t.Run(string(asks), func(t *testing.T) {
			n := number(t, "HISTORIES", usually) / 5
			all := histories(t, asks, n, (*result).flaw)
			if n >= 50 && all.twoInside == 0 {
				t.Errorf("in none of %d histories more hosts were inside than there are slots: the oracle sees nothing", n)
			}
			if asks == forgetful && n >= 50 && all.told == 0 {
				t.Error("no host that was inside was told that another one has the lock")
			}
		})
	}
}
