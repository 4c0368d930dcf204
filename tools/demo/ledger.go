package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// The kinds of entries: hooks write the first three about their stages, the server the others about the lock (its
// events).
const (
	begin   = "begin"
	step    = "step"
	end     = "end"
	acquire = "acquire"
	release = "release"
	refuse  = "fail"
)

// entry is a line of the ledger.
type entry struct {
	kind  string
	host  string
	lock  string // of acquire, release and fail
	stage string // of begin, step and end
	text  string // a hook's words, if it has any
	// read is when the entry was read. It is only for drawing: the order of the lines says what came first.
	read time.Time
}

// ledger is the record behind the proof: one pipe. The hooks of all hosts write a line to it before and after their
// work, and the server writes one whenever the lock changes hands. The kernel keeps the lines whole and in the order in
// which they were written (write(2) of less than PIPE_BUF bytes, pipe(7)), so no clocks need to be compared.
type ledger struct {
	path string
	file *os.File
}

// openLedger makes the pipe. It opens the pipe for reading and writing, so that it does not end when nobody else has it
// open.
func openLedger(path string) (*ledger, error) {
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		return nil, fmt.Errorf("make the pipe %s: %w", path, err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	return &ledger{path, file}, nil
}

// read calls got for each entry, until the ledger is closed.
func (l *ledger) read(got func(entry)) {
	for lines := bufio.NewScanner(l.file); lines.Scan(); {
		e := parseEntry(lines.Text())
		e.read = time.Now()
		got(e)
	}
}

// mark adds an entry of this program itself, which comes after everything that was written before.
func (l *ledger) mark(kind string) error {
	if _, err := fmt.Fprintf(l.file, "%s - %s\n", marker, kind); err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	return nil
}

// marker is the host of this program's own entries.
const marker = "demo"

func (l *ledger) close() { _ = l.file.Close() }

// parseEntry reads a line: the server's are JSON, the hooks' are HOST STAGE KIND TEXT. A line that is neither gives an
// entry of no known kind, which the proof does not accept.
func parseEntry(line string) entry {
	var event struct{ Kind, Lock, By string }
	if json.Unmarshal([]byte(line), &event) == nil {
		return entry{kind: event.Kind, host: event.By, lock: event.Lock}
	}
	fields := append(strings.SplitN(line, " ", 4), "", "", "")
	return entry{host: fields[0], stage: fields[1], kind: fields[2], text: fields[3]}
}
