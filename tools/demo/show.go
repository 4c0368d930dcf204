package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// downtime is how long a simulated reboot takes.
const downtime = 1500 * time.Millisecond

// show follows the hosts through their updates: it starts the updaters, reboots the hosts, and tells what happens. All
// of this is on the main goroutine, in the order in which things are told.
type show struct {
	*lab
	entries []entry // of the ledger, from the start of the hosts
	spans   []span  // for the timeline
	open    map[string]entry
	since   time.Time // when the lock last changed hands
	// impatient is the host whose timer fires while it goes down.
	impatient *host
	over      bool
}

func newShow(l *lab) *show {
	return &show{lab: l, open: map[string]entry{}, impatient: l.hosts[0]}
}

// failure is an error of one host.
type failure struct {
	host *host
	err  error
}

func (f *failure) Error() string { return fmt.Sprintf("%s: %v", f.host.name, f.err) }
func (f *failure) Unwrap() error { return f.err }

// play runs until all hosts are done and the whole ledger is read.
func (s *show) play(ctx context.Context) error {
	go s.ledger.read(func(e entry) { s.post(func() error { return s.wrote(e) }) })
	if err := s.ledger.mark(begin); err != nil {
		return err
	}
	limit := time.NewTimer(timeLimit)
	defer limit.Stop()
	for !s.over {
		select {
		case do := <-s.queue:
			if err := do(); err != nil {
				return err
			}
		case <-limit.C:
			return fmt.Errorf("not finished after %s", timeLimit)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// wrote handles an entry of the ledger. The entries before the first mark are about making the lock.
func (s *show) wrote(e entry) error {
	switch {
	case e.host == marker && e.kind == begin:
		return s.startAll(e.read)
	case s.account.began.IsZero():
		return nil
	case e.host == marker:
		s.over = true
		return nil
	}
	s.entries = append(s.entries, e)
	switch e.kind {
	case acquire:
		return s.granted(e)
	case release:
		s.holds("", e.read)
		s.account.tell(e.read, e.host, "lock_release", "releases the lock")
	case refuse:
		s.account.tell(e.read, e.host, "lock_get", "asks, and is refused")
	default:
		s.worked(e)
	}
	return nil
}

// granted handles a yes of the server.
func (s *show) granted(e entry) error {
	i := slices.IndexFunc(s.hosts, func(h *host) bool { return h.name == e.host })
	if i < 0 {
		return fmt.Errorf("the server gave the lock to %q, which is no host of this cluster", e.host)
	}
	s.hosts[i].claimed = true
	text := "asks; the server says yes"
	if before := s.account.holder; before != "" {
		text += ", over " + before + "'s claim"
	}
	s.holds(e.host, e.read)
	s.account.tell(e.read, e.host, "lock_get", text)
	return nil
}

// worked handles an entry of a hook.
func (s *show) worked(e entry) {
	switch e.kind {
	case begin:
		s.open[e.host] = e
	case end:
		if letter, ok := letters[e.stage]; ok {
			s.draw(e.host, letter, s.open[e.host].read, e.read)
		}
	}
	if e.text != "" {
		s.account.tell(e.read, e.host, e.stage, e.text)
	}
}

// holds notes which host has the lock from now on.
func (s *show) holds(host string, at time.Time) {
	if before := s.account.holder; before != "" {
		s.draw(lockRow, before[len(before)-1], s.since, at)
	}
	s.account.holder, s.since = host, at
}

// draw adds something to the timeline.
func (s *show) draw(row string, letter byte, from, to time.Time) {
	began := s.account.began
	s.spans = append(s.spans, span{row, letter, from.Sub(began), to.Sub(began)})
}

// startAll starts the updaters of all hosts.
func (s *show) startAll(at time.Time) error {
	s.account.began = at
	for _, h := range s.hosts {
		if err := s.start(h, h.updater("run")); err != nil {
			return err
		}
	}
	return nil
}

// start starts an updater on a host.
func (s *show) start(h *host, cmd *exec.Cmd) (err error) {
	h.process, err = start(cmd,
		func(raw string) {
			at := time.Now()
			s.post(func() error { s.logged(h, at, parseLogLine(raw)); return nil })
		},
		func(err error) { s.post(func() error { return s.ended(h, err) }) })
	if err != nil {
		return &failure{h, err}
	}
	return nil
}

// logged handles a line of an updater's log.
func (s *show) logged(h *host, at time.Time, l logLine) {
	h.log = append(h.log, l)
	switch l.Message {
	case "stage begins":
		if l.Stage == "lock_get" {
			h.asked = at
		}
	case "waiting for the lock":
		why, _, _ := strings.Cut(l.Why, " since ")
		text := "waits: " + why
		if h.claimed {
			text = "looks again: " + why + ", so it waits"
		}
		h.claimed = false
		s.account.tell(at, h.name, "lock_get", text)
	case "lock acquired":
		h.claimed = false
		s.draw(h.name, waiting, h.asked, at)
		s.account.tell(at, h.name, "lock_get", "looks again: the lock is really its own")
	case "rebooting":
		h.down = true
	case "reboot pending":
		h.pending = true
		s.account.tell(at, h.name, "reboot", `"reboot pending": the updater does nothing`)
	default:
		if l.Level == "warn" || l.Level == "error" {
			s.account.tell(at, h.name, l.Stage, l.Level+": "+l.Message)
		}
	}
}

// ended handles the end of an updater.
func (s *show) ended(h *host, err error) error {
	now := time.Now()
	switch {
	case err != nil:
		return &failure{h, fmt.Errorf("the updater ended with %w", err)}
	case !h.down:
		return s.finish(h, now)
	case h == s.impatient && !h.fired:
		h.fired = true
		s.account.tell(now, h.name, "reboot", "its timer fires before it is down")
		return s.start(h, h.updater("run"))
	case h.fired && !h.pending:
		return &failure{h, errors.New("the updater went on although the reboot was pending")}
	}
	time.AfterFunc(downtime, func() {
		s.post(func() error {
			h.down = false
			return s.start(h, h.boot())
		})
	})
	return nil
}

// finish handles the end of a host's run.
func (s *show) finish(h *host, at time.Time) error {
	if err := h.check(); err != nil {
		return &failure{h, err}
	}
	h.finished = true
	s.account.tell(at, h.name, "", "is done: in service, in version "+newVersion)
	if slices.ContainsFunc(s.hosts, func(h *host) bool { return !h.finished }) {
		return nil
	}
	return s.ledger.mark(end)
}

// conclude shows the timeline and the proof.
func (s *show) conclude() error {
	rows := s.account.paintRows(timeline(s.spans))
	s.account.say("\nWho did what when (a column is %s):\n\n%s", columnFor(s.spans), rows)
	v := prove(s.entries)
	s.account.say("%s", v)
	return v.err()
}

// showLogs prints the logs that explain a failure: of the failed host, or of all hosts that were not done, or of all
// hosts.
func (s *show) showLogs(err error) {
	var failed *failure
	var flawed *flawedError
	for _, h := range s.hosts {
		if errors.As(err, &flawed) || errors.As(err, &failed) && failed.host == h || failed == nil && !h.finished {
			s.account.say("\nLog of %s:\n%s", h.name, strings.TrimSuffix(h.readableLog(), "\n"))
		}
	}
}
