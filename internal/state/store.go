package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"foreman-dlm-updater/internal/file"
)

// UnreadableError says that the state file's content is not a record. The file is left as it is.
type UnreadableError struct {
	Path  string
	Found string
}

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("read state %s: %s", e.Path, e.Found)
}

// Store is the state file. Its methods are not safe for concurrent use; the lock for a single invocation
// keeps others away.
type Store struct {
	Path string
	Disk Disk // nil: the host's own
}

func (s Store) disk() Disk {
	if s.Disk == nil {
		return hostDisk{}
	}
	return s.Disk
}

// Load reads the record. Without a state file it returns nil and no error. Content that is not a record
// gives an *UnreadableError; an error of the file system is returned as such.
func (s Store) Load() (*Record, error) {
	content, err := s.disk().Read(s.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, file.ErrNotRegular), errors.Is(err, file.ErrTooLong), errors.Is(err, errNowhere):
		return nil, &UnreadableError{s.Path, file.Cause(err).Error()}
	case err != nil:
		return nil, fmt.Errorf("read state: %w", err)
	}
	record, err := parse(content)
	if err != nil {
		return nil, &UnreadableError{s.Path, err.Error()}
	}
	return record, nil
}

// quoted is how much of foreign content a message quotes, in bytes.
const quoted = 80

// parse reads the stage's name from the first line and our record, if any, from the second. The original
// writes the name alone, with or without a newline.
func parse(content []byte) (*Record, error) {
	first, rest, _ := bytes.Cut(content, []byte("\n"))
	stage := Stage(strings.TrimSpace(string(first)))
	if stage == "" {
		return nil, errors.New("its first line, the stage's name, is empty")
	}
	if !stage.Known() {
		return nil, fmt.Errorf("its first line is not a stage's name: %s", file.Quote(first, quoted))
	}
	record := &Record{Stage: stage}
	rest = bytes.TrimSpace(rest)
	if len(rest) == 0 {
		return record, nil
	}
	// The version first: a newer format may not fit the struct.
	var version struct {
		Format *int `json:"format"`
	}
	if err := json.Unmarshal(rest, &version); err != nil {
		return nil, fmt.Errorf("after the stage's name %q there is no JSON object: %w: %s", stage, err, file.Quote(rest, quoted))
	}
	switch {
	case version.Format == nil || *version.Format < 1:
		return nil, fmt.Errorf("the JSON after the stage's name %q has no format version", stage)
	case *version.Format > Format:
		return nil, fmt.Errorf("it was written by a newer version of this program (format %d; this one knows %d)",
			*version.Format, Format)
	}
	if err := json.Unmarshal(rest, record); err != nil {
		return nil, fmt.Errorf("the JSON after the stage's name %q is not a record: %w", stage, err)
	}
	if record.Reboots < 0 || record.Interrupted < 0 {
		return nil, fmt.Errorf("the JSON after the stage's name %q counts below zero", stage)
	}
	if !record.namesAreText() {
		return nil, fmt.Errorf("the JSON after the stage's name %q has a control character in a name", stage)
	}
	return record, nil
}

// Save replaces the record, atomically and durably: after a power cut at any instant the file has the old
// or the new content. When it returns nil, the new content is on the disk.
//
// A record that names needs_update means the same as no file: unless it tells of an error it is not written, and what
// an earlier invocation left is removed. So a host that finds nothing to do syncs no disk.
func (s Store) Save(r Record) error {
	if r.Stage == NeedsUpdate && r.Error == nil {
		return s.Clear()
	}
	r.Format = Format
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write state %s: %w", s.Path, err)
	}
	content := fmt.Appendf(nil, "%s\n%s\n", r.Stage, line)
	err = s.disk().Replace(s.Path, content)
	if err == nil {
		err = s.disk().SyncDir(filepath.Dir(s.Path))
	}
	if err != nil {
		return fmt.Errorf("write state %s: %w", s.Path, err)
	}
	return nil
}

// Clear removes the record durably, and what a crash in the middle of Save left beside it. It is no error if
// there is none, and then nothing is synced.
func (s Store) Clear() error {
	err := s.disk().Remove(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = s.disk().SyncDir(filepath.Dir(s.Path))
	}
	if err != nil {
		return fmt.Errorf("remove state %s: %w", s.Path, err)
	}
	return nil
}
