// Command demo shows the main job of foreman-dlm-updater: five hosts want to update, two may at a time, one fails and
// stops the rest, an operator fixes it, and the rest go on. The hosts are folders with hooks, their reboots are
// simulated, and the lock server is dlm-sandbox. The programs are the real ones; the demo builds them. At the end it
// proves that no more than two hosts were in guarded stages at the same time, and that none began while the failed one
// was not fixed, or fails. With the argument fleetlock the server is a FleetLock server with three slots, and the rest
// go on beside the failed host.
//
// It needs Go and /bin/sh, takes half a minute once the Go cache is warm, and leaves nothing behind: everything is in
// one temporary folder. It is a show, not a test suite: little goes wrong.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// timeLimit limits the show, counted from the start of the hosts.
const timeLimit = time.Minute

func init() {
	// Children get a signal when the thread that started them ends (PR_SET_PDEATHSIG, prctl(2)). So main stays on the main
	// thread, which lives as long as the program.
	runtime.LockOSThread()
}

func main() {
	// With SIGPIPE caught, a reader that goes away (`| head`) causes a write error instead of ending the program at once.
	ctx, stop := signal.NotifyContext(context.Background(),
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	if err := demo(ctx, os.Stdout, strings.Join(os.Args[1:], " ")); err != nil {
		fmt.Fprintf(os.Stderr, "demo: error: %v\n", err)
		os.Exit(1)
	}
}

// demo sets up, shows and cleans up.
func demo(ctx context.Context, out io.Writer, server string) (err error) {
	locks, err := locksOf(server)
	if err != nil {
		return err
	}
	a := newAccount(out, locks)
	l, err := newLab(a)
	if err != nil {
		return err
	}
	defer func() {
		if ctx.Err() != nil {
			a.say("Interrupted: what runs is ended, which takes a moment.")
			err = errors.New("interrupted")
		}
		err = errors.Join(err, l.close())
	}()
	if err := l.build(ctx); err != nil {
		return err
	}
	if err := l.serve(ctx); err != nil {
		return err
	}
	if err := l.addHosts(ctx); err != nil {
		return err
	}
	a.introduce()
	s := newShow(l)
	err = s.play(ctx)
	if err == nil {
		err = s.conclude()
	}
	if err != nil && ctx.Err() == nil {
		s.showLogs(err)
	}
	return err
}
