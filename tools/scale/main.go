// Command scale prints what a fleet that waits for a lock costs Foreman, how long the fleet takes, and how long the
// lock is free meanwhile: from the model, and from real processes for comparison.
package main

import (
	"fmt"
	"os"
	"time"

	"foreman-dlm-updater/tools/scale/model"
)

func main() {
	perHour()
	wholeFleets()
	settings()
	slots()
	if err := processes(); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

// usual is a fleet with the default settings, whose timers fire within 100 ms, as cron's do. Updates take 10 minutes on
// average.
func usual(way model.Way, hosts int) model.Fleet {
	return model.Fleet{Way: way, Hosts: hosts,
		Begin: 100 * time.Millisecond, Interval: time.Minute, Settle: 2 * time.Second,
		Hold: 10 * time.Minute, Latency: 50 * time.Millisecond, Window: 10 * time.Millisecond}
}

// on spreads f's hosts evenly over a number of locks, and runs them.
func on(locks int, f model.Fleet) (sum model.Result) {
	hosts := f.Hosts
	for lock := range min(locks, hosts) {
		f.Hosts = hosts / locks
		if lock < hosts%locks {
			f.Hosts++
		}
		sum.Add(f.Run(uint64(lock)))
	}
	return sum
}

var sizes = []int{10, 100, 1000, 10000}

// perHour prints what Foreman has to do in the first hour.
func perHour() {
	fmt.Println("The first hour of N hosts that begin together (updates of 10 min, interval 60 s, jitter 0)")
	const titles = "%6s %6s  %-9s %9s %9s %9s %9s %9s %9s\n"
	fmt.Printf(titles, "hosts", "locks", "", "requests", "events", "of these", "dlm_", "dlmlocks", "Dynflow")
	fmt.Printf(titles, "", "", "", "", "rows", "fail", "facets", "updates", "jobs")
	for _, locks := range []int{1, 1000} {
		for _, hosts := range sizes {
			for _, way := range []model.Way{model.Original, model.InStep, model.Spread} {
				f := usual(way, hosts)
				f.Until = time.Hour
				r := on(locks, f)
				fmt.Printf("%6d %6d  %-9s %9d %9d %9d %9d %9d %9d\n", hosts, locks, way,
					r.Requests(), r.Events(), r.Fails, r.Requests(), r.LockWrites(), r.Jobs())
			}
		}
	}
}

// wholeFleets prints how long fleets take until all hosts are updated.
func wholeFleets() {
	for _, begin := range []time.Duration{100 * time.Millisecond, 2 * time.Hour} {
		fmt.Printf("\nWhole fleets on one lock that begin within %s (updates of 10 min, interval 60 s; "+
			"the mean of 20 histories, of 1 from 1000 hosts on)\n", begin)
		fmt.Printf("%6s  %s\n", "hosts", columns)
		for _, hosts := range []int{2, 5, 10, 20, 50, 100, 1000, 10000} {
			for _, way := range []model.Way{model.Original, model.InStep, model.Spread} {
				for _, jitter := range []time.Duration{0, 15 * time.Second} {
					f := usual(way, hosts)
					f.Begin, f.Jitter = begin, jitter
					if way != model.Original || jitter == 0 {
						fmt.Printf("%6d  %s\n", hosts, means(f))
					}
				}
			}
		}
	}
}

// settings prints how interval and jitter change this.
func settings() {
	fmt.Println("\n50 hosts on one lock, by interval and jitter (the mean of 20 histories)")
	fmt.Printf("%8s  %s\n", "interval", columns)
	for _, interval := range []time.Duration{15 * time.Second, time.Minute, 5 * time.Minute} {
		for _, jitter := range []time.Duration{0, interval / 4, interval} {
			for _, way := range []model.Way{model.InStep, model.Spread} {
				f := usual(way, 50)
				f.Interval, f.Jitter = interval, jitter
				fmt.Printf("%8s  %s\n", interval, means(f))
			}
		}
	}
}

// slots prints what slots and a failure budget change.
func slots() {
	fmt.Println("\nThe first hour of 1000 hosts with slots (updates of 10 min, interval 60 s, jitter 0)")
	const form = "%6v %7v  %-18s %9v %25v %7v %7v\n"
	fmt.Printf(form, "slots", "budget", "", "requests", "per host, slot, interval", "events", "fail")
	for _, row := range []struct {
		what          string
		slots, budget int
		change        func(*model.Fleet)
	}{
		{"", 1, 0, nil}, {"", 1, 1, nil}, {"", 4, 0, nil}, {"", 4, 1, nil}, {"", 10, 1, nil},
		{"all slots are held", 4, 1, func(f *model.Fleet) { f.Full = true }},
		{"a host has failed", 4, 1, func(f *model.Fleet) { f.Failed = true }},
	} {
		f := usual(model.Spread, 1000)
		f.Slots, f.MaxFailed, f.Until = row.slots, row.budget, time.Hour
		if row.change != nil {
			row.change(&f)
		}
		r := f.Run(0)
		intervals := int(f.Until / f.Interval)
		fmt.Printf(form, row.slots, row.budget, row.what, r.Requests(),
			fmt.Sprintf("%.2f", float64(r.Requests())/float64(f.Hosts*row.slots*intervals)), r.Events(), r.Fails)
	}
	fmt.Println("\nWhole fleets with slots (updates of 10 min, interval 60 s, jitter 15 s, budget 1; " +
		"the mean of 20 histories, of 1 from 1000 hosts on)")
	fmt.Printf("%6s %6s  %s\n", "hosts", "slots", columns)
	for _, hosts := range []int{100, 1000} {
		for _, n := range []int{1, 2, 4, 10} {
			f := usual(model.Spread, hosts)
			f.Slots, f.MaxFailed, f.Jitter = n, 1, 15*time.Second
			fmt.Printf("%6d %6d  %s\n", hosts, n, means(f))
		}
	}
}

// columns are the titles of means.
var columns = fmt.Sprintf("%-9s %7s %12s %12s %10s %12s %12s",
	"", "jitter", "fleet", "idle, mean", "fail rows", "claims lost", "two at once")

// means are the means of some histories. Claims lost are grants that another grant overwrote. The original does not
// notice that, and updates at the same time as another host.
func means(f model.Fleet) string {
	histories := 20
	if f.Hosts >= 1000 {
		histories = 1
	}
	var sum model.Result
	var took time.Duration
	for seed := range histories {
		r := f.Run(uint64(seed))
		took += r.Took / time.Duration(histories)
		sum.Add(r)
	}
	mean := func(n int) float64 { return float64(n) / float64(histories) }
	return fmt.Sprintf("%-9s %7s %12s %11.2fs %10.1f %12.1f %12.1f", f.Way, f.Jitter,
		took.Round(time.Minute), sum.MeanIdle().Seconds(), mean(sum.Fails),
		mean(sum.Acquires-f.Hosts*histories), mean(sum.Doubled))
}
