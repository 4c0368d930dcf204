package fleetlock

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/fleetsandbox"
	"foreman-dlm-updater/internal/lock"
)

// TestSignal: after a signal, a request that may be on its way is waited for, and not repeated: systemd or a person is
// waiting.
func TestSignal(t *testing.T) {
	for _, kind := range []fleetsandbox.FaultKind{fleetsandbox.HangBefore, fleetsandbox.HangAfter,
		fleetsandbox.Unavailable} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, fleetsandbox.Options{})
				s.server.Inject(fleetsandbox.Fault{Kind: kind, RetryAfter: "300"})
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				l, began := s.open("me", lock.Options{}), time.Now()
				err := l.Take(ctx, lock.Terms{Purpose: lock.ForRun})
				if !errors.Is(err, ctx.Err()) || time.Since(began) > 35*time.Second {
					t.Errorf("took until %v: %v", time.Since(began), err)
				}
				began = time.Now()
				if l.Abandon(ctx) || time.Since(began) > 20*time.Second {
					t.Errorf("abandoned for %v", time.Since(began))
				}
			})
		})
	}
}
