package chaos

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// turn is what the ledger has of one host's update, under a lock of a FleetLock server.
func turn(host string, reboots bool) (lines []entry) {
	add := func(kind, stage, answer string) {
		lines = append(lines, entry{Kind: kind, Host: host, Stage: stage, Run: "run of " + host, Answer: answer})
	}
	stage := func(stage, answer string) { add("begin", stage, ""); add("end", stage, answer) }
	stage("needs_update", "yes")
	lines = append(lines, entry{Kind: "acquire", Host: host, Lock: "web"})
	stage("pre_update", "no")
	stage("update", "no")
	if reboots {
		stage("needs_reboot", "yes")
		lines = append(lines, entry{Kind: "asked", Host: host}, entry{Kind: "boot", Host: host, Asked: true})
	} else {
		stage("needs_reboot", "no")
	}
	stage("post_update", "no")
	for i := range lines {
		if lines[i].Stage == "post_update" && lines[i].Kind == "begin" && reboots {
			lines[i].Rebooted = 1
		}
	}
	return append(lines, entry{Kind: "release", Host: host, Lock: "web"})
}

// TestJudge: what a ledger shows is found, also between two stages and while a host is down.
func TestJudge(t *testing.T) {
	a, b := turn("a", true), turn("b", false)
	at := func(lines []entry, kind, stage string) int {
		i := slices.IndexFunc(lines, func(e entry) bool { return e.Kind == kind && e.Stage == stage })
		if i < 0 {
			t.Fatalf("no %s of %q", kind, stage)
		}
		return i
	}
	// within puts the whole of b right behind the entry of a.
	within := func(kind, stage string) []entry { return slices.Insert(slices.Clone(a), at(a, kind, stage)+1, b...) }
	without := func(lines []entry, kind, stage string) []entry {
		i := at(lines, kind, stage)
		return slices.Delete(slices.Clone(lines), i, i+1)
	}
	after := slices.Concat(a, b)
	tests := []struct {
		name    string
		entries []entry
		slots   int
		most    int
		flaw    string // "": there is none
	}{
		{"one after the other", after, 1, 1, ""},
		{"before the first is inside", within("acquire", ""), 2, 1, ""},
		{"after the first is up again", within("boot", ""), 2, 1, ""},
		{"two with two slots", within("begin", "update"), 2, 2, ""},
		{"two in one slot", within("begin", "update"), 1, 2, "2 hosts were inside at once"},
		{"between two stages", within("end", "pre_update"), 1, 2, "2 hosts were inside at once"},
		{"while the first is down", within("asked", ""), 1, 2, "b began pre_update while a was in reboot"},
		{"without a slot", without(after, "acquire", ""), 1, 1, "a began pre_update without a lock"},
		{"a slot that stays", after[:len(after)-1], 1, 1, "at the end web of b is b's"},
		{"a host that never ends", without(after, "end", "post_update"), 1, 1, "at the end a"},
		{"a host that did nothing", a, 1, 1, "b did nothing"},
		{"no reboot", without(without(after, "asked", ""), "boot", ""), 1, 2, "0 reboots of 2 hosts"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := judge(tt.entries, []string{"a", "b"}, contest{lock: fleetLock, slots: tt.slots})
			found := slices.ContainsFunc(got.flaws, func(f string) bool { return strings.Contains(f, tt.flaw) })
			if got.most != tt.most || tt.flaw == "" && len(got.flaws) > 0 || tt.flaw != "" && !found {
				t.Errorf("want %d inside, and %q: %s", tt.most, tt.flaw, fmt.Sprintf("%+v", got))
			}
		})
	}
}
