// Package logging sets up the program's hclog logger: where it goes, in which format, and that nothing
// that is logged can pretend to be another line or reach a terminal raw.
//
// It decides nothing about what is logged.
package logging

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/mattn/go-isatty"
	"golang.org/x/sys/unix"
)

const (
	textTime     = "2006-01-02T15:04:05.000Z07:00"
	terminalTime = "15:04:05"
)

// Options says where the log goes.
type Options struct {
	File      string   // the log file; empty: none
	Retention int      // how many files of earlier days are kept; 0: all
	Level     string   // as ParseLevel takes it
	JSON      bool     // one JSON object a line; a terminal gets text nevertheless
	Stderr    *os.File // used on a terminal, under systemd's journal, and if there is no File; nil: os.Stderr
	Terminal  bool     // Stderr is a terminal (see Detect)
	Journal   bool     // Stderr is the journal (see Detect)
	Blocking  bool     // logging waits for Stderr, if need be for ever; for commands that talk to a person. Needs no Close

	now func() time.Time // the clock, for tests; nil: time.Now
}

// Outputs are where a logger writes. Each has a queue and a goroutine of its own (but with Options.Blocking): to log
// never blocks, and an output that hangs delays no other. A line that finds 1 MiB queued for an output is lost there; the
// next one that gets through says how many were.
type Outputs struct{ sinks []sink }

// Wait is for whoever may log as much as a hook writes, and can be held up; call it after each line. It waits while more
// than half of an output's queue is taken, unless the output has taken nothing for 3 s. So a slow reader gets every line,
// and one that does not read at all holds nobody up.
func (o *Outputs) Wait() {
	for _, s := range o.sinks {
		if s.queue != nil {
			s.queue.wait()
		}
	}
}

// Close writes what is queued and closes the outputs; what is logged later is lost. It waits 30 s for all outputs
// together, and no longer than 3 s for one that takes nothing. One that has not taken everything by then is left
// alone: to close it could hang, too.
func (o *Outputs) Close() error {
	deadline := time.Now().Add(mostClosing)
	var errs []error
	for _, s := range o.sinks {
		errs = append(errs, s.close(deadline))
	}
	return errors.Join(errs...)
}

// New opens the outputs and returns a logger that may be used concurrently. Closing is for the end.
//
// A level that there is not, or a file that can't be opened, is an error which names it. Later no output stops the
// program: lines that a full disk doesn't take are lost, which Stderr is told once. So are lines that nobody reads (a
// full pipe, a journal or a file system that hangs).
func New(o Options) (hclog.Logger, *Outputs, error) {
	level, err := ParseLevel(o.Level)
	if err != nil {
		return nil, nil, err
	}
	if o.now == nil {
		o.now = time.Now
	}
	if o.Stderr == nil {
		o.Stderr = os.Stderr
	}
	// A write to descriptor 1 or 2 that finds a closed pipe kills a Go program (os/signal, SIGPIPE), and a
	// journal that was restarted is such a pipe. On any other descriptor it is an error like others.
	fd, err := unix.FcntlInt(o.Stderr.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, nil, fmt.Errorf("duplicate standard error: %w", err)
	}
	stderr := os.NewFile(uintptr(fd), o.Stderr.Name())

	// The root writes nothing, but has the level and the names and pairs of derived loggers; the sinks write.
	root := hclog.NewInterceptLogger(&hclog.LoggerOptions{
		Level: level, Output: io.Discard, Exclude: func(hclog.Level, string, ...interface{}) bool { return true },
	})
	screen := o.output(root, stderr, o.screen)
	if o.File == "" || o.Terminal || o.Journal {
		root.RegisterSink(screen)
	}
	if o.File == "" {
		return root, &Outputs{[]sink{screen}}, nil
	}
	file, err := o.openFile(func(err error) {
		screen.Accept("", hclog.Error, "log file is in trouble; lines may be missing from it", "error", err)
	})
	if err != nil {
		_ = screen.close(time.Now().Add(unread))
		return nil, nil, err
	}
	lines := o.output(root, file, o.plain)
	root.RegisterSink(lines)
	return root, &Outputs{[]sink{lines, screen}}, nil // the file first: its trouble is told on the screen
}

// openFile opens the log file, if that takes no longer than a busy disk may need.
func (o Options) openFile(report func(error)) (*daily, error) {
	type result struct {
		file *daily
		err  error
	}
	opened := make(chan result, 1)
	go func() {
		defer func() {
			if mistake := recover(); mistake != nil {
				opened <- result{nil, internalError(mistake)}
			}
		}()
		file, err := openDaily(o.File, o.Retention, o.now, report)
		opened <- result{file, err}
	}()
	timer := time.NewTimer(mostOpening)
	defer timer.Stop()
	select {
	case r := <-opened:
		return r.file, r.err
	case <-timer.C:
		return nil, fmt.Errorf("open log file %s: not finished within %s, as if its disk hung", o.File, mostOpening)
	}
}

// mostOpening bounds how long the log file's disk may take to open it.
const mostOpening = 10 * time.Second

// output is a sink that writes to out in a format.
func (o Options) output(root hclog.Logger, out io.WriteCloser, format func(io.Writer) *hclog.LoggerOptions) sink {
	if o.Blocking {
		return sink{hclog.NewSinkAdapter(format(out)), root, nil}
	}
	q := newQueue(out)
	return sink{hclog.NewSinkAdapter(format(q)), root, q}
}

// plain is the format for a file.
func (o Options) plain(out io.Writer) *hclog.LoggerOptions {
	return &hclog.LoggerOptions{Level: hclog.Trace, Output: out, JSONFormat: o.JSON, TimeFormat: o.timeFormat(), TimeFn: o.now}
}

// timeFormat is the time in a file: ISO 8601 with the zone. JSON has hclog's own, with microseconds.
func (o Options) timeFormat() string {
	if o.JSON {
		return hclog.TimeFormatJSON
	}
	return textTime
}

// screen is the format for standard error: the journal has its own clock, who sits at a terminal knows the day.
func (o Options) screen(stderr io.Writer) *hclog.LoggerOptions {
	opts := o.plain(stderr)
	switch {
	case o.Journal:
		opts.Output = journal{stderr}
		opts.DisableTime = true
	case o.Terminal:
		opts.JSONFormat = false
		opts.TimeFormat = terminalTime
		if os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" { // https://no-color.org
			opts.Color, opts.ColorHeaderOnly = hclog.ForceColor, true
		}
	}
	return opts
}

// Detect reports whether f is a terminal, and whether it is the journal's stream: systemd puts that one's
// device and inode into JOURNAL_STREAM (systemd.exec(5)), which a program started with its
// output elsewhere inherits as well, hence the comparison.
func Detect(f *os.File) (terminal, journal bool) {
	var dev, ino uint64
	if n, _ := fmt.Sscanf(os.Getenv("JOURNAL_STREAM"), "%d:%d", &dev, &ino); n == 2 {
		if info, err := f.Stat(); err == nil {
			stat := info.Sys().(*syscall.Stat_t)
			journal = uint64(stat.Dev) == dev && stat.Ino == ino
		}
	}
	return isatty.IsTerminal(f.Fd()), journal
}

// ParseLevel takes the names that Python's logging has for levels and hclog's own, in any case; empty is
// INFO. hclog has nothing above ERROR, so CRITICAL is that.
func ParseLevel(name string) (hclog.Level, error) {
	switch strings.ToUpper(name) {
	case "TRACE":
		return hclog.Trace, nil
	case "DEBUG":
		return hclog.Debug, nil
	case "INFO", "":
		return hclog.Info, nil
	case "WARNING", "WARN":
		return hclog.Warn, nil
	case "ERROR", "CRITICAL":
		return hclog.Error, nil
	}
	return hclog.NoLevel, fmt.Errorf("log level %q: not one of DEBUG, INFO, WARNING, ERROR, CRITICAL, TRACE", name)
}
