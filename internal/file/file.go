// Package file holds what every package must get right about files that others can change and that a crash can cut
// short: reading a file, whatever is in its place (reading never waits for another process, as with a FIFO or a
// terminal, and always ends, even with a device), replacing a file in one step (write.go), showing what a file
// holds (text.go), and telling leftovers by their names (name.go).
package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// ErrNotRegular says that a path leads to something other than a regular file.
var ErrNotRegular = errors.New("not a regular file")

// ErrTooLong says that a file is longer than its kind ever is.
var ErrTooLong = errors.New("too long")

// Open opens a regular file for reading; it follows symbolic links. The error is an *fs.PathError; it wraps
// ErrNotRegular if something else is there. The caller closes the file.
func Open(path string) (*os.File, error) {
	// O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever (fifo(7)). It changes nothing for regular
	// files.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("%w (it is %s)", ErrNotRegular, kind(info.Mode()))}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// kind says what is there instead of a regular file.
func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a FIFO"
	}
	return "a device"
}

// Read returns the content of a regular file, which may have at most most bytes. The error is an *fs.PathError; it
// wraps ErrNotRegular or ErrTooLong where that is the reason.
func Read(path string, most int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Content(f, most)
}

// Content reads the rest of an open file, with the same limit and errors as Read.
func Content(f *os.File, most int64) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(content)) > most {
		err = &fs.PathError{Op: "read", Path: f.Name(), Err: fmt.Errorf("%w (more than %d bytes)", ErrTooLong, most)}
	}
	if err != nil {
		return nil, err
	}
	return content, nil
}
