package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// measureMode makes this program a small process that runs one command. The kernel counts a command's peak memory from
// the peak of its parent process (fs/exec.c, setmax_mm_hiwater_rss), so the parent must be small.
const measureMode = "measure"

type measurement struct {
	Wall   time.Duration
	CPU    time.Duration // user and system, of the process alone
	MaxRSS int64         // KiB
}

func measured(argv []string) int {
	cmd := exec.Command(argv[0], argv[1:]...)
	m, err := watch(cmd)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(m)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%q: %v\n", argv, err)
		return 1
	}
	return 0
}

// watch runs a command. It reads the CPU time after the command's end but before wait(2), which would add the
// children's time.
func watch(cmd *exec.Cmd) (m measurement, err error) {
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return m, err
	}
	pid := cmd.Process.Pid
	for err = unix.EINTR; err == unix.EINTR; {
		err = unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
	}
	m.Wall = time.Since(began)
	var cpu unix.Timespec
	if err == nil {
		err = unix.ClockGettime(int32(^pid<<3|2), &cpu) // the clock that clock_getcpuclockid(3) returns
	}
	m.CPU = time.Duration(cpu.Nano())
	if err := errors.Join(err, cmd.Wait()); err != nil {
		return m, err
	}
	m.MaxRSS = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	return m, nil
}

// measure runs a command in a process of its own.
func measure(argv ...string) (m measurement, err error) {
	self, err := os.Executable()
	if err != nil {
		return m, err
	}
	cmd := exec.Command(self, append([]string{measureMode}, argv...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(out, &m)
}

// pairs are the times of two commands that ran in turn.
type pairs struct {
	ours, theirs []time.Duration
	cpu          []time.Duration // of ours
	rss          int64           // the highest peak memory of ours, in KiB
}

// sideBySide runs two commands in turn, so that other load on the machine hits both.
func sideBySide(rounds int, ours, theirs []string) (p pairs, err error) {
	for range rounds {
		first, err := measure(ours...)
		if err != nil {
			return p, err
		}
		second, err := measure(theirs...)
		if err != nil {
			return p, err
		}
		p.ours, p.theirs = append(p.ours, first.Wall), append(p.theirs, second.Wall)
		p.cpu, p.rss = append(p.cpu, first.CPU), max(p.rss, first.MaxRSS)
	}
	return p, nil
}

// extra is the median of how much longer ours took, round by round.
func (p pairs) extra() time.Duration {
	extra := make([]time.Duration, len(p.ours))
	for i := range extra {
		extra[i] = p.ours[i] - p.theirs[i]
	}
	return median(extra)
}

// ratio is the median of how many times as long ours took, round by round.
func (p pairs) ratio() float64 {
	ratios := make([]float64, len(p.ours))
	for i := range ratios {
		ratios[i] = float64(p.ours[i]) / float64(p.theirs[i])
	}
	return median(ratios)
}

func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
