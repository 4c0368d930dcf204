package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sound is the ledger of a good run, with claims at the same time.
const sound = `acquire web2
acquire web1
web1 pre_update begin stops its service
web1 pre_update end
web1 update begin
web1 update step file copied
web1 update end
web1 needs_reboot begin
web1 needs_reboot end
web1 reboot begin
web1 reboot end
web1 post_update begin
web1 post_update end
release web1
acquire web3
acquire web2
web2 pre_update begin
web2 pre_update end
web2 update begin
web2 update end
web2 needs_reboot begin
web2 needs_reboot end
web2 reboot begin
web2 reboot end
web2 post_update begin
web2 post_update end
release web2
fail web1
acquire web3
web3 pre_update begin
web3 pre_update end
web3 update begin
web3 update end
web3 needs_reboot begin
web3 needs_reboot end
web3 post_update begin
web3 post_update end
release web3`

// parseLedger reads the lines as the ledger does; the server's are given as KIND HOST.
func parseLedger(text string) []entry {
	var out []entry
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if kind, host, _ := strings.Cut(line, " "); slices.Contains([]string{acquire, release, refuse}, kind) {
			line = fmt.Sprintf(`{"time":"2026-01-02T03:04:05.6Z","kind":%q,"lock":"web","host":"","by":%q}`, kind, host)
		}
		out = append(out, parseEntry(line))
	}
	return out
}

func TestProve(t *testing.T) {
	got := prove(parseLedger(sound))
	want := verdict{intervals: 11, order: []string{"web1", "web2", "web3"}, claims: 5, overwritten: 2}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(verdict{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := got.err(); err != nil {
		t.Error(err)
	}
}

// TestProveFlaws: every flaw is found.
func TestProveFlaws(t *testing.T) {
	tests := []struct {
		name     string
		old, new string // in the sound ledger, the first place
		overlaps int
		flaw     string
	}{
		{"inside another's stage", "web1 update step file copied\n", "web2 pre_update begin\nweb2 pre_update end\n", 1,
			"web2 began pre_update while web1 was in update"},
		{"around another's stage", "web1 pre_update begin stops its service\n",
			"web2 update begin\nweb1 pre_update begin\nweb2 update end\n", 1,
			"web1 began pre_update while web2 was in update"},
		{"during a reboot", "web1 reboot end\n", "web2 pre_update begin\nweb1 reboot end\n", 1,
			"web2 began pre_update while web1 was in reboot"},
		{"two others at once", "web1 update step file copied\n",
			"web2 update begin\nweb3 update begin\nweb2 update end\nweb3 update end\n", 3,
			"web3 began update while web2 was in update"},
		{"between another's stages", "web1 update begin\n", "web2 update begin\nweb2 update end\nweb1 update begin\n", 0,
			"web2 began update while the lock was web1's"},
		{"on an overwritten claim", "acquire web1\n", "acquire web1\nweb2 pre_update begin\nweb2 pre_update end\n", 0,
			"web2 began pre_update while the lock was web1's"},
		{"without the lock", "acquire web2\nweb2 pre_update begin\n", "web2 pre_update begin\n", 0,
			"web2 began pre_update while the lock was web3's"},
		{"after the release", "release web3", "release web3\nweb3 update begin\nweb3 update end", 0,
			"web3 began update while the lock was free"},
		{"lock taken meanwhile", "web1 update step file copied\n", "acquire web2\n", 0,
			"the lock changed hands (acquire by web2) while web1 was in update"},
		{"lock released meanwhile", "web1 update step file copied\n", "release web1\n", 0,
			"the lock changed hands (release by web1) while web1 was in update"},
		{"begun twice", "web1 update begin\n", "web1 update begin\nweb1 update begin\n", 0,
			"web1 began update inside update"},
		{"never ended", "web1 update end\n", "", 0, "web1 began needs_reboot inside update"},
		{"never begun", "web1 update begin\n", "", 0, "web1 ended update, which it had not begun"},
		{"left out", "web2 update begin\nweb2 update end\n", "", 0, "web2 went through [pre_update needs_reboot reboot]"},
		{"never released", "release web3", "", 0, "the lock was released by [web1 web2]"},
		{"a line that says nothing", "web1 update step", "web1 update stop", 0, "the ledger has a line that says nothing"},
		{"nothing at all", sound, "", 0, "web1 went through []"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(sound, tt.old) {
				t.Fatalf("the ledger has no %q", tt.old)
			}
			got := prove(parseLedger(strings.Replace(sound, tt.old, tt.new, 1)))
			if got.overlaps != tt.overlaps {
				t.Errorf("%d overlaps, want %d", got.overlaps, tt.overlaps)
			}
			if err := got.err(); err == nil || !strings.Contains(err.Error(), tt.flaw) {
				t.Errorf("error %v, want %q", err, tt.flaw)
			}
			if strings.Contains(got.String(), "granted") {
				t.Errorf("claims to have proven something:\n%s", got)
			}
		})
	}
}
