package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/events"
	"foreman-dlm-updater/internal/metrics"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"

	"github.com/hashicorp/go-hclog"
)

// TestReporterOutlivesAMistake: neither a name that can't be written nor a mistake of the program ends a run.
func TestReporterOutlivesAMistake(t *testing.T) {
	dir := t.TempDir()
	c := &config.Config{MetricsTextfile: filepath.Join(dir, "m.prom"), ClientCert: filepath.Join(dir, "none")}
	r := newReporter(c, hclog.NewNullLogger())
	event := func(lock string, code status.Code) events.Event {
		return events.Event{Record: &state.Record{Stage: state.LockRelease},
			Status: status.Status{Code: code, Lock: status.Lock{Name: lock, Seen: true}}}
	}
	r.see(event("not UTF-8: \xff", status.Running))
	r.see(event("web", status.Idle))
	r.end(t.Context(), event("not UTF-8: \xff", status.Idle), nil)
	if !r.warned {
		t.Error("nothing was said of it")
	}
	r = newReporter(c, hclog.NewNullLogger())
	r.end(t.Context(), event("web", status.Idle), nil)
	if text, err := os.ReadFile(c.MetricsTextfile); err != nil ||
		!strings.Contains(string(text), `last_result{lock="web",result="finished"} 1`) {
		t.Errorf("%v: %s", err, text)
	}
	// with no map for how long stages took
	r = &reporter{log: hclog.NewNullLogger(), file: metrics.File{Path: c.MetricsTextfile}}
	r.tell(events.Event{Record: &state.Record{Story: &state.Story{Steps: []state.Step{{Stage: state.Update}}}}})
	if !r.warned {
		t.Error("nothing was said of a panic")
	}
}
