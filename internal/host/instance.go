package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	"foreman-dlm-updater/internal/file"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

// RunningError says that another invocation is running.
type RunningError struct {
	Path string
	PID  int // 0: not known
}

func (e *RunningError) Error() string {
	pid := "not known"
	if e.PID != 0 {
		pid = strconv.Itoa(e.PID)
	}
	return fmt.Sprintf("another invocation is running (pid %s, it holds %s)", pid, e.Path)
}

// openLock opens a lock file without waiting: neither for a terminal that a configuration may name, nor until somebody
// gives up a lease (fcntl(2)).
const openLock = os.O_RDWR | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY

// patience is how long to keep trying a held lock file: Running holds it only for an instant.
const patience = 300 * time.Millisecond

// Instance is the right to be the only invocation on this host. The kernel takes it back, however the process ends. No
// child inherits it: os.OpenFile opens with O_CLOEXEC.
type Instance struct{ locks []*flock.Flock }

// Only locks the lock file and writes the pid into it, for people to read. It also locks a second file beside the state
// file, so that two invocations whose configurations name different lock files can't work on one run. If another
// invocation holds either file, the error is a *RunningError.
func Only(path, statePath string) (*Instance, error) {
	i := &Instance{}
	for _, name := range []string{path, statePath + ".lock"} {
		if err := i.take(name); err != nil {
			i.Close()
			return nil, err
		}
	}
	return i, nil
}

func (i *Instance) take(path string) error {
	// Mode 0600, because whoever can read a file can lock it.
	lock := flock.New(path, flock.SetFlag(os.O_CREATE|openLock), flock.SetPermissions(0o600))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch locked, err := lock.TryLockContext(ctx, patience/10); {
	case errors.Is(err, context.DeadlineExceeded):
		return &RunningError{path, readPID(path)}
	case err != nil || !locked:
		return fmt.Errorf("lock %s: %w", path, err)
	}
	i.locks = append(i.locks, lock)
	if err := writePID(path, lock); err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	return nil
}

// writePID writes the pid into the locked file, after a look at what it holds: a configuration may name a file that
// somebody still needs.
func writePID(path string, lock *flock.Flock) error {
	f, err := os.OpenFile(path, openLock, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	locked, err := lock.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || !os.SameFile(info, locked) {
		return errors.New("it is not the regular file that it was a moment ago")
	}
	content := make([]byte, 32)
	n, err := f.Read(content)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	old := bytes.TrimSpace(content[:n])
	if _, err := strconv.Atoi(string(old)); len(old) > 0 && err != nil || n == len(content) { // no pid is that long
		return errors.New("it holds something other than a pid; name a file that nothing else uses")
	}
	if err := f.Chmod(0o600); err != nil { // the original program left its lock file with another mode
		return err
	}
	// Write over the old pid, in one piece, and cut the file to its new length afterwards: ext4 writes a file to the disk
	// at once if it was cut to nothing (auto_da_alloc in ext4(5)).
	pid := fmt.Appendf(nil, "%d\n", os.Getpid())
	if _, err := f.WriteAt(append(pid, bytes.Repeat([]byte("\n"), max(0, n-len(pid)))...), 0); err != nil {
		return f.Truncate(0) // only people read the pid: a full disk is no reason not to run
	}
	return f.Truncate(int64(len(pid)))
}

// Close lets other invocations run. The files stay: if one were removed, two invocations could lock two files of the
// same name.
func (i *Instance) Close() error {
	var all []error
	for _, lock := range i.locks {
		all = append(all, lock.Close())
	}
	return errors.Join(all...)
}

// Running returns a *RunningError if an invocation holds one of the lock files, and nil if none does. It changes
// nothing.
func Running(path, statePath string) error {
	for _, name := range []string{path, statePath + ".lock"} {
		lock := flock.New(name, flock.SetFlag(os.O_RDONLY|unix.O_NONBLOCK)) // or a FIFO would wait for a writer
		locked, err := lock.TryRLock()
		lock.Close()
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return fmt.Errorf("look at lock %s: %w", name, err)
		case !locked:
			return &RunningError{name, readPID(name)}
		}
	}
	return nil
}

// LastInvocation is when an invocation last locked the file beside the state file, and wrote its pid into it. The error
// wraps fs.ErrNotExist if none ever did.
func LastInvocation(statePath string) (time.Time, error) {
	info, err := os.Stat(statePath + ".lock")
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

func readPID(path string) int {
	content, err := file.Read(path, maxSmall)
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(string(bytes.TrimSpace(content)))
	return pid
}
