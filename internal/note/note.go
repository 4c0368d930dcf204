// Package note keeps what an operator has told this host, in small files beside the state: a pause, or a lock that is
// held by hand. Later invocations rely on a note. So one that can't be read or trusted is an error, and never "none".
package note

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/vet"
)

// File is the file of a note: a JSON object with the field "format". Reading it is safe at any time. Only one process
// at a time may write it.
type File struct {
	Path string
	// Kind is what messages call the note: "pause".
	Kind string
	// Format is the version that this program writes. Read refuses a newer one.
	Format int
}

const (
	maxSize   = 16 << 10 // bytes
	maxReason = 500      // bytes
	mode      = 0o640    // like the state file's
)

// Read reads the note into a struct, to. It reports whether there is one. An error says why the file is damaged, was
// written by a newer program, or could have been written by somebody else; it does not name the file.
func (f File) Read(to any) (found bool, err error) {
	if _, err := os.Lstat(f.Path); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	content, err := file.Read(f.Path, maxSize)
	if err != nil {
		return true, file.Cause(err)
	}
	if err := vet.NewSession().State(f.Path); err != nil {
		return true, err
	}
	return true, f.parse(content, to)
}

func (f File) parse(content []byte, to any) error {
	var version struct{ Format int } // first: a newer format may not fit the struct
	if err := json.Unmarshal(content, &version); err != nil {
		return fmt.Errorf("it holds no %s: %w", f.Kind, err)
	}
	switch {
	case version.Format < 1:
		return errors.New("it has no format version")
	case version.Format > f.Format:
		return fmt.Errorf("it was written by a newer version of this program (format %d; this one knows %d)",
			version.Format, f.Format)
	}
	if err := json.Unmarshal(content, to); err != nil {
		return fmt.Errorf("it holds no %s: %w", f.Kind, err)
	}
	return nil
}

// Write replaces the note, atomically and durably. The caller sets its field "format".
func (f File) Write(note any) error {
	content, err := json.Marshal(note)
	if err == nil {
		err = file.Replace(f.Path, append(content, '\n'), mode)
	}
	if err == nil {
		err = file.SyncDir(filepath.Dir(f.Path))
	}
	if err != nil {
		return fmt.Errorf("write %s %s: %w", f.Kind, f.Path, err)
	}
	return nil
}

// Remove removes the note, durably, whatever the file holds. If there is no file, it returns nil and syncs nothing.
func (f File) Remove() error {
	err := file.Remove(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = file.SyncDir(filepath.Dir(f.Path))
	}
	if err != nil {
		return fmt.Errorf("remove %s %s: %w", f.Kind, f.Path, err)
	}
	return nil
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
