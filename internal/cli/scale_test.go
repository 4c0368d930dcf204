package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/foreman"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/sandbox"
	"foreman-dlm-updater/internal/workflow"
	"foreman-dlm-updater/tools/scale/model"

	"github.com/hashicorp/go-hclog"
)

// far is a transport to a server that is a round trip away.
type far struct {
	http.RoundTripper
	trip time.Duration
}

func (f far) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(f.trip / 2) // virtual
	defer time.Sleep(f.trip - f.trip/2)
	return f.RoundTripper.RoundTrip(r)
}

// fleet runs the model's fleet for real: the workflow and the client, or the original's way of polling, against the
// stand-in server in virtual time.
func fleet(t *testing.T, f model.Fleet, seed uint64) model.Result {
	return model.Seen(play(t, f, seed))
}

// play returns the server that the fleet has asked, and when the fleet began.
func play(t *testing.T, f model.Fleet, seed uint64) (server *sandbox.Server, began time.Time) {
	random := rand.New(rand.NewPCG(seed, 2))
	upTo := func(d time.Duration) time.Duration { return time.Duration(random.Float64() * float64(d)) }
	server = sandbox.New(sandbox.Options{RaceWindow: f.Window})
	others := map[bool]string{true: "other"}
	for k, name := range workflow.Slots("web", f.Slots) {
		server.SetHolder(name, others[f.Full || f.Failed && k == 0])
	}
	for k, name := range workflow.Flags("web", f.Slots) {
		server.SetHolder(name, others[f.Failed && k == 0])
	}
	ctx, cancel := t.Context(), context.CancelFunc(func() {})
	if f.Until > 0 {
		ctx, cancel = context.WithTimeout(ctx, f.Until)
	}
	defer cancel()
	began = time.Now()
	var inside, most atomic.Int32
	results := make(chan error)
	for i := range f.Hosts {
		name := fmt.Sprintf("web%d", i)
		client := dlm.New(dlm.Options{URL: "https://foreman.example.com", Timeout: 30 * time.Second,
			Log: hclog.NewNullLogger(), Transport: far{server.Transport(name), f.Latency}})
		begin, hold := upTo(f.Begin), f.Hold/2+upTo(f.Hold)
		go func() {
			time.Sleep(begin) // virtual
			if f.Way == model.Original {
				results <- asTheOriginal(t, client, f.Interval, hold)
				return
			}
			host := &clusterHost{name: name, work: hold / 2, inside: &inside, most: &most}
			w := &workflow.Workflow{
				Settings: workflow.Settings{LockName: "web", MaxReboots: 3, LockSlots: f.Slots, MaxFailed: f.MaxFailed},
				OpenLock: opener(client, foreman.Settings{Settle: f.Settle,
					Pace: lock.Pace{RetryInterval: f.Interval, RetryJitter: f.Jitter}}),
				Store: host, Hooks: host, Host: host, Log: hclog.NewNullLogger(),
			}
			results <- w.Run(ctx, false)
		}()
	}
	for range f.Hosts {
		if err := <-results; err != nil && f.Way != model.Original && f.Until == 0 {
			t.Error(err)
		}
	}
	server.Wait()
	if inside := int(most.Load()); f.Way != model.Original && f.Until == 0 && inside != max(1, f.Slots) {
		t.Errorf("%d hosts in guarded stages at once", inside)
	}
	return server, began
}

// asTheOriginal: PUT until it is granted, the update, DELETE.
func asTheOriginal(t *testing.T, client *dlm.Client, interval, hold time.Duration) error {
	for client.Acquire(t.Context(), "web") != nil {
		time.Sleep(interval) // virtual
	}
	time.Sleep(hold) // virtual
	return client.Release(t.Context(), "web")
}

// figures are what the model and the real runs are compared by.
var figures = map[string]func(model.Result) float64{
	"GET requests":    func(r model.Result) float64 { return float64(r.Gets) },
	"PUT requests":    func(r model.Result) float64 { return float64(r.Puts) },
	"DELETE requests": func(r model.Result) float64 { return float64(r.Deletes) },
	"acquire rows":    func(r model.Result) float64 { return float64(r.Acquires) },
	"fail rows":       func(r model.Result) float64 { return float64(r.Fails) },
	"release rows":    func(r model.Result) float64 { return float64(r.Releases) },
	"idle, s":         func(r model.Result) float64 { return r.MeanIdle().Seconds() },
	"fleet, s":        func(r model.Result) float64 { return r.Took.Seconds() },
}

// meanAndVariance are of a figure over runs.
func meanAndVariance(results []model.Result, figure func(model.Result) float64) (mean, variance float64) {
	n := float64(len(results))
	for _, r := range results {
		mean += figure(r) / n
	}
	for _, r := range results {
		variance += (figure(r) - mean) * (figure(r) - mean) / n
	}
	return mean, variance
}

// differences names the figures in which two lots of runs differ by more than chance can explain: by five standard
// errors, and by more than 1 % or a tenth of a row. The variance is the model's: of it there are more runs.
func differences(t *testing.T, real, computed []model.Result) (found []error) {
	for name, figure := range figures {
		is, _ := meanAndVariance(real, figure)
		want, variance := meanAndVariance(computed, figure)
		tolerance := 5*math.Sqrt(variance/float64(len(real))+variance/float64(len(computed))) + max(0.01*want, 0.1)
		t.Logf("%-15s %8.2f, model %8.2f ± %.2f", name, is, want, tolerance)
		if math.Abs(is-want) > tolerance {
			found = append(found, fmt.Errorf("%s: %.2f, the model says %.2f ± %.2f", name, is, want, tolerance))
		}
	}
	return found
}

func computed(f model.Fleet) (results []model.Result) {
	histories := uint64(400)
	if f.Slots > 0 { // these take longer
		histories = 100
	}
	for seed := range histories {
		results = append(results, f.Run(seed))
	}
	return results
}

// compare holds the model against some runs, which it returns.
func compare(t *testing.T, f model.Fleet, runs int) (real []model.Result) {
	t.Helper()
	for seed := range uint64(runs) {
		synctest.Test(t, func(t *testing.T) { real = append(real, fleet(t, f, seed)) })
	}
	if err := errors.Join(differences(t, real, computed(f))...); err != nil {
		t.Error(err)
	}
	return real
}

// TestModelOfSlots does the same with slots and a failure budget.
func TestModelOfSlots(t *testing.T) {
	base := model.Fleet{Begin: 100 * time.Millisecond, Interval: time.Minute, Settle: 2 * time.Second,
		Hold: 2 * time.Minute, Latency: 40 * time.Millisecond, Window: 10 * time.Millisecond}
	tests := map[string]struct {
		hosts, slots, maxFailed, runs int
		failed, full                  bool
		until                         time.Duration
	}{
		"one slot, with a budget":   {hosts: 5, slots: 1, maxFailed: 1, runs: 30},
		"two slots":                 {hosts: 6, slots: 2, runs: 30},
		"four slots":                {hosts: 20, slots: 4, runs: 8},
		"four slots, with a budget": {hosts: 20, slots: 4, maxFailed: 1, runs: 8},
		"a host has failed":         {hosts: 20, slots: 4, maxFailed: 1, runs: 5, failed: true, until: 15 * time.Minute},
		"failed, without a budget":  {hosts: 6, slots: 4, runs: 20, failed: true, until: time.Hour},
		"all slots are held":        {hosts: 20, slots: 4, maxFailed: 1, runs: 5, full: true, until: 15 * time.Minute},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := base
			f.Hosts, f.Slots, f.MaxFailed, f.Failed, f.Full, f.Until = test.hosts, test.slots, test.maxFailed, test.failed,
				test.full, test.until
			compare(t, f, test.runs)
		})
	}
}

// TestWaitingFleet: a host that waits sends one request per slot and interval. While the slots are held it does not
// look at the flags, and while the failure budget says no it looks at nothing else.
func TestWaitingFleet(t *testing.T) {
	const hosts, slots, intervals = 1000, 4, 3
	f := model.Fleet{Hosts: hosts, Begin: 100 * time.Millisecond, Interval: time.Minute, Settle: 2 * time.Second,
		Latency: 40 * time.Millisecond, Slots: slots, MaxFailed: 1, Until: intervals * time.Minute}
	flag := workflow.Flags("web", 1)[0]
	for name, test := range map[string]struct {
		failed bool
		most   func(lock string) int // requests of a host
	}{
		"all slots are held": {false, func(lock string) int {
			if strings.Contains(lock, ".failed") {
				return 0
			}
			return intervals + 1 // the first ones are those of the begin
		}},
		"a host has failed": {true, func(lock string) int {
			if strings.Contains(lock, ".failed") {
				return intervals + 1
			}
			return 1 // at the begin
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := f
			f.Full, f.Failed = !test.failed, test.failed
			var server *sandbox.Server
			synctest.Test(t, func(t *testing.T) { server, _ = play(t, f, 1) })
			count := map[[2]string]int{}
			asked := map[string]bool{}
			for _, r := range server.Requests() {
				count[[2]string{r.CN, r.Name}]++
				asked[r.Name] = true
			}
			for of, n := range count {
				if most := test.most(of[1]); n > most {
					t.Fatalf("%s asked %d times for %s, want %d at most", of[0], n, of[1], most)
				}
			}
			if asked[flag] != test.failed {
				t.Errorf("locks asked for: %v", asked)
			}
			perSlot := float64(len(server.Requests())) / hosts / slots / intervals
			t.Logf("%d requests: %.2f per host, slot and interval", len(server.Requests()), perSlot)
			if perSlot < 0.9 {
				t.Error("the fleet did not wait")
			}
		})
	}
}

// TestModelOfScale holds the model of docs/scale.md against real runs.
func TestModelOfScale(t *testing.T) {
	base := model.Fleet{Begin: 100 * time.Millisecond, Interval: time.Minute, Settle: 2 * time.Second,
		Hold: 2 * time.Minute, Latency: 40 * time.Millisecond, Window: 10 * time.Millisecond}
	tests := []struct {
		hosts, runs int
		way         model.Way
		jitter      time.Duration
	}{
		{2, 60, model.Spread, 0},
		{5, 30, model.Spread, 0},
		{5, 30, model.Spread, 15 * time.Second},
		{10, 20, model.Spread, 0},
		{20, 6, model.Spread, 15 * time.Second},
		{50, 4, model.Spread, 0},
		{10, 20, model.Original, 0},
		{50, 8, model.Original, 0},
	}
	for _, test := range tests {
		f := base
		f.Hosts, f.Way, f.Jitter = test.hosts, test.way, test.jitter
		t.Run(fmt.Sprintf("%d hosts, %v, jitter %s", f.Hosts, f.Way, f.Jitter), func(t *testing.T) {
			real := compare(t, f, test.runs)
			if f.Way == model.Spread && f.Hosts >= 10 { // the comparison sees something
				f.Way, f.Jitter = model.InStep, 0
				if len(differences(t, real, computed(f))) == 0 {
					t.Error("the model of hosts that poll in step fits as well")
				}
			}
		})
	}
}
