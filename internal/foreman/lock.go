// Package foreman holds a lock of Foreman's DLM plugin for a run: it waits for the lock, claims it, refreshes it and
// releases it. Two hosts never believe at once that they hold the lock.
//
// Foreman's race: if two hosts ask for a free lock at the same time, the server may grant it to both ("SELECT free,
// UPDATE holder" is not atomic), and the host that is written last has it. So this package calls a grant a claim. It
// waits for a settle time, in which Foreman must have written the claims of all other hosts, too. If the server still
// names this host as the holder then, this host has the lock (take.go). For the same reason it looks at the lock before
// each release (release.go) and each refresh (keepalive.go).
package foreman

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/lock"

	"github.com/hashicorp/go-hclog"
)

// API is Foreman's lock API (*dlm.Client). Show tries again by itself; Acquire and Release send one request each.
type API interface {
	Show(ctx context.Context, name string) (dlm.Lock, error)
	Acquire(ctx context.Context, name string) error
	Release(ctx context.Context, name string) error
	// Slowest is the longest time that the server has needed for an answer so far.
	Slowest() time.Duration
	// Identity returns the server's address and the common name of this host's certificate. It sends no request.
	Identity() (url, cn string)
}

// Settings are the configuration's values. A duration of 0 means "never" or "for ever", as the configuration's
// documentation says.
type Settings struct {
	lock.Pace
	Settle         time.Duration
	Refresh        time.Duration
	ReleaseTimeout time.Duration
	Retries        int // how often to repeat a claim that got no usable answer
}

// Wording holds the words for Foreman in sentences.
var Wording = lock.Wording{
	Server:     "Foreman",
	Barred:     "Foreman bars this host (parameter can_acquire_update_locks)",
	Where:      "Monitor > Distributed Locks",
	Keys:       "lock_server, foreman_url, client_crt and client_key",
	StaleAfter: 4 * time.Hour, // foreman_dlm's setting dlm_stale_time, by default
}

// Lock is one lock during one invocation. Only Lost may be called by several goroutines.
type Lock struct {
	Settings
	api      API
	plainLog hclog.Logger
	log      hclog.Logger // names the lock
	name     string       // of several slots, the one in question now
	options  lock.Options
	// origin says which server the run asked for the lock, and under which name; nil: it has not, or nobody knows.
	origin *lock.Origin

	// holder is what the last answer proved. A claim makes it unknown again.
	holder holder
	// firstHolder is what the first answer proved.
	firstHolder holder
	// settlesAt is when Foreman must have written all claims of this host, answered or not: a proxy may send one twice.
	// Before that, a look proves nothing unless it shows this host. Zero: this host has sent no claim.
	settlesAt time.Time
	// freedAt is when Foreman must have written all releases of this host. A claim that is sent earlier may be undone by
	// one of them.
	freedAt  time.Time
	keeper   *keeper
	released bool
	// wasMoved: when the Lock was opened, the configuration named another server, or this host had another name, than when
	// the run asked for the lock; and the lock was not seen to be this host's since. A name that changes while a new run
	// waits is none of this: it has asked for nothing under the old one.
	wasMoved bool
	lost     atomic.Pointer[lock.Lost]
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
	l := &Lock{Settings: s, api: api, options: o, origin: o.Origin, plainLog: log}
	if !o.Claimed && len(o.Slots) > 0 { // each host begins at another slot
		name = o.Slots[s.RandomBelow(time.Duration(len(o.Slots)))]
	}
	l.use(name)
	if o.Claimed {
		l.settlesAt = time.Now().Add(l.settle())
	}
	if l.wasMoved = l.moved(); l.wasMoved {
		now := l.now()
		l.log.Warn("foreman_url or this host's certificate changed during a run: the holder of the lock is not known unless "+
			"Foreman shows this host", "asked_for_at", o.Origin.Server, "as", o.Origin.Client, "now", now.Server,
			"now_as", now.Client)
	}
	return l
}

// use turns to another lock. This host has not asked for it yet, and does not know who holds it.
func (l *Lock) use(name string) {
	l.name, l.log = name, l.plainLog.With("lock", name)
	l.holder, l.firstHolder, l.settlesAt = unknown, unknown, time.Time{}
}

// Name is the lock's name. Of several slots, it is the one that this host holds, has asked for, or has looked at last.
func (l *Lock) Name() string { return l.name }

// now says which server the configuration names now, and this host's name there.
func (l *Lock) now() lock.Origin {
	url, cn := l.api.Identity()
	return lock.Origin{Server: url, Client: cn}
}

// moved reports whether the run asked another server for the lock, or used another name there.
func (l *Lock) moved() bool { return l.origin != nil && l.origin.Differs(l.now()) }

// Origin says which server was asked for the lock, and under which name; before that, which one would be asked now.
func (l *Lock) Origin() lock.Origin {
	if l.origin != nil {
		return *l.origin
	}
	return l.now()
}

// hold notes which server gave this host the lock, and under which name. holder is the server's name for this host.
func (l *Lock) hold(holder string) {
	now := l.now()
	if now.Client == "" && l.origin != nil { // the certificate can't be read now
		now.Client = l.origin.Client
	}
	now.Holder = holder
	l.origin = &now
}

// Asked reports whether this invocation, or an earlier one of the run, may have sent a claim.
func (l *Lock) Asked() bool { return !l.settlesAt.IsZero() }

// NotOurs reports whether the last answer proved that this host does not hold the lock.
func (l *Lock) NotOurs() bool { return l.holder == notUs }

// WasOurs reports whether the first answer proved that this host held the lock.
func (l *Lock) WasOurs() bool { return l.firstHolder == us }

// settle is how long to wait before a claim can be trusted. A slow server needs more time for all claims.
func (l *Lock) settle() time.Duration { return max(l.Settle, 3*l.api.Slowest()) }

// Look asks the server once for the state of the lock.
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

// Confirm asks once whether this host still holds the lock. It returns nil if it does, *lock.Lost if it does not,
// *lock.Elsewhere if another server was asked for the lock, and any other error if the answer is not known.
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

// elsewhere is the error for a lock that the run asked for at another server, and that this host does not hold here.
func (l *Lock) elsewhere(view lock.View) error {
	then, now := *l.origin, l.now()
	return &lock.Elsewhere{
		Text: fmt.Sprintf("this run asked %s for lock %q with %s, and may still hold it there; the configuration now names "+
			"%s and %s, and what that server says (%s) proves nothing", then.Server, l.name, certificate(then.Client),
			now.Server, certificate(now.Client), whoseNow(view)),
		Next: fmt.Sprintf("set %s back, then `foreman-dlm-updater run`; or have an administrator free lock %s at %s (%s), "+
			"then `foreman-dlm-updater state set STAGE` with the stage that `foreman-dlm-updater state show` names, "+
			"and `foreman-dlm-updater run`", Wording.Keys, l.name, then.Server, Wording.Where),
	}
}

// certificate names a certificate in a sentence.
func certificate(cn string) string {
	if cn == "" {
		return "an unknown certificate"
	}
	return fmt.Sprintf("the certificate %q", cn)
}

// whoseNow says who holds a lock that this host does not hold.
func whoseNow(view lock.View) string {
	switch {
	case !view.Exists:
		return "it was deleted in Foreman"
	case view.Holder == "":
		return "it is free"
	}
	return heldBy(view).String()
}
