package fleetlock

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/fleetsandbox"
	"foreman-dlm-updater/internal/lock"

	"github.com/hashicorp/go-hclog"
)

// named opens a lock of a host whose name changes.
func (s *site) named(id func() (string, error), o lock.Options) *Lock {
	api := NewClient(ClientOptions{URL: "https://lock.example.com", ID: id, Timeout: 30 * time.Second,
		Retries: s.retries, Log: hclog.NewNullLogger(), Transport: s.server.Transport("me"), Pace: s.settings.Pace})
	return Open(api, s.settings, hclog.NewNullLogger(), "web", o)
}

// TestNameless: a host that can't find out its name has asked for nothing, and has nothing to give back.
func TestNameless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, fleetsandbox.Options{})
		no := &lock.Error{Meaning: lock.ErrMisconfigured, Err: errors.New("/etc/machine-id has no id that stays")}
		l, began := s.named(func() (string, error) { return "", no }, lock.Options{}), time.Now()
		if err := l.Take(t.Context(), lock.Terms{Purpose: lock.ForRun}); !errors.Is(err, no) {
			t.Error(err)
		}
		if l.Asked() || !l.Abandon(t.Context()) || time.Since(began) > s.settings.Settle {
			t.Errorf("asked %v, after %v", l.Asked(), time.Since(began))
		}
	})
}

// renamed is a host that is called "me" at first, and "new" later.
func renamed(after time.Duration) func() (string, error) {
	began := time.Now()
	return func() (string, error) {
		if time.Since(began) < after {
			return "me", nil
		}
		return "new", nil
	}
}

// TestRenamed: a certificate with another name that arrives while a run waits does not let the run ask under two names:
// nobody would give back what it may have under the first.
func TestRenamed(t *testing.T) {
	for _, test := range []struct {
		after time.Duration
		want  string
		sure  bool // that this host has nothing
	}{
		{30 * time.Second, `this host was "me" at the FleetLock server when it began to wait, and is "new" now`, true},
		{90 * time.Second, `for lock "web" as "me", and may still hold it there`, false},
	} {
		t.Run(test.after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, fleetsandbox.Options{})
				s.take("other")
				began := time.Now()
				l := s.named(renamed(test.after), lock.Options{})
				time.AfterFunc(10*time.Minute, func() { s.server.Free("web", "other") })
				gate := func(context.Context, lock.Point) (lock.Wait, error) {
					if time.Since(began) < time.Minute {
						return lock.Wait{Why: "the gate is closed", For: lock.Gate}, nil
					}
					return lock.Wait{}, nil
				}
				err := l.Take(t.Context(), lock.Terms{Purpose: lock.ForRun, May: gate})
				if err == nil || !strings.Contains(err.Error(), test.want) || slices.Contains(s.server.Holders("web"), "new") {
					t.Errorf("%v; holders %v", err, s.server.Holders("web"))
				}
				if sure := l.Abandon(t.Context()); sure != test.sure {
					t.Errorf("sure %v", sure)
				}
			})
		})
	}
}

// TestRenamedRelease: a release under another name releases another lock.
func TestRenamedRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, fleetsandbox.Options{})
		s.take("me")
		s.server.Inject(fleetsandbox.Fault{Call: fleetsandbox.SteadyState, Kind: fleetsandbox.DropBefore})
		now := lock.Origin{Server: "https://lock.example.com", Client: "me"}
		l := s.named(renamed(10*time.Minute), lock.Options{Claimed: true, Origin: &now})
		time.AfterFunc(10*time.Minute, s.server.ClearFaults)
		err := l.Give(t.Context())
		var elsewhere *lock.Elsewhere
		if !errors.As(err, &elsewhere) || l.Released() || l.NotOurs() {
			t.Errorf("%v; holders %v", err, s.server.Holders("web"))
		}
	})
}
