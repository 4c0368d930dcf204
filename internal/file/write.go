package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// Replace puts a file with this content, which is on the disk by then, in the place of the old one, at once. After a
// power cut at any instant it is the old or the new one; that it is the new one is certain once SyncDir has returned.
//
// Only one process may write the file at a time: until the new file is complete it has one name beside the old one,
// .NAME.new. Any number of names would have to be found again by a pattern, and the name of another file beside this
// one could match that.
func Replace(path string, content []byte, mode fs.FileMode) error {
	return replace(path, content, mode, (*os.File).Sync)
}

// ReplaceUnsynced is Replace for what a power cut may take: it waits for no disk.
func ReplaceUnsynced(path string, content []byte, mode fs.FileMode) error {
	return replace(path, content, mode, func(*os.File) error { return nil })
}

// ReplaceShared is Replace for a file that several processes may write at a time: each has a temporary name of its own.
// A crash can leave a file of such a name behind. A file that is there keeps its mode; a new one gets this mode, whatever
// the umask.
func ReplaceShared(path string, content []byte, mode fs.FileMode) error {
	return renameio.WriteFile(path, content, mode, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(mode))
}

func replace(path string, content []byte, mode fs.FileMode, sync func(*os.File) error) error {
	fresh := temporary(path)
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) { // what a crash has left
		return err
	}
	err := writeNew(fresh, content, mode, sync)
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		os.Remove(fresh)
	}
	return err
}

// writeNew writes a file that is not there yet.
func writeNew(path string, content []byte, mode fs.FileMode, sync func(*os.File) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = sync(f)
	}
	return errors.Join(err, f.Close())
}

func temporary(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
}

// Remove removes a file, and what a crash in the middle of Replace left beside it. It may come back with a power cut
// until SyncDir has returned.
func Remove(path string) error {
	os.Remove(temporary(path))
	return os.Remove(path)
}

// SyncDir waits until the disk has which files are in a directory, and under which names.
func SyncDir(path string) error {
	dir, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
