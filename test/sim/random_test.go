package sim

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// random is the source of one actor, so that what one draws doesn't depend on when another does.
type random struct {
	mu  sync.Mutex
	src *rand.Rand
}

func newRandom(seed uint64, actor ...uint64) *random {
	stream := uint64(1)
	for _, part := range actor {
		stream = stream*1_000_003 + part + 1
	}
	return &random{src: rand.New(rand.NewPCG(seed, stream))}
}

func (r *random) float() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.src.Float64()
}

func (r *random) chance(p float64) bool { return p > 0 && r.float() < p }

func (r *random) n(n int) int { return int(r.float() * float64(n)) }

// part is a random part of d.
func (r *random) part(d time.Duration) time.Duration { return time.Duration(r.float() * float64(d)) }

// between has every order of magnitude from low to high alike.
func (r *random) between(low, high time.Duration) time.Duration {
	return time.Duration(float64(low) * math.Pow(float64(high)/float64(low), r.float()))
}

func pick[T any](r *random, all ...T) T { return all[r.n(len(all))] }
