package chaos

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A round is one update of eight hosts that begin together: real updaters and hooks, and a real lock server of its own.
// Nobody is killed; it is the server that makes trouble. Every other host reboots.

const (
	// atOnce is how many rounds are played side by side. Their processes wait most of the time.
	atOnce = 14
	// window is how long the server dwells between check and write.
	window = 20 * time.Millisecond
)

// contest is a kind of lock server.
type contest struct {
	name     string
	lock     lockServer
	hosts    int
	slots    int
	flags    []string // of the server
	trouble  int      // how many kinds of misfortunes each round has
	programs string   // the directory of the programs
	window   time.Duration
}

var contests = []contest{
	{name: "Foreman", lock: plainForeman, slots: 1},
	{name: "Foreman, guarded", lock: guardedForeman, slots: 1},
	{name: "FleetLock", lock: fleetLock, slots: 1},
	{name: "FleetLock, three slots", lock: fleetLock, slots: 3},
	{name: "FleetLock, with faults", lock: fleetLock, slots: 1, trouble: 6},
}

// tally is what rounds show.
type tally struct {
	rounds, updates, reboots int
	most                     int // hosts inside at once
	lost                     int // races: grants that another one overwrote, or requests that came too late
	spoiled                  int // requests without an answer, or with one that says nothing
	flaws                    []string
}

func (t *tally) add(o tally) {
	t.rounds, t.updates, t.reboots = t.rounds+o.rounds, t.updates+o.updates, t.reboots+o.reboots
	t.most, t.lost, t.spoiled = max(t.most, o.most), t.lost+o.lost, t.spoiled+o.spoiled
	t.flaws = append(t.flaws, o.flaws...)
}

// rounds is how many rounds to play with each server, with how many hosts, and whether somebody has asked for it.
func rounds(t *testing.T) (n, hosts int, asked bool) {
	t.Helper()
	text := os.Getenv("ROUNDS")
	if text == "" {
		return 3, 4, false
	}
	n, err := strconv.Atoi(text)
	must(t, err)
	return n, 8, true
}

// TestRounds is the proof that never more hosts are inside than there are slots, whatever the server. A host is inside
// from the beginning of pre_update until needs_reboot has said no, or the host has booted again.
func TestRounds(t *testing.T) {
	n, hosts, asked := rounds(t)
	if !asked {
		t.Parallel()
	}
	programs := build(t, nil)
	rows := make([]string, len(contests))
	const form = "%-24s %7v %8v %8v %7v %6v %8v %8v\n"
	t.Cleanup(func() { // when the parallel ones have ended, too
		title := fmt.Sprintf(form, "server", "rounds", "updates", "reboots", "inside", "lost", "spoiled", "seconds")
		t.Logf("%d hosts in each round; inside: at most, at once; lost: races; spoiled: answers\n%s%s", hosts, title,
			strings.Join(rows, ""))
	})
	for i, c := range contests {
		t.Run(c.name, func(t *testing.T) {
			if !asked { // else one after the other: the seconds count
				t.Parallel()
			}
			began := time.Now()
			c.programs, c.window, c.hosts = programs, window, hosts
			r := c.play(t, n)
			rows[i] = fmt.Sprintf(form, c.name, r.rounds, r.updates, r.reboots, fmt.Sprintf("%d of %d", r.most, c.slots), r.lost,
				r.spoiled, fmt.Sprintf("%.0f", time.Since(began).Seconds()))
			for _, flaw := range r.flaws {
				t.Error(flaw)
			}
			if asked && n >= 50 && (r.lost == 0 || r.most < c.slots || c.trouble > 0 && r.spoiled == 0) {
				t.Error("it proves little: no race was lost, not all slots were ever used, or no answer was spoiled")
			}
		})
	}
}

// play plays rounds, some of them side by side.
func (c contest) play(t *testing.T, n int) (sum tally) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	turn := make(chan struct{}, atOnce)
	dir := workDir(t)
	for i := range n {
		turn <- struct{}{}
		all.Go(func() {
			defer func() { <-turn }()
			result := c.round(t.Context(), filepath.Join(dir, fmt.Sprintf("round%d", i+1)))
			mu.Lock()
			defer mu.Unlock()
			sum.add(result)
		})
	}
	all.Wait()
	return sum
}

// round plays one round in a new directory, which is removed unless something is wrong.
func (c contest) round(ctx context.Context, dir string) (result tally) {
	ctx, giveUp := context.WithTimeout(ctx, 2*time.Minute)
	defer giveUp()
	r := &round{contest: c, dir: dir, ledger: filepath.Join(dir, "ledger")}
	flaws := r.run(ctx)
	entries, err := readLedger(r.ledger)
	if err != nil {
		flaws = append(flaws, err.Error())
	}
	result = judge(entries, r.names(), c)
	result.flaws = append(result.flaws, flaws...)
	result.lost += r.lost
	result.spoiled = r.spoiled
	if len(result.flaws) == 0 {
		_ = os.RemoveAll(dir) // the test removes what is left
	}
	for i := range result.flaws {
		result.flaws[i] = filepath.Base(dir) + ": " + result.flaws[i]
	}
	return result
}

// judge says what the ledger of a round shows.
func judge(entries []entry, hosts []string, c contest) tally {
	v := prove(entries, rules{slots: c.slots, shared: c.lock == fleetLock, guarded: c.lock == guardedForeman})
	v.complete(hosts)
	result := tally{rounds: 1, updates: v.finished, reboots: v.rebooted, lost: v.overwritten, flaws: v.flaws}
	result.most = mostInside(entries)
	if result.most > c.slots {
		result.flaws = append(result.flaws, fmt.Sprintf("%d hosts were inside at once", result.most))
	}
	if v.finished != len(hosts) || v.rebooted != len(hosts)/2 {
		result.flaws = append(result.flaws, fmt.Sprintf("%d updates and %d reboots of %d hosts", v.finished, v.rebooted,
			len(hosts)))
	}
	return result
}

// mostInside is how many hosts were inside at once, at most: between stages they are, too.
func mostInside(entries []entry) (most int) {
	hosts := map[string]bool{}
	for _, e := range entries {
		switch {
		case e.Kind == "begin" && e.Stage == "pre_update":
			hosts[e.Host] = true
			most = max(most, len(hosts))
		case e.Kind == "end" && e.Stage == "needs_reboot" && e.Answer == "no", e.Kind == "boot":
			delete(hosts, e.Host)
		}
	}
	return most
}

// round is a round that is being played.
type round struct {
	contest
	dir, ledger string
	runners     []*runner

	mu            sync.Mutex
	lost, spoiled int
}

func (r *round) names() (names []string) {
	for i := range r.hosts {
		names = append(names, fmt.Sprintf("web%d", i+1))
	}
	return names
}

// run plays the round to its end, and returns what went wrong but for what the ledger shows.
func (r *round) run(ctx context.Context) (flaws []string) {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return []string{err.Error()}
	}
	s := &server{dir: r.dir, ledger: r.ledger, program: filepath.Join(r.programs, "dlm-sandbox"),
		window: r.window.String(), lock: r.lock, slots: r.slots, heard: r.heard}
	if err := r.serve(s); err != nil {
		return []string{err.Error()}
	}
	defer s.kill()
	if err := r.addHosts(s); err != nil {
		return []string{err.Error()}
	}
	ends := make([]error, len(r.runners))
	var all sync.WaitGroup
	for i, h := range r.runners {
		all.Go(func() { ends[i] = h.update(ctx) })
	}
	all.Wait()
	for i, h := range r.runners {
		if ends[i] != nil {
			flaws = append(flaws, fmt.Sprintf("%s: %v", h.name, ends[i]))
		}
		if _, err := os.Stat(h.path("state")); !os.IsNotExist(err) {
			flaws = append(flaws, fmt.Sprintf("%s has a state at the end (%v)", h.name, err))
		}
	}
	return flaws
}

// serve starts the lock server.
func (r *round) serve(s *server) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	flags := slices.Concat([]string{"--listen", "127.0.0.1:0"}, r.flags, s.kind(), someOf(misfortunes[r.lock], r.trouble))
	if r.lock != fleetLock { // as an administrator should: two first claims that meet would break a lock's name
		if err := os.WriteFile(r.ledger, []byte(`{"kind":"enable","lock":"web"}`+"\n"), 0o644); err != nil {
			return err
		}
		flags = append(flags, "--restore")
	}
	return s.serve(flags)
}

// heard counts what the server says of requests.
func (r *round) heard(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case strings.Contains(line, "lost a race"), r.lock == guardedForeman && strings.Contains(line, " PUT web -> 500"):
		r.lost++
	case strings.Contains(line, "-> no answer"), strings.Contains(line, "-> 202"), strings.Contains(line, "-> 503"):
		r.spoiled++
	}
}

// TestTooMany: a round shows it if a server grants too many slots, or if hosts believe a claim at once.
func TestTooMany(t *testing.T) {
	_, hosts, asked := rounds(t)
	if !asked {
		t.Parallel()
	}
	tests := []struct {
		name string
		contest
		overlay func(*testing.T) map[string]string
	}{
		{"two replicas", contest{lock: fleetLock, slots: 1, flags: []string{"--dialect", "heathcliff", "--fault",
			"pre-reboot:replicas:0:300ms"}}, nil},
		{"no settle time", contest{lock: plainForeman, slots: 1, window: 150 * time.Millisecond}, withoutSettleTime},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var overlay map[string]string
			if tt.overlay != nil {
				if !asked {
					t.Skip("a part of `make rounds`: it compiles the program once more (ROUNDS is not set)")
				}
				overlay = tt.overlay(t)
			}
			c := tt.contest
			c.programs, c.hosts = build(t, overlay), hosts
			c.window = cmp.Or(c.window, window)
			result := c.play(t, 1)
			if result.most < 2 || !slices.ContainsFunc(result.flaws, func(f string) bool {
				return strings.Contains(f, "hosts were inside at once")
			}) {
				t.Errorf("not found: %+v", result)
			}
		})
	}
}

// withoutSettleTime is the source of a program that believes a claim at once.
func withoutSettleTime(t *testing.T) map[string]string {
	i := slices.IndexFunc(mistakes, func(m mistake) bool { return m.name == "no settle time" })
	return mistakes[i].overlay(t)
}
