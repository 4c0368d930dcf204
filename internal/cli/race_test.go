package cli

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/foreman"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/sandbox"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

// clusterHost is one host of a cluster that shares a lock: the real workflow and the real client, with hooks that
// notice company.
type clusterHost struct {
	name   string
	record *state.Record
	work   time.Duration // what each of two guarded stages takes
	inside *atomic.Int32 // hosts in guarded stages, in the whole cluster
	most   *atomic.Int32
}

func (h *clusterHost) Load() (*state.Record, error) { return h.record, nil }
func (h *clusterHost) Save(r state.Record) error    { h.record = &r; return nil }
func (h *clusterHost) Clear() error                 { h.record = nil; return nil }

// List: the host has no hooks for stages that need none.
func (h *clusterHost) List(stage state.Stage) ([]string, error) {
	if workflow.Optional(stage) {
		return nil, nil
	}
	return []string{"hook"}, nil
}

func (h *clusterHost) Run(stage state.Stage, _ string, _ []string) workflow.HookResult {
	switch stage {
	case state.NeedsUpdate:
		return workflow.HookResult{Exit: 1}
	case state.PreUpdate, state.Update:
		if now := h.inside.Add(1); now > h.most.Load() {
			h.most.Store(now)
		}
		time.Sleep(h.work) // virtual
		h.inside.Add(-1)
	}
	return workflow.HookResult{}
}

func (h *clusterHost) Boot(context.Context) (state.Boot, error) { return state.Boot{ID: "boot"}, nil }
func (h *clusterHost) Uptime() (time.Duration, error)           { return 0, nil }
func (h *clusterHost) MachineID() string                        { return h.name }
func (h *clusterHost) Vet(context.Context) ([]string, error)    { return nil, nil }
func (h *clusterHost) VetSettings() error                       { return nil }
func (h *clusterHost) InhibitShutdown(string) (allow func())    { return func() {} }
func (h *clusterHost) Reboot() error                            { return nil }

func (h *clusterHost) Inhibitors(context.Context) []workflow.Inhibitor { return nil }
func (*clusterHost) Leftovers(bool) ([]workflow.Leftover, error)       { return nil, nil }

// hasty believes a claim at once: it has no settle time worth the name, and does not look at how slow Foreman is.
type hasty struct{ *dlm.Client }

func (hasty) Slowest() time.Duration { return 0 }

// cluster lets hosts start within a few milliseconds of each other, and returns the most that were in guarded stages
// at once.
func cluster(t *testing.T, seed uint64, hosts int, careful bool) int32 {
	random := rand.New(rand.NewPCG(seed, 0))
	server := sandbox.New(sandbox.Options{RaceWindow: 20 * time.Millisecond})
	server.SetHolder("web", "")
	var inside, most atomic.Int32
	results := make(chan error)
	for i := range hosts {
		name := fmt.Sprintf("web%d", i)
		host := &clusterHost{name: name, work: 500 * time.Millisecond, inside: &inside, most: &most}
		client := dlm.New(dlm.Options{URL: "https://foreman.example.com", Timeout: 30 * time.Second, Retries: 3,
			Log: hclog.NewNullLogger(), Transport: server.Transport(name)})
		settings := foreman.Settings{Pace: lock.Pace{RetryInterval: time.Second}, Settle: 2 * time.Second}
		api := foreman.API(client)
		if !careful {
			settings.Settle, api = time.Nanosecond, hasty{client}
		}
		w := &workflow.Workflow{
			Settings: workflow.Settings{LockName: "web", MaxReboots: 3},
			Store:    host, OpenLock: opener(api, settings), Hooks: host, Host: host, Log: hclog.NewNullLogger(),
		}
		delay := time.Duration(random.IntN(30)) * time.Millisecond
		go func() {
			time.Sleep(delay) // virtual
			results <- w.Run(t.Context(), false)
		}()
	}
	for range hosts {
		if err := <-results; err != nil && careful {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	server.Wait()
	return most.Load()
}

// TestNeverTwo: hosts that start together, against a server that grants a free lock to two.
func TestNeverTwo(t *testing.T) {
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			if most := cluster(t, seed, 2+int(seed%4), true); most != 1 {
				t.Errorf("seed %d: %d hosts in guarded stages at once", seed, most)
			}
		})
	}
}

// TestNeverTwoCanFail: without a settle time the same histories do let two in, so TestNeverTwo sees something.
func TestNeverTwoCanFail(t *testing.T) {
	caught := 0
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			if cluster(t, seed, 2+int(seed%4), false) > 1 {
				caught++
			}
		})
	}
	t.Logf("%d of 100 histories let two hosts in", caught)
	if caught < 50 {
		t.Errorf("only %d of 100 histories let two hosts in", caught)
	}
}
