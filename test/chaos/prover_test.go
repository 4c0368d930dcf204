package chaos

import (
	"strings"
	"testing"
)

// history writes entries in short: "web1 acquire" (of the lock web), "web1 acquire web.slot2", "web1 begin update",
// "web1 end needs_reboot yes", "web1 boot asked".
func history(text string) (entries []entry) {
	for line := range strings.Lines(text) {
		f := append(strings.Fields(line), "", "", "")
		e := entry{Host: f[0], Kind: f[1], Lock: f[2], Stage: f[2], Answer: f[3], Run: "r1", Asked: f[2] == "asked"}
		if e.Lock == "" {
			e.Lock = "web"
		}
		if f[3] == "r2" {
			e.Run = f[3]
		}
		if f[3] == "rebooted" {
			e.Rebooted = 1
		}
		entries = append(entries, e)
	}
	return entries
}

const (
	due   = "web1 begin needs_update\nweb1 end needs_update yes\nweb1 acquire\n"
	works = due + "web1 begin pre_update\nweb1 end pre_update no\nweb1 begin update\n"
	asks  = works + "web1 end update no\nweb1 begin needs_reboot\nweb1 end needs_reboot yes\n"
	ends  = "web1 begin post_update rebooted\nweb1 end post_update no\nweb1 release\n"
)

// TestProof: what a ledger must not say, each thing is found.
func TestProof(t *testing.T) {
	for _, tt := range []struct{ name, text, flaw string }{
		{"a whole run", asks + "web1 asked\nweb1 boot\n" + ends, ""},
		{"a run without a reboot", works + "web1 end update no\nweb1 begin needs_reboot\nweb1 end needs_reboot no\n" +
			"web1 begin post_update\nweb1 end post_update no\nweb1 release\n", ""},
		{"killed, and the stage again",
			works + "web1 killed\nweb1 begin update\nweb1 killed\n" +
				strings.TrimPrefix(asks, works[:len(works)-len("web1 begin update\n")]) +
				"web1 killed\nweb1 boot asked\n" + ends, ""},
		{"nothing due", "web1 begin needs_update\nweb1 end needs_update no\n", ""},
		{"two at once", works + "web2 begin needs_update\nweb2 end needs_update yes\nweb2 begin pre_update\n",
			"web2 began pre_update while web1 was in update"},
		{"no lock", due + "web1 release\nweb1 begin pre_update\n", "web1 began pre_update without a lock"},
		{"lost lock", works + "web2 acquire\n", "the lock changed hands (acquire by web2) while web1 was in update"},
		{"a stage left out", due + "web1 begin update\n", "web1 began update after needs_update"},
		{"a stage back", works + "web1 end update no\nweb1 begin pre_update\n", "web1 began pre_update after update"},
		{"a stage not finished", works + "web1 killed\nweb1 begin needs_reboot\n", "before update had ended"},
		{"twice at once", works + "web1 begin update\n", "web1 began update inside update"},
		{"no update due",
			"web1 begin needs_update\nweb1 end needs_update no\nweb1 acquire\nweb1 begin pre_update\n", "no update is due"},
		{"no reboot", asks + "web1 begin post_update\n", "before the reboot that it needs"},
		{"not booted yet", asks + "web1 asked\nweb1 begin post_update\n", "web1 began post_update inside reboot"},
		{"a power cut is no reboot that was asked for", asks + "web1 boot\nweb1 begin post_update rebooted\n",
			"before the reboot that it needs"},
		{"reboot not asked for", works + "web1 asked\n", "asked for a reboot after update"},
		{"a needless question", asks + "web1 asked\nweb1 boot\nweb1 begin needs_reboot\n",
			"web1 began needs_reboot after needs_reboot"},
		{"hooks not told", asks + "web1 asked\nweb1 boot\nweb1 begin post_update\n", "DLM_REBOOTED=0"},
		{"a run lost", works + "web1 killed\nweb1 begin needs_update r2\n", "web1 lost run r1 at update"},
		{"a run from the middle", works + "web1 killed\nweb1 begin update r2\n", "web1 began run r2 with update"},
		{"lock left behind", asks + "web1 asked\nweb1 boot\n" + strings.TrimSuffix(ends, "web1 release\n"),
			"at the end web is web1's"},
		{"a failed stage", works + "web1 end update failed\nweb1 begin needs_reboot\n", "although update had failed"},
		{"a failed stage again", works + "web1 end update failed\nweb1 exited\n" + strings.TrimPrefix(asks, works[:len(works)-
			len("web1 begin update\n")]) + "web1 asked\nweb1 boot\n" + ends + "web1 finished\n", ""},
		{"finished, and not released", works + "web1 finished\n", "web1 says that its run is finished, and has web"},
		{"not finished", asks + "web1 release\n", "at the end web1 stands at needs_reboot"},
		{"gibberish", due + "web1 release\nweb1 said hello\n", "says nothing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := prove(history(tt.text), rules{slots: 1})
			if tt.flaw == "" || strings.HasPrefix(tt.flaw, "at the end") {
				v.complete([]string{"web1"})
			}
			finds(t, v, tt.flaw)
		})
	}
}

// a run that begins: its gate says yes before it takes a slot, and once more then.
const (
	isDue    = "web1 begin needs_update\nweb1 end needs_update yes\nweb1 begin gate\nweb1 end gate yes\n"
	asksGate = "web1 begin gate\nweb1 end gate yes\n"
	inside   = isDue + "web1 acquire web\n" + asksGate + "web1 begin pre_update\n"
)

func as(host, text string) string { return strings.ReplaceAll(text, "web1", host) }

// TestProofOfBeginning: what must not be said of slots, gates, flags and pauses is found, and nothing else.
func TestProofOfBeginning(t *testing.T) {
	second := as("web2", strings.ReplaceAll(inside, "acquire web", "acquire web.slot2"))
	fails := second + "web2 end pre_update failed\n"
	for _, tt := range []struct{ name, text, flaw string }{
		{"two in two slots", inside + second, ""},
		{"three in two slots", inside + second + as("web3", strings.ReplaceAll(inside, "acquire web", "acquire web.slot3")),
			"web3 began pre_update while "},
		{"two in one slot", inside + as("web2", inside),
			"the lock changed hands (acquire by web2) while web1 was in pre_update"},
		{"a second slot", isDue + "web1 acquire web\nweb1 acquire web.slot2\n", "web1 has web, and took web.slot2"},
		{"another slot", inside + "web1 end pre_update no\nweb1 release web\nweb1 acquire web.slot2\nweb1 begin update\n",
			"web1 began update with web.slot2, and its run began with web"},
		{"lost slot", inside + second + "web2 release web.slot2\n",
			"the lock changed hands (release by web2) while web2 was in pre_update"},
		{"no gate", isDue + "web1 acquire web\nweb1 begin pre_update\n", "since it has web its gate has not said yes"},
		{"a gate that says no", isDue + "web1 acquire web\nweb1 begin gate\nweb1 end gate no\nweb1 begin pre_update\n",
			"since it has web its gate has not said yes"},
		{"a slot kept after a refusal", isDue + "web1 acquire web\nweb1 begin gate\nweb1 end gate no\nweb1 begin gate\n",
			"web1 asked its gate again, which has said no, and has kept web"},
		{"a gate without an answer", isDue + "web1 acquire web\nweb1 begin gate\nweb1 begin pre_update\n",
			"web1 began pre_update inside gate"},
		{"a slot kept without an answer", isDue + "web1 acquire web\nweb1 begin gate\nweb1 begin gate\n",
			"web1 asked its gate again, which has said no, and has kept web"},
		{"a slot given back after a refusal",
			isDue + "web1 acquire web\nweb1 begin gate\nweb1 end gate no\nweb1 release web\nweb1 begin gate\n", ""},
		{"killed after a refusal",
			isDue + "web1 acquire web\nweb1 begin gate\nweb1 end gate no\nweb1 killed\nweb1 begin gate\n", ""},
		{"asked too late", inside + "web1 end pre_update no\nweb1 begin gate\n", "web1 asked its gate after pre_update"},
		{"a flag that was up", fails + "web2 acquire web.failed2\n" + inside, "the flags of [web2] were up before it looked"},
		{"a flag that came too late",
			fails + isDue + "web1 acquire web\n" + asksGate + "web2 acquire web.failed2\nweb1 begin pre_update\n", ""},
		{"a flag that was lowered", fails + "web2 acquire web.failed2\nweb2 release web.failed2\n" + inside, ""},
		{"the host's own flag", "web1 acquire web\nweb1 acquire web.failed1\nweb1 release web\n" + inside, ""},
		{"another slot's flag", fails + "web2 acquire web.failed1\n", `web2 raised flag web.failed1 with slot "web.slot2"`},
		{"flag left behind", inside + "web1 acquire web.failed1\nweb1 release web\nweb1 finished\n",
			"web1 says that its run is finished, and has web.failed1"},
		{"paused", "web1 paused\n" + inside, "web1 began pre_update, and was paused"},
		{"no longer paused", "web1 paused\nweb1 unpaused\n" + inside, ""},
		{"paused too late", isDue + "web1 acquire web\n" + asksGate + "web1 paused\nweb1 begin pre_update\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := prove(history(tt.text), rules{slots: 2, maxFailed: 1, gated: true})
			finds(t, v, tt.flaw)
		})
	}
}

// TestProofOfSharedLock: of a FleetLock server, all slots are one lock.
func TestProofOfSharedLock(t *testing.T) {
	for _, tt := range []struct{ name, text, flaw string }{
		{"two in two slots", inside + as("web2", inside), ""},
		{"three in two slots", inside + as("web2", inside) + as("web3", inside), "web3 began pre_update while "},
		{"three slots of two", "web1 acquire\nweb2 acquire\nweb3 acquire\n", "the server has granted 3 slots of web"},
		{"another host's release", inside + "web2 acquire\nweb2 release\n", ""},
		{"its own slot lost", inside + "web1 release\n", "(release by web1) while web1 was in pre_update"},
		{"no slot of its own", isDue + "web2 acquire\nweb1 begin pre_update\n", "web1 began pre_update without a lock"},
		{"a slot kept after a refusal", isDue + "web1 acquire\nweb1 begin gate\nweb1 end gate no\nweb1 begin gate\n",
			"web1 asked its gate again, which has said no, and has kept web of web1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := prove(history(tt.text), rules{slots: 2, gated: true, shared: true})
			finds(t, v, tt.flaw)
		})
	}
}

// TestProofOfGuard: a guarded Foreman lets no claim overwrite another.
func TestProofOfGuard(t *testing.T) {
	for _, guarded := range []bool{false, true} {
		v := prove(history("web1 acquire\nweb2 acquire\n"), rules{slots: 1, guarded: guarded})
		if found := strings.Contains(strings.Join(v.flaws, "\n"), "web2 took web from web1"); found != guarded {
			t.Errorf("guarded %v: %q", guarded, v.flaws)
		}
	}
}

// finds fails unless the proof has found this flaw; empty: unless it has found none.
func finds(t *testing.T, v *verdict, flaw string) {
	t.Helper()
	switch all := strings.Join(v.flaws, "\n"); {
	case flaw == "" && all != "":
		t.Error(all)
	case !strings.Contains(all, flaw):
		t.Errorf("found %q, not %q", all, flaw)
	}
}
