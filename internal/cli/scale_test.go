package cli

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/foreman"
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
	random := rand.New(rand.NewPCG(seed, 2))
	upTo := func(d time.Duration) time.Duration { return time.Duration(random.Float64() * float64(d)) }
	server := sandbox.New(sandbox.Options{RaceWindow: f.Window})
	server.SetHolder("web", "")
	began := time.Now()
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
				Settings: workflow.Settings{LockName: "web", MaxReboots: 3},
				OpenLock: opener(client, foreman.Settings{RetryInterval: f.Interval, RetryJitter: f.Jitter, Settle: f.Settle}),
				Store:    host, Hooks: host, Host: host, Log: hclog.NewNullLogger(),
			}
			results <- w.Run(t.Context(), false)
		}()
	}
	for range f.Hosts {
		if err := <-results; err != nil && f.Way != model.Original {
			t.Error(err)
		}
	}
	server.Wait()
	if f.Way != model.Original && most.Load() != 1 {
		t.Errorf("%d hosts in guarded stages at once", most.Load())
	}
	return model.Seen(server, began)
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
	for seed := range uint64(400) {
		results = append(results, f.Run(seed))
	}
	return results
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
			var real []model.Result
			for seed := range uint64(test.runs) {
				synctest.Test(t, func(t *testing.T) { real = append(real, fleet(t, f, seed)) })
			}
			if err := errors.Join(differences(t, real, computed(f))...); err != nil {
				t.Error(err)
			}
			if f.Way == model.Spread && f.Hosts >= 10 { // the comparison sees something
				f.Way, f.Jitter = model.InStep, 0
				if len(differences(t, real, computed(f))) == 0 {
					t.Error("the model of hosts that poll in step fits as well")
				}
			}
		})
	}
}
