package fleetlock

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"foreman-dlm-updater/internal/fleetsandbox"
	"foreman-dlm-updater/internal/lock"

	"github.com/hashicorp/go-hclog"
)

// site is a FleetLock server in memory, and the settings of its hosts. It is meant for use inside a synctest bubble.
type site struct {
	t        *testing.T
	server   *fleetsandbox.Server
	settings Settings
	retries  int
	logging  sync.Mutex
	log      strings.Builder // guarded by logging while several hosts are at work
	// around, if set, is asked before each request is sent.
	around func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error)
}

func newSite(t *testing.T, o fleetsandbox.Options) *site {
	half := func(d time.Duration) time.Duration { return d / 2 } // so that all waits are as long as the settings say
	return &site{t: t, server: fleetsandbox.New(o), retries: 3,
		settings: Settings{Pace: lock.Pace{RetryInterval: time.Minute, Random: half}, Settle: 2 * time.Second}}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// client is a host's.
func (s *site) client(id string) *Client {
	way := s.server.Transport(id)
	if s.around != nil {
		inner := way
		way = roundTripper(func(r *http.Request) (*http.Response, error) {
			return s.around(r, func() (*http.Response, error) { return inner.RoundTrip(r) })
		})
	}
	return NewClient(ClientOptions{URL: "https://lock.example.com", ID: func() (string, error) { return id, nil },
		Timeout: 30 * time.Second, Retries: s.retries, Log: hclog.NewNullLogger(), Transport: way,
		Pace: s.settings.Pace})
}

func (s *site) open(id string, o lock.Options) *Lock {
	out := hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: &s.log, DisableTime: true, Mutex: &s.logging})
	return Open(s.client(id), s.settings, out, "web", o)
}

// take has another host take the lock.
func (s *site) take(id string) {
	s.t.Helper()
	if err := s.client(id).PreReboot(s.t.Context(), "web"); err != nil {
		s.t.Fatal(err)
	}
}

// requests are all requests so far of one host: when, since the test began, and what the answer was.
func (s *site) requests(id string, began time.Time) (all []string) {
	for _, r := range s.server.Requests() {
		if r.ID == id {
			all = append(all, fmt.Sprintf("%v %s %d", r.Time.Sub(began), r.Call, r.Status))
		}
	}
	return all
}

// inject switches a fault on for one host.
func (s *site) inject(id, call string, kind fleetsandbox.FaultKind, times int, delay time.Duration) {
	s.server.Inject(fleetsandbox.Fault{Call: call, ID: id, Kind: kind, Times: times, Delay: delay})
}

// byHand is how a person takes a lock without waiting.
var byHand = lock.Terms{Purpose: lock.ByHandNow}

func background() context.Context { return context.Background() }
