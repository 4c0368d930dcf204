package sim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"foreman-dlm-updater/internal/fleetlock"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"
)

// fleetMistakes are those that only a client of a FleetLock server can make, or that it could make, too.
var fleetMistakes = []*mistake{
	{"one grant is enough", 10, false, func(inv *invocation, _ *workflow.Workflow) {
		inv.fleetAPI = &content{API: inv.fleetAPI}
	}},
	{"the second grant is asked for at once", 500, false, func(inv *invocation, w *workflow.Workflow) {
		inv.credulous = true
		w.OpenLock = func(name string, o lock.Options) workflow.Lock {
			server := &hurried{swift: swift{inv.fleetAPI}, settle: inv.locks.Settle}
			server.lock = fleetlock.Open(server, inv.fleetSettings(), inv.log, name, o)
			return server.lock
		}
	}},
	{"a refusal between two grants doesn't count", 200, false, func(inv *invocation, _ *workflow.Workflow) {
		inv.fleetAPI = stubborn{inv.fleetAPI}
	}},
	{"202 taken for a grant", 100, false, func(inv *invocation, _ *workflow.Workflow) {
		inv.transport = rewriter{inv.transport, func(res *http.Response) {
			if res.StatusCode == http.StatusAccepted {
				res.StatusCode = http.StatusOK
			}
		}}
	}},
	{"a page taken for a grant", 100, false, func(inv *invocation, _ *workflow.Workflow) {
		inv.transport = rewriter{inv.transport, func(res *http.Response) {
			if res.StatusCode == http.StatusOK {
				res.Header, res.Body = http.Header{}, http.NoBody
			}
		}}
	}},
	{"the lock asked for before that is on record", 10, false, func(_ *invocation, w *workflow.Workflow) {
		wrapTake(w, func(terms *lock.Terms) { terms.Announce = nil })
	}},
	{"the record not synced", 10, false, func(inv *invocation, w *workflow.Workflow) {
		w.Store = storeOf{inv, state.Store{Path: "state", Disk: unsynced{diskOf{inv}}}}
	}},
	{"another host's lock doesn't stop the run", 500, false, func(_ *invocation, w *workflow.Workflow) {
		wrapLock(w, func(l workflow.Lock) workflow.Lock { return heedless{l} })
	}},
	{"one steady-state is enough", 500, false, func(inv *invocation, _ *workflow.Workflow) {
		inv.fleetAPI = &trustful{API: inv.fleetAPI}
	}},
	{"the second steady-state is sent at once", 200, false, func(inv *invocation, w *workflow.Workflow) {
		wrapLock(w, func(l workflow.Lock) workflow.Lock { return rash{l, inv} })
	}},
	{"refused, so nothing to give back", 500, false, func(inv *invocation, _ *workflow.Workflow) {
		inv.fleetAPI = &resigned{API: inv.fleetAPI}
	}},
	{"the lock asked for after the release", 10, false, func(inv *invocation, _ *workflow.Workflow) {
		inv.fleetAPI = clinging{inv.fleetAPI, inv}
	}},
	{"the slot is kept after a refusal by a gate", 100, false, func(_ *invocation, w *workflow.Workflow) {
		wrapTake(w, func(terms *lock.Terms) { terms.May = keeping(terms.May) })
	}},
	{"the slot is not given back when the wait ends", 50, false, func(_ *invocation, w *workflow.Workflow) {
		wrapLock(w, func(l workflow.Lock) workflow.Lock { return careless{l} })
	}},
}

func wrapLock(w *workflow.Workflow, wrap func(workflow.Lock) workflow.Lock) {
	open := w.OpenLock
	w.OpenLock = func(name string, o lock.Options) workflow.Lock { return wrap(open(name, o)) }
}

// content doesn't ask a second time.
type content struct {
	fleetlock.API
	granted bool
}

func (s *content) PreReboot(ctx context.Context, group string) error {
	if s.granted {
		s.granted = false
		return nil
	}
	err := s.API.PreReboot(ctx, group)
	s.granted = err == nil
	return err
}

// swift doesn't look at how slow the server is.
type swift struct{ fleetlock.API }

func (swift) Slowest() time.Duration { return 0 }

// hurried lets no first grant settle, but each release.
type hurried struct {
	swift
	lock   *fleetlock.Lock
	settle time.Duration
	first  bool // the last answer was a first grant
}

func (s *hurried) PreReboot(ctx context.Context, group string) error {
	s.lock.Settle = s.settle
	err := s.API.PreReboot(ctx, group)
	s.first = err == nil && !s.first
	if s.first {
		s.lock.Settle = time.Nanosecond
	}
	return err
}

func (s *hurried) SteadyState(ctx context.Context, group string) error {
	s.lock.Settle = s.settle
	return s.API.SteadyState(ctx, group)
}

// stubborn asks again and again after a refusal, and tells nobody.
type stubborn struct{ fleetlock.API }

func (s stubborn) PreReboot(ctx context.Context, group string) error {
	err := s.API.PreReboot(ctx, group)
	for i := 0; i < 20 && errors.As(err, new(*fleetlock.Refusal)) && pause(ctx, time.Minute); i++ {
		err = s.API.PreReboot(ctx, group)
	}
	return err
}

// rewriter changes answers.
type rewriter struct {
	http.RoundTripper
	change func(*http.Response)
}

func (t rewriter) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := t.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	t.change(res)
	return res, nil
}

// heedless goes on with a lock that another host has.
type heedless struct{ workflow.Lock }

func (l heedless) Confirm(ctx context.Context) error {
	err := l.Lock.Confirm(ctx)
	if errors.As(err, new(*lock.Lost)) {
		return nil
	}
	return err
}

// trustful takes one yes for a release.
type trustful struct {
	fleetlock.API
	released atomic.Bool
}

func (s *trustful) PreReboot(ctx context.Context, group string) error {
	s.released.Store(false)
	return s.API.PreReboot(ctx, group)
}

func (s *trustful) SteadyState(ctx context.Context, group string) error {
	if s.released.Load() {
		return nil
	}
	err := s.API.SteadyState(ctx, group)
	s.released.Store(err == nil)
	return err
}

// rash releases without waiting for anything to settle.
type rash struct {
	workflow.Lock
	inv *invocation
}

func (l rash) Give(ctx context.Context) error {
	s := l.inv.fleetSettings()
	s.Settle = time.Nanosecond
	return fleetlock.Open(swift{l.inv.fleetAPI}, s, l.inv.log, l.Name(), lock.Options{Claimed: true}).Give(ctx)
}

// resigned gives nothing back once it was refused.
type resigned struct {
	fleetlock.API
	refused atomic.Bool
}

func (s *resigned) PreReboot(ctx context.Context, group string) error {
	err := s.API.PreReboot(ctx, group)
	s.refused.Store(errors.As(err, new(*fleetlock.Refusal)))
	return err
}

func (s *resigned) SteadyState(ctx context.Context, group string) error {
	if s.refused.Load() {
		return nil
	}
	return s.API.SteadyState(ctx, group)
}

// clinging asks for the lock once more after its release.
type clinging struct {
	fleetlock.API
	inv *invocation
}

func (s clinging) SteadyState(ctx context.Context, group string) error {
	err := s.API.SteadyState(ctx, group)
	if err == nil {
		s.inv.actors.Go(func() { _ = s.API.PreReboot(context.WithoutCancel(ctx), group) })
	}
	return err
}
