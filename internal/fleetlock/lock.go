// Package fleetlock holds a lock of a FleetLock server (airlock, for instance) for a run. The lock is a group of the
// server's, whose slots are the server's business.
//
// The protocol has no call that looks: asking for the lock is the only question, and whoever asks may get it. So this
// package never trusts a single answer. A grant is the lock only if a second one follows a settle time later: a server
// that writes without comparing can grant a slot twice, and the host that is written last has it. A release counts
// only if a second one follows, too: a server may say yes before it has released, and the network may deliver an
// earlier request for the lock after it. Both are harmless: a holder that asks is granted the lock again, and whoever
// gives back what it does not hold is told yes.
//
// What that can't show: whether a lock that is granted is "still ours" or "ours again".
package fleetlock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"foreman-dlm-updater/internal/lock"

	"github.com/hashicorp/go-hclog"
)

// API is a FleetLock server (*Client).
type API interface {
	PreReboot(ctx context.Context, group string) error
	SteadyState(ctx context.Context, group string) error
	Probe(ctx context.Context, group string) error
	// Slowest is the longest time that the server has needed for an answer so far.
	Slowest() time.Duration
	// Gave is when a steady-state was last answered, or given up, whichever Lock sent it; zero: never.
	Gave() time.Time
	// Identity returns the server's address and this host's name there. It sends no request.
	Identity() (url, id string)
}

// Settings are the configuration's values. A duration of 0 means "for ever".
type Settings struct {
	lock.Pace
	Settle         time.Duration
	ReleaseTimeout time.Duration
}

// Wording holds the words for a FleetLock server in sentences.
var Wording = lock.Wording{
	Server: "the FleetLock server",
	Where:  "with a request for steady-state in that host's name",
	Keys:   "lock_server, fleetlock_url, fleetlock_id and client_crt",
	NoLook: "FleetLock has no way to look at a lock",
}

// errNoLook is what a look returns if the server answers.
var errNoLook = &lock.Error{Meaning: lock.ErrNoLook, Err: errors.New(Wording.NoLook)}

// Lock is one lock during one invocation. It must not be used by several goroutines at once.
type Lock struct {
	Settings
	api     API
	log     hclog.Logger
	name    string
	options lock.Options
	// origin says which server the run asked for the lock, and under which name; nil: it has not, or nobody knows.
	origin *lock.Origin
	// settlesAt is when the server must have carried out all requests of this run that can take the lock, answered or
	// not. Zero: there are none.
	settlesAt time.Time
	// opened is when the Lock was opened. An earlier process of this host may have released the lock just before.
	opened time.Time
	// released: the server has said yes to a release. notOurs: it is certain.
	released, notOurs bool
}

// Open makes a Lock. It sends no request.
func Open(api API, s Settings, log hclog.Logger, name string, o lock.Options) *Lock {
	l := &Lock{Settings: s, api: api, log: log.With("lock", name), name: name, options: o, origin: o.Origin,
		opened: time.Now()}
	if o.Claimed {
		l.settlesAt = time.Now().Add(l.settle())
	}
	return l
}

// Name is the lock's name.
func (l *Lock) Name() string { return l.name }

// Asked reports whether this invocation, or an earlier one of the run, may have asked for the lock.
func (l *Lock) Asked() bool { return !l.settlesAt.IsZero() }

// NotOurs reports whether this host has certainly given the lock back, or no request of the run can have taken it. A
// refusal does not show that: a request that was sent before it may still be granted.
func (l *Lock) NotOurs() bool { return l.notOurs }

// WasOurs is false: nothing shows whether this host held the lock before it asked.
func (l *Lock) WasOurs() bool { return false }

// Released reports whether the server has said yes to a release, even if nobody could ask it a second time.
func (l *Lock) Released() bool { return l.released }

// KeepAlive does nothing: the server's locks don't expire, and it calls none stale. Asking for the lock again would
// take it if it had been lost, and nobody would know.
func (l *Lock) KeepAlive() {}

// StopKeepAlive does nothing.
func (l *Lock) StopKeepAlive() {}

// Lost is nil: only Confirm finds out that the lock is lost.
func (l *Lock) Lost() error { return nil }

func (l *Lock) now() lock.Origin {
	url, id := l.api.Identity()
	return lock.Origin{Server: url, Client: id}
}

// Origin says which server was asked for the lock, and under which name; before that, which one would be asked now.
func (l *Lock) Origin() lock.Origin {
	if l.origin != nil {
		return *l.origin
	}
	return l.now()
}

// settle is how long a request may take effect after its answer, or after nobody waits for one any more. A slow server
// needs more time for all requests.
func (l *Lock) settle() time.Duration { return max(l.Settle, 3*l.api.Slowest()) }

// freedAt is when the server must have carried out all releases. A request for the lock that is sent earlier may be
// undone by one of them.
func (l *Lock) freedAt() time.Time {
	last := l.opened
	if gave := l.api.Gave(); gave.After(last) {
		last = gave
	}
	return last.Add(l.settle())
}

// Look asks whether the server answers. It never shows who has the lock: the error is then one with the meaning
// lock.ErrNoLook.
func (l *Lock) Look(ctx context.Context) (lock.View, error) {
	if err := l.api.Probe(ctx, l.name); err != nil {
		return lock.View{}, err
	}
	return lock.View{}, errNoLook
}

// Confirm asks for the lock, which this host must be on record to have. It returns nil if the server grants it,
// *lock.Lost if another host has it, *lock.Elsewhere if another server was asked for it before, and any other error if
// that is not known.
func (l *Lock) Confirm(ctx context.Context) error {
	if l.moved() {
		return l.elsewhere()
	}
	err := l.ask(ctx)
	var refused *Refusal
	if errors.As(err, &refused) && !refused.Certain {
		if err = l.askAgain(ctx); err == nil { // if another host had it, this is a first grant
			err = l.askSettled(ctx)
		}
	}
	switch {
	case !errors.As(err, &refused):
		return err
	case refused.Certain:
		return &lock.Lost{Lock: l.name, Why: heldBy(refused).Why}
	}
	return &lock.Error{Meaning: lock.ErrUnavailable, Temporary: true, Why: "the FleetLock server's store fails", Err: err}
}

// ask asks for the lock, and tells listeners. The caller has put on record that this host does that.
func (l *Lock) ask(ctx context.Context) error {
	err := l.claim(ctx)
	if l.options.Heard != nil {
		var refused *Refusal
		switch _, id := l.api.Identity(); {
		case err == nil:
			l.options.Heard(lock.View{Exists: true, Enabled: true, Holder: id, Self: true}, nil)
		case errors.As(err, &refused) && refused.Certain:
			l.options.Heard(lock.View{Exists: true, Enabled: true, Holder: "another host"}, nil)
		default:
			l.options.Heard(lock.View{}, err)
		}
	}
	return err
}

// askAgain asks for the lock, and once more if the answer is a 500: airlock says that if the lock is held, if another
// host was faster in a race for a slot although others are free, and if etcd fails.
func (l *Lock) askAgain(ctx context.Context) error {
	err := l.ask(ctx)
	var refused *Refusal
	if errors.As(err, &refused) && refused.Status >= 500 && lock.Sleep(ctx, l.RandomBelow(l.settle())) {
		err = l.ask(ctx)
	}
	return err
}

// askSettled lets a grant settle, and asks for the lock once: after a refusal the next grant would be a first one.
func (l *Lock) askSettled(ctx context.Context) error {
	if !lock.Sleep(ctx, l.settle()) {
		return ctx.Err()
	}
	return l.ask(ctx)
}

// claim sends the request, unless this host has another name by now: a wait may last for days.
func (l *Lock) claim(ctx context.Context) error {
	if l.moved() {
		if l.Asked() {
			return l.elsewhere()
		}
		l.notOurs = true
		return &lock.NotNow{Text: fmt.Sprintf("this host was %q at the FleetLock server when it began to wait, and is %q now",
			l.origin.Client, l.now().Client)}
	}
	err := l.api.PreReboot(ctx, l.name)
	var untaken *Untaken
	if l.notOurs = !l.Asked() && errors.As(err, &untaken); l.notOurs {
		return err
	}
	l.settlesAt = time.Now().Add(l.settle())
	return err
}

// heldBy says that another host has the lock, or may have it, in the server's words if it has any.
func heldBy(refused *Refusal) lock.Obstacle {
	why := "held by another host"
	if !refused.Certain {
		why = "refused, and the server may not know who holds it"
	}
	if refused.Text != "" {
		why += fmt.Sprintf(" (the FleetLock server says %q)", refused.Text)
	}
	return lock.Obstacle{Wait: lock.Wait{Why: why}}
}

// moved reports whether the run asked another server for the lock, or used another name there. No answer of the server
// that is configured now says anything about that lock.
func (l *Lock) moved() bool { return l.origin != nil && l.origin.Differs(l.now()) }

// elsewhere is the error for a lock that the run asked for at another server, or under another name.
func (l *Lock) elsewhere() error {
	then, now := *l.origin, l.now()
	return &lock.Elsewhere{
		Text: fmt.Sprintf("this run asked %s for lock %q as %q, and may still hold it there; the configuration now names "+
			"%s and %q", then.Server, l.name, then.Client, now.Server, now.Client),
		Next: fmt.Sprintf("set %s back, then `foreman-dlm-updater run`; or free lock %s there (%s), then "+
			"`foreman-dlm-updater state set STAGE` with the stage that `foreman-dlm-updater state show` names, and "+
			"`foreman-dlm-updater run`", Wording.Keys, l.name, Wording.Where),
	}
}
