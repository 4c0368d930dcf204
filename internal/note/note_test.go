package note

import (
	"strings"
	"testing"
)

func TestCheckReason(t *testing.T) {
	for reason, good := range map[string]bool{"a": true, "übung 1": true, "": false, " \t": false, "a\nb": false,
		"\x1b[2J": false, "\xff": false, "a\u202eb": false, strings.Repeat("r", maxReason+1): false} {
		if err := CheckReason(reason); (err == nil) != good {
			t.Errorf("%q: %v", reason, err)
		}
	}
}
