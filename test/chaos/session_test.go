package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// endSession kills all that is left of a session, and returns when it is gone. The updater leads a session of its own, and its hooks, which
// have process groups of their own, are in it: so it ends with all that it started, as systemd ends a unit whose main process was killed.
func endSession(sid int) error {
	for {
		left, err := session(sid)
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

// session lists the processes of a session that are alive.
func session(sid int) (pids []int, err error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		end := bytes.LastIndexByte(stat, ')') // the command's name before it can hold anything (proc(5))
		if err != nil || end < 0 {
			continue // it has just ended
		}
		fields := bytes.Fields(stat[end+1:]) // state ppid pgrp session ...
		if state := fields[0][0]; state != 'Z' && state != 'X' && string(fields[3]) == strconv.Itoa(sid) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				return nil, err
			}
			pids = append(pids, pid)
		}
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
