// Package logging sets up the program's hclog logger: where the log goes, and in which format. It makes sure that no
// text can pretend to be another log line, or reach a terminal unescaped.
//
// It does not decide what is logged.
package logging

import (
	"context"
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
	Retention int      // how many files of earlier days to keep; 0: all
	Level     string   // as ParseLevel takes it
	JSON      bool     // one JSON object per line; a terminal still gets text
	Stderr    *os.File // used on a terminal, under systemd's journal, and if there is no File; nil: os.Stderr
	Terminal  bool     // Stderr is a terminal (see Detect)
	Journal   bool     // Stderr is the journal (see Detect)
	// Patient is for commands that talk to a person, who may read with a pager: until it is done, Wait and Close also wait
	// for an output that takes nothing. After that, or if it is nil, they wait 3 s for such an output.
	Patient context.Context
	// Edit changes each message (with the key ""), and each value that is a text or an error, before it is logged. Nil:
	// nothing is changed.
	Edit func(key, text string) string

	now func() time.Time // the clock, for tests; nil: time.Now
}

// Outputs are where a logger writes. Each has a queue and a goroutine of its own: logging never blocks, and an output
// that hangs delays no other. If 1 MiB is queued for an output, the next line is lost there; the first line that gets
// through again says how many were lost.
type Outputs struct{ sinks []*sink }

// Wait is for callers that log as much as a hook writes, and may be delayed until ctx is done; call it after each line.
// It waits while an output's queue is more than half full, unless the output has taken nothing for 3 s (but see
// Options.Patient). So a slow reader gets every line, and one that does not read at all delays nobody.
func (o *Outputs) Wait(ctx context.Context) {
	for _, s := range o.sinks {
		s.queue.wait(ctx)
	}
}

// Close writes what is queued and closes the outputs; what is logged later is lost. It waits at most 30 s for all
// outputs together, and at most 3 s for one that takes nothing (but see Options.Patient). An output that has not taken
// everything by then is given up, not closed: closing it could hang too.
func (o *Outputs) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), mostClosing)
	defer cancel()
	var errs []error
	for _, s := range o.sinks {
		errs = append(errs, s.close(ctx))
	}
	return errors.Join(errs...)
}

// New opens the outputs and returns a logger that is safe for concurrent use. Close the outputs at the end.
//
// An unknown level, or a file that can't be opened, is an error that names it. After that, no output stops the program:
// lines that a full disk doesn't take are lost, and Stderr says so once. Lines that nobody reads are lost too (a full
// pipe, a journal or a file system that hangs).
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

	// The root writes nothing: it keeps the level, and the names and pairs of derived loggers. The sinks write.
	root := hclog.NewInterceptLogger(&hclog.LoggerOptions{
		Level: level, Output: io.Discard, Exclude: func(hclog.Level, string, ...interface{}) bool { return true },
	})
	screen := o.output(root, stderr, o.screen)
	if o.File == "" || o.Terminal || o.Journal {
		root.RegisterSink(screen)
	}
	if o.File == "" {
		return root, &Outputs{[]*sink{screen}}, nil
	}
	file, err := o.openFile(func(err error) {
		screen.Accept("", hclog.Error, "log file is in trouble; lines may be missing from it", "error", err)
	})
	if err != nil {
		_ = screen.close(context.Background())
		return nil, nil, err
	}
	lines := o.output(root, file, o.plain)
	root.RegisterSink(lines)
	return root, &Outputs{[]*sink{lines, screen}}, nil // the file first: its errors go to the screen
}

// openFile opens the log file, unless that takes longer than a busy disk may need.
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

// mostOpening limits how long opening the log file may take.
const mostOpening = 10 * time.Second

// output makes a sink that writes to out in a format.
func (o Options) output(root hclog.Logger, out io.WriteCloser, format func(io.Writer) *hclog.LoggerOptions) *sink {
	q := newQueue(out, o.Patient)
	return &sink{hclog.NewSinkAdapter(format(q)), root, q, o.Edit}
}

// plain is the format for a file.
func (o Options) plain(out io.Writer) *hclog.LoggerOptions {
	return &hclog.LoggerOptions{
		Level: hclog.Trace, Output: out, JSONFormat: o.JSON, TimeFormat: o.timeFormat(), TimeFn: o.now,
	}
}

// timeFormat is the format of times in a file: ISO 8601 with the zone. JSON uses hclog's own, with microseconds.
func (o Options) timeFormat() string {
	if o.JSON {
		return hclog.TimeFormatJSON
	}
	return textTime
}

// screen is the format for standard error: the journal has its own clock, and whoever sits at a terminal knows the day.
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

// Detect reports whether f is a terminal, and whether it is the journal's stream. systemd puts the device and inode of
// that stream into JOURNAL_STREAM (systemd.exec(5)). A program whose output goes elsewhere inherits the variable too,
// so it must be compared with f.
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

// ParseLevel accepts the level names of Python's logging and of hclog, in any case; empty is INFO. hclog has nothing
// above ERROR, so CRITICAL means ERROR.
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
