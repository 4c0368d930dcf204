package main

import (
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

// sideBySide runs two commands in turn, and returns the medians of their times and the first one's peak memory in KiB.
func sideBySide(rounds int, ours, theirs []string) (us, them time.Duration, rss int64, err error) {
	var a, b []time.Duration
	for range rounds {
		first, err := measure(ours...)
		if err != nil {
			return 0, 0, 0, err
		}
		second, err := measure(theirs...)
		if err != nil {
			return 0, 0, 0, err
		}
		a, b, rss = append(a, first.Wall), append(b, second.Wall), max(rss, first.MaxRSS)
	}
	return median(a), median(b), rss, nil
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
