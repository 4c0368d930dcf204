package host

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// mount is a mounted file system, as proc_pid_mountinfo(5) describes it.
type mount struct {
	point  string // where it is mounted
	root   string // the directory of the file system that is its root
	kind   string // tmpfs, ext4
	source string
	upper  string // for an overlay: the directory that takes the writes; empty if it is read-only
}

// mountOf finds the mount that a path is on.
func mountOf(path string) (mount, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return mount{}, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		return mount{}, err
	}
	_, after, _ := bytes.Cut(info, []byte("mnt_id:"))
	fields := bytes.Fields(after)
	if len(fields) == 0 {
		return mount{}, fmt.Errorf("%s: the kernel does not say which mount it is on", path)
	}
	return findMount(string(fields[0]))
}

func findMount(id string) (mount, error) {
	list, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return mount{}, err
	}
	defer list.Close()
	lines := bufio.NewScanner(list)
	for lines.Scan() {
		if m, ok := parseMount(lines.Text(), id); ok {
			return m, nil
		}
	}
	return mount{}, fmt.Errorf("mount %s is not listed", id)
}

// parseMount reads one line, if it is about that mount.
func parseMount(line, id string) (mount, bool) {
	before, after, _ := strings.Cut(line, " - ")
	fields, more := strings.Fields(before), strings.Fields(after)
	if len(fields) < 5 || len(more) < 3 || fields[0] != id {
		return mount{}, false
	}
	m := mount{point: fields[4], root: fields[3], kind: more[0], source: more[1]}
	for option := range strings.SplitSeq(more[2], ",") {
		if dir, ok := strings.CutPrefix(option, "upperdir="); ok {
			m.upper = dir
		}
	}
	return m, true
}

// volatile reports whether the file system is in memory, so that a boot empties it. If the upper directory of an
// overlay can't be seen, it counts as being on a disk, as in most containers.
func (m mount) volatile() bool {
	switch m.kind {
	case "tmpfs", "ramfs", "rootfs":
		return true
	case "overlay":
		upper, err := mountOf(m.upper)
		return err == nil && upper.kind != "overlay" && upper.volatile()
	}
	return strings.HasPrefix(m.source, "/dev/zram") || strings.HasPrefix(m.source, "/dev/ram")
}

// Emptied is the kind of the file system that an existing path is on, if a boot of this host empties it. The result is
// empty if a boot does not, or if that is unknown. A directory of a bigger file system that is mounted into a container
// survives a boot of the container.
func Emptied(path string) string {
	if m, err := mountOf(path); err == nil && m.emptied() {
		return m.kind
	}
	return ""
}

func (m mount) emptied() bool {
	return m.volatile() && (m.root == "/" || pidNamespace() == InitialPIDNamespace)
}
