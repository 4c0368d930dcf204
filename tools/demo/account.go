package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
)

// account tells what happens, line by line. It ignores write errors: SIGPIPE tells the program.
type account struct {
	out    io.Writer
	colour bool
	began  time.Time
	locks  locks
	// holders are the hosts that have the slots; empty: none.
	holders []string
}

func newAccount(out io.Writer, l locks) *account {
	file, ok := out.(*os.File)
	wanted := os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" // https://no-color.org
	return &account{out: out, locks: l, holders: make([]string, len(l.slots)),
		colour: wanted && ok && isatty.IsTerminal(file.Fd())}
}

// say writes a line that belongs to no host.
func (a *account) say(format string, args ...any) { fmt.Fprintf(a.out, format+"\n", args...) }

// wait says every few seconds that something takes long. The caller must not print anything until it has called stop.
func (a *account) wait(what string) (stop func()) {
	began, over, done := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-over:
				return
			case <-time.After(10 * time.Second):
				a.say("... %s for %s", what, time.Since(began).Round(time.Second))
			}
		}
	}()
	return func() { close(over); <-done }
}

// introduce explains the output.
func (a *account) introduce() {
	if a.locks.fleetLock {
		a.say(`
Five hosts of a cluster, web1 to web5. Three may be out of service at a time:
the group %s of the FleetLock server has as many slots, and each host asks for
one before it touches anything. The host that fails keeps its slot. That stops
nobody, so the others go on two at a time (max_failed needs Foreman's locks,
which can be looked at).

The server writes only what nobody else has changed since it looked: of all who
ask in the same %d ms it refuses all but one. A host asks again, %s later,
before it believes a yes. Who has a slot is from the server's record.

   s slots host stage`, lockName, raceWindow.Milliseconds(), settle)
		return
	}
	a.say(`
Five hosts of a cluster, web1 to web5. Two may be out of service at a time
(lock_slots = 2): each asks the server for one of the locks %s
before it touches anything. Once one has failed, no other begins
(max_failed = 1).

The server has the real one's flaw: it says yes to all who ask for a lock in
the same %d ms, and the last one wins. So a host looks again, %s later, before
it believes it.

   s slots host stage`, strings.Join(a.locks.slots, " and "), raceWindow.Milliseconds(), settle)
}

// tell writes a line about a host and its stage, with the holders of the slots by their numbers.
func (a *account) tell(at time.Time, host, stage, text string) {
	var holders []string
	for _, holder := range a.holders {
		number := "-"
		if holder != "" {
			number = holder[len(holder)-1:]
		}
		holders = append(holders, a.paint(holder, number))
	}
	a.say("%4.1f  %s  %s", at.Sub(a.began).Seconds(), strings.Join(holders, " "),
		a.paint(host, strings.TrimRight(fmt.Sprintf("%s %-12s %s", host, stage, text), " ")))
}

// paint gives text about a host the host's colour.
func (a *account) paint(host, text string) string {
	i := slices.Index(hostNames, host)
	if !a.colour || i < 0 {
		return text
	}
	colours := []int{36, 33, 35, 32, 34} // cyan, yellow, magenta, green, blue: readable on dark and light
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colours[i%len(colours)], text)
}

// paintRows paints the rows of a timeline, each in its host's colour.
func (a *account) paintRows(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if fields := strings.Fields(line); len(fields) > 0 {
			lines[i] = a.paint(fields[0], line)
		}
	}
	return strings.Join(lines, "\n")
}
