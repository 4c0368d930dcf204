package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"foreman-dlm-updater/internal/file"
)

// Disk is the file system as a Store uses it. A test can put one in its place that fills up, fails, and loses power.
type Disk interface {
	// Read returns a file's content; fs.ErrNotExist if there is none; errNowhere, file.ErrNotRegular or file.ErrTooLong
	// if it is something else.
	Read(path string) ([]byte, error)
	// Replace puts a file with this content, which is on the disk by then, in the place of the old one, at once. That the
	// name stands for the new file may still be lost with the power, until SyncDir has returned.
	Replace(path string, content []byte) error
	// Remove removes a file, and what a crash in the middle of Replace left beside it. It may be lost like Replace.
	Remove(path string) error
	SyncDir(dir string) error
}

// maxSize bounds what is read: a record is some hundred bytes.
const maxSize = 1 << 20

var errNowhere = errors.New("it is a symbolic link that leads nowhere")

// hostDisk is the file system of the host.
type hostDisk struct{}

func (hostDisk) Read(path string) ([]byte, error) {
	content, err := file.Read(path, maxSize)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil { // a run may be on record where it leads, once that is mounted
			return nil, errNowhere
		}
	}
	return content, err
}

func (hostDisk) Replace(path string, content []byte) error {
	// A temporary file in the same directory, synced before the rename; the directory is ours to sync.
	name := temporary(path)
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := writeNew(name, content)
	if err == nil {
		err = os.Rename(name, path)
	}
	if err != nil {
		os.Remove(name)
	}
	return err
}

// temporary is the one name that a new state has until it is complete: only one invocation writes it (Instance in
// package host). Any number of names would have to be found again by a pattern, and the file of another state beside
// this one could match that.
func temporary(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
}

// writeNew writes a file that is not there yet, to the disk. Not for everybody, as the log isn't: it holds what hooks
// have written.
func writeNew(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640) // #nosec G302 G304 -- the group may read it
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (hostDisk) Remove(path string) error {
	os.Remove(temporary(path))
	return os.Remove(path)
}

func (hostDisk) SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
