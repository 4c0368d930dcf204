package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// raceWindow is how long the server waits between "is it free?" and "it is yours". In that time it says yes to
// everybody.
const raceWindow = 75 * time.Millisecond

// lab is the temporary folder and everything that runs in it.
type lab struct {
	dir     string
	account *account
	ledger  *ledger
	url     string
	server  *process
	// serverLog is shown if something fails.
	serverLog transcript
	hosts     []*host
	// tooLate is told which host's request lost a race: the server's record has no line for that.
	tooLate func(host string) error
	// queue passes events to the main goroutine, which alone changes anything. Closing closed ends that.
	queue  chan func() error
	closed chan struct{}
}

func newLab(a *account) (*lab, error) {
	dir, err := os.MkdirTemp("", "foreman-dlm-updater-demo-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the demonstration: %w", err)
	}
	l := &lab{dir: dir, account: a, queue: make(chan func() error), closed: make(chan struct{})}
	if l.ledger, err = openLedger(filepath.Join(dir, "ledger")); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return l, nil
}

// post gives the main goroutine something to do. Once the lab closes, it is dropped.
func (l *lab) post(do func() error) {
	select {
	case l.queue <- do:
	case <-l.closed:
	}
}

// build builds the two programs. Its working files are in the folder too, and are removed with it.
func (l *lab) build(ctx context.Context) error {
	began := time.Now()
	standIn := "Foreman's lock server"
	if l.account.locks.fleetLock {
		standIn = "a FleetLock server"
	}
	l.account.say("Building foreman-dlm-updater and the stand-in for %s ...", standIn)
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", l.dir+"/",
		"foreman-dlm-updater/cmd/foreman-dlm-updater", "foreman-dlm-updater/cmd/dlm-sandbox")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOTMPDIR="+l.dir)
	stop := l.account.wait("still building,")
	text, err := run(cmd, ctx.Done())
	stop()
	if err != nil {
		return fmt.Errorf("build the programs: %w\n%s", err, text)
	}
	l.account.say("Built in %.1f s.", time.Since(began).Seconds())
	return nil
}

// serve starts the lock server, which picks a free port and makes a throw-away CA.
func (l *lab) serve(ctx context.Context) (err error) {
	cmd := exec.Command(l.program("dlm-sandbox"), "serve", "--dir", l.ca(), "--listen", "127.0.0.1:0",
		"--race-window", raceWindow.String(), "--record", l.ledger.path)
	if locks := l.account.locks; locks.fleetLock {
		cmd.Args = append(cmd.Args, "--fleetlock", "--group", fmt.Sprintf("%s=%d", lockName, len(locks.slots)))
	}
	cmd.Env = environment()
	listening := make(chan string, 1)
	l.server, err = start(cmd,
		func(line string) {
			l.serverLog.add(line)
			if url, ok := strings.CutPrefix(line, "listening on "); ok {
				listening <- url
			}
			if words := strings.Fields(line); strings.Contains(line, "pre-reboot") && strings.Contains(line, "(lost a race)") {
				l.post(func() error { return l.tooLate(words[1]) })
			}
		},
		func(err error) {
			close(listening)
			l.post(func() error { return fmt.Errorf("the lock server has ended: %v\n%s", err, l.serverLog.String()) })
		})
	if err != nil {
		return err
	}
	select {
	case url, ok := <-listening:
		if !ok {
			return fmt.Errorf("start the lock server: %s", l.serverLog.String())
		}
		l.url = url
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// addHosts makes the hosts, and the locks.
func (l *lab) addHosts(ctx context.Context) error {
	flag := "--foreman-url"
	if l.account.locks.fleetLock {
		flag = "--fleetlock-url"
	}
	args := append([]string{"issue", "--dir", l.ca(), flag, l.url}, hostNames...)
	issue := exec.Command(l.program("dlm-sandbox"), args...)
	issue.Env = environment()
	text, err := run(issue, ctx.Done())
	if err != nil {
		return fmt.Errorf("issue certificates: %w\n%s", err, text)
	}
	for _, block := range strings.Split(strings.TrimPrefix(text, "# "), "\n# ") {
		name, settings, _ := strings.Cut(block, "\n")
		h := &host{name: name, dir: filepath.Join(l.dir, name), lab: l}
		if err := h.create(settings); err != nil {
			return err
		}
		l.hosts = append(l.hosts, h)
	}
	if l.account.locks.fleetLock {
		return nil
	}
	for _, name := range slices.Concat(l.account.locks.slots, l.account.locks.flags) {
		if err := l.makeLock(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// makeLock makes a lock, as an administrator should: two first claims at the same time would break the lock's name in
// Foreman. Foreman makes it when a host asks for it.
func (l *lab) makeLock(ctx context.Context, name string) error {
	h := l.hosts[0]
	config, err := os.ReadFile(h.path("config.ini"))
	if err != nil {
		return fmt.Errorf("make lock %s: %w", name, err)
	}
	alone := strings.NewReplacer("lock_name = "+lockName+"\n", "lock_name = "+name+"\n",
		"lock_slots = ", "; ", "max_failed = ", "; ").Replace(string(config))
	if err := h.write("lock.ini", alone, 0o644); err != nil {
		return err
	}
	for _, verb := range []string{"acquire", "release"} {
		cmd := exec.Command(l.program("foreman-dlm-updater"), "--config", h.path("lock.ini"), "lock", verb)
		cmd.Env = environment()
		if text, err := run(cmd, ctx.Done()); err != nil {
			return fmt.Errorf("make lock %s: %w\n%s", name, err, text)
		}
	}
	return nil
}

func (l *lab) program(name string) string { return filepath.Join(l.dir, name) }
func (l *lab) ca() string                 { return filepath.Join(l.dir, "ca") }

// environment is the environment of all programs, without the caller's settings, proxies or systemd's variables.
func environment(extra ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}, extra...)
}

// close ends the hosts' programs, then the server, which they need to release the lock, and removes the folder.
func (l *lab) close() error {
	close(l.closed)
	for _, h := range l.hosts {
		if h.process != nil {
			h.process.end()
		}
	}
	if l.server != nil {
		l.server.end()
	}
	l.ledger.close()
	if err := os.RemoveAll(l.dir); err != nil {
		return fmt.Errorf("remove the demonstration's folder: %w", err)
	}
	return nil
}
