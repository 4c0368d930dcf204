package hook

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"foreman-dlm-updater/internal/process"

	"github.com/google/go-cmp/cmp"
)

func TestRunLogs(t *testing.T) {
	rec, log := newRecord()
	h := sh(t, "exit 3")
	Run(&process.Runner{Log: log}, "update", h, nil)
	entries := logged(t, rec)
	for _, e := range entries {
		delete(e, "duration")
	}
	want := []map[string]any{
		{"@level": "info", "@message": "hook started", "hook": h.Name, "stage": "update", "path": h.Path},
		{"@level": "info", "@message": "hook ended", "hook": h.Name, "stage": "update", "result": "exit 3", "exit": 3.0},
	}
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Error(diff)
	}
}

// TestNotify: only a failure is a warning.
func TestNotify(t *testing.T) {
	for text, want := range map[string][]string{
		"exit 0":    {"debug notifier started <nil>", "debug notifier ended exit 0"},
		"exit 3":    {"debug notifier started <nil>", "warn notifier failed; the run does not depend on it exit 3"},
		"sleep 100": {"debug notifier started <nil>", "warn notifier failed; the run does not depend on it timed out"},
	} {
		rec, log := newRecord()
		timeout := time.Minute
		if text == "sleep 100" {
			timeout = 50 * time.Millisecond
		}
		Notify(&process.Runner{Log: log, Timeout: timeout}, "failed", sh(t, text), nil)
		var got []string
		for _, e := range logged(t, rec) {
			if e["@message"] != "ending the process group" {
				result, _, _ := strings.Cut(fmt.Sprint(e["result"]), " after")
				got = append(got, fmt.Sprint(e["@level"], " ", e["@message"], " ", result))
			}
			if e["notifier"] != "10-test" {
				t.Errorf("it does not say of whom: %v", e)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}
