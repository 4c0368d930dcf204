package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

const (
	downtime = 1500 * time.Millisecond // of a simulated reboot
	arrival  = 2 * time.Second         // until the operator comes, once nothing moves any more
)

// show follows the hosts through their updates: it starts the updaters, reboots the hosts, and tells what happens. All
// of this is on the main goroutine, in the order in which things are told.
type show struct {
	*lab
	entries []entry // of the ledger, from the start of the hosts
	spans   []span  // for the timeline
	open    map[string]entry
	since   []time.Time // when each slot last changed hands
	// impatient is the host whose timer fires while it goes down.
	impatient *host
	failing   *host
	over      bool
}

func newShow(l *lab) *show {
	s := &show{lab: l, open: map[string]entry{}, since: make([]time.Time, len(l.account.locks.slots)),
		impatient: l.hosts[0], failing: l.hosts[slices.Index(hostNames, failing)]}
	l.tooLate = func(host string) error {
		l.account.tell(time.Now(), host, "lock_get", "asks; it says no: another host was faster")
		return nil
	}
	return s
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
		s.account.began = e.read
		return s.start(s.failing, s.failing.updater("run"))
	case s.account.began.IsZero():
		return nil
	case e.host == marker:
		s.over = true
		return nil
	}
	e.lock = s.account.locks.named(e, s.account.holders)
	s.entries = append(s.entries, e)
	switch e.kind {
	case acquire, release:
		return s.changed(e)
	case refuse:
		s.account.tell(e.read, e.host, "lock_get", "asks, and is refused")
	default:
		s.worked(e)
	}
	return nil
}

// changed handles a change of a slot or a flag.
func (s *show) changed(e entry) error {
	slot := slices.Index(s.account.locks.slots, e.lock)
	switch {
	case slot >= 0 && e.kind == acquire:
		return s.granted(e, slot)
	case slot >= 0:
		s.holds(slot, "", e.read)
		s.account.tell(e.read, e.host, "lock_release", "releases its slot")
	case e.kind == acquire:
		s.failing.asked = e.read
		s.account.tell(e.read, e.host, "", "raises its flag: the lock "+e.lock)
	default:
		s.account.tell(e.read, e.host, "lock_release", "lowers its flag")
	}
	return nil
}

// granted handles a yes of the server. The other hosts begin once the first one has a slot.
func (s *show) granted(e entry, slot int) error {
	i := slices.IndexFunc(s.hosts, func(h *host) bool { return h.name == e.host })
	if i < 0 {
		return fmt.Errorf("the server gave lock %s to %q, which is no host of this cluster", e.lock, e.host)
	}
	h := s.hosts[i]
	h.claimed = true
	s.waitsFor(h, waiting, e.read)
	text := "asks; the server says yes"
	if before := s.account.holders[slot]; before != "" {
		text += ", over " + before + "'s claim"
	}
	s.holds(slot, e.host, e.read)
	s.account.tell(e.read, e.host, "lock_get", text)
	if h != s.failing || h.failed {
		return nil
	}
	for _, other := range s.hosts {
		if other.process != nil {
			continue
		}
		if err := s.start(other, other.updater("run")); err != nil {
			return err
		}
	}
	return nil
}

// waitsFor notes what a host waits for from now on: a slot, or that others are fixed.
func (s *show) waitsFor(h *host, letter byte, at time.Time) {
	if h.waits != letter && h.waits != 0 {
		s.draw(h.name, h.waits, h.asked, at)
		h.asked = at
	}
	h.waits = letter
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

// holds notes which host has a slot from now on.
func (s *show) holds(slot int, host string, at time.Time) {
	if before := s.account.holders[slot]; before != "" {
		s.draw(s.account.locks.rows()[slot], before[len(before)-1], s.since[slot], at)
	}
	s.account.holders[slot], s.since[slot] = host, at
}

// draw adds something to the timeline.
func (s *show) draw(row string, letter byte, from, to time.Time) {
	began := s.account.began
	s.spans = append(s.spans, span{row, letter, from.Sub(began), to.Sub(began)})
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
			h.asked, h.waits = at, waiting
		}
	case "waiting for the lock":
		why, _, _ := strings.Cut(l.Why, " since ")
		switch {
		case s.account.locks.fleetLock && strings.HasPrefix(why, "held by another host"):
			why = "the server says no: all slots are held"
		case strings.HasPrefix(why, "all "):
			why = "both slots are held"
		}
		s.waitsFor(h, waiting, at)
		s.explains(h, at, why)
	case "waiting: the run may not begin":
		why, _, _ := strings.Cut(l.Why, " (since ")
		s.waitsFor(h, stopped, at)
		s.explains(h, at, why)
		s.mayNeedOperator()
	case "lock acquired":
		if h.waits != 0 {
			s.draw(h.name, h.waits, h.asked, at)
			text := "looks again: the slot is really its own"
			if s.account.locks.fleetLock {
				text = "asks again, and hears yes: the slot is its own"
			}
			s.account.tell(at, h.name, "lock_get", text)
		}
		h.claimed, h.waits = false, 0
	case "rebooting":
		h.down = true
	case "reboot pending":
		h.pending = true
		s.account.tell(at, h.name, "reboot", `"reboot pending": the updater does nothing`)
	default:
		if h != s.failing && (l.Level == "warn" || l.Level == "error") {
			s.account.tell(at, h.name, l.Stage, l.Level+": "+l.Message)
		}
	}
}

// explains tells why a host waits, unless it has been told already.
func (s *show) explains(h *host, at time.Time, why string) {
	text := "waits: " + why
	switch {
	case h.waits == stopped:
		text = why
	case h.claimed:
		text = "looks again: " + why + ", so it waits"
	}
	if h.claimed = false; why != h.said {
		h.said = why
		s.account.tell(at, h.name, "lock_get", text)
	}
}

// mayNeedOperator lets the operator come, once, when a host has failed and all others are done or stopped.
func (s *show) mayNeedOperator() {
	for _, h := range s.hosts {
		if h != s.failing && !h.finished && h.waits != stopped || h == s.failing && (!h.failed || h.visited) {
			return
		}
	}
	s.failing.visited = true
	time.AfterFunc(arrival, func() { s.post(s.fix) })
}

// fix is the operator's work.
func (s *show) fix() error {
	h := s.failing
	now := time.Now()
	s.draw(h.name, broken, h.asked, now)
	s.account.tell(now, h.name, "", "an operator makes room on its disk, types `run`")
	h.asked, h.waits = now, waiting
	if err := os.Remove(h.path("disk_full")); err != nil {
		return &failure{h, err}
	}
	return s.start(h, h.updater("run"))
}

// ended handles the end of an updater.
func (s *show) ended(h *host, err error) error {
	now := time.Now()
	switch {
	case h == s.failing && !h.failed && isExit(err, 1):
		h.failed = true
		if s.account.locks.fleetLock { // it has no flag to raise
			h.asked = now
		}
		s.account.tell(now, h.name, "", "stops, and keeps its slot: its run has failed")
		s.mayNeedOperator()
		return nil
	case err != nil:
		return &failure{h, fmt.Errorf("the updater ended with %w", err)}
	case !h.down:
		return s.finish(h)
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

// isExit reports whether a process ended with that exit code.
func isExit(err error, code int) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == code
}

// finish handles the end of a host's run.
func (s *show) finish(h *host) error {
	if err := h.check(); err != nil {
		return &failure{h, err}
	}
	h.finished = true
	s.mayNeedOperator()
	if slices.ContainsFunc(s.hosts, func(h *host) bool { return !h.finished }) {
		return nil
	}
	return s.ledger.mark(end)
}

// conclude shows the timeline and the proof.
func (s *show) conclude() error {
	rows := s.account.paintRows(timeline(s.spans, s.account.locks))
	s.account.say("\nWho did what when (a column is %s):\n\n%s", columnFor(s.spans), rows)
	v := prove(s.entries, s.account.locks)
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
