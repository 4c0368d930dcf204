// Package host talks to the host that the program runs on: which boot and which machine this is, whether another
// invocation is running, which units and processes systemd knows. It runs no commands.
package host

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"foreman-dlm-updater/internal/file"

	"github.com/coreos/go-systemd/v22/dbus"
	"github.com/coreos/go-systemd/v22/util"
	"golang.org/x/sys/unix"
)

// Boot identifies one boot of the host. An unknown part is zero or nil; ID is always known.
type Boot struct {
	ID           string
	Init         uint64
	SoftReboots  *uint64
	PIDNamespace uint64
}

// ReadBoot reads the identity of the current boot: the boot id from bootIDFile (see random(4)), the start time of PID 1
// in clock ticks with its PID namespace, because a container shares the boot id of its host, and systemd's
// SoftRebootsCount (systemd 256 and later), because a soft reboot changes neither.
func ReadBoot(ctx context.Context, bootIDFile string) (Boot, error) {
	content, err := file.Read(bootIDFile, maxSmall)
	if err != nil {
		return Boot{}, fmt.Errorf("read boot identity: %w", err)
	}
	id := string(bytes.TrimSpace(content))
	if id == "" {
		return Boot{}, fmt.Errorf("read boot identity: %s is empty", bootIDFile)
	}
	boot := Boot{ID: id, SoftReboots: softReboots(ctx), PIDNamespace: pidNamespace()}
	boot.Init, _ = initStart("/proc", unix.Getpid(), ownSession())
	return boot, nil
}

// InitialPIDNamespace is the inode of the PID namespace that a kernel boots with: PROC_PID_INIT_INO of its
// include/linux/proc_ns.h. A container has another.
const InitialPIDNamespace = 0xEFFFFFFC

// pidNamespace is 0 if it is unknown.
func pidNamespace() uint64 {
	var info unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &info); err != nil {
		return 0
	}
	return info.Ino
}

// ownSession is 0 if its leader is outside of this PID namespace.
func ownSession() int {
	session, _ := unix.Getsid(0)
	return session
}

// inits are the names of the programs that boot a host or a container, and that nobody starts for a single command. The
// session alone is not enough to tell: PID 1 that is started for one command may give that command a session of its
// own. dumb-init and s6-overlay (s6-svscan) do so, and so do sudo and setsid under tini.
var inits = []string{"systemd", "init", "openrc-init", "runit", "dinit", "procd", "supervisord"}

// initStart is when the init of this host or container was started, in clock ticks. If PID 1 is not an init, the error
// says what it is. In a PID namespace that is made for each invocation (unshare -pf, a container for each run), PID 1
// is this process, or the shell that started it, and it has our session. A process that an init starts has a session of
// its own (setsid(2)).
func initStart(proc string, pid, session int) (uint64, error) {
	if self, err := os.Readlink(proc + "/self"); err != nil || self != strconv.Itoa(pid) {
		return 0, errors.New("/proc shows another PID namespace")
	}
	stat, err := os.ReadFile(proc + "/1/stat")
	if err != nil {
		return 0, err
	}
	start, err := startTime(stat)
	if err != nil {
		return 0, err
	}
	name := string(stat[bytes.IndexByte(stat, '(')+1 : bytes.LastIndexByte(stat, ')')])
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if !slices.Contains(inits, name) || pid == 1 || fields[3] == strconv.Itoa(session) {
		return 0, fmt.Errorf("PID 1 is %q, which is no init", name)
	}
	return start, nil
}

// CheckInit returns an error if this is a container whose own reboot can't be seen: then only the kernel's boot id
// counts.
func CheckInit() error {
	if pidNamespace() == InitialPIDNamespace {
		return nil
	}
	_, err := initStart("/proc", unix.Getpid(), ownSession())
	return err
}

// maxSmall limits how much is read from a file, in bytes: a page.
const maxSmall = 4096

// startTime is field 22 of /proc/PID/stat (proc(5)). The second field is the command's name in parentheses, which can
// hold any characters.
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

// softReboots asks systemd over its private socket. nil: systemd is missing, is too old, or didn't answer.
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

// Uptime is the time since the kernel booted, suspended time included. Setting the clock does not change it.
func Uptime() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0, fmt.Errorf("read CLOCK_BOOTTIME: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// machineID is where systemd keeps the machine id.
const machineID = "/etc/machine-id"

// MachineID is the content of /etc/machine-id (machine-id(5)), which must be changed on a cloned disk. It is empty if
// there is none, none yet, or a new one at each boot.
func MachineID() string {
	content, err := file.Read(machineID, maxSmall)
	id := string(bytes.TrimSpace(content))
	if err != nil || id == "uninitialized" || MachineIDIsTransient() {
		return ""
	}
	return id
}

// MachineIDIsTransient reports whether the next boot will have another machine id: if /etc can't be written, systemd
// creates one in /run and mounts it over the file.
func MachineIDIsTransient() bool {
	m, err := mountOf(machineID)
	return err == nil && (m.point == machineID && m.volatile() || m.emptied())
}

// AppID derives an id from the machine id, which should not be shown to others (machine-id(5)). It is the one that
// sd_id128_get_machine_app_specific(3) returns for app, in 32 hexadecimal digits. It is empty if MachineID is.
func AppID(app [16]byte) string {
	machine, err := hex.DecodeString(MachineID())
	if err != nil || len(machine) != len(app) {
		return ""
	}
	return deriveID([16]byte(machine), app)
}

// deriveID is HMAC-SHA256 with the machine id as its key, cut to 128 bits, of which six say that it is a UUID of
// version 4 (systemd, src/libsystemd/sd-id128/sd-id128.c).
func deriveID(machine, app [16]byte) string {
	mac := hmac.New(sha256.New, machine[:])
	mac.Write(app[:])
	id := mac.Sum(nil)[:len(machine)]
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return hex.EncodeToString(id)
}
