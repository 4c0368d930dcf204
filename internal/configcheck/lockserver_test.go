package configcheck

import (
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"testing"

	"foreman-dlm-updater/internal/config"

	"github.com/google/go-cmp/cmp"
)

// TestLock: Foreman's answer is shown, and its error stays what it is, for the exit code.
func TestLock(t *testing.T) {
	refused := errors.New("refused")
	for _, test := range []struct {
		name   string
		holder string
		exists bool
		err    error
		want   Finding
	}{
		{"held", "lock web is held by web1", true, nil, Finding{Fine: "it knows this host; lock web is held by web1"}},
		{"no lock", "", false, nil, advise(`it knows this host, but has no lock "web" yet: the first run makes `+
			"one; create it beforehand, so that a mistyped name is noticed and two hosts can't create it at once", "")},
		{"error", "", false, refused, Finding{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newTestHost(t)
			h.Look = func(_ context.Context, lock string) (string, bool, error) {
				if lock != "web" {
					t.Errorf("asked for lock %q", lock)
				}
				return test.holder, test.exists, test.err
			}
			got := h.checkLock(t.Context(), &config.Config{LockName: "web", LockSlots: 1})
			if err := got.Err; err != test.err {
				t.Errorf("error %v, want %v", err, test.err)
			}
			got.Err = nil
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestSlotsAndOtherLocks: each slot is looked at, and each lock of blocked_by. Flags need not exist: nobody else wants
// the flag of a slot that a host has.
func TestSlotsAndOtherLocks(t *testing.T) {
	c := &config.Config{LockName: "web", LockSlots: 3, MaxFailed: 1, BlockedBy: []string{"staging.failed1", "db"}}
	beforehand := "beforehand, so that a mistyped name is noticed and two hosts can't create it at once"
	for _, test := range []struct {
		name  string
		locks []string
		want  Finding
	}{
		{"all there", []string{"web", "web.slot2", "web.slot3", "staging.failed1", "db"}, fine(
			"it knows this host; lock web is free; lock web.slot2 is free; lock web.slot3 is free")},
		{"no slots", []string{"web", "staging.failed1", "db"}, Finding{Advice: []Advice{
			{`it knows this host, but has no lock "web.slot2" yet: the first run makes one; create it ` + beforehand, ""},
			{`it knows this host, but has no lock "web.slot3" yet: the first run makes one; create it ` + beforehand, ""},
		}}},
		{"nothing to be blocked by", []string{"web", "web.slot2", "web.slot3", "staging.failed1"}, advise(
			`blocked_by: there is no lock "db", so it blocks nothing; correct the name, or create the lock`, "")},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newTestHost(t)
			h.Look = func(_ context.Context, lock string) (string, bool, error) {
				return "lock " + lock + " is free", slices.Contains(test.locks, lock), nil
			}
			if diff := cmp.Diff(test.want, h.checkLock(t.Context(), c)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestForemansName: what other programs of the host find, this one need not.
func TestForemansName(t *testing.T) {
	unknown := &net.DNSError{Err: "no such host", Name: "foreman.local", IsNotFound: true}
	for _, test := range []struct {
		name   string
		lookup error
		getent string
		want   string // the advice
	}{
		{"known", nil, "", ""},
		{"to NSS only", unknown, "192.0.2.7      STREAM foreman.local\n192.0.2.7      DGRAM\n", "this host knows the " +
			"address of foreman.local (192.0.2.7), but /etc/hosts and DNS don't, and a run asks nothing else: lookup " +
			"foreman.local: no such host; fix it with: echo '192.0.2.7 foreman.local' >>/etc/hosts"},
		{"to nobody", unknown, "", "nobody knows the address of foreman.local: lookup foreman.local: no such host; " +
			"correct foreman_url, or DNS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newTestHost(t)
			h.Config.ForemanURL = &url.URL{Scheme: "https", Host: "foreman.local:8443"}
			h.lookup = func(context.Context, string) ([]string, error) { return []string{"192.0.2.7"}, test.lookup }
			h.command = func(_ context.Context, name string, args ...string) (string, error) {
				return test.getent, nil
			}
			got := h.checkName(t.Context(), h.Config)
			if test.want == "" {
				if diff := cmp.Diff(fine("foreman.local is 192.0.2.7"), got); diff != "" {
					t.Error(diff)
				}
			} else if len(got.Advice) != 1 || got.Advice[0].String() != test.want {
				t.Errorf("%+v", got)
			}
		})
	}
}
