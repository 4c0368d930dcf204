package foreman

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/lock"

	"github.com/hashicorp/go-hclog"
)

// server is a Foreman with one lock, in memory, as the host "me" sees it. It is meant for use inside a synctest bubble.
//
// A test interferes at points. Each request is one, and is named by what came before it:
//
//	look 1                 the first look; "look 2" is the next one, after a wait
//	claim 1                the first claim
//	look after claim 1     the look that comes next
//	release 1              and "look after release 1"
//
// "look", "claim" and "release" mean every request of that kind, "request" means every one.
type server struct {
	t        *testing.T
	settings Settings
	log      strings.Builder
	ctx      context.Context // of what is being tested
	stop     context.CancelFunc

	exists, enabled, barred bool
	since                   time.Time
	slowest                 time.Duration
	origin                  lock.Origin // what Identity says
	hangs                   string      // the point that gets no answer

	befores, afters []rule

	mu     sync.Mutex
	holder string // "me" is this host
	points []string
}

// rule is what a test does at some points. An error is the answer.
type rule struct {
	applies func(point string) bool
	act     func() error
}

func newServer(t *testing.T) *server {
	half := func(d time.Duration) time.Duration { return d / 2 } // so that all waits are as long as the settings say
	ctx, cancel := context.WithCancel(t.Context())
	return &server{t: t, ctx: ctx, stop: cancel, exists: true, enabled: true,
		settings: Settings{Pace: lock.Pace{RetryInterval: time.Minute, Random: half}, Settle: 2 * time.Second,
			Refresh: time.Hour, Retries: 3}}
}

func (s *server) open(o lock.Options) *Lock {
	out := hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: &s.log, DisableTime: true})
	return Open(s, s.settings, out, "web", o)
}

// before has something done before a request has its effect; an error keeps it from having one.
func (s *server) before(point string, act func() error) {
	s.befores = append(s.befores, rule{func(got string) bool { return is(got, point) }, act})
}

// after has something done once a request has had its effect; an error replaces the answer.
func (s *server) after(point string, act func() error) {
	s.afters = append(s.afters, rule{func(got string) bool { return is(got, point) }, act})
}

// from has something done before each request from a point on.
func (s *server) from(point string, act func() error) {
	s.befores = append(s.befores, rule{func(string) bool { return s.reached(point) }, act})
}

// until has something done before each request up to a point, which itself is not touched.
func (s *server) until(point string, act func() error) {
	s.befores = append(s.befores, rule{func(string) bool { return !s.reached(point) }, act})
}

// is reports whether a point is the one that is meant, or one of that kind.
func is(point, meant string) bool {
	return point == meant || meant == "request" || meant == kindOf(point)
}

func kindOf(point string) string { kind, _, _ := strings.Cut(point, " "); return kind }

func (s *server) reached(point string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.points, point)
}

// arrive names the next request.
func (s *server) arrive(kind string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	point, n := "", 1
	if last := len(s.points) - 1; kind == "look" && last >= 0 && kindOf(s.points[last]) != "look" {
		point = "look after " + s.points[last]
	} else {
		for _, earlier := range s.points {
			if kindOf(earlier) == kind && !strings.Contains(earlier, "after") {
				n++
			}
		}
		point = fmt.Sprintf("%s %d", kind, n)
	}
	s.points = append(s.points, point)
	return point
}

// requests are all requests so far, by the initials of GET, PUT and DELETE.
func (s *server) requests() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out strings.Builder
	for _, point := range s.points {
		out.WriteString(map[string]string{"look": "G", "claim": "P", "release": "D"}[kindOf(point)])
	}
	return out.String()
}

// request is one round trip.
func (s *server) request(ctx context.Context, kind string, act func() error) error {
	if ctx.Err() != nil {
		return unavailable(ctx.Err().Error())
	}
	point := s.arrive(kind)
	for _, rule := range s.befores {
		if rule.applies(point) {
			if err := rule.act(); err != nil {
				return err
			}
		}
	}
	if s.hangs == point {
		<-ctx.Done()
		return unavailable(ctx.Err().Error())
	}
	err := act()
	if kind != "look" && ctx.Err() != nil {
		s.t.Errorf("%s was cut short", point)
	}
	for _, rule := range s.afters {
		if rule.applies(point) {
			if lost := rule.act(); lost != nil {
				err = lost
			}
		}
	}
	return err
}

func (s *server) Show(ctx context.Context, _ string) (found dlm.Lock, err error) {
	err = s.request(ctx, "look", func() error {
		if !s.exists {
			return dlm.ErrNoLock
		}
		found = dlm.Lock{Enabled: s.enabled, Holder: s.heldBy(), Self: s.heldBy() == "me", Updated: s.since}
		return nil
	})
	if err != nil {
		found = dlm.Lock{}
	}
	return found, err
}

func (s *server) Acquire(ctx context.Context, _ string) error {
	return s.request(ctx, "claim", func() error {
		s.exists = true
		if s.barred || !s.enabled || s.heldBy() != "" && s.heldBy() != "me" {
			return dlm.ErrNotNow
		}
		s.hold("me")
		s.since = time.Now()
		return nil
	})
}

func (s *server) Release(ctx context.Context, _ string) error {
	return s.request(ctx, "release", func() error {
		if !s.enabled || s.heldBy() != "" && s.heldBy() != "me" {
			return dlm.ErrNotNow
		}
		s.exists = true
		s.hold("")
		return nil
	})
}

func (s *server) Slowest() time.Duration     { return s.slowest }
func (s *server) Identity() (string, string) { return s.origin.Server, s.origin.Client }

// heldBy and hold may be used by any goroutine.
func (s *server) heldBy() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holder
}

func (s *server) hold(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holder = host
}

// What is done at a point.

// goesTo gives the lock to a host; "" frees it.
func (s *server) goesTo(host string) func() error { return func() error { s.hold(host); return nil } }

func (s *server) vanishes() error  { s.hold(""); s.exists = false; return nil }
func (s *server) isEnabled() error { s.enabled = true; return nil }
func (s *server) isStopped() error { s.stop(); return nil }

// lateClaim lets a claim of this host come true a second later.
func (s *server) lateClaim() error {
	go func() {
		lock.Sleep(context.Background(), time.Second)
		s.hold("me")
	}()
	return nil
}

// unansweredAndLate is a claim that gets no answer, and comes true a second later.
func (s *server) unansweredAndLate() error {
	s.hold("")
	return errors.Join(s.lateClaim(), unreachable())
}

// slow lets time pass.
func slow(d time.Duration) func() error {
	return func() error { lock.Sleep(context.Background(), d); return nil }
}

// says is an answer.
func says(err error) func() error { return func() error { return err } }

// definite is an answer that no waiting changes.
func definite() error { return errors.New("401 Unauthorized") }

// unavailable is an answer of trouble, or none.
func unavailable(detail string) *dlm.Error {
	return &dlm.Error{Kind: dlm.ErrUnavailable, Detail: detail}
}

// unreachable is what a client makes of a Foreman that is down.
func unreachable() error { return unavailable("connection refused") }

// busy is a 429 with Retry-After.
func busy(d time.Duration) func() error {
	err := unavailable("429")
	err.RetryAfter = d
	return says(err)
}

// odd is what a client makes of an answer that is not Foreman's.
func odd() error {
	return &dlm.Error{Kind: dlm.ErrWrongURL, Status: 302, Detail: "302 Found, to https://maintenance.example.com/"}
}

// renewed is what a client makes of a certificate that is not there.
func renewed() error { return &dlm.Error{Kind: dlm.ErrCredentials, Detail: "client_crt: no such file"} }

// kind sorts an error by what the seam says of it.
func kind(err error) string {
	var (
		notNow    *lock.NotNow
		notByRun  *lock.NotByRun
		lost      *lock.Lost
		elsewhere *lock.Elsewhere
	)
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, context.Canceled):
		return "stopped"
	case errors.As(err, &notNow):
		return "not now"
	case errors.As(err, &notByRun):
		return "not by run"
	case errors.As(err, &lost):
		return "lost"
	case errors.As(err, &elsewhere):
		return "elsewhere"
	case errors.Is(err, lock.ErrUnavailable):
		return "unavailable"
	case errors.Is(err, lock.ErrMisconfigured):
		return "misconfigured"
	case errors.Is(err, lock.ErrRefused):
		return "refused"
	}
	return "failed"
}

// text is all that a person is told: the log and the error.
func (s *server) text(err error) string {
	if err == nil {
		return s.log.String()
	}
	return s.log.String() + err.Error()
}
