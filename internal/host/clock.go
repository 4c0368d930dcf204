package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// synchronised is whether a clock counts as corrected by somebody, as for NTPSynchronized of org.freedesktop.timedate1(5). maxError is in
// microseconds; the kernel lets it grow to 16 s where nobody corrects the clock (NTP_PHASE_LIMIT of its include/linux/timex.h).
func synchronised(maxError int64) bool { return maxError < 16_000_000 }

// ClockSynchronised asks the kernel, which knows whoever corrects the clock. It may be refused in a container.
func ClockSynchronised() (bool, error) {
	var clock unix.Timex
	if _, err := unix.Adjtimex(&clock); err != nil {
		return false, os.NewSyscallError("adjtimex", err)
	}
	return synchronised(int64(clock.Maxerror)), nil
}

// Space is what a file system has left for those who are not root.
type Space struct {
	Device uint64
	Bytes  uint64
}

// Free looks at the file system that a path is on.
func Free(path string) (Space, error) {
	var fs unix.Statfs_t
	var file unix.Stat_t
	if err := unix.Statfs(path, &fs); err != nil {
		return Space{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	if err := unix.Stat(path, &file); err != nil {
		return Space{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return Space{Device: uint64(file.Dev), Bytes: fs.Bavail * uint64(fs.Bsize)}, nil
}
