package chaos

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// server is the lock server, which is killed and started again at the same address, with the locks that its record
// says.
type server struct {
	dir, ledger, program string
	window               string // how long it dwells between check and write, if it is Foreman
	lock                 lockServer
	slots                int // of a FleetLock server
	mu                   sync.Mutex
	url                  string
	cmd                  *exec.Cmd
	heard                func(line string) // called with each line about a request, if set
}

// lockServer is a kind of lock server.
type lockServer string

const (
	plainForeman   lockServer = "foreman"
	guardedForeman lockServer = "guarded"
	fleetLock      lockServer = "fleetlock" // as airlock
)

// misfortunes are what goes wrong with requests, a handful at a time: METHOD:KIND:TIMES:DELAY.
var misfortunes = map[lockServer][]string{plainForeman: inForeman, guardedForeman: inForeman, fleetLock: {
	"any:delay:6:60ms", "any:delay-answer:4:60ms", "pre-reboot:drop-before:1", "pre-reboot:drop-after:1",
	"steady-state:drop-after:1", "pre-reboot:error-before:1", "pre-reboot:error-after:1", "steady-state:error-after:1",
	"steady-state:error-before:1", "any:unavailable:2", "pre-reboot:html:1", "steady-state:html:1", "any:redirect:1",
	"pre-reboot:empty-body:1", "any:huge:1", "pre-reboot:draining:2", "steady-state:early-release:2:60ms",
	"pre-reboot:hang-after:1", "steady-state:hang-before:1",
}}

var inForeman = []string{
	"any:delay:6:60ms", "any:delay-answer:4:60ms", "get:drop-before:2", "put:drop-before:1",
	"put:drop-after:1", "delete:drop-after:1", "put:error-before:1", "put:error-after:1", "delete:error-after:1",
	"get:unavailable:2", "put:html:1", "get:html:1", "put:wrong-name:1", "put:no-holder:1", "put:empty-body:1",
	"delete:empty-body:1", "get:json-array:1", "get:huge:1", "put:hang-after:1", "delete:hang-before:1",
}

// start starts the server, with so many of the misfortunes.
func (s *server) start(trouble int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	address := "127.0.0.1:0"
	if s.url != "" {
		address = strings.TrimPrefix(s.url, "https://")
	}
	args := slices.Concat([]string{"--listen", address, "--restore"}, s.kind(), someOf(misfortunes[s.lock], trouble))
	if s.lock != fleetLock {
		args = append(args, "--contention", "40ms")
	}
	return s.serve(args)
}

// kind are the flags for the kind of lock server.
func (s *server) kind() []string {
	switch s.lock {
	case fleetLock:
		return []string{"--fleetlock", "--group", fmt.Sprintf("web=%d", s.slots)}
	case guardedForeman:
		return []string{"--guarded"}
	}
	return nil
}

// someOf are the flags for n of the faults, at random.
func someOf(faults []string, n int) (flags []string) {
	for _, i := range rand.Perm(len(faults))[:n] {
		flags = append(flags, "--fault", faults[i])
	}
	return flags
}

// serve runs it with these flags. It returns when the server listens. The caller holds mu.
func (s *server) serve(args []string) error {
	s.cmd = exec.Command(s.program, append([]string{"serve", "--dir", filepath.Join(s.dir, "ca"),
		"--race-window", s.window, "--record", s.ledger}, args...)...)
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	s.cmd.Stderr = s.cmd.Stdout
	if err := s.cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	for said := ""; lines.Scan(); said += lines.Text() + "\n" {
		if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			s.url = url
			go func() { // it must not wait for a reader
				for lines.Scan() {
					if s.heard != nil {
						s.heard(lines.Text())
					}
				}
			}()
			return nil
		}
	}
	return fmt.Errorf("the lock server didn't start: %v, %v", s.cmd.Args, s.cmd.Wait())
}

// kill ends it on the spot: what it has not answered never happened, or is in its record.
func (s *server) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}
