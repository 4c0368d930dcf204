package configcheck

import (
	"strings"
	"testing"

	"foreman-dlm-updater/internal/hook"
)

// TestHalvesComeBackInReverse: by the numbers of the bundled hooks, what is stopped first comes back last.
func TestHalvesComeBackInReverse(t *testing.T) {
	library := hook.Library{Dir: "../../contrib/hooks"}
	number := func(name string) string {
		stage, name, _ := strings.Cut(name, "/")
		return library.Number(stage, name)
	}
	compared := 0
	for _, one := range halves {
		for _, other := range halves {
			if number(one[0]) < number(other[0]) {
				compared++
				if number(one[1]) <= number(other[1]) {
					t.Errorf("%s (%s) comes before %s (%s), and %s (%s) does not come after %s (%s)",
						one[0], number(one[0]), other[0], number(other[0]), one[1], number(one[1]), other[1], number(other[1]))
				}
			}
		}
	}
	if compared < 20 {
		t.Errorf("only %d pairs have an order", compared)
	}
}
