package process

import (
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Caller is what a command gets from whoever started this program, as if they had started the command themselves.
type Caller struct {
	Files [3]*os.File // standard input, output and error
	Umask int
	// Ignored are signals that were ignored when this program started: by nohup(1), or by a shell for a job in the
	// background.
	Ignored []os.Signal
}

// forwarded are the signals that Foreground passes on.
var forwarded = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1,
	syscall.SIGUSR2}

// Signals returns a channel of the signals that Foreground passes on. Ignored ones stay ignored, for the command too.
func (c Caller) Signals() <-chan os.Signal {
	if len(c.Ignored) > 0 { // without arguments, Ignore means all signals
		signal.Ignore(c.Ignored...)
	}
	heard := make(chan os.Signal, 16)
	for _, s := range forwarded {
		if !slices.Contains(c.Ignored, s) {
			signal.Notify(heard, s)
		}
	}
	return heard
}

// Foreground runs the file of a command with the caller's terminal, directory and environment, to which it adds env,
// and waits for its end. Signals are passed on. It calls started with the command's pid.
//
// The command stays in this program's process group. So a pipeline that this program is part of keeps the terminal, and
// Ctrl-C and Ctrl-Z reach the command by themselves: Ctrl-Z stops both, and the shell continues both.
func (c Caller) Foreground(path string, argv, env []string, signals <-chan os.Signal, started func(pid int)) Result {
	cmd := &exec.Cmd{Path: path, Args: argv, Env: append(os.Environ(), env...),
		Stdin: c.Files[0], Stdout: c.Files[1], Stderr: c.Files[2]}
	began := time.Now()
	before := unix.Umask(c.Umask)
	err := cmd.Start()
	unix.Umask(before)
	if err != nil {
		return Result{Exit: -1, Err: explain(path, err)}
	}
	started(cmd.Process.Pid)
	ended, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case s := <-signals:
				if !fromKeyboard(s) {
					_ = cmd.Process.Signal(s) // an error means that it is gone
				}
			case <-ended:
				return
			}
		}
	}()
	_ = cmd.Wait() // ProcessState says as much
	close(ended)
	<-stopped
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	res := Result{Exit: status.ExitStatus(), Duration: time.Since(began)}
	if status.Signaled() {
		res.Exit, res.Signal = -1, status.Signal()
	}
	return res
}

// fromKeyboard reports whether a signal probably comes from the keyboard: then the terminal has sent it to the command
// too, and a second one could mean "at once". Go does not tell who sent a signal.
func fromKeyboard(s os.Signal) bool {
	return (s == syscall.SIGINT || s == syscall.SIGQUIT) && inForeground()
}

// inForeground reports whether this program's process group is the one that a terminal's keyboard reaches.
func inForeground() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
