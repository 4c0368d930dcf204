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

// UnreadableError: the content of the state file is not a record. The program leaves the file as it is.
type UnreadableError struct {
	Path  string
	Found string
}

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("read state %s: %s", e.Path, e.Found)
}

// Store is the state file. Its methods are not safe for concurrent use; only one invocation at a time uses it (Instance
// in package host).
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

// Load reads the record. It returns nil and no error if there is no state file, and an *UnreadableError if the content
// is not a record. Other errors come from the file system.
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

// maxQuote is how much unknown content a message quotes, in bytes.
const maxQuote = 80

// parse reads the stage's name from the first line and the JSON record, if any, from the second. The original program
// writes only the name, with or without a newline.
func parse(content []byte) (*Record, error) {
	first, rest, _ := bytes.Cut(content, []byte("\n"))
	stage := Stage(strings.TrimSpace(string(first)))
	if stage == "" {
		return nil, errors.New("its first line, the stage's name, is empty")
	}
	if !stage.Known() {
		return nil, fmt.Errorf("its first line is not a stage's name: %s", file.Quote(first, maxQuote))
	}
	record := &Record{Stage: stage}
	rest = bytes.TrimSpace(rest)
	if len(rest) == 0 {
		return record, nil
	}
	// Read the version first: a newer format may not fit the struct.
	var version struct {
		Format *int `json:"format"`
	}
	if err := json.Unmarshal(rest, &version); err != nil {
		return nil, fmt.Errorf("after the stage's name %q there is no JSON object: %w: %s", stage, err,
			file.Quote(rest, maxQuote))
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
		return nil, fmt.Errorf("the JSON after the stage's name %q has a negative count", stage)
	}
	if !record.namesAreText() {
		return nil, fmt.Errorf("the JSON after the stage's name %q has a control character in a name", stage)
	}
	return record, nil
}

// Save replaces the record, atomically and durably: after a power cut at any instant the file has the old or the new
// content. When Save returns nil, the new content is on the disk.
//
// A record that names needs_update means the same as no file. Save does not write it, unless it holds an error, but
// removes an earlier record. So a host that finds nothing to do syncs no disk.
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

// Clear removes the record durably, and what a crash during Save left beside it. If there is no record, it returns nil
// and syncs nothing.
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
