package schedule

import (
	"fmt"
	"time"

	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/note"
)

// Format is the version of the pause file that this program writes. Read refuses a newer one.
const Format = 1

// Pause says that an operator lets no run begin. Times are wall-clock times.
type Pause struct {
	Format int       `json:"format"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	// Until is when the pause ends by itself; zero: never.
	Until time.Time `json:"until,omitzero"`
	// By is the login name of whoever paused the host; "": not known.
	By string `json:"by,omitempty"`
}

// Over reports whether the pause has ended by itself.
func (p Pause) Over(now time.Time) bool { return !p.Until.IsZero() && !now.Before(p.Until) }

// Why is the reason in one line, always in the same words.
func (p Pause) Why() string {
	by := ""
	if p.By != "" {
		by = " by " + p.By
	}
	return file.Escape("paused" + by + ": " + p.Reason)
}

// PauseFile is the file beside the state that pauses this host. Reading it is safe at any time. Only one process at a
// time may write it.
type PauseFile struct{ Path string }

// PauseBeside returns the pause file that belongs to a state file.
func PauseBeside(statePath string) PauseFile { return PauseFile{statePath + ".pause"} }

func (f PauseFile) note() note.File { return note.File{Path: f.Path, Kind: "pause", Format: Format} }

// PauseError says that the pause file can't be read or trusted, so nobody knows whether the host is paused.
type PauseError struct {
	Path string
	Err  error
}

func (e *PauseError) Error() string { return fmt.Sprintf("read pause %s: %v", e.Path, e.Err) }

// Unwrap returns the cause.
func (e *PauseError) Unwrap() error { return e.Err }

// Read returns the pause in the file, even if it is over; nil if there is no file. The error is a *PauseError: for a
// file that is damaged, was written by a newer program, or could have been written by somebody else.
func (f PauseFile) Read() (*Pause, error) {
	pause := &Pause{}
	found, err := f.note().Read(pause)
	if err == nil && found {
		if wrong := note.CheckReason(pause.Reason); wrong != nil {
			err = fmt.Errorf("its reason %w", wrong)
		}
	}
	switch {
	case err != nil:
		return nil, &PauseError{f.Path, err}
	case !found:
		return nil, nil
	}
	return pause, nil
}

// Write replaces the pause, atomically and durably. The reason must be one that note.CheckReason accepts.
func (f PauseFile) Write(p Pause) error {
	p.Format = Format
	return f.note().Write(p)
}

// Remove ends the pause, durably, whatever the file holds. If there is no file, it returns nil and syncs nothing.
func (f PauseFile) Remove() error { return f.note().Remove() }
