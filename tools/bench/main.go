// Command bench measures what the updater costs, side by side with run-parts on the same hooks, and prints the figures.
// It marks a figure that is over its budget, but does not fail.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == measureMode {
		os.Exit(measured(os.Args[2:]))
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	updater, err := filepath.Abs("bin/foreman-dlm-updater")
	if err != nil {
		return err
	}
	if _, err := os.Stat(updater); err != nil {
		return fmt.Errorf("%w (run `make bench`, which builds it)", err)
	}
	if _, err := exec.LookPath("run-parts"); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	syscall.Umask(0o022)
	fmt.Printf("%-58s %10s %10s %10s  %s\n", "medians", "updater", "run-parts", "figure", "budget")
	for _, bench := range []func(string, string) error{size, nothingToDo, manyHooks, wholeCycle, hugeLine} {
		if err := bench(updater, dir); err != nil {
			return err
		}
	}
	return nil
}

// line prints the medians of both programs, and the figure that has the budget.
func line(what string, p pairs, figure, budget string, within bool) {
	var ours, theirs time.Duration
	if len(p.ours) > 0 {
		ours, theirs = median(p.ours), median(p.theirs)
	}
	verdict := ""
	if !within {
		verdict = "  OVER BUDGET"
	}
	fmt.Printf("%-58s %10s %10s %10s  %s%s\n", what, short(ours), short(theirs), figure, budget, verdict)
}

func short(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return d.Round(10 * time.Microsecond).String()
}
