package status

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/outcome"
	"foreman-dlm-updater/internal/state"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestSentences is every sentence that there is, with its code.
// wording is Foreman's.
var wording = lock.Wording{Server: "Foreman", Barred: "Foreman bars this host (parameter can_acquire_update_locks)",
	Where: "Monitor > Distributed Locks", Keys: "lock_server, foreman_url, client_crt and client_key",
	StaleAfter: 4 * time.Hour}

func TestSentences(t *testing.T) {
	now := time.Date(2026, 11, 22, 5, 24, 3, 0, time.Local)
	at := time.Date(2026, 11, 22, 2, 14, 3, 0, time.Local)
	yesterday := time.Date(2026, 11, 21, 23, 50, 0, 0, time.Local)
	begun := time.Date(2026, 11, 22, 5, 12, 0, 0, time.Local)
	mine := Lock{Name: "web", Seen: true, Exists: true, Enabled: true, Holder: "web1", Self: true, Since: &at}
	long := Lock{Name: "web", Seen: true, Exists: true, Enabled: true, Holder: "web1", Self: true, Since: &yesterday}
	other := Lock{Name: "web", Seen: true, Exists: true, Enabled: true, Holder: "web3", Since: &at}
	stale := Lock{Name: "web", Seen: true, Exists: true, Enabled: true, Holder: "web3", Since: &yesterday}
	free := Lock{Name: "web", Seen: true, Exists: true, Enabled: true}
	disabled := Lock{Name: "web", Seen: true, Exists: true}
	disabledOther := Lock{Name: "web", Seen: true, Exists: true, Holder: "web3", Since: &at}
	barred := Lock{Name: "web", Seen: true, Exists: true, Enabled: true, Barred: true}
	missing := Lock{Name: "web", Seen: true}
	dark := Lock{Name: "web"}
	unseen := []string{"the lock in Foreman: connection\nrefused"}
	failed := &state.Error{Time: at, Stage: state.Update, Hook: "50-apt", Message: "exit 100"}
	inhibitors := []string{`"backup" (pid 812, uid 0): "dump"`}
	of := func(config string) *state.Record { return &state.Record{Taken: &state.Taken{Config: config}} }
	releasedByHand := &state.Record{Story: &state.Story{Released: at}}
	const goOn = "go on with `foreman-dlm-updater run`"
	tests := []struct {
		s    Status
		code Code
		want string
	}{
		{Status{Lock: free}, Idle, "nothing to do: no run in progress; lock web is free"},
		{Status{Lock: other}, Idle, "nothing to do: no run in progress; lock web held by web3 since 02:14"},
		{Status{Lock: stale}, Idle,
			"nothing to do: no run in progress; lock web held by web3 since 2026-11-21 23:50 " +
				"(5 h 34 min; Foreman calls it stale)"},
		{Status{Lock: disabled}, Idle, "nothing to do: no run in progress; lock web is free, and disabled in Foreman"},
		{Status{Lock: missing}, Idle, "nothing to do: no run in progress; lock web does not exist in Foreman yet"},
		{Status{Lock: dark, Unseen: unseen}, Idle,
			"nothing to do: no run in progress; the holder of lock web is not known; could not see the lock in Foreman: " +
				"connection refused"},
		{Status{Lock: mine, origin: lock.Origin{Client: "web1"}}, Orphan,
			"no run in progress, but lock web held by this host since 02:14: it was taken by hand, by a run that was " +
				"forgotten (state clear) or of another configuration of this host, " +
				"or by another machine with this certificate (CN \"web1\"); once this host is in service and nobody needs it, " +
				"`foreman-dlm-updater lock release`"},

		{Status{Stage: state.LockGet, Running: true, Lock: other, StageBegan: &begun}, Waiting,
			"waiting 12 min for lock web: held by web3 since 02:14 (3 h 10 min; Foreman calls it stale after 4 h)"},
		{Status{Stage: state.LockGet, Running: true, Lock: stale, StageBegan: &begun}, Waiting,
			"waiting 12 min for lock web: held by web3 since 2026-11-21 23:50 (5 h 34 min; Foreman calls it stale)"},
		{Status{Stage: state.LockGet, Running: true, Lock: disabled, StageBegan: &begun}, Waiting,
			"waiting 12 min for lock web: lock web is disabled in Foreman"},
		{Status{Stage: state.LockGet, Running: true, Lock: disabledOther, StageBegan: &begun}, Waiting,
			"waiting 12 min for lock web: lock web is disabled in Foreman"},
		{Status{Stage: state.LockGet, Running: true, Lock: barred, WaitingSince: &begun}, Waiting,
			"waiting 12 min for lock web: Foreman bars this host (parameter can_acquire_update_locks)"},
		{Status{Stage: state.LockGet, Running: true, Lock: free, StageBegan: &begun}, Waiting,
			"waiting 12 min for lock web: it is free"},
		{Status{Stage: state.LockGet, Running: true, Lock: mine, StageBegan: &now}, Waiting,
			"waiting 0 s for lock web: this host has claimed it"},
		{Status{Stage: state.LockGet, Running: true, Lock: missing, StageBegan: &now}, Waiting,
			"waiting 0 s for lock web: it does not exist in Foreman yet"},
		{Status{Stage: state.LockGet, Running: true, Lock: other, WaitingSince: &begun, Record: taken("web3", "web3")},
			Waiting,
			"waiting 12 min for lock web: held by web3 since 02:14 (3 h 10 min; Foreman calls it stale after 4 h), " +
				"which was this run's own name when it took the lock: an administrator has to free it in Foreman " +
				"(Monitor > Distributed Locks)"},
		{Status{Stage: state.LockGet, Running: true, Lock: dark}, Waiting, "waiting for lock web: its holder is not known"},
		{Status{Stage: state.Update, Running: true, Lock: disabled, WaitingSince: &begun, Error: failed}, Waiting,
			"waiting 12 min for lock web to go on with stage update, which failed 02:14 in 50-apt (exit 100): " +
				"lock web is disabled in Foreman"},
		{Status{Stage: state.Update, Running: true, Lock: other, StageBegan: &at}, Waiting,
			"waiting for lock web to go on with stage update: held by web3 since 02:14 " +
				"(3 h 10 min; Foreman calls it stale after 4 h)"},
		{Status{Stage: state.Update, Running: true, Lock: barred, WaitingSince: &begun, Error: failed}, Waiting,
			"waiting 12 min for lock web to go on with stage update, which failed 02:14 in 50-apt (exit 100): " +
				"Foreman bars this host (parameter can_acquire_update_locks)"},

		{Status{Stage: state.Update, Running: true, PID: 7, Error: failed, Lock: mine,
			Stopped: "write state: no space left on device"}, Stopped,
			"an invocation is running (pid 7) in stage update, and no further stage begins until its state can be written: " +
				"write state: no space left on device; lock web held by this host since 02:14"},
		{Status{Running: true, PID: 7, Lock: free}, Running, "an invocation is running (pid 7); lock web is free"},
		{Status{Stage: state.NeedsUpdate, Running: true, PID: 7, Lock: dark, StageBegan: &at, Hook: "10-apt"}, Running,
			"stage needs_update is running since 02:14, hook 10-apt (pid 7); the holder of lock web is not known"},
		{Status{Stage: state.Update, Running: true, PID: 7, Lock: mine, StageBegan: &at}, Running,
			"stage update is running since 02:14 (pid 7); lock web held by this host since 02:14"},
		{Status{Stage: state.Update, Running: true, PID: 7, Lock: long, StageBegan: &at}, Running,
			"stage update is running since 02:14 (pid 7); lock web held by this host since 2026-11-21 23:50"},
		{Status{Stage: state.Update, Running: true, PID: 7, Error: failed, Lock: mine, StageBegan: &at}, Running,
			"an invocation is running (pid 7) after stage update had failed 02:14; lock web held by this host since 02:14"},
		{Status{Stage: state.Reboot, Running: true, PID: 7, Lock: mine, StageBegan: &at, Inhibitors: inhibitors}, Running,
			"stage reboot is running since 02:14 (pid 7); shutdown blocked by \"backup\" (pid 812, uid 0): \"dump\"; " +
				"lock web held by this host since 02:14"},
		{Status{Stage: state.PostUpdate, RebootPending: &at, Lock: mine, Inhibitors: inhibitors}, RebootPending,
			"reboot asked for 02:14, host has not gone down; shutdown blocked by \"backup\" (pid 812, uid 0): \"dump\"; " +
				"lock web held by this host since 02:14"},
		{Status{Stage: state.LockRelease, Running: true, PID: 7, StageBegan: &at,
			Lock: Lock{Name: "web", Seen: true, Exists: true, Holder: "web1", Self: true}},
			Running, "stage lock_release is running since 02:14 (pid 7); lock web held by this host, and disabled in Foreman"},

		{Status{Stage: state.Update, Error: failed, Lock: mine}, Failed,
			"stage update failed 02:14 in 50-apt (exit 100), lock kept; fix it, then `foreman-dlm-updater run`"},
		{Status{Stage: state.Update, Error: failed, Lock: mine, Record: releasedByHand}, Failed, // and taken again
			"stage update failed 02:14 in 50-apt (exit 100), lock kept; fix it, then `foreman-dlm-updater run`"},
		{Status{Stage: state.Update, Error: failed, Lock: dark}, Failed,
			"stage update failed 02:14 in 50-apt (exit 100), lock kept; fix it, then `foreman-dlm-updater run`"},
		{Status{Stage: state.Update, Error: failed, Lock: other}, Failed,
			"stage update failed 02:14 in 50-apt (exit 100), but lock web held by web3 since 02:14; " +
				"fix it, then `foreman-dlm-updater run`"},
		{Status{Stage: state.Update, Error: failed, Lock: other, Record: taken("web3", "web3"),
			origin: lock.Origin{Server: "https://old", Client: "web1"}}, Failed,
			"stage update failed 02:14 in 50-apt (exit 100), but lock web held by web3 since 02:14, " +
				"which was this run's own name when it took the lock; this run asked https://old for it as \"web3\": " +
				"set lock_server, foreman_url, client_crt and client_key back, or have an administrator free it there " +
				"(Monitor > Distributed Locks), then `foreman-dlm-updater state set update`; " +
				"fix it, then `foreman-dlm-updater run`"},
		{Status{Stage: state.Update, Error: failed, Lock: free, Record: taken("web1", "web1"),
			origin: lock.Origin{Server: "https://new", Client: "web1"}}, Failed,
			"stage update failed 02:14 in 50-apt (exit 100), but lock web is free; " +
				"this run asked https://old for it as \"web1\": set lock_server, foreman_url, client_crt and client_key back, " +
				"or have an administrator free it there (Monitor > Distributed Locks), " +
				"then `foreman-dlm-updater state set update`; fix it, then `foreman-dlm-updater run`"},
		{Status{Stage: state.Update, Error: failed, Lock: other, Record: taken("web1", "web1"),
			origin: lock.Origin{Server: "https://old", Client: "web1"}}, Failed,
			"stage update failed 02:14 in 50-apt (exit 100), but lock web held by web3 since 02:14; " +
				"fix it, then `foreman-dlm-updater run`"},
		{Status{Stage: state.Update,
			Error: &state.Error{Time: at, Stage: state.Update, Message: "a\nb \x1b[2J\u202e"}, Lock: mine}, Failed,
			"stage update failed 02:14 (a b  [2J ), lock kept; fix it, then `foreman-dlm-updater run`"},
		{Status{Stage: state.NeedsUpdate,
			Error: &state.Error{Time: yesterday, Stage: state.NeedsUpdate, Message: "exit 127"}, Lock: free}, Failed,
			"stage needs_update failed 2026-11-21 23:50 (exit 127); lock web is free; " +
				"fix it, or let the next `foreman-dlm-updater run` try again"},
		{Status{Stage: state.LockGet, Error: &state.Error{Time: at, Stage: state.LockGet, Message: "refused"}, Lock: dark},
			Failed,
			"stage lock_get failed 02:14 (refused); the holder of lock web is not known; " +
				"fix it, or let the next `foreman-dlm-updater run` try again"},

		{Status{Stage: state.PostUpdate, RebootPending: &at, Lock: mine}, RebootPending,
			"reboot asked for 02:14, host has not gone down; lock web held by this host since 02:14"},
		{Status{Stage: state.PostUpdate, Lock: mine, rebooted: true}, Rebooted,
			"the host was rebooted as asked, stage post_update is next; lock web held by this host since 02:14; " + goOn},
		{Status{Stage: state.Update, Lock: mine}, Interrupted,
			"stage update was not finished (a signal, a crash or a power cut) and nothing runs; " +
				"lock web held by this host since 02:14; " + goOn},
		{stopped(Status{Lock: dark}, Stop{At: at, Why: "hooks refused", Next: "fix them"}), Stopped,
			"the run stopped 02:14: hooks refused; the holder of lock web is not known; fix them"},
		{stopped(Status{Stage: state.Update, Lock: mine},
			Stop{At: at, Stage: state.NeedsReboot, Why: "disk full", Next: "make room"}), Stopped,
			"the run stopped 02:14 in stage needs_reboot: disk full; lock web held by this host since 02:14; make room"},
		{stopped(Status{Lock: mine}, Stop{At: at, Why: "refused", Next: "fix it"}), Stopped,
			"the run stopped 02:14: refused; lock web held by this host since 02:14; fix it"},
		{stopped(Status{Lock: other},
			Stop{At: at, Stage: state.LockGet, Why: "lock_timeout", Next: "nothing to fix", Later: true}), NotNow,
			"gave up 02:14 in stage lock_get: lock_timeout; lock web held by web3 since 02:14; nothing to fix"},
		{stopped(Status{Stage: state.LockGet, Error: failed, Lock: dark},
			Stop{At: at, Stage: state.LockGet, Why: "no answer", Next: "nothing to fix", Later: true}),
			NotNow, "gave up 02:14 in stage lock_get: no answer; the holder of lock web is not known; nothing to fix"},
		{stopped(Status{Lock: mine}, Stop{At: at, Why: "ours without a record", Later: true}), Orphan,
			"no run in progress, but lock web held by this " +
				"host since 02:14: it was taken by hand, by a run that was forgotten (state clear) or of another configuration " +
				"of this host, or by another machine with this certificate; " +
				"once this host is in service and nobody needs it, `foreman-dlm-updater lock release`"},
		{stopped(Status{Stage: state.Update, Lock: mine},
			Stop{At: at, Stage: state.Update, Why: "stopped by a signal", Next: "nothing to fix", Later: true}),
			Interrupted, "stage update was not finished (stopped by a signal 02:14) and nothing runs; " +
				"lock web held by this host since 02:14; " + goOn},
		{stopped(Status{Stage: state.LockRelease, Error: failed, Lock: mine},
			Stop{At: at, Why: "release_timeout", Later: true}), Failed,
			"stage update failed 02:14 in 50-apt (exit 100), lock kept; fix it, then `foreman-dlm-updater run`"},
		{stopped(Status{Lock: dark, Unseen: []string{"the lock in Foreman: no answer"}},
			Stop{At: at, Why: "show lock: no answer", Next: "look", Later: true}), NotNow,
			"gave up 02:14: show lock: no answer; the holder of lock web is not known; look; " +
				"could not see the lock in Foreman, for the same reason"},
		{stopped(Status{Lock: free, Last: &Last{Ended: at, Since: yesterday, Result: outcome.Finished}},
			Stop{At: begun, Why: "refused", Next: "fix it"}), Stopped,
			"the run stopped 05:12: refused; lock web is free; fix it"},
		{Status{Lock: free, RebootDue: &RebootDue{at, "50-kernel", "no kernel found"}}, Idle,
			"nothing to do: no run in progress; lock web is free; " +
				"a reboot may be due since 02:14: needs_reboot hook 50-kernel: no kernel found"},
		{Status{Stage: state.PostUpdate, Record: &state.Record{SetByHand: at}, Lock: mine}, Interrupted,
			"stage post_update is next (set by hand 02:14) and nothing runs; lock web held by this host since 02:14; " + goOn},
		{Status{Stage: state.LockRelease, Record: &state.Record{SetByHand: at}, Lock: mine}, Interrupted,
			"stage lock_release is next (set by hand 02:14) and nothing runs; lock web held by this host since 02:14; " +
				"it starts no services: if they are stopped, `foreman-dlm-updater state set post_update` first; " + goOn},
		{Status{Stage: state.PostUpdate, StageBegan: &at, Record: &state.Record{SetByHand: yesterday}, Lock: mine},
			Interrupted,
			"stage post_update was not finished (a signal, a crash or a power cut) and nothing runs; " +
				"lock web held by this host since 02:14; " + goOn},

		{Status{Stage: state.PostUpdate, Lock: mine, rebooted: true, Record: of("/etc/weekly.ini")}, Rebooted,
			"the host was rebooted as asked, stage post_update is next; lock web held by this host since 02:14; " +
				"go on with `foreman-dlm-updater --config /etc/weekly.ini run`"},
		{Status{Stage: state.Update, Error: failed, Lock: mine, Record: of("/etc/weekly.ini")}, Failed,
			"stage update failed 02:14 in 50-apt (exit 100), lock kept; fix it, then " +
				"`foreman-dlm-updater --config /etc/weekly.ini run`"},
		{Status{Stage: state.Update, Lock: mine, Record: of(DefaultConfig)}, Interrupted, "stage update was not finished " +
			"(a signal, a crash or a power cut) and nothing runs; lock web held by this host since 02:14; " + goOn},
		{Status{Stage: state.Update, Lock: mine, Record: of("")}, Interrupted, "stage update was not finished " +
			"(a signal, a crash or a power cut) and nothing runs; lock web held by this host since 02:14; " + goOn},
	}
	seen := map[Code]bool{}
	schema := schema(t)
	for _, test := range tests {
		test.s.Wording = wording
		test.s.Say(now)
		if err := schema.Validate(asJSON(t, test.s)); err != nil {
			t.Errorf("%s: %v", test.s.Sentence, err)
		}
		if test.s.Sentence != test.want || test.s.Code != test.code {
			t.Errorf("got  %s: %s\nwant %s: %s", test.s.Code, test.s.Sentence, test.code, test.want)
		}
		if strings.Contains(test.s.Sentence, "\n") {
			t.Errorf("more than a line: %q", test.s.Sentence)
		}
		if !slices.Contains(Codes, test.s.Code) {
			t.Errorf("code %s is in no list", test.s.Code)
		}
		seen[test.s.Code] = true
	}
	if len(seen) != len(Codes) {
		t.Errorf("%d of %d codes have a sentence here", len(seen), len(Codes))
	}
}

// TestSchemaKnowsEachField: no test has to set a field for the schema to lack it.
func TestSchemaKnowsEachField(t *testing.T) {
	doc := schemaText(t)
	properties := func(object any) []string {
		return slices.Sorted(maps.Keys(object.(map[string]any)["properties"].(map[string]any)))
	}
	top := doc["properties"].(map[string]any)
	for of, object := range map[reflect.Type]any{
		reflect.TypeFor[Status](): doc, reflect.TypeFor[Lock](): top["lock"], reflect.TypeFor[Last](): top["last"],
		reflect.TypeFor[RebootDue](): top["reboot_due"], reflect.TypeFor[No](): top["no"],
		reflect.TypeFor[Pause](): top["pause"], reflect.TypeFor[state.Error](): top["error"],
		reflect.TypeFor[Place](): doc["$defs"].(map[string]any)["place"],
	} {
		var fields []string
		for _, field := range reflect.VisibleFields(of) {
			if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); field.IsExported() && name != "-" {
				fields = append(fields, name)
			}
		}
		slices.Sort(fields)
		if diff := cmp.Diff(fields, properties(object)); diff != "" {
			t.Errorf("fields of %s (-struct +schema):\n%s", of, diff)
		}
	}
}

// taken is the record of a run whose lock was asked for at https://old.
func taken(cn, holder string) *state.Record {
	return &state.Record{Taken: &state.Taken{URL: "https://old", CN: cn, Holder: holder}}
}

// stopped is s after an invocation has stopped.
func stopped(s Status, stop Stop) Status {
	s.SetStopped(stop)
	return s
}

// TestLast: what is on record of the last invocation counts until something else has happened.
func TestLast(t *testing.T) {
	at := time.Date(2026, 11, 22, 2, 14, 3, 0, time.Local)
	before := at.AddDate(0, 0, -2)
	lockGet := &state.Record{Stage: state.LockGet, RunID: "r", StageBegan: at,
		Error: &state.Error{Time: at, Stage: state.LockGet, Message: "no answer"}}
	update := &state.Record{Stage: state.Update, RunID: "r", StageBegan: at}
	success := outcome.Outcome{Ended: at, Result: outcome.Finished, Since: at, First: before, Success: at}
	gaveUp := outcome.Outcome{Ended: at, Result: outcome.NotNow, Exit: 75, Since: before, First: before, Error: "e",
		Next: "n", Stage: state.LockGet}
	signal := outcome.Outcome{Ended: at, Result: outcome.Interrupted, Exit: 75, Since: at, First: before, Error: "e",
		Stage: state.Update, Left: outcome.Of(update)}
	failed := outcome.Outcome{Ended: at, Result: outcome.Failed, Exit: 78, Since: before, First: before,
		Success: before, Error: "e", Next: "n"}
	damaged := failed
	damaged.Exit, damaged.StateRefused = 1, true
	tests := []struct {
		name    string
		o       outcome.Outcome
		record  *state.Record
		running bool
		want    Code
		text    string    // in the sentence
		since   time.Time // the last success, or the first start
	}{
		{"finished", success, nil, false, Idle, "nothing to do", at},
		{"gave up, two nights in a row", gaveUp, nil, false, NotNow,
			"02:14 in stage lock_get: e (it has ended like this each time since 2026-11-20 02:14)", before},
		{"gave up, and runs again", gaveUp, nil, true, Running, "is running", before},
		{"gave up, and left a state", with(gaveUp, outcome.Of(lockGet)), lockGet, false, NotNow, "gave up", before},
		{"gave up, and a run was begun and killed since", gaveUp, update, false, Interrupted, "crash", before},
		{"a signal in a stage", signal, update, false, Interrupted, "(e 02:14)", before},
		{"a signal in a stage, and state clear", signal, nil, false, Idle, "nothing to do", before},
		{"could not begin", failed, nil, false, Stopped, "the run stopped 02:14: e (it has", before},
		{"the state was damaged, and is not any more", damaged, nil, false, Idle, "nothing to do", before},
		{"could not go on", with(failed, outcome.Of(update)), update, false, Stopped, "the run stopped", before},
	}
	schema := schema(t)
	for _, test := range tests {
		s := Status{Running: test.running, Lock: Lock{Name: "web"}}
		s.SetRecord(test.record)
		s.SetLast(test.o)
		s.Wording = wording
		s.Say(at)
		if s.Code != test.want || !strings.Contains(s.Sentence, test.text) || !s.NotUpdatedSince().Equal(test.since) {
			t.Errorf("%s: %s, not updated since %s: %s", test.name, s.Code, s.NotUpdatedSince(), s.Sentence)
		}
		if err := schema.Validate(asJSON(t, s)); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func with(o outcome.Outcome, left *outcome.Left) outcome.Outcome {
	o.Left = left
	return o
}

// TestObstacle is what is in the way of a host that waits.
func TestObstacle(t *testing.T) {
	tests := map[Obstacle]Status{
		"":       {Stage: state.Update, Running: true, Lock: Lock{Seen: true, Exists: true, Enabled: true, Self: true}},
		Held:     {Stage: state.LockGet, Running: true, Lock: Lock{Seen: true, Exists: true, Enabled: true, Holder: "web3"}},
		Disabled: {Stage: state.LockGet, Running: true, Lock: Lock{Seen: true, Exists: true, Holder: "web3"}},
		Barred:   {Stage: state.LockGet, Running: true, Lock: Lock{Barred: true}},
		Unknown:  {Stage: state.LockGet, Running: true},
		Paused:   {No: &No{Question: lock.Pause}},
		Frozen:   {No: &No{Question: lock.Freeze}},
		Window:   {No: &No{Question: lock.Window}, Stage: state.LockGet},
		Gate: {No: &No{Question: lock.Gate}, Stage: state.LockGet, Running: true,
			Lock: Lock{Seen: true, Exists: true, Enabled: true, Holder: "web3"}},
		Budget:  {No: &No{Question: lock.Budget}, Stage: state.LockGet, Running: true},
		Blocked: {No: &No{Question: lock.Blocked}, Stage: state.LockGet, Running: true},
	}
	for want, s := range tests {
		if got := s.Obstacle(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, one := range Obstacles {
		if _, tested := tests[one]; !tested {
			t.Errorf("%s is not here", one)
		}
	}
}

// schemaText is the documented schema.
func schemaText(t *testing.T) (doc map[string]any) {
	t.Helper()
	text, err := os.ReadFile("../../docs/status.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// schema is the documented one, made strict: a field that it does not know is an error here.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc := schemaText(t)
	properties := doc["properties"].(map[string]any)
	for _, object := range []any{doc, properties["lock"], properties["error"], properties["last"],
		properties["reboot_due"], properties["no"], properties["pause"], doc["$defs"].(map[string]any)["place"]} {
		object.(map[string]any)["additionalProperties"] = false
	}
	var codes []any
	for _, code := range Codes {
		codes = append(codes, string(code))
	}
	if diff := cmp.Diff(codes, properties["code"].(map[string]any)["enum"]); diff != "" {
		t.Errorf("codes: %s", diff)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("status.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("status.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func asJSON(t *testing.T, what any) (value any) {
	t.Helper()
	text, err := json.Marshal(what)
	if err == nil {
		err = json.Unmarshal(text, &value)
	}
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// TestSchemaRefuses: a schema that takes everything would not be noticed above.
func TestSchemaRefuses(t *testing.T) {
	schema := schema(t)
	for _, change := range []func(map[string]any){
		func(s map[string]any) { s["version"] = 1 },
		func(s map[string]any) { s["code"] = "odd" },
		func(s map[string]any) { s["sentence"] = "two\nlines" },
		func(s map[string]any) { s["news"] = 1 },
		func(s map[string]any) { s["at"] = "yesterday" },
		func(s map[string]any) { delete(s, "lock") },
		func(s map[string]any) { s["lock"].(map[string]any)["news"] = 1 },
	} {
		s := Status{Lock: Lock{Name: "web"}}
		s.Wording = wording
		s.Say(time.Now())
		value := asJSON(t, s).(map[string]any)
		if err := schema.Validate(value); err != nil {
			t.Fatal(err)
		}
		change(value)
		if schema.Validate(value) == nil {
			t.Errorf("it takes %v", value)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 59 * time.Second: "59 s", 90 * time.Second: "1 min", 4 * time.Hour: "4 h",
		190 * time.Minute: "3 h 10 min", 24 * time.Hour: "1 d", 50 * time.Hour: "2 d 2 h",
	} {
		if got := Span(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

// TestRecord: what is on record counts as far as it can be so.
func TestRecord(t *testing.T) {
	at := time.Date(2026, 11, 22, 2, 14, 3, 0, time.Local)
	asked := &state.Asked{Time: at, Boot: state.Boot{ID: "a"}}
	waits := &state.Story{Waiting: &state.Waiting{Since: at, Barred: true}, Acquired: at}
	free := lock.View{Exists: true, Enabled: true}
	tests := []struct {
		name    string
		record  *state.Record
		running bool
		boot    string
		lock    lock.View
		want    Code
		barred  bool
	}{
		{"nothing", nil, false, "a", free, Idle, false},
		{"a run that found nothing to do, and was killed", &state.Record{Stage: state.NeedsUpdate},
			false, "a", free, Idle, false},
		{"it looks for something to do", &state.Record{Stage: state.NeedsUpdate}, true, "a", free, Running, false},
		{"a reboot to come", &state.Record{Stage: state.PostUpdate, Asked: asked}, false, "a", free, RebootPending, false},
		{"a reboot that was", &state.Record{Stage: state.PostUpdate, Asked: asked}, false, "b", free, Rebooted, false},
		{"state set", &state.Record{Stage: state.PostUpdate, SetByHand: at}, false, "a", free, Interrupted, false},
		{"a reboot command that failed", &state.Record{Stage: state.Reboot, Asked: asked}, false, "a",
			free, Interrupted, false},
		{"it waits, and is barred", &state.Record{Stage: state.LockGet, Story: waits}, true, "a", free, Waiting, true},
		{"it has waited", &state.Record{Stage: state.LockGet, Story: waits}, false, "a", free, Interrupted, false},
		{"it was barred, and somebody has it", &state.Record{Stage: state.LockGet, Story: waits}, true, "a",
			lock.View{Exists: true, Enabled: true, Holder: "web3"}, Waiting, false},
	}
	for _, test := range tests {
		s := Status{Running: test.running, Lock: Lock{Name: "web"}}
		s.SetRecord(test.record)
		s.SetBoot(state.Boot{ID: test.boot})
		s.See(test.lock)
		s.Wording = wording
		s.Say(at)
		if s.Code != test.want || s.Lock.Barred != test.barred {
			t.Errorf("%s: %s, barred %v: %s", test.name, s.Code, s.Lock.Barred, s.Sentence)
		}
	}
	window := Status{Running: true, Lock: Lock{Name: "web"}, Wording: wording}
	window.SetRecord(&state.Record{Stage: state.LockGet,
		Story: &state.Story{Waiting: &state.Waiting{Since: at, Why: "outside the window"}}})
	window.See(free)
	window.Say(at.Add(time.Minute))
	if want := "waiting 1 min: outside the window; lock web is free"; window.Sentence != want {
		t.Errorf("got %q, want %q", window.Sentence, want)
	}
	s := Status{Lock: Lock{Name: "web"}}
	s.SetRecord(&state.Record{Stage: state.Update, Story: waits})
	s.See(lock.View{Exists: true, Enabled: true, Holder: "me", Self: true, Since: at.Add(time.Hour)})
	if !s.Lock.Since.Equal(at) {
		t.Errorf("held since %s, when it was only refreshed", s.Lock.Since)
	}
}

// TestSince: what is not known of the lock is not made up, and what is on record counts where Foreman does not answer.
func TestSince(t *testing.T) {
	at := time.Date(2026, 11, 22, 2, 14, 3, 0, time.Local)
	earlier := at.Add(-time.Hour)
	story := &state.Story{Acquired: at}
	record := func(stage state.Stage) *state.Record {
		return &state.Record{Stage: stage, StageBegan: at, Story: story}
	}
	self := &lock.View{Exists: true, Enabled: true, Holder: "me", Self: true, Since: earlier}
	other := &lock.View{Exists: true, Enabled: true, Holder: "web3", Since: earlier}
	tests := []struct {
		name         string
		running      bool
		record       *state.Record
		lock         *lock.View // nil: Foreman does not answer
		held, wanted *time.Time
	}{
		{"nothing", false, nil, other, nil, nil},
		{"an orphan", false, nil, self, &earlier, nil},
		{"it updates", true, record(state.Update), self, &at, nil},
		{"it updates, and Foreman is down", true, record(state.Update), nil, &at, nil},
		{"the original began the run", true, &state.Record{Stage: state.Update}, nil, nil, nil},
		{"it waits", true, record(state.LockGet), other, nil, &at},
		{"it waits, and Foreman is down", true, record(state.LockGet), nil, nil, &at},
		{"it has waited", false, record(state.LockGet), other, nil, nil},
		{"it waits to go on", true,
			&state.Record{Stage: state.Update, StageBegan: at, Story: &state.Story{Waiting: &state.Waiting{Since: earlier}}},
			other, nil, &earlier},
		{"the lock was lost", false, record(state.Update), other, nil, nil},
	}
	for _, test := range tests {
		s := Status{Running: test.running, Lock: Lock{Name: "web"}}
		s.SetRecord(test.record)
		if test.lock != nil {
			s.See(*test.lock)
		}
		if diff := cmp.Diff([]*time.Time{test.held, test.wanted}, []*time.Time{s.HeldSince(), s.WantedSince()}); diff != "" {
			t.Errorf("%s: held, wanted: %s", test.name, diff)
		}
	}
}

// TestNoLook: what this host remembers of a lock whose protocol has no way to look.
func TestNoLook(t *testing.T) {
	now := time.Date(2026, 11, 22, 5, 24, 0, 0, time.Local)
	at := time.Date(2026, 11, 22, 2, 14, 0, 0, time.Local)
	asked := &state.Record{Stage: state.LockGet, ClaimSent: at}
	acquired := &state.Record{Stage: state.Update, Story: &state.Story{Acquired: at}}
	failed := &state.Error{Stage: state.Update, Hook: "50-apt", Message: "exit 100", Time: at}
	const remembers = ", as far as this host remembers (FleetLock has no way to look at a lock)"
	tests := []struct {
		s    Status
		code Code
		want string
	}{
		{Status{}, Idle, "nothing to do: no run in progress; lock web is not this host's" + remembers},
		{Status{Stage: state.Update, Record: acquired}, Interrupted, "stage update was not finished (a signal, a crash or " +
			"a power cut) and nothing runs; lock web is this run's since 02:14" + remembers +
			"; go on with `foreman-dlm-updater run`"},
		{Status{Stage: state.Update, Record: &state.Record{Stage: state.Update}}, Interrupted, "stage update was not " +
			"finished (a signal, a crash or a power cut) and nothing runs; lock web is this run's" + remembers +
			"; go on with `foreman-dlm-updater run`"},
		{Status{Stage: state.LockGet, Record: asked}, Interrupted, "stage lock_get was not finished (a signal, a crash or " +
			"a power cut) and nothing runs; lock web is asked for by this run" + remembers +
			"; go on with `foreman-dlm-updater run`"},
		{Status{Stage: state.LockGet, Record: asked, Running: true, WaitingSince: &at}, Waiting,
			"waiting 3 h 10 min for lock web (FleetLock has no way to look at a lock)"},
		{Status{Stage: state.Update, Record: acquired, Error: failed}, Failed, "stage update failed 02:14 in 50-apt (exit " +
			"100), lock kept" + remembers + "; fix it, then `foreman-dlm-updater run`"},
		{Status{ByHand: "by root since 02:14"}, Orphan, "no run in progress: lock web is this host's" + remembers +
			", by hand: by root since 02:14; once nobody needs it, `foreman-dlm-updater lock release`"},
	}
	schema := schema(t)
	for _, test := range tests {
		test.s.Lock.Name, test.s.Wording = "web", lock.Wording{NoLook: "FleetLock has no way to look at a lock"}
		test.s.SetNoLook()
		test.s.Say(now)
		if test.s.Code != test.code || test.s.Sentence != test.want {
			t.Errorf("%s: %s\nwant %s: %s", test.s.Code, test.s.Sentence, test.code, test.want)
		}
		if err := schema.Validate(asJSON(t, test.s)); err != nil {
			t.Errorf("%s: %v", test.s.Sentence, err)
		}
	}
}

// TestHeldByHandWithoutLook: since when a lock is held that a person has taken, and that nobody can look at.
func TestHeldByHandWithoutLook(t *testing.T) {
	at := time.Date(2026, 11, 22, 2, 14, 0, 0, time.Local)
	var s Status
	s.SetNoLook()
	if s.HeldSince() != nil || s.OrphanSince() != nil {
		t.Error("held although nobody has taken it")
	}
	s.SetByHand("by root", at, 0)
	if !s.HeldSince().Equal(at) || !s.OrphanSince().Equal(at) {
		t.Errorf("%v, %v", s.HeldSince(), s.OrphanSince())
	}
}
