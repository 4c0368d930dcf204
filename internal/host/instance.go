package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/gofrs/flock"
)

// RunningError says that another invocation runs.
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

// patience is for how long a held lock file is tried again: Running holds it for an instant.
const patience = 300 * time.Millisecond

// Instance is the right to be the only invocation on this host. The kernel takes it back however the process ends,
// and no child inherits it: os.OpenFile opens with O_CLOEXEC.
type Instance struct{ lock *flock.Flock }

// Only takes the lock file, and writes the pid into it, for people. If another invocation has it, the error is a
// *RunningError.
func Only(path string) (*Instance, error) {
	lock := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o644))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch locked, err := lock.TryLockContext(ctx, patience/10); {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, &RunningError{path, readPID(path)}
	case err != nil || !locked:
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// For people only: a full /run is no reason not to run.
	_ = os.WriteFile(path, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o644)
	return &Instance{lock}, nil
}

// Close lets others run. The file stays: were it removed, two could lock two files of one name.
func (i *Instance) Close() error { return i.lock.Close() }

// Running returns a *RunningError if an invocation holds the lock file, and nil if none does. It changes nothing.
func Running(path string) error {
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	locked, err := lock.TryRLock()
	defer lock.Close()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look at lock %s: %w", path, err)
	case !locked:
		return &RunningError{path, readPID(path)}
	}
	return nil
}

func readPID(path string) int {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(string(bytes.TrimSpace(content)))
	return pid
}
