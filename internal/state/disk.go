package state

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
)

// Disk is the file system as a Store uses it. A test can put one in its place that fills up, fails, and loses power.
type Disk interface {
	// Read returns a file's content; fs.ErrNotExist if there is none, errNowhere or errNotRegular if it is something else.
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

var (
	errNotRegular = errors.New("it is not a regular file")
	errNowhere    = errors.New("it is a symbolic link that leads nowhere")
)

// hostDisk is the file system of the host.
type hostDisk struct{}

func (hostDisk) Read(path string) ([]byte, error) {
	// Not blocking: a FIFO in the file's place must not hang the host's updates.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil { // a run may be on record where it leads, once that is mounted
			return nil, errNowhere
		}
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	return io.ReadAll(io.LimitReader(f, maxSize+1))
}

func (hostDisk) Replace(path string, content []byte) error {
	// A temporary file in the same directory, synced before the rename; the directory is ours to sync. Not for everybody, as the log
	// isn't: it holds what hooks have written.
	return renameio.WriteFile(path, content, 0o640, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(0o640))
}

func (hostDisk) Remove(path string) error {
	// renameio names its temporary files so.
	leftovers, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"[0-9]*"))
	for _, name := range leftovers {
		os.Remove(name)
	}
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
