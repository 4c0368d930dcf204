package dlm

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"foreman-dlm-updater/internal/sandbox"
)

// TestNames: a lock's name reaches the server as it is, over a real connection, and is found in its answers.
func TestNames(t *testing.T) {
	names := []string{
		"updates", "Test Lock", "a+b", "50%", "a%20b", "üpdäte", "u\u0308pda\u0308te", "更新", "🔒", `a"b`, "a'b", "`x`", "x\ny",
		"x\ty", "x\x1b[2Jy", `a\b`, "a;b", "a?b", "a#b", "a&b", "a=b", "a?host_id=2", "a&host_id=2", "c:x", "c@x", "c,x",
		"$x", "~x", "(x)",
		"[x]", "{x}", "<x>", "c|x", "c^x", "*", "!", "lock", "lock.json", "lock.xml", "web.prod.eu", "...", "\u202egnp",
		"\ufeffx", strings.Repeat("l", 8000),
	}
	for _, ts := range readTranscripts(t) {
		if name := ts.name(); !slices.Contains(names, name) && carried(name) {
			names = append(names, name)
		}
	}
	ca := newCA(t)
	s := sandbox.New(sandbox.Options{})
	c := networked(t, listen(t, s, ca), issue(t, ca, "node1", sandbox.IssueOptions{}, ca))
	for _, name := range names {
		if err := c.Acquire(t.Context(), name); err != nil {
			t.Errorf("%.40q: %v", name, err)
		}
		if l, _ := s.Lock(name); l.Holder != "node1" {
			t.Errorf("%.40q: the server has %+v", name, l)
		}
		if lock, err := c.Show(t.Context(), name); err != nil || lock.Name != name || !lock.Self {
			t.Errorf("%.40q: %v, %+v", name, err, lock)
		}
	}
	if got, want := len(s.Requests()), 2*len(names); got != want {
		t.Errorf("%d requests, want %d", got, want)
	}
}

// carried reports whether a name gets past Apache and Ruby, and is not another lock's number: the configuration refuses
// the others.
func carried(name string) bool {
	return utf8.ValidString(name) && strings.TrimSpace(name) == name && name != "" && name != "." && name != ".." &&
		!strings.ContainsAny(name, "/\x00") && strings.IndexAny(name, "+-0123456789") != 0 && len(name) < 8100
}
