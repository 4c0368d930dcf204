package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
)

// Leftover is a process that systemd kills when this program ends.
type Leftover struct {
	PID     int
	Command string // its command line, cut to a sentence's length
	Environ []byte // the environment it was started with: KEY=VALUE, each ended by a NUL
}

// Getenv is a variable in Environ; empty if it is missing.
func (l Leftover) Getenv(key string) string {
	for entry := range bytes.SplitSeq(l.Environ, []byte{0}) {
		if value, ok := bytes.CutPrefix(entry, []byte(key+"=")); ok {
			return string(value)
		}
	}
	return ""
}

// Leftovers returns the processes that systemd kills when this program ends, sorted by pid: all processes in the
// control group of the unit whose main process this is, except this program's own descendants. It is empty for a run by
// hand. A process that is about to end gets a moment to do so. If there are no leftovers, it only reads a few files of
// the kernel; otherwise it also asks systemd, for at most 5 s. Together with an error it returns the processes that may
// be leftovers.
func Leftovers(ctx context.Context) ([]Leftover, error) {
	k := kernel{
		proc: "/proc", cgroups: "/sys/fs/cgroup", self: os.Getpid(), parent: os.Getppid(),
		mainPID: mainPID, moment: 300 * time.Millisecond,
	}
	return k.leftovers(ctx)
}

// kernel is where Leftovers gets its facts about processes from.
type kernel struct {
	proc, cgroups string // where they are mounted
	self, parent  int
	mainPID       func(ctx context.Context, unit string) (int, error)
	moment        time.Duration
}

func (k kernel) leftovers(ctx context.Context) ([]Leftover, error) {
	if k.parent != 1 { // only a child of systemd can be the main process of a unit
		return nil, nil
	}
	group, err := k.controlGroup()
	if group == "" || err != nil {
		return nil, err
	}
	var pids []int
	for end := time.Now().Add(k.moment); ; time.Sleep(k.moment / 10) {
		if pids, err = k.strangers(group); len(pids) == 0 || err != nil {
			return nil, err
		}
		if !time.Now().Before(end) {
			break
		}
	}
	var found []Leftover
	for _, pid := range pids {
		environ, _ := os.ReadFile(k.file(pid, "environ")) // it may be gone, or refuse to tell
		found = append(found, Leftover{pid, k.command(pid), environ})
	}
	// Without logind a shell runs in sshd's service. So does a program that the shell started and left behind.
	unit := filepath.Base(group)
	switch main, err := k.mainPID(ctx, unit); {
	case err != nil:
		return found, fmt.Errorf("ask systemd for the main process of %s: %w", unit, err)
	case main != k.self:
		return nil, nil
	}
	return found, nil
}

// controlGroup is the directory of our own control group (cgroups(7)), in the hierarchy that systemd uses; empty if it
// does not belong to a service.
func (k kernel) controlGroup() (string, error) {
	content, err := os.ReadFile(filepath.Join(k.proc, "self/cgroup"))
	if err != nil {
		return "", fmt.Errorf("read our own control group: %w", err)
	}
	prefix, root := "0::", k.cgroups
	_, err = os.Stat(filepath.Join(root, "cgroup.controllers"))
	if errors.Is(err, os.ErrNotExist) { // cgroup v1
		prefix, root = ":name=systemd:", filepath.Join(root, "systemd")
	}
	for line := range strings.Lines(string(content)) {
		_, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), prefix)
		if ok && strings.HasSuffix(path, ".service") {
			return filepath.Join(root, path), nil
		}
	}
	return "", nil
}

// strangers are the processes of a control group, and of the groups below it, that are neither this program nor its
// descendants: their parent has ended.
func (k kernel) strangers(group string) ([]int, error) {
	pids, err := processes(group)
	if err != nil {
		return nil, err
	}
	pids = slices.DeleteFunc(pids, func(pid int) bool { return pid == k.self || k.descends(pid) })
	slices.Sort(pids)
	return pids, nil
}

func processes(group string) ([]int, error) {
	content, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
	if err != nil {
		return nil, fmt.Errorf("read the processes of a control group: %w", err)
	}
	var pids []int
	for _, field := range strings.Fields(string(content)) {
		if pid, err := strconv.Atoi(field); err == nil && pid > 0 { // 0: not in our namespace
			pids = append(pids, pid)
		}
	}
	below, _ := os.ReadDir(group)
	for _, entry := range below {
		if entry.IsDir() {
			more, _ := processes(filepath.Join(group, entry.Name())) // it may be gone by now
			pids = append(pids, more...)
		}
	}
	return pids, nil
}

// descends reports whether a process is a descendant of this program. It is also true for a process that is gone, and
// for a zombie.
func (k kernel) descends(pid int) bool {
	for range 1000 { // a limit, because the files are read one after the other: the answers may form a circle
		stat, err := os.ReadFile(k.file(pid, "stat"))
		end := bytes.LastIndexByte(stat, ')') // the command's name before it can hold anything
		if err != nil || end < 0 {
			return true
		}
		fields := strings.Fields(string(stat[end+1:])) // state, parent, ... (proc(5))
		if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
			return true
		}
		switch pid, err = strconv.Atoi(fields[1]); {
		case err != nil || pid == k.self:
			return true
		case pid <= 1:
			return false
		}
	}
	return false
}

func (k kernel) file(pid int, name string) string {
	return filepath.Join(k.proc, strconv.Itoa(pid), name)
}

func (k kernel) command(pid int) string {
	const most = 200
	line, _ := os.ReadFile(k.file(pid, "cmdline"))
	line = bytes.ReplaceAll(bytes.TrimRight(line, "\x00"), []byte{0}, []byte(" "))
	if len(line) > most {
		line = append(line[:most:most], "..."...)
	}
	return strings.ToValidUTF8(string(line), "?")
}

func mainPID(ctx context.Context, unit string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	conn, err := dbus.NewWithContext(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	property, err := conn.GetServicePropertyContext(ctx, unit, "MainPID")
	if err != nil {
		return 0, err
	}
	pid, _ := property.Value.Value().(uint32)
	return int(pid), nil
}

// MoveToScope starts a scope, a unit for processes that systemd has not started itself (systemd.scope(5)), and moves
// processes into it. It takes at most 5 s.
func MoveToScope(ctx context.Context, name, description string, pids []int) error {
	ctx, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	conn, err := dbus.NewWithContext(ctx)
	if err != nil {
		return fmt.Errorf("connect to systemd: %w", err)
	}
	defer conn.Close()
	numbers := make([]uint32, len(pids))
	for i, pid := range pids {
		numbers[i] = uint32(pid)
	}
	result := make(chan string, 1)
	properties := []dbus.Property{dbus.PropDescription(description), dbus.PropPids(numbers...)}
	if _, err := conn.StartTransientUnitContext(ctx, name, "fail", properties, result); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	select {
	case how := <-result:
		if how != "done" {
			return fmt.Errorf("start %s: the job's result is %q", name, how)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("start %s: %w", name, ctx.Err())
	}
}
