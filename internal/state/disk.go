package state

import (
	"errors"
	"io/fs"
	"os"

	"foreman-dlm-updater/internal/file"
)

// Disk is the file system as a Store uses it. Tests use disks that are full, fail, or lose power.
type Disk interface {
	// Read returns a file's content. The error is fs.ErrNotExist if there is no file, and errNowhere, file.ErrNotRegular
	// or file.ErrTooLong if it can't be a state file.
	Read(path string) ([]byte, error)
	// Replace writes the content to the disk in a new file and renames that to path. Until SyncDir has returned, a power
	// cut may still bring the old file back.
	Replace(path string, content []byte) error
	// Remove removes a file, and what a crash during Replace left beside it. Until SyncDir has returned, a power cut may
	// bring the file back.
	Remove(path string) error
	// SyncDir makes what Replace and Remove did in a directory durable.
	SyncDir(dir string) error
}

// maxSize is the largest state file that is read, in bytes. A record has some hundred.
const maxSize = 1 << 20

var errNowhere = errors.New("it is a symbolic link that leads nowhere")

// hostDisk is the file system of the host.
type hostDisk struct{}

func (hostDisk) Read(path string) ([]byte, error) {
	content, err := file.Read(path, maxSize)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil { // its target may hold a record, and not be mounted yet
			return nil, errNowhere
		}
	}
	return content, err
}

// Replace lets the group read the file, but not everybody: like the log, a record holds output of hooks.
func (hostDisk) Replace(path string, content []byte) error {
	return file.Replace(path, content, 0o640)
}

func (hostDisk) Remove(path string) error { return file.Remove(path) }
func (hostDisk) SyncDir(dir string) error { return file.SyncDir(dir) }
