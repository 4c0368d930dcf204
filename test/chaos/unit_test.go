package chaos

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// endUnit kills all that has an entry in its environment, and returns when it is gone. The updater and all that it
// starts have the host's folder there: so it ends with its hooks, which have sessions of their own, as systemd ends a
// unit whose main process was killed.
func endUnit(entry string) error {
	for {
		left, err := unit(entry)
		if len(left) == 0 || err != nil {
			return err
		}
		for _, pid := range left {
			if err := endProcess(pid); err != nil {
				return err
			}
		}
	}
}

// unit lists the processes with this entry in their environment that are alive. A zombie has no environment any more
// (proc(5)).
func unit(entry string) (pids []int, err error) {
	environments, err := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environments {
		environment, err := os.ReadFile(path)
		if err != nil || !slices.Contains(strings.Split(string(environment), "\x00"), entry) {
			continue // it has just ended, or is another's
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, err
}

// endProcess kills a process that is no child of ours, and waits for its end.
func endProcess(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); errors.Is(err, unix.ESRCH) {
		return nil
	} else if err != nil {
		return fmt.Errorf("kill %d: %w", pid, err)
	}
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Minute/time.Millisecond))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("wait for %d: %w", pid, err)
		case n == 0:
			return fmt.Errorf("process %d doesn't end", pid)
		default:
			return nil
		}
	}
}
