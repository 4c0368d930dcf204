// Package host is what the program needs to know and to hold of the host that it runs on: which boot this is, which
// machine, whether another invocation runs, and what systemd shows of us. It runs no commands.
package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"foreman-dlm-updater/internal/file"

	"github.com/coreos/go-systemd/v22/dbus"
	"github.com/coreos/go-systemd/v22/util"
	"golang.org/x/sys/unix"
)

// Boot identifies one boot of the host. A part that is not known is zero or nil; ID is always known.
type Boot struct {
	ID          string
	Init        uint64
	SoftReboots *uint64
}

// ReadBoot reads the identity of the current boot: the boot id from bootIDFile (see random(4)), the start time of
// PID 1 in clock ticks, which differs from boot to boot in a container that shares the boot id of its host, and
// systemd's SoftRebootsCount (systemd 256 and later), since a soft reboot keeps both.
func ReadBoot(ctx context.Context, bootIDFile string) (Boot, error) {
	content, err := file.Read(bootIDFile, maxSmall)
	if err != nil {
		return Boot{}, fmt.Errorf("read boot identity: %w", err)
	}
	id := string(bytes.TrimSpace(content))
	if id == "" {
		return Boot{}, fmt.Errorf("read boot identity: %s is empty", bootIDFile)
	}
	boot := Boot{ID: id, SoftReboots: softReboots(ctx)}
	if stat, err := os.ReadFile("/proc/1/stat"); err == nil {
		boot.Init, _ = startTime(stat)
	}
	return boot, nil
}

// maxSmall is the most that is read of a file, in bytes: a page.
const maxSmall = 4096

// startTime is field 22 of /proc/PID/stat (proc(5)). The second field, the command's name in parentheses, can
// hold anything.
func startTime(stat []byte) (uint64, error) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, errors.New("no command name")
	}
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) < 20 {
		return 0, errors.New("too few fields")
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

// softReboots asks systemd over its private socket. nil: there is no systemd, it is too old, or it didn't answer.
func softReboots(ctx context.Context) *uint64 {
	if !util.IsRunningSystemd() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := dbus.NewSystemdConnectionContext(ctx)
	if err != nil {
		return nil
	}
	defer conn.Close()
	property, err := conn.GetManagerProperty("SoftRebootsCount")
	if err != nil {
		return nil
	}
	return parseCount(property)
}

// parseCount reads a D-Bus variant as godbus prints it, such as "@u 3".
func parseCount(property string) *uint64 {
	n, err := strconv.ParseUint(strings.TrimPrefix(property, "@u "), 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

// Uptime is the time since the kernel booted, suspended time included. No change of the wall clock moves it.
func Uptime() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0, fmt.Errorf("read CLOCK_BOOTTIME: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// MachineID is the content of /etc/machine-id (machine-id(5)), which a cloned disk has to change; empty if there
// is none, or not yet.
func MachineID() string {
	content, err := os.ReadFile("/etc/machine-id")
	id := string(bytes.TrimSpace(content))
	if err != nil || id == "uninitialized" {
		return ""
	}
	return id
}
