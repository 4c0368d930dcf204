package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// synchronised reports whether something corrects a clock, by the same rule as NTPSynchronized of
// org.freedesktop.timedate1(5). maxError is in microseconds. The kernel lets it grow to 16 s if nothing corrects the
// clock (NTP_PHASE_LIMIT in its include/linux/timex.h).
func synchronised(maxError int64) bool { return maxError < 16_000_000 }

// ClockSynchronised asks the kernel, whatever program corrects the clock. A container may be refused an answer.
func ClockSynchronised() (bool, error) {
	var clock unix.Timex
	if _, err := unix.Adjtimex(&clock); err != nil {
		return false, os.NewSyscallError("adjtimex", err)
	}
	return synchronised(int64(clock.Maxerror)), nil
}

// Space is how much space a file system has left for users other than root.
type Space struct {
	Device uint64
	Bytes  uint64
}

// Free returns the space on the file system of a path.
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
