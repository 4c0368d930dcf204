package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sound is the ledger of a good run, with claims at the same time.
const sound = `acquire web3 web
acquire web2 web.slot2
acquire web1 web.slot2
web3 pre_update begin stops its service
web1 pre_update begin
web3 pre_update end
web1 pre_update end
web3 update begin
web3 update step
web1 update begin
web3 update end fails
acquire web3 web.failed1
web1 update end
web1 needs_reboot begin
web1 needs_reboot end
web1 reboot begin
web1 reboot end
web1 post_update begin
web1 post_update end
release web1 web.slot2
web3 update begin
web3 update end
web3 needs_reboot begin
web3 needs_reboot end
web3 post_update begin
web3 post_update end
release web3 web.failed1
release web3 web
fail web4 web
acquire web2 web
web2 pre_update begin
web2 pre_update end
web2 update begin
web2 update end
web2 needs_reboot begin
web2 needs_reboot end
web2 reboot begin
acquire web4 web.slot2
web4 pre_update begin
web4 pre_update end
web2 reboot end
web2 post_update begin
web2 post_update end
release web2 web
web4 update begin
web4 update end
web4 needs_reboot begin
web4 needs_reboot end
release web4 web.slot2
acquire web4 web
acquire web5 web
web5 pre_update begin
web5 pre_update end
web5 update begin
web5 update end
web5 needs_reboot begin
web5 needs_reboot end
release web5 web`

// parseLedger reads the lines as the ledger does; the server's are given as KIND HOST LOCK.
func parseLedger(text string) []entry {
	var out []entry
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if word := strings.Fields(line); slices.Contains([]string{acquire, release, refuse}, word[0]) {
			line = fmt.Sprintf(`{"time":"2026-01-02T03:04:05.6Z","kind":%q,"lock":%q,"host":"","by":%q}`, word[0], word[2],
				word[1])
		}
		out = append(out, parseEntry(line))
	}
	return out
}

func TestProve(t *testing.T) {
	got := prove(parseLedger(sound), foreman)
	want := verdict{locks: foreman, intervals: 18, most: 2, order: []string{"web1", "web3", "web2", "web4", "web5"},
		claims: 7, overwritten: 2, after: 3}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(verdict{}, locks{})); diff != "" {
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
		flaw     string
	}{
		{"three at once", "web1 update begin\n", "web1 update begin\nweb4 update begin\nweb4 update end\n",
			"web4 began update, so that 3 hosts were in guarded stages"},
		{"three around each other", "web3 pre_update begin stops its service\n",
			"web2 update begin\nweb3 pre_update begin\n", "web1 began pre_update, so that 3 hosts were in guarded stages"},
		{"during a reboot", "web4 pre_update end\n", "web5 pre_update begin\nweb4 pre_update end\n",
			"web5 began pre_update, so that 3 hosts were in guarded stages"},
		{"on an overwritten claim", "acquire web1 web.slot2\n",
			"acquire web1 web.slot2\nweb2 pre_update begin\nweb2 pre_update end\n", "web2 began pre_update without a slot"},
		{"without a slot", "acquire web4 web.slot2\n", "", "web4 began pre_update without a slot"},
		{"after the release", "release web5 web", "release web5 web\nweb5 update begin\nweb5 update end",
			"web5 began update without a slot"},
		{"on a flag alone", "release web3 web\n", "release web3 web\nweb3 reboot begin\nweb3 reboot end\n",
			"web3 began reboot without a slot"},
		{"slot taken meanwhile", "web3 update step\n", "acquire web2 web\n",
			"slot web changed hands (acquire by web2) while web3 was in update"},
		{"slot released meanwhile", "web3 update step\n", "release web3 web\n",
			"slot web changed hands (release by web3) while web3 was in update"},
		{"another lock", "acquire web4 web.slot2\n", "acquire web4 web.slot2\nacquire web4 web.slot3\n",
			`web4 changed lock "web.slot3", which is no slot and no flag`},
		{"begun while a host had failed", "release web1 web.slot2\n",
			"release web1 web.slot2\nacquire web2 web.slot2\nweb2 pre_update begin\nweb2 pre_update end\n",
			"web2 began although web3 had failed"},
		{"no flag", "acquire web3 web.failed1\n", "", "flags were raised by [], not once by web3"},
		{"another host's flag", "release web1 web.slot2\n",
			"acquire web1 web.failed2\nrelease web1 web.failed2\nrelease web1 web.slot2\n",
			"flags were raised by [web3 web1], not once by web3"},
		{"flag left", "release web3 web.failed1\n", "", "web3 still has web.failed1"},
		{"slot left", "release web5 web", "release web5 web\nacquire web4 web.slot2", "web4 still has web.slot2"},
		{"begun twice", "web1 update begin\n", "web1 update begin\nweb1 update begin\n", "web1 began update inside update"},
		{"never ended", "web1 update end\n", "", "web1 began needs_reboot inside update"},
		{"never begun", "web1 update begin\n", "", "web1 ended update, which it had not begun"},
		{"left out", "web2 update begin\nweb2 update end\n", "", "web2 went through [pre_update needs_reboot reboot]"},
		{"never failed", "web3 update begin\nweb3 update end\n", "",
			"web3 went through [pre_update update needs_reboot], not [pre_update update update needs_reboot]"},
		{"never released", "release web5 web", "", "slots were released by [web1 web3 web2 web4]"},
		{"nobody stopped", sound[strings.Index(sound, "fail web4"):strings.Index(sound, "release web5")], "",
			"web3 stopped nobody"},
		{"a line that says nothing", "web3 update step", "web3 update stop", "the ledger has a line that says nothing"},
		{"nothing at all", sound, "", "web1 went through []"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(sound, tt.old) {
				t.Fatalf("the ledger has no %q", tt.old)
			}
			got := prove(parseLedger(strings.Replace(sound, tt.old, tt.new, 1)), foreman)
			if err := got.err(); err == nil || !strings.Contains(err.Error(), tt.flaw) {
				t.Errorf("error %v, want %q", err, tt.flaw)
			}
			if strings.Contains(got.String(), "Proven") {
				t.Errorf("claims to have proven something:\n%s", got)
			}
		})
	}
}

// soundGroup is the ledger of a good run with a FleetLock server, whose events say web for each of the slots.
const soundGroup = `acquire web3 web
acquire web2 web
acquire web1 web
web3 pre_update begin stops its service
web1 pre_update begin
web3 pre_update end
web1 pre_update end
web3 update begin
web1 update begin
web2 pre_update begin
web3 update end fails: no space left on its disk
web2 pre_update end
web2 update begin
web2 update end
web1 update end
web1 needs_reboot begin
web1 needs_reboot end
web1 reboot begin
web1 reboot end
web2 needs_reboot begin
web2 needs_reboot end
web2 reboot begin
web2 reboot end
release web1 web
acquire web4 web
web4 pre_update begin
web4 pre_update end
web4 update begin
web4 update end
web4 needs_reboot begin
web4 needs_reboot end
release web2 web
acquire web5 web
web5 pre_update begin
web5 pre_update end
web5 update begin
web5 update end
web5 needs_reboot begin
web5 needs_reboot end
release web4 web
release web5 web
web3 update begin
web3 update end
web3 needs_reboot begin
web3 needs_reboot end
release web3 web`

// parseGroup reads the lines as the show does with a FleetLock server: each slot gets a name.
func parseGroup(text string) []entry {
	entries := parseLedger(text)
	holders := make([]string, len(fleetLock.slots))
	for i, e := range entries {
		entries[i].lock = fleetLock.named(e, holders)
		if slot := slices.Index(fleetLock.slots, entries[i].lock); slot >= 0 {
			holders[slot] = ""
			if e.kind == acquire {
				holders[slot] = e.host
			}
		}
	}
	return entries
}

// TestProveGroup: the same for a FleetLock server.
func TestProveGroup(t *testing.T) {
	want := verdict{locks: fleetLock, intervals: 18, most: 3, order: []string{"web1", "web2", "web4", "web5", "web3"},
		claims: 5, beside: 2}
	got := prove(parseGroup(soundGroup), fleetLock)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(verdict{}, locks{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	tests := []struct{ name, old, new, flaw string }{
		{"one too many", "release web1 web\n", "", `web4 changed lock "web", which is no slot and no flag`},
		{"without a slot", "acquire web4 web\n", "", "web4 began pre_update without a slot"},
		{"released meanwhile", "web2 update end\n", "release web2 web\n",
			"slot slot2 changed hands (release by web2) while web2 was in update"},
		{"a slot left", "\nrelease web3 web", "", "web3 still has slot1"},
		{"nobody beside it", "fails: no space left on its disk", "", "nobody began beside web3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := prove(parseGroup(strings.Replace(soundGroup, tt.old, tt.new, 1)), fleetLock)
			if err := got.err(); err == nil || !strings.Contains(err.Error(), tt.flaw) {
				t.Errorf("error %v, want %q", err, tt.flaw)
			}
		})
	}
}

// TestLocksOf: without LOCK it is Foreman.
func TestLocksOf(t *testing.T) {
	for name, want := range map[string]bool{"": false, "foreman": false, "fleetlock": true, "FleetLock": true} {
		if got, err := locksOf(name); err != nil || got.fleetLock != want {
			t.Errorf("%q: %+v, %v", name, got, err)
		}
	}
	if _, err := locksOf("etcd"); err == nil {
		t.Error("etcd is no lock server")
	}
}
