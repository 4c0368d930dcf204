package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// recorder keeps the events in a file, as lines of JSON; without a path it keeps none.
type recorder struct {
	path    string
	restore bool
	fail    context.CancelCauseFunc // gets the first error
	file    *os.File
}

// open prepares for writes.
func (r *recorder) open() (err error) {
	if r.path == "" {
		return nil
	}
	if r.file, err = os.OpenFile(r.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644); err != nil {
		return fmt.Errorf("open record: %w", err)
	}
	return nil
}

func (r *recorder) close() {
	if r.file != nil {
		r.file.Close()
	}
}

// write appends an event.
func (r *recorder) write(event any) {
	if r.file == nil {
		return
	}
	if err := json.NewEncoder(r.file).Encode(event); err != nil {
		r.fail(fmt.Errorf("write record: %w", err))
	}
}

// restored returns the events to begin with: those of the record, which may not exist yet.
func restored[E any](r *recorder) (events []E, err error) {
	if !r.restore {
		return nil, nil
	}
	f, err := os.Open(r.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read record: %w", err)
	}
	defer f.Close()
	for lines := json.NewDecoder(f); ; {
		var e E
		if err := lines.Decode(&e); errors.Is(err, io.EOF) {
			return events, nil
		} else if err != nil {
			return nil, fmt.Errorf("read record %s: %w", r.path, err)
		}
		events = append(events, e)
	}
}
