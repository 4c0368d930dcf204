package schedule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/vet"
)

// Format is the version of the pause file that this program writes. Read refuses a newer one.
const Format = 1

// Pause is an operator's word that no run may begin. Times are wall-clock times.
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

// PauseError says that the pause file can't be read or trusted, so nobody knows whether the host is paused.
type PauseError struct {
	Path string
	Err  error
}

func (e *PauseError) Error() string { return fmt.Sprintf("read pause %s: %v", e.Path, e.Err) }

// Unwrap returns the cause.
func (e *PauseError) Unwrap() error { return e.Err }

const (
	maxPause  = 16 << 10 // bytes
	maxReason = 500      // bytes
	pauseMode = 0o640    // like the state file's
)

// Read returns the pause in the file, even if it is over; nil if there is no file. The error is a *PauseError: for a
// file that is damaged, was written by a newer program, or could have been written by somebody else.
func (f PauseFile) Read() (*Pause, error) {
	if missing(f.Path) {
		return nil, nil
	}
	content, err := file.Read(f.Path, maxPause)
	var pause *Pause
	if err == nil {
		err = vet.NewSession().State(f.Path)
	} else {
		err = file.Cause(err)
	}
	if err == nil {
		pause, err = parse(content)
	}
	if err != nil {
		return nil, &PauseError{f.Path, err}
	}
	return pause, nil
}

func parse(content []byte) (*Pause, error) {
	var version struct{ Format int } // first: a newer format may not fit the struct
	if err := json.Unmarshal(content, &version); err != nil {
		return nil, fmt.Errorf("it holds no pause: %w", err)
	}
	switch {
	case version.Format < 1:
		return nil, errors.New("it has no format version")
	case version.Format > Format:
		return nil, fmt.Errorf("it was written by a newer version of this program (format %d; this one knows %d)",
			version.Format, Format)
	}
	pause := &Pause{}
	if err := json.Unmarshal(content, pause); err != nil {
		return nil, fmt.Errorf("it holds no pause: %w", err)
	}
	if err := CheckReason(pause.Reason); err != nil {
		return nil, fmt.Errorf("its reason %w", err)
	}
	return pause, nil
}

// CheckReason says why a reason is no line of text for people.
func CheckReason(reason string) error {
	switch {
	case strings.TrimSpace(reason) == "":
		return errors.New("is empty; a few words that tell the others why would be right")
	case file.Escape(reason) != reason:
		return fmt.Errorf("%q has an unprintable character; one line of plain text would be right", reason)
	case len(reason) > maxReason:
		return fmt.Errorf("is %d bytes long; at most %d would be right", len(reason), maxReason)
	}
	return nil
}

// Write replaces the pause, atomically and durably. The reason must be one that CheckReason accepts.
func (f PauseFile) Write(p Pause) error {
	p.Format = Format
	content, err := json.Marshal(p)
	if err == nil {
		err = file.Replace(f.Path, append(content, '\n'), pauseMode)
	}
	if err == nil {
		err = file.SyncDir(filepath.Dir(f.Path))
	}
	if err != nil {
		return fmt.Errorf("write pause %s: %w", f.Path, err)
	}
	return nil
}

// Remove ends the pause, durably, whatever the file holds. If there is no file, it returns nil and syncs nothing.
func (f PauseFile) Remove() error {
	err := file.Remove(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = file.SyncDir(filepath.Dir(f.Path))
	}
	if err != nil {
		return fmt.Errorf("remove pause %s: %w", f.Path, err)
	}
	return nil
}
