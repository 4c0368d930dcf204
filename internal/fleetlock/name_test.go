package fleetlock

import (
	"errors"
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
