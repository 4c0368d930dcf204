// Package byhand records that a person has the lock: who, since when, why, and what `lock exec` runs meanwhile. The
// record is written before the lock is asked for, and removed when this host certainly does not hold it.
package byhand

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/note"

	"github.com/kballard/go-shellquote"
)

// Format is the version of the file that this program writes. Read refuses a newer one.
const Format = 1

// Hold says that a person has a lock. Times are wall-clock times.
type Hold struct {
	Format int `json:"format"`
	// Lock is the lock's name; of several slots, the one that was taken.
	Lock string `json:"lock"`
	// Reason is one line of text; "": the person gave none.
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
	// By is the login name of the person; "": not known.
	By string `json:"by,omitempty"`
	// Command is what `lock exec` runs under the lock; nil: the lock was taken with `lock acquire`.
	Command []string `json:"command,omitempty"`
	// PID is the process of `lock exec`, CommandPID the process of its command; 0: there is none yet.
	PID        int `json:"pid,omitempty"`
	CommandPID int `json:"command_pid,omitempty"`
	// Ended says how the command ended; "": it runs, as far as is known.
	Ended string `json:"ended,omitempty"`
	// Server is the lock server that was asked, Client this host's name there; "": not known.
	Server string `json:"server,omitempty"`
	Client string `json:"client,omitempty"`
}

// Who says who has the lock, since when, with which command and why: "by anna since 2026-11-30 14:02: migration".
func (h Hold) Who() string {
	var words []string
	if h.By != "" {
		words = append(words, "by "+h.By)
	}
	words = append(words, "since "+h.Since.Local().Format("2006-01-02 15:04"))
	if len(h.Command) > 0 {
		words = append(words, "for "+h.Run())
	}
	text := strings.Join(words, " ")
	if h.Reason != "" {
		text += ": " + h.Reason
	}
	return file.Escape(text)
}

// Run is the command in one line, with its pid or its end as far as they are known.
func (h Hold) Run() string {
	const most = 200 // bytes
	text := "`" + file.CutBytes(shellquote.Join(h.Command...), most) + "`"
	switch {
	case h.Ended != "":
		text += fmt.Sprintf(" (%s)", h.Ended)
	case h.CommandPID != 0:
		text += fmt.Sprintf(" (pid %d)", h.CommandPID)
	}
	return file.Escape(text)
}

// File is the file beside the state. Reading it is safe at any time. Only one process at a time may write it.
type File struct{ Path string }

// Beside returns the file that belongs to a state file.
func Beside(statePath string) File { return File{statePath + ".by-hand"} }

func (f File) note() note.File {
	return note.File{Path: f.Path, Kind: "by-hand record", Format: Format}
}

// Error says that the file can't be read or trusted, so nobody knows whether a person has the lock.
type Error struct {
	Path string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("read by-hand record %s: %v", e.Path, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Read returns the hold on record; nil if there is no file. The error is an *Error.
func (f File) Read() (*Hold, error) {
	hold := &Hold{}
	found, err := f.note().Read(hold)
	if err == nil && found {
		err = hold.check()
	}
	switch {
	case err != nil:
		return nil, &Error{f.Path, err}
	case !found:
		return nil, nil
	}
	return hold, nil
}

func (h Hold) check() error {
	if h.Lock == "" || strings.ContainsFunc(h.Lock, unicode.IsControl) {
		return errors.New("it names no lock")
	}
	if h.Reason == "" {
		return nil
	}
	if err := note.CheckReason(h.Reason); err != nil {
		return fmt.Errorf("its reason %w", err)
	}
	return nil
}

// Write replaces the record, atomically and durably. A reason must be one that note.CheckReason accepts.
func (f File) Write(h Hold) error {
	h.Format = Format
	return f.note().Write(h)
}

// Remove removes the record, durably, whatever the file holds. If there is none, it returns nil and syncs nothing.
func (f File) Remove() error { return f.note().Remove() }
