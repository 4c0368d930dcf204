package sim

import (
	"fmt"
	"runtime"
	"testing"
)

// parallel plays n histories, the first with this seed, on all processors.
func parallel(t *testing.T, first, n int, play func(t *testing.T, seed uint64)) {
	workers := runtime.GOMAXPROCS(0)
	t.Run("seeds", func(t *testing.T) {
		for worker := range workers {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for i := worker; i < n; i += workers {
					play(t, uint64(first+i))
				}
			})
		}
	})
}
