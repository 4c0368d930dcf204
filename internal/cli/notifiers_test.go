package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/events"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestMadeUpEvents: each kind is what its schema says, and what a run would tell; a field that the schema does not know
// is an error.
func TestMadeUpEvents(t *testing.T) {
	schema := eventSchema(t)
	now := time.Date(2026, 11, 22, 2, 31, 0, 0, time.Local)
	want := map[events.Kind]string{
		events.Started: "waiting 12 min for lock web: held by web3.example.com since 02:19 " +
			"(12 min; Foreman calls it stale after 4 h)",
		events.Waiting: "waiting 12 min for lock web: held by web3.example.com since 02:19 " +
			"(12 min; Foreman calls it stale after 4 h)",
		events.Acquired: "stage pre_update is running since 02:19 (pid 1); lock web held by this host since 02:19",
		events.Failed: "stage update failed 02:31 in 50-example (exit 100), lock kept; " +
			"fix it, then `foreman-dlm-updater run`",
		events.Rebooting: "reboot asked for 02:31, host has not gone down; lock web held by this host since 02:19",
		events.Resumed:   "stage post_update is running since 02:19 (pid 1); lock web held by this host since 02:19",
		events.Finished:  "nothing to do: no run in progress; lock web is free",
		events.RebootDue: "nothing to do: no run in progress; lock web is free; a reboot may be due since 02:31: " +
			"needs_reboot hook 50-example: it could not find out (exit 75, cannot_tell_exit)",
		events.GaveUp: "gave up 02:31 in stage lock_get: gave up waiting after 15m0s (lock_timeout); " +
			"lock web held by web3.example.com since 02:19; nothing to fix on this host; " +
			"the next `foreman-dlm-updater run` tries again",
		events.Alive: "stage update is running since 02:19 (pid 1); lock web held by this host since 02:19",
	}
	page, err := os.ReadFile("../../docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range events.Kinds {
		if !strings.Contains(string(page), "| `"+string(kind)+"` |") {
			t.Errorf("docs/notifications.md lacks a row for the event %s", kind)
		}
		event := madeUp(kind, &config.Config{LockName: "web"}, now)
		if diff := cmp.Diff("a test, nothing has happened: "+want[kind], event.Status.Sentence); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
		if err := schema.Validate(plainJSON(t,
			eventDocument{Version: eventVersion, Host: "web1", Test: true, Event: event})); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// eventSchema is the documented one, made strict, and held against the kinds that there are.
func eventSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	for _, name := range []string{"event.schema.json", "status.schema.json"} {
		var doc map[string]any
		if err := json.Unmarshal([]byte(document(t, "docs/"+name)), &doc); err != nil {
			t.Fatal(err)
		}
		doc["additionalProperties"] = false
		if event, ok := doc["properties"].(map[string]any)["event"].(map[string]any); ok {
			var kinds []any
			for _, kind := range events.Kinds {
				kinds = append(kinds, string(kind))
			}
			if diff := cmp.Diff(kinds, event["enum"]); diff != "" {
				t.Errorf("events: %s", diff)
			}
			for _, kind := range events.Kinds {
				if !strings.Contains(event["description"].(string), string(kind)+": ") {
					t.Errorf("the schema does not say what %s is", kind)
				}
			}
		}
		if err := compiler.AddResource(name, doc); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := compiler.Compile("event.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// TestEventSchemaRefuses: a schema that takes everything would not be noticed above.
func TestEventSchemaRefuses(t *testing.T) {
	schema := eventSchema(t)
	for _, change := range []func(map[string]any){
		func(e map[string]any) { e["version"] = 2 },
		func(e map[string]any) { e["event"] = "lunch" },
		func(e map[string]any) { e["test"] = false },
		func(e map[string]any) { e["stage"] = "" },
		func(e map[string]any) { e["news"] = 1 },
		func(e map[string]any) { delete(e, "host") },
		func(e map[string]any) { delete(e["standing"].(map[string]any), "code") },
	} {
		event := eventDocument{Version: eventVersion,
			Event: madeUp(events.Failed, &config.Config{LockName: "web"}, time.Now())}
		value := plainJSON(t, event).(map[string]any)
		if err := schema.Validate(value); err != nil {
			t.Fatal(err)
		}
		change(value)
		if schema.Validate(value) == nil {
			t.Errorf("it takes %v", value)
		}
	}
}

func plainJSON(t *testing.T, what any) (value any) {
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

// TestNotifiersEnvironmentIsDocumented, in both places.
func TestNotifiersEnvironmentIsDocumented(t *testing.T) {
	given := each(document(t, "internal/cli/notifiers.go"), `"(DLM_\w+)="`)
	same(t, "docs/notifications.md", given, each(document(t, "docs/notifications.md"), "(?m)^\\| `(DLM_\\w+)` \\|"))
	same(t, manual8, given, each(section(t, manual8, "NOTIFICATIONS"), `(?m)^\.It Ev (.*)`))
}

// hungOutput is a log that hangs, and stands for a notifiers' directory that does.
type hungOutput chan struct{}

func (h hungOutput) Write(line []byte) (int, error) { <-h; return len(line), nil }

// TestNotifiersDirectoryHangs: the run does not wait for a look at it.
func TestNotifiersDirectoryHangs(t *testing.T) {
	hung := make(hungOutput)
	dir := filepath.Join(t.TempDir(), "none")
	n := newNotifiers(&Process{Kill: t.Context()}, &config.Config{Path: filepath.Join(dir, "config.ini"), NotifyDir: dir},
		hclog.New(&hclog.LoggerOptions{Output: hung}), nil)
	if hears := n.listen(); len(hears) != 1 {
		t.Errorf("%d listeners", len(hears))
	}
	hung <- struct{}{} // it does say that the directory is missing
	close(hung)
	n.close()
}

// TestStuckNotifier: nobody waits for it at the end, and nothing of it is left.
func TestStuckNotifier(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "10-stuck"), "#!/bin/sh\necho $$ >"+dir+"/.pid\nexec sleep 1000\n", 0o755)
	p := &Process{Kill: t.Context()}
	n := newNotifiers(p, &config.Config{Path: filepath.Join(dir, "config.ini"), NotifyDir: dir},
		hclog.NewNullLogger(), nil)
	hears := n.listen()[0]
	over := make(chan struct{})
	go func() {
		hears(events.Event{Kind: events.Finished})
		hears(events.Event{Kind: events.Finished}) // which comes too late
		close(over)
	}()
	var pid int
	for end := time.Now().Add(2 * time.Minute); pid == 0 && time.Now().Before(end); {
		if text, err := os.ReadFile(filepath.Join(dir, ".pid")); err == nil && strings.HasSuffix(string(text), "\n") {
			pid = int(plainJSON(t, json.RawMessage(text)).(float64))
		}
	}
	n.close()
	<-over
	if err := syscall.Kill(pid, 0); pid == 0 || err != syscall.ESRCH {
		t.Errorf("process %d: %v", pid, err)
	}
}
