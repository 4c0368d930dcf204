// Package process runs a command and follows it to its end: its environment, its output line by line, its time limit,
// and how it ended. It doesn't know what a hook is for.
package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

const (
	defaultGrace  = 10 * time.Second
	defaultLinger = 5 * time.Second
	killed        = time.Second           // how long a process may take to be gone after KILL
	lastWords     = time.Second           // how long the log may take for the rest once a process was ended
	groupPoll     = 10 * time.Millisecond // how often to check whether a process group is gone
)

// Runner runs commands. Its fields must not change while it runs one; it may run several at once.
type Runner struct {
	Log     hclog.Logger    // must not block
	Level   hclog.Level     // of a hook's begin, end and output in the log; 0: info
	Timeout time.Duration   // after this time the process group is ended; 0: never
	Kill    context.Context // once it is done the process group is ended; nil: never
	Grace   time.Duration   // between TERM and KILL; 0: 10 s
	Linger  time.Duration   // from the exit until output held open by others is closed; 0: 5 s
	Input   []byte          // what it reads from standard input; nil: nothing, it is /dev/null
	// Wait is called after each line that the process writes, and may block until its context is done. That slows a
	// process that writes faster than the log can take it, but delays neither Timeout nor Kill. Nil: nothing waits for the
	// log.
	Wait func(context.Context)

	noPidfd bool // as on a kernel without pidfds; for tests
}

// Result is how a process ended.
type Result struct {
	Exit     int            // its exit code; -1 if it has none: ended by a signal, or never started
	Signal   syscall.Signal // the signal that ended it; 0: none
	TimedOut bool           // ended by us after Runner.Timeout, whatever its exit code
	Killed   bool           // ended by us, or not started, because of Runner.Kill
	Err      error          // why it, or a command that it calls, could not be executed
	Duration time.Duration  // until its exit; if it timed out, until it was told to end
	Last     []string       // the last 40 lines of its output, as logged, each cut to a few hundred characters
	Notes    []string       // the notes on its standard output: the first 8, each cut to a few hundred characters
	Said     string         // the last line of its standard error, as logged, cut to a sentence's length; empty if none
}

// OK reports whether it was executed, ended by itself and had exit code 0.
func (r Result) OK() bool {
	return r.Exit == 0 && r.Signal == 0 && !r.TimedOut && !r.Killed && r.Err == nil
}

// String is what happened, as the end of a sentence: "exit 100", "killed by SIGKILL".
func (r Result) String() string {
	switch {
	case r.Err != nil && r.Exit >= 0:
		return fmt.Sprintf("exit %d: %v", r.Exit, r.Err)
	case r.Err != nil:
		return "cannot be executed: " + r.Err.Error()
	case r.TimedOut:
		return "timed out after " + Round(r.Duration).String()
	case r.Killed:
		return "ended on request"
	case r.Signal != 0:
		return "killed by " + unix.SignalName(r.Signal)
	}
	return fmt.Sprintf("exit %d", r.Exit)
}

// Task is what a Runner runs, and what the log calls it.
type Task struct {
	Kind, Name string   // "hook", "10-apt": the key and the value that name it in the log
	Argv       []string // its file (one without a slash is looked for in its PATH), and its arguments
	Env        []string // KEY=VALUE pairs, added to the environment of this process
}

// Command runs a command line as a task. The log calls it by name.
func (r *Runner) Command(name string, argv []string) Result {
	r.Log.Debug("command started", "command", name, "argv", argv)
	res := r.Run(Task{Kind: "command", Name: name, Argv: argv})
	r.Log.Info("command ended", "command", name,
		"result", res.String(), "exit", res.Exit, "duration", Round(res.Duration).String())
	return res
}

// Round shortens a duration for people.
func Round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Second / 10)
}

// Run executes the task's file and blocks until the process has ended. It logs the output while the process runs. A log
// that nobody reads delays neither Timeout nor Kill: Run returns a few seconds after them.
func (r *Runner) Run(task Task) Result {
	if len(task.Argv) == 0 {
		return Result{Exit: -1, Err: errors.New("empty command line")}
	}
	env := environment(os.Environ(), task.Env, self())
	path, err := LookPath(task.Argv[0], env)
	if err != nil {
		return Result{Exit: -1, Err: err}
	}
	if r.Kill != nil && r.Kill.Err() != nil {
		return Result{Exit: -1, Killed: true}
	}
	input, err := r.input()
	if err != nil {
		return Result{Exit: -1, Err: err}
	}
	defer input.Close()
	waits, giveUp := r.waitsForLog()
	defer giveUp()
	out, ends, err := newOutput(func(stream, line string) {
		r.Log.Log(cmp.Or(r.Level, hclog.Info), "output", task.Kind, task.Name, "stream", stream, "line", line)
		if r.Wait != nil {
			r.Wait(waits)
		}
	})
	if err != nil {
		return Result{Exit: -1, Err: err}
	}
	cmd := &exec.Cmd{
		Path: path, Args: task.Argv, Dir: "/", Env: env,
		Stdin: input, Stdout: ends[0], Stderr: ends[1], // files, so that exec copies nothing
		// A session of its own has no terminal: reading /dev/tty is an error then. In our session the task would be in
		// the background, and reading would stop it (SIGTTIN).
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if !r.noPidfd {
		cmd.SysProcAttr.PidFD = &out.pidfd
	}
	began := time.Now()
	err = start(cmd)
	closeAll(ends)
	if err != nil {
		out.close()
		return Result{Exit: -1, Err: explain(path, err), Duration: time.Since(began)}
	}
	p := &process{cmd: cmd, out: out, began: began}
	p.await()
	warn := func(text string, pairs ...any) {
		r.Log.Warn(text, append([]any{task.Kind, task.Name}, pairs...)...)
	}
	defer r.guard(p, warn)()
	if linger := orDefault(r.Linger, defaultLinger); !out.follow(p, linger) {
		warn("left a process behind that holds its output open; the output was closed", "waited", linger.String())
	}
	res := ended(p.res, cmd.ProcessState)
	res.Said, res.Last, res.Notes = out.said(), out.tail.lines(), out.notes
	return res
}

// waitsForLog returns a context for Wait. It is done once the process must be gone and the log has had its time. The
// caller must call the function when the process has ended.
func (r *Runner) waitsForLog() (context.Context, context.CancelFunc) {
	ctx, giveUp := context.WithCancel(context.Background())
	if r.Wait == nil {
		return ctx, giveUp
	}
	most := orDefault(r.Grace, defaultGrace) + killed + lastWords
	stopTimer, stopKill := func() bool { return true }, func() bool { return true }
	if r.Timeout > 0 {
		stopTimer = time.AfterFunc(r.Timeout+most, giveUp).Stop
	}
	if r.Kill != nil {
		stopKill = context.AfterFunc(r.Kill, func() { time.AfterFunc(most, giveUp) })
	}
	return ctx, func() { stopTimer(); stopKill(); giveUp() }
}

// input is a file that holds Input: a process that does not read it blocks nobody.
func (r *Runner) input() (*os.File, error) {
	if r.Input == nil {
		return os.Open(os.DevNull)
	}
	fd, err := unix.MemfdCreate("input", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create a file in memory for standard input: %w", err)
	}
	file := os.NewFile(uintptr(fd), "input")
	if _, err = file.WriteAt(r.Input, 0); err != nil {
		file.Close()
		return nil, fmt.Errorf("write standard input: %w", err)
	}
	return file, nil
}

// process is a process that was started, and how far it has come.
type process struct {
	cmd   *exec.Cmd
	out   *output
	began time.Time

	phase  atomic.Int32 // one of the constants below
	reaped atomic.Bool
	res    Result // written by whoever moves phase on from running
}

// The phases of a process. Only one of exit and guard moves it on from running.
const (
	running int32 = iota
	ending        // the guard is ending its group
	finished
)

// await makes sure that reap is called when the process has exited: by follow, or by a goroutine where the kernel has
// no pidfds (before Linux 5.4).
func (p *process) await() {
	if p.out.pidfd >= 0 && p.out.watch(p.out.pidfd) == nil {
		return
	}
	go func() {
		p.reap()
		p.out.nudge()
	}()
}

// reap waits for the process. The error is not needed: ProcessState says as much.
func (p *process) reap() {
	_ = p.cmd.Wait()
	p.reaped.Store(true)
}

// over reports whether the process has exited and the guard is not ending its group.
func (p *process) over() bool {
	if !p.reaped.Load() {
		return false
	}
	if p.phase.CompareAndSwap(running, finished) {
		p.res.Duration = time.Since(p.began)
	}
	return p.phase.Load() == finished
}

// guard ends the process when its time is over or Kill is done, and logs it. off ends the guard.
func (r *Runner) guard(p *process, warn func(text string, pairs ...any)) (off func()) {
	pgid := p.cmd.Process.Pid
	end := func(because Result) {
		if !p.phase.CompareAndSwap(running, ending) {
			return
		}
		because.Duration = time.Since(p.began)
		p.res = because
		_ = syscall.Kill(-pgid, syscall.SIGTERM) // an error means that it is gone already
		_ = syscall.Kill(-pgid, syscall.SIGCONT) // a stopped process gets TERM only now
		warn("ending the process group", "pgid", pgid, "after", Round(because.Duration).String(), "timeout", because.TimedOut)
		r.killRest(pgid)
		p.phase.Store(finished)
		p.out.nudge()
	}
	stopTimer, stopKill := func() bool { return true }, func() bool { return true }
	if r.Timeout > 0 {
		stopTimer = time.AfterFunc(r.Timeout, func() { end(Result{TimedOut: true}) }).Stop
	}
	if r.Kill != nil {
		stopKill = context.AfterFunc(r.Kill, func() { end(Result{Killed: true}) })
	}
	return func() { stopTimer(); stopKill() }
}

// killRest sends KILL to the rest of the process group after the grace. The kernel does not tell when a group becomes
// empty, so killRest looks now and then: the leader may have ended long before the rest.
func (r *Runner) killRest(pgid int) {
	grace := orDefault(r.Grace, defaultGrace)
	if !groupGone(pgid, grace) {
		_ = syscall.Kill(-pgid, syscall.SIGKILL)
		groupGone(pgid, min(grace, killed)) // so that none of them runs beside the next hook
	}
}

// groupGone waits until no process of the group is left, for at most limit, and reports whether all are gone. A zombie
// still counts: whoever is its parent now should reap it soon.
func groupGone(pgid int, limit time.Duration) bool {
	poll := time.NewTicker(groupPoll)
	defer poll.Stop()
	over := time.NewTimer(limit)
	defer over.Stop()
	for {
		if errors.Is(syscall.Kill(-pgid, 0), syscall.ESRCH) {
			return true
		}
		select {
		case <-poll.C:
		case <-over.C:
			return false
		}
	}
}

// ended adds the exit code or the signal to res.
func ended(res Result, state *os.ProcessState) Result {
	status := state.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		res.Exit, res.Signal = -1, status.Signal()
		return res
	}
	res.Exit = status.ExitStatus()
	if !res.TimedOut && !res.Killed {
		res.Err = exitError(res.Exit)
	}
	return res
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// start starts cmd with the umask 022. Of our descriptors it gets only the three that cmd names.
//
// The umask belongs to the whole process, and os/exec can't set it for the child alone. Setting it and setting it back
// would race with whoever creates a file at that moment. So it is set for good, to the value that main sets too. (A
// thread of its own, with unshare(2), would work, but costs more than everything else that is done here.)
//
// Go opens every file close-on-exec. Descriptors that we inherited are not, such as the lock of a flock(1) around us,
// and a daemon that a hook starts would keep them. Marking them close-on-exec is always harmless.
func start(cmd *exec.Cmd) error {
	unix.Umask(0o022)
	_ = unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC) // needs Linux 5.11
	return cmd.Start()
}

// LookPath finds the file of a command in the absolute directories of env's PATH.
func LookPath(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	var path string
	for _, entry := range env {
		if value, ok := strings.CutPrefix(entry, "PATH="); ok {
			path = value
		}
	}
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		info, err := os.Stat(file)
		if filepath.IsAbs(dir) && err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("command %q not found in PATH %q", name, path)
}
