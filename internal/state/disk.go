package state

import (
	"errors"
	"io/fs"
	"os"

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

// Replace writes nothing for everybody, as the log isn't: a record holds what hooks have written.
func (hostDisk) Replace(path string, content []byte) error {
	return file.Replace(path, content, 0o640)
}

func (hostDisk) Remove(path string) error { return file.Remove(path) }
func (hostDisk) SyncDir(dir string) error { return file.SyncDir(dir) }
