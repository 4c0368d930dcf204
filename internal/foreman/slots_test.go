package foreman

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/lock"

	"github.com/hashicorp/go-hclog"
)

// cluster is a Foreman with several locks, each with its own rules.
type cluster struct {
	*server
	locks map[string]*server
}

func newCluster(t *testing.T, names ...string) *cluster {
	c := &cluster{server: newServer(t), locks: map[string]*server{}}
	for _, name := range names {
		c.locks[name] = newServer(t)
	}
	return c
}

func (c *cluster) Show(ctx context.Context, name string) (dlm.Lock, error) {
	return c.locks[name].Show(ctx, name)
}
func (c *cluster) Acquire(ctx context.Context, name string) error {
	return c.locks[name].Acquire(ctx, name)
}
func (c *cluster) Release(ctx context.Context, name string) error {
	return c.locks[name].Release(ctx, name)
}

func (c *cluster) open(name string, claimed bool, slots []string) *Lock {
	out := hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: &c.log, DisableTime: true})
	return Open(c, c.settings, out, name, lock.Options{Claimed: claimed, Slots: slots})
}

var slots = []string{"web", "web.slot2", "web.slot3"}

// TestSlots: Take tries each slot once in a round, and stays with one for which a claim may still come true.
func TestSlots(t *testing.T) {
	tests := []struct {
		name     string
		claimed  string // the slot that an earlier invocation may have asked for
		prepare  func(c *cluster)
		want     string
		requests string // of each slot
	}{
		{"the first is free", "", func(*cluster) {}, "web.slot2", " GPG "},
		{"only one is free", "", func(c *cluster) {
			c.locks["web.slot2"].hold("other")
			c.locks["web.slot3"].hold("other")
		}, "web", "GPG G G"},
		{"another host is faster in one", "", func(c *cluster) {
			c.locks["web.slot2"].after("claim 1", c.locks["web.slot2"].goesTo("other"))
		}, "web.slot3", " GPG GPG"},
		{"all are held for a while", "", func(c *cluster) {
			for _, s := range c.locks {
				s.hold("other")
			}
			c.locks["web.slot3"].before("look 3", c.locks["web.slot3"].goesTo(""))
		}, "web.slot3", "GG GG GGGPG"},
		{"an unanswered claim that comes true", "", func(c *cluster) {
			c.locks["web.slot2"].after("claim 1", says(unreachable()))
		}, "web.slot2", " GPG "},
		{"an unanswered look after a claim", "", func(c *cluster) {
			c.locks["web.slot2"].before("look after claim 1", says(unreachable()))
		}, "web.slot2", " GPGGPG "},
		{"an earlier claim came true", "web", func(c *cluster) { c.locks["web"].hold("me") }, "web", "GPG  "},
		{"an earlier claim did not come true", "web.slot3", func(c *cluster) {
			c.locks["web.slot3"].hold("other")
		}, "web.slot3", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, slots...)
				test.prepare(c)
				name := "web"
				if test.claimed != "" {
					name = test.claimed
				}
				l := c.open(name, test.claimed != "", slots)
				if test.requests == "" { // no look proves anything before the claim has settled
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					if err := l.Take(ctx, lock.Terms{}); !errors.Is(err, context.DeadlineExceeded) || l.Name() != test.want {
						t.Errorf("got %v at slot %s", err, l.Name())
					}
					return
				}
				if err := l.Take(t.Context(), lock.Terms{}); err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, slot := range slots {
					got = append(got, c.locks[slot].requests())
				}
				if l.Name() != test.want || strings.Join(got, " ") != test.requests {
					t.Errorf("took %s with %q", l.Name(), got)
				}
				for _, slot := range slots {
					if mine := c.locks[slot].heldBy() == "me"; mine != (slot == test.want) {
						t.Errorf("slot %s is held by %q", slot, c.locks[slot].heldBy())
					}
				}
			})
		})
	}
}

// TestSlotsAreHeld: a run that waits says who holds the slots.
func TestSlotsAreHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, slots...)
		for i, name := range []string{"web1", "web2", "web3"} {
			c.locks[slots[i]].hold(name)
		}
		c.settings.Random = func(time.Duration) time.Duration { return 0 } // web.slot3 is the last one that it looks at
		err := c.open("web", false, slots).Take(t.Context(), lock.Terms{Purpose: lock.ByHandNow})
		if err == nil || !strings.HasPrefix(err.Error(), `lock "web": all 3 slots are held: by web1, web2, web3`) {
			t.Errorf("got %v", err)
		}
	})
}

// TestSlotsAreHeldOnce: it says so once, although it begins each round with another slot.
func TestSlotsAreHeldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, slots...)
		for i, name := range []string{"web1", "web2", "web3"} {
			c.locks[slots[i]].hold(name)
		}
		var said []string
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		terms := lock.Terms{Waits: func(w lock.Wait) { said = append(said, w.Why) }}
		if err := c.open("web", false, slots).Take(ctx, terms); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if want := []string{"all 3 slots are held: by web1, web2, web3"}; !slices.Equal(said, want) {
			t.Errorf("said %q", said)
		}
	})
}

// TestMay: what the run answers at each point, and what Take does about it.
func TestMay(t *testing.T) {
	refusal := lock.Wait{Why: "not well", For: lock.Gate, Again: 10 * time.Second}
	tests := []struct {
		name     string
		refuse   []bool // for each question, in order; later ones are allowed
		claimed  bool
		holder   string
		points   []lock.Point
		requests string
	}{
		{"yes", nil, false, "", []lock.Point{lock.BeforeLook, lock.BeforeClaim, lock.Verified}, "GPG"},
		{"no before the look", []bool{true}, false, "",
			[]lock.Point{lock.BeforeLook, lock.BeforeLook, lock.BeforeClaim, lock.Verified}, "GPG"},
		{"no before the claim", []bool{false, true}, false, "",
			[]lock.Point{lock.BeforeLook, lock.BeforeClaim, lock.BeforeLook, lock.BeforeClaim, lock.Verified}, "GGPG"},
		{"no when the lock is verified", []bool{false, false, true}, false, "",
			[]lock.Point{lock.BeforeLook, lock.BeforeClaim, lock.Verified, lock.BeforeLook, lock.BeforeClaim, lock.Verified},
			"GPGGDGGPG"},
		{"no, and an earlier claim came true", []bool{true}, true, "me",
			[]lock.Point{lock.BeforeLook, lock.BeforeLook, lock.BeforeClaim, lock.Verified}, "GDGGPG"},
		{"no, and an earlier claim did not come true", []bool{true}, true, "",
			[]lock.Point{lock.BeforeLook, lock.BeforeLook, lock.BeforeClaim, lock.Verified}, "GGGPG"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				s.hold(test.holder)
				var points []lock.Point
				l := s.open(lock.Options{Claimed: test.claimed})
				err := l.Take(t.Context(), lock.Terms{May: func(_ context.Context, at lock.Point) (lock.Wait, error) {
					points = append(points, at)
					if n := len(points); n <= len(test.refuse) && test.refuse[n-1] {
						return refusal, nil
					}
					return lock.Wait{}, nil
				}})
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(points, test.points) || s.requests() != test.requests {
					t.Errorf("asked at %v, requests %s", points, s.requests())
				}
				if strings.Contains(s.log.String(), "not this host's any more") {
					t.Errorf("the log warns of a lock that the run never had:\n%s", s.log.String())
				}
			})
		})
	}
}

// TestMayEnds: an error that says nothing about the server ends the wait; Abandon gives back what was taken.
func TestMayEnds(t *testing.T) {
	closed := &lock.NotNow{Text: "window closed"}
	requests := map[lock.Point]string{lock.BeforeLook: "", lock.BeforeClaim: "G", lock.Verified: "GPGGDG"}
	for point, requests := range requests {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t)
			l := s.open(lock.Options{})
			err := l.Take(t.Context(), lock.Terms{May: func(_ context.Context, at lock.Point) (lock.Wait, error) {
				if at == point {
					return lock.Wait{}, closed
				}
				return lock.Wait{}, nil
			}})
			if !errors.Is(err, closed) {
				t.Errorf("got %v", err)
			}
			if l.Asked() && !l.Abandon(t.Context()) || s.heldBy() != "" || s.requests() != requests {
				t.Errorf("point %d: held by %q after %s", point, s.heldBy(), s.requests())
			}
		})
	}
}

// TestMayEndsInTrouble: a refusal leaves no lock, even if the server is in trouble just then.
func TestMayEndsInTrouble(t *testing.T) {
	closed := &lock.NotNow{Text: "window closed"}
	for _, trouble := range []string{"look 2", "release 1", "look after release 1"} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t)
			s.before(trouble, says(unreachable()))
			l := s.open(lock.Options{})
			err := l.Take(t.Context(), lock.Terms{May: func(_ context.Context, at lock.Point) (lock.Wait, error) {
				if at == lock.Verified {
					return lock.Wait{}, closed
				}
				return lock.Wait{}, nil
			}})
			if !errors.Is(err, closed) || !s.reached(trouble) {
				t.Errorf("%s: got %v after %s", trouble, err, s.requests())
			}
			if !l.Abandon(t.Context()) || s.heldBy() != "" {
				t.Errorf("%s: held by %q after %s", trouble, s.heldBy(), s.requests())
			}
		})
	}
}

// TestMayWaitsForDays: gates that said no for days don't count as a server that gave no answer for days.
func TestMayWaitsForDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.before("look 1", says(unreachable()))
		well := time.Now().Add(3 * 23 * time.Hour)
		err := s.open(lock.Options{}).Take(t.Context(), lock.Terms{May: func(context.Context, lock.Point) (lock.Wait, error) {
			if time.Now().Before(well) {
				return lock.Wait{Why: "not well", For: lock.Gate}, nil
			}
			return lock.Wait{}, nil
		}})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestMayUnanswered: while the server can't say whether the run may begin, the run waits, and begins nothing.
func TestMayUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		l, asked := s.open(lock.Options{}), 0
		began := time.Now()
		err := l.Take(t.Context(), lock.Terms{May: func(_ context.Context, at lock.Point) (lock.Wait, error) {
			if at == lock.Verified {
				if asked++; asked < 3 {
					return lock.Wait{}, meaning(unreachable())
				}
			}
			return lock.Wait{}, nil
		}})
		if err != nil || asked != 3 || time.Since(began) < time.Minute {
			t.Errorf("got %v after %d answers and %s", err, asked, time.Since(began))
		}
	})
}
