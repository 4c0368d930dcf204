package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// measureMode makes this program a small process that runs one command: a command's peak memory as the kernel counts
// it begins with that of the process that started it (fs/exec.c, setmax_mm_hiwater_rss), so that must be small.
const measureMode = "measure"

type measurement struct {
	Wall   time.Duration
	MaxRSS int64 // KiB
}

func measured(argv []string) int {
	cmd := exec.Command(argv[0], argv[1:]...)
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%q: %v\n", argv, err)
		return 1
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if err := json.NewEncoder(os.Stdout).Encode(measurement{took, usage.Maxrss}); err != nil {
		return 1
	}
	return 0
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
	rss          int64 // the highest peak memory of ours, in KiB
}

// sideBySide runs two commands in turn, so that whatever else the machine does hits both.
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
		p.ours, p.theirs, p.rss = append(p.ours, first.Wall), append(p.theirs, second.Wall), max(p.rss, first.MaxRSS)
	}
	return p, nil
}

// extra is the median of what ours took more than theirs, round by round.
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
