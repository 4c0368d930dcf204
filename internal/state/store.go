package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/google/renameio/v2"
)

// maxSize bounds what is read: a record is some hundred bytes.
const maxSize = 1 << 20

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
type Store struct{ Path string }

// Load reads the record. Without a state file it returns nil and no error. Content that is not a record
// gives an *UnreadableError; an error of the file system is returned as such.
func (s Store) Load() (*Record, error) {
	// Not blocking: a FIFO in the file's place must not hang the host's updates.
	f, err := os.OpenFile(s.Path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(s.Path); err == nil { // a run may be on record where it leads, once that is mounted
			return nil, &UnreadableError{s.Path, "it is a symbolic link that leads nowhere"}
		}
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	} else if !info.Mode().IsRegular() {
		return nil, &UnreadableError{s.Path, "it is not a regular file"}
	}
	content, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	record, err := parse(content)
	if err != nil {
		return nil, &UnreadableError{s.Path, err.Error()}
	}
	return record, nil
}

// parse reads the stage's name from the first line and our record, if any, from the second. The original
// writes the name alone, with or without a newline.
func parse(content []byte) (*Record, error) {
	if len(content) > maxSize {
		return nil, fmt.Errorf("it is larger than %d bytes", maxSize)
	}
	first, rest, _ := bytes.Cut(content, []byte("\n"))
	stage := Stage(strings.TrimSpace(string(first)))
	if stage == "" {
		return nil, errors.New("its first line, the stage's name, is empty")
	}
	if !stage.Known() {
		return nil, fmt.Errorf("its first line is not a stage's name: %s", abridged(first))
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
		return nil, fmt.Errorf("after the stage's name %q there is no JSON object: %w: %s", stage, err, abridged(rest))
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

// abridged quotes the beginning of foreign content for a message.
func abridged(b []byte) string {
	const most = 80
	if len(b) > most {
		return fmt.Sprintf("%q...", b[:most])
	}
	return fmt.Sprintf("%q", b)
}

// Save replaces the record, atomically and durably: after a power cut at any instant the file has the old
// or the new content. When it returns nil, the new content is on the disk.
func (s Store) Save(r Record) error {
	r.Format = Format
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write state %s: %w", s.Path, err)
	}
	content := fmt.Appendf(nil, "%s\n%s\n", r.Stage, line)
	// A temporary file in the same directory, synced before the rename; the directory is ours to sync. Not for everybody, as the log
	// isn't: it holds what hooks have written.
	err = renameio.WriteFile(s.Path, content, 0o640,
		renameio.WithTempDir(filepath.Dir(s.Path)), renameio.WithStaticPermissions(0o640))
	if err == nil {
		err = s.syncDir()
	}
	if err != nil {
		return fmt.Errorf("write state %s: %w", s.Path, err)
	}
	return nil
}

// Clear removes the record durably, and what a crash in the middle of Save left beside it. It is no error if
// there is none.
func (s Store) Clear() error {
	// renameio names its temporary files so.
	leftovers, _ := filepath.Glob(filepath.Join(filepath.Dir(s.Path), "."+filepath.Base(s.Path)+"[0-9]*"))
	for _, name := range leftovers {
		os.Remove(name)
	}
	err := os.Remove(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = s.syncDir()
	}
	if err != nil {
		return fmt.Errorf("remove state %s: %w", s.Path, err)
	}
	return nil
}

func (s Store) syncDir() error {
	dir, err := os.Open(filepath.Dir(s.Path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
