package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// Replace replaces a file with one that has this content, in one step. The content is on the disk before the step.
// After a power cut at any instant the old or the new file is there; it is certainly the new one once SyncDir has
// returned.
//
// Only one process may write the file at a time: until the new file is complete it has a fixed name beside the old one,
// .NAME.new. Varying names would have to be found again with a pattern after a crash, and the pattern could match
// another file.
func Replace(path string, content []byte, mode fs.FileMode) error {
	return replace(path, content, mode, (*os.File).Sync)
}

// ReplaceUnsynced is Replace for files that a power cut may destroy: it does not wait for the disk.
func ReplaceUnsynced(path string, content []byte, mode fs.FileMode) error {
	return replace(path, content, mode, func(*os.File) error { return nil })
}

// ReplaceShared is Replace for a file that several processes may write at the same time: each uses its own temporary
// name. A crash can leave the temporary file behind. An existing file keeps its mode; a new one gets this mode,
// whatever the umask.
func ReplaceShared(path string, content []byte, mode fs.FileMode) error {
	return renameio.WriteFile(path, content, mode,
		renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(mode))
}

func replace(path string, content []byte, mode fs.FileMode, sync func(*os.File) error) error {
	fresh := temporary(path)
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) { // left by a crash
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

// writeNew writes a file that must not exist yet.
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

// Remove removes a file, and the temporary file that a crash in the middle of Replace left. Until SyncDir has returned,
// a power cut may bring the file back.
func Remove(path string) error {
	os.Remove(temporary(path))
	return os.Remove(path)
}

// SyncDir waits until the directory itself, with the names of its files, is on the disk.
func SyncDir(path string) error {
	dir, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
