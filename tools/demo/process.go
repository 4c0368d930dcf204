package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	hookGrace = 3 * time.Second  // longer than any hook here takes
	killGrace = 12 * time.Second // the updater gives a hook 10 s between TERM and KILL
)

// process is a running child in a process group of its own. The demo never signals anything else.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and ended has been called
}

// start starts a child in a process group of its own, so that a Ctrl-C reaches only this program, which then ends its
// children in order. line gets each line that the child writes, and ended the error of its end; both are called on
// another goroutine. start must be called on the main goroutine (see init).
func start(cmd *exec.Cmd, line func(string), ended func(error)) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	p := &process{cmd, make(chan struct{})}
	go func() {
		defer r.Close()
		for lines := bufio.NewScanner(r); lines.Scan(); {
			line(lines.Text())
		}
		ended(cmd.Wait())
		close(p.done)
	}()
	return p, nil
}

// run runs a child to its end and returns its output. When stop is closed, run interrupts the child.
func run(cmd *exec.Cmd, stop <-chan struct{}) (string, error) {
	var text transcript
	var result error
	p, err := start(cmd, text.add, func(err error) { result = err })
	if err != nil {
		return "", err
	}
	select {
	case <-p.done:
	case <-stop:
		p.end()
		return text.String(), errors.New("interrupted")
	}
	return text.String(), result
}

// transcript collects lines, from any goroutine.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (t *transcript) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text.WriteString(line + "\n")
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// end ends a child with stronger and stronger signals, and returns when it has ended.
func (p *process) end() {
	for _, step := range []struct {
		signal syscall.Signal
		grace  time.Duration
	}{
		{syscall.SIGINT, hookGrace}, // the updater lets its hook finish
		{syscall.SIGINT, killGrace}, // the updater ends its hook
		{syscall.SIGKILL, killGrace},
	} {
		select {
		case <-p.done: // its pid may belong to another process by now
			return
		default:
		}
		// To the whole group, because go build's compilers are in it. An error means that the group has ended.
		_ = syscall.Kill(-p.cmd.Process.Pid, step.signal)
		select {
		case <-p.done:
			return
		case <-time.After(step.grace):
		}
	}
}
