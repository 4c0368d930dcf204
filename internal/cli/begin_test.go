package cli

import (
	"slices"
	"strings"
	"testing"

	"foreman-dlm-updater/internal/sandbox"
)

// TestStatusAsksLittle: it asks for each lock that it needs once, and for nothing more if Foreman is away. It looks at
// all slots before it looks at a flag.
func TestStatusAsksLittle(t *testing.T) {
	slots := []string{"web", "web.slot2", "web.slot3"}
	flags := []string{"web.failed1", "web.failed2", "web.failed3"}
	others := map[string]string{"lock_slots": "3", "max_failed": "2", "blocked_by": "db, staging.failed1"}
	out := `update` + "\n" + `{"format":1,"run":"r1","lock":"web.slot2"}`
	for name, test := range map[string]struct {
		conf  map[string]string
		state string
		away  bool
		want  []string
	}{
		"no slots, no budget":         {want: slots[:1]},
		"three slots":                 {conf: map[string]string{"lock_slots": "3"}, want: slots},
		"a budget":                    {conf: map[string]string{"max_failed": "1"}, want: []string{"web", "web.failed1"}},
		"everything":                  {conf: others, want: slices.Concat(slots, flags, []string{"db", "staging.failed1"})},
		"everything, out of service":  {conf: others, state: out, want: []string{"web.slot2"}},
		"everything, Foreman is away": {conf: others, away: true, want: slots[:1]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newOutcomeHost(t)
			for key, value := range test.conf {
				h.conf[key] = value
			}
			if test.state != "" {
				h.put("state", test.state)
			}
			if test.away {
				h.server.Inject(sandbox.Fault{Kind: sandbox.DropBefore})
			}
			if text, err := h.command("status").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			var asked []string
			for _, request := range h.server.Requests() {
				asked = append(asked, request.Name)
			}
			first := slices.IndexFunc(asked, func(lock string) bool { return strings.Contains(lock, "failed") })
			isSlot := func(lock string) bool { return slices.Contains(slots, lock) }
			if first >= 0 && slices.ContainsFunc(asked[first:], isSlot) {
				t.Errorf("a slot after a flag: %q", asked)
			}
			same(t, "asked", sorted(test.want), slices.Sorted(slices.Values(asked)))
		})
	}
}
