package sim

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/foreman"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/sandbox"

	"github.com/hashicorp/go-hclog"
)

// tails are ways in which a server's time between check and write can be spread around its mean.
var tails = []struct {
	name string
	draw func(mean time.Duration, r *random) time.Duration
}{
	{"exponential", func(mean time.Duration, r *random) time.Duration {
		return time.Duration(-math.Log(1-r.float()) * float64(mean))
	}},
	// One in 100 takes five times the mean, one in 10,000 fifty times.
	{"long-tailed (Pareto, 2)", func(mean time.Duration, r *random) time.Duration {
		return time.Duration(float64(mean) / 2 / math.Sqrt(1-r.float()))
	}},
}

// meetings lets two hosts claim a free lock within one mean window of each other, again and again, and counts how often
// both believe at the end that they hold it.
func meetings(t *testing.T, seed uint64, rounds int, settle time.Duration, window func(*random) time.Duration,
	within time.Duration) (both int) {
	inBubble(t, func() {
		dwell, start := newRandom(seed, 1), newRandom(seed, 2)
		server := sandbox.New(sandbox.Options{Window: func(_ context.Context, _, _ string, gap sandbox.Gap) time.Duration {
			if gap != sandbox.BeforeWrite {
				return 0
			}
			return window(dwell)
		}})
		for range rounds {
			server.SetHolder(lockName, "")
			var hosts sync.WaitGroup
			var got [2]error
			for i := range got {
				offset := start.part(within)
				hosts.Go(func() {
					time.Sleep(offset)
					got[i] = claim(server, fmt.Sprint("web", i), settle)
				})
			}
			hosts.Wait()
			server.Wait()
			if got[0] == nil && got[1] == nil {
				both++
			}
		}
	})
	return both
}

// claim takes the lock as the program does.
func claim(server *sandbox.Server, name string, settle time.Duration) error {
	log := hclog.NewNullLogger()
	client := dlm.New(dlm.Options{URL: "https://foreman.example.com", Timeout: 30 * time.Second, Log: log,
		Transport: server.Transport(name)})
	l := foreman.Open(client, foreman.Settings{Settle: settle}, log, lockName, lock.Options{})
	return l.Take(context.Background(), lock.Terms{Purpose: lock.ByHandNow})
}

// TestCurve measures the race that no client can close, where CURVE says in how many meetings; else only that there is
// one, and that the settle time is what makes it rare.
func TestCurve(t *testing.T) {
	rounds := number(t, "CURVE", 0)
	if rounds == 0 {
		window := func(r *random) time.Duration { return tails[0].draw(time.Second, r) }
		hasty, patient := meetings(t, 1, 300, time.Second, window, time.Second),
			meetings(t, 1, 300, 20*time.Second, window, time.Second)
		if hasty < 10 || patient > 0 {
			t.Errorf("of 300 meetings both hosts believed in %d with a settle time of 1 s, in %d with 20 s", hasty, patient)
		}
		return
	}
	settles := []time.Duration{100 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second,
		5 * time.Second, 10 * time.Second, 30 * time.Second}
	means := []time.Duration{5 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
		time.Second, 2 * time.Second}
	for _, tail := range tails {
		table := fmt.Sprintf("\n%s\n\n| mean time between check and write | settle %s |\n|---|%s\n",
			tail.name, join(settles, " | "), strings.Repeat("---|", len(settles)))
		for _, mean := range means {
			cells := make([]string, len(settles))
			t.Run(mean.String(), func(t *testing.T) {
				for i, settle := range settles {
					t.Run(settle.String(), func(t *testing.T) {
						t.Parallel()
						window := func(r *random) time.Duration { return tail.draw(mean, r) }
						cells[i] = fmt.Sprintf("%d", meetings(t, uint64(i), rounds, settle, window, mean))
					})
				}
			})
			table += fmt.Sprintf("| %s | %s |\n", mean, strings.Join(cells, " | "))
		}
		t.Logf("times that both hosts believed that they hold the lock, of %d meetings:\n%s", rounds, table)
	}
}

func join(all []time.Duration, with string) string {
	var text []string
	for _, d := range all {
		text = append(text, d.String())
	}
	return strings.Join(text, with)
}
