// Package foreman keeps a lock of Foreman's DLM plugin for a run: it waits for it, claims it, refreshes it and gives it
// back, so that two hosts never believe that they hold it at once.
//
// Foreman's race: the server grants a free lock to two hosts whose requests meet ("SELECT free, UPDATE holder" is not
// atomic), and the last one to be written wins. A grant is therefore only a claim. It becomes the lock when, after a
// settle time in which any other host's claim must have been written too, the server still names this host as the
// holder (take.go). For the same reason nothing is released without a look (release.go), and nothing is refreshed
// without one (keepalive.go).
package foreman

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/lock"

	"github.com/hashicorp/go-hclog"
)

// API is Foreman's lock API: *dlm.Client, or a test's. Show tries again by itself; Acquire and Release never do.
type API interface {
	Show(ctx context.Context, name string) (dlm.Lock, error)
	Acquire(ctx context.Context, name string) error
	Release(ctx context.Context, name string) error
	// Slowest is the longest that the server has taken for an answer so far.
	Slowest() time.Duration
	// Identity is the address that is asked, and the common name that this host shows. It sends no request.
	Identity() (url, cn string)
}

// Settings are the configuration's values. Durations of 0 mean "never" or "for ever", as its documentation says.
type Settings struct {
	RetryInterval  time.Duration
	RetryJitter    time.Duration
	LockTimeout    time.Duration
	Settle         time.Duration
	Refresh        time.Duration
	ReleaseTimeout time.Duration
	Retries        int // of a claim that met trouble
	// Random returns a random part of d; nil: math/rand. A simulation that is to be repeated brings its own.
	Random func(d time.Duration) time.Duration
}

// Wording is what sentences say of Foreman.
var Wording = lock.Wording{
	Server:     "Foreman",
	Barred:     "Foreman bars this host (parameter can_acquire_update_locks)",
	Where:      "Monitor > Distributed Locks",
	Keys:       "foreman_url, client_crt and client_key",
	StaleAfter: 4 * time.Hour, // foreman_dlm's setting dlm_stale_time, by default
}

// Lock is one lock as one invocation deals with it. Its methods are for one goroutine; only Lost may be called by any.
type Lock struct {
	Settings
	api     API
	log     hclog.Logger
	name    string
	options lock.Options
	// origin is where the run asked for the lock, and under which name; nil: it has not, or that is not known.
	origin *lock.Origin

	// holder is what the server has proved; every claim that is sent makes it unknown again.
	holder holder
	// before is the first thing that it proved.
	before holder
	// settlesAt is when every claim must have been written that this host has sent, answered or not: a proxy may have sent
	// it twice. A look before that proves nothing unless it shows this host. Zero: none was ever sent.
	settlesAt time.Time
	keeper    *keeper
	released  bool
	lost      atomic.Pointer[lock.Lost]
}

// holder is who holds a lock.
type holder int

const (
	unknown holder = iota
	notUs
	us
)

// Open makes a Lock. It sends no request.
func Open(api API, s Settings, log hclog.Logger, name string, o lock.Options) *Lock {
	if s.Random == nil {
		s.Random = rand.N[time.Duration]
	}
	l := &Lock{Settings: s, api: api, log: log.With("lock", name), name: name, options: o, origin: o.Origin}
	if o.Claimed {
		l.settlesAt = time.Now().Add(l.settle())
	}
	if l.moved() {
		now := l.now()
		l.log.Warn("foreman_url or this host's certificate was changed in the middle of a run: unless Foreman shows the lock as "+
			"this host's, it is not known whose it is", "asked_for_at", o.Origin.Server, "as", o.Origin.Client, "now", now.Server,
			"now_as", now.Client)
	}
	return l
}

// now says where the lock is asked for now, and under which name.
func (l *Lock) now() lock.Origin {
	url, cn := l.api.Identity()
	return lock.Origin{Server: url, Client: cn}
}

// moved reports whether the lock was asked for at another server, or under another name, than now.
func (l *Lock) moved() bool { return l.origin != nil && l.origin.Differs(l.now()) }

// Origin says where the lock was asked for, and under which name; before that, where it would be asked for now.
func (l *Lock) Origin() lock.Origin {
	if l.origin != nil {
		return *l.origin
	}
	return l.now()
}

// hold notes that the lock is this host's, and where it was asked for.
func (l *Lock) hold(holder string) {
	now := l.now()
	if now.Client == "" && l.origin != nil { // it can't be read at this moment
		now.Client = l.origin.Client
	}
	now.Holder = holder
	l.origin = &now
}

// Asked reports whether this invocation, or an earlier one of the run, may have sent a claim.
func (l *Lock) Asked() bool { return !l.settlesAt.IsZero() }

// NotOurs reports whether the last answer proved that this host does not hold the lock.
func (l *Lock) NotOurs() bool { return l.holder == notUs }

// WasOurs reports whether this host held the lock when it was first looked at.
func (l *Lock) WasOurs() bool { return l.before == us }

// settle is how long a claim needs before it can be trusted: a slow server has a wide race.
func (l *Lock) settle() time.Duration { return max(l.Settle, 3*l.api.Slowest()) }

// Look asks once for the state of the lock.
func (l *Lock) Look(ctx context.Context) (lock.View, error) {
	found, err := l.api.Show(ctx, l.name)
	var view lock.View
	if err = meaning(err); err == nil {
		view = lock.View{Exists: true, Enabled: found.Enabled, Holder: found.Holder, Self: found.Self, Since: found.Updated}
	} else if isNoLock(err) {
		err = nil
	}
	if l.options.Heard != nil {
		l.options.Heard(view, err)
	}
	return view, err
}

// Confirm asks once whether the lock is still this host's; nil: it is. *lock.Lost: the server says that it is not.
// *lock.Elsewhere: that tells nothing. Any other error: it is not known.
func (l *Lock) Confirm(ctx context.Context) error {
	view, err := l.Look(ctx)
	switch {
	case err != nil:
		return err
	case view.Self:
		return nil
	case l.moved():
		return l.elsewhere(view)
	}
	return &lock.Lost{Lock: l.name, Why: whoseNow(view)}
}

// elsewhere is the error for a lock that this host does not hold here, and that it asked for elsewhere.
func (l *Lock) elsewhere(view lock.View) error {
	then, now := *l.origin, l.now()
	return &lock.Elsewhere{
		Text: fmt.Sprintf("lock %q was asked for at %s by %s; now the configuration names %s and %s, and what is seen there (%s) tells nothing "+
			"about the lock that was asked for, which may still be this host's", l.name, then.Server, named(then.Client), now.Server,
			named(now.Client), whoseNow(view)),
		Next: fmt.Sprintf("set foreman_url, client_crt and client_key back, then `foreman-dlm-updater run`; or have an administrator free lock %s "+
			"at %s (Monitor > Distributed Locks), then `foreman-dlm-updater state set STAGE` with the stage that `foreman-dlm-updater state show` "+
			"names, and `foreman-dlm-updater run`", l.name, then.Server),
	}
}

func named(cn string) string {
	if cn == "" {
		return "an unknown certificate"
	}
	return fmt.Sprintf("the certificate %q", cn)
}

// whoseNow describes a lock that is not this host's.
func whoseNow(view lock.View) string {
	switch {
	case !view.Exists:
		return "it was deleted in Foreman"
	case view.Holder == "":
		return "it is free"
	}
	return heldBy(view).String()
}

// clock writes a time for a sentence.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// pause waits; false if the context ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
