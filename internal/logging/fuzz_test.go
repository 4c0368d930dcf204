package logging

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// FuzzLog: no text that comes from elsewhere forges a line of the log, or reaches a terminal raw, in either format.
func FuzzLog(f *testing.F) {
	for _, s := range []string{"", "plain", "a\nb", "\r\x1b[2J", "\xff", "\u202e\u2028\ufeff", `{"@level":"error"}`,
		"x=\"y\" z=1", "[ERROR] forged"} {
		f.Add(s, s, s)
	}
	f.Fuzz(func(t *testing.T, message, key, value string) {
		for _, structured := range []bool{false, true} {
			var out bytes.Buffer
			root := hclog.New(&hclog.LoggerOptions{Level: hclog.Info})
			options := &hclog.LoggerOptions{Level: hclog.Trace, Output: &out, JSONFormat: structured}
			s := sink{hclog.NewSinkAdapter(options), root, &queue{}, nil}
			s.Accept("", hclog.Info, message, key, value)
			for _, r := range out.String() {
				if r != '\n' && !strconv.IsPrint(r) {
					t.Fatalf("%q has the character %U", out.String(), r)
				}
			}
			first, more, _ := strings.Cut(out.String(), "\n")
			for line := range strings.Lines(more) {
				if structured || !strings.HasPrefix(line, "  ") {
					t.Errorf("%q, %q, %q forged a line: %q", message, key, value, line)
				}
			}
			if structured && !json.Valid([]byte(first)) {
				t.Errorf("no JSON: %q", first)
			}
		}
	})
}
